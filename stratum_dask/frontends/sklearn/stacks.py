"""The tasks of stacked estimators, see `stacking`.

A stack that is ``"prefit"`` asks its members about the data, and fits its final
estimator to what they answer. With stand-ins as members, that is scikit-learn's own
code for a stack of answers that are there already.

>>> import numpy as np
>>> from sklearn.ensemble import StackingClassifier
>>> target_of_stack({}, StackingClassifier, np.array(["no", "yes", "no"])).value
array([0, 1, 0])
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, column_or_1d

from stratum_dask.frontends.sklearn import private
from stratum_dask.frontends.sklearn.calls import Capture, captured, replaying
from stratum_dask.frontends.sklearn.standins import Answers, Probe, with_members
from stratum_dask.frontends.sklearn.work import (
    Done,
    Fitted,
    Timer,
    seconds,
    task,
    value,
)

__all__ = [
    "answered",
    "fold",
    "folds_of_stack",
    "join_stack",
    "join_stack_bound",
    "predictions",
    "stack",
    "target_of_folds",
    "target_of_stack",
]


def _dummy(cls: Any) -> Any:
    return DummyClassifier() if is_classifier(cls([])) else DummyRegressor()


@task
def target_of_stack(cls: Any, y: Any) -> Any:
    """The target that all estimators in a stack of this class are fitted to."""
    timer = Timer()
    member = Answers(_dummy(cls), {"predict": np.empty((0, 1))}, False)
    final = Probe(_dummy(cls))
    target = value(y)
    if np.shape(target)[1:] == (1,):  # `stack` warns of it
        target = column_or_1d(target)
    cls([("member", member)], final, cv="prefit").fit(None, target)
    return Done(final.y, timer.seconds)


@task
def folds_of_stack(cv: Any, X: Any, y: Any, cls: Any, method: str, number: int) -> Any:
    """The folds in which members answer, and the target that they are fitted to."""
    timer = Timer()
    data, target, dummy = value(X), value(y), _dummy(cls)
    cv = check_cv(clone(cv, safe=False), target, classifier=is_classifier(dummy))
    capture = private.rebound(private.cross_val_predict, {"Parallel": Capture})
    calls = captured(lambda: capture(dummy, data, target, cv=cv, method=method))
    if len(calls) != number or any(c.given["X"] is not data for c in calls):
        raise ValueError("other folds than expected")
    rows = [(c.given["train"], c.given["test"]) for c in calls]
    return Done((rows, calls[0].given["y"]), timer.seconds)


@task
def target_of_folds(folds: Any) -> Any:
    """The target that members are fitted to in folds."""
    return Done(value(folds)[1])


@task
def fold(folds: Any, number: int, which: int) -> Any:
    """The rows of one fold: 0 for those to fit to, 1 for those to answer about."""
    return Done(value(folds)[0][number][which])


@task
def predictions(X: Any, y: Any, folds: Any, cls: Any, method: str, *parts: Any) -> Any:
    """What a member has answered about all rows, in the folds that had not seen them.

    ``parts`` are an answer, and who has given it, for each fold.
    """
    timer = Timer()
    answers = list(zip(parts[::2], parts[1::2], strict=True))

    run = private.rebound(private.cross_val_predict, {"Parallel": replaying(answers)})
    rows, _ = value(folds)
    found = run(_dummy(cls), value(X), value(y), cv=rows, method=method)
    spent = sum(a.fit_seconds + a.seconds for a, _ in answers)
    return Done(found, seconds(folds) + spent + timer.seconds)


@task
def stack(spec: Any, methods: tuple[str, ...], X: Any, y: Any, *parts: Any) -> Any:
    """A stack without its final estimator, and the data that this is fitted to.

    ``parts`` are the fitted members, and then what each has answered in folds.
    """
    timer = Timer()
    members = [m.estimator for m in parts[: len(methods)]]
    answers = parts[len(methods) :]
    known = zip(members, methods, answers, strict=True)
    inside = iter([Answers(e, {m: value(a)}, False) for e, m, a in known])
    entries = [
        (name, est if isinstance(est, str) else next(inside))
        for name, est in spec.estimators
    ]
    final = Probe(_dummy(type(spec)))
    shell = with_members(
        spec, "estimators", entries, final_estimator=final, cv="prefit"
    )
    shell.fit(value(X), value(y))
    shell.estimators_ = members
    shell.named_estimators_ = Bunch(
        **{
            name: e.fitted if isinstance(e, Answers) else e
            for name, e in shell.named_estimators_.items()
        }
    )
    shell.final_estimator_ = None
    shell.estimators, shell.cv = spec.estimators, spec.cv
    spent = sum(m.seconds for m in parts[: len(methods)]) + sum(map(seconds, answers))
    return Fitted(shell, final.X, seconds(X) + spent + timer.seconds)


@task
def join_stack(template: Any, shell: Any, final: Any) -> Any:
    """A fitted stack of its parts."""
    new = with_members(shell.estimator, "final_estimator", template.final_estimator)
    new.final_estimator_ = final.estimator
    return Fitted(new, None, final.seconds)


@task
def join_stack_bound(fitted: Any, *answers: Any) -> Any:
    """A fitted stack whose members have been asked already."""
    new = copy.copy(fitted.estimator)
    pairs = zip(new.estimators_, answers, strict=True)
    new.estimators_ = [Answers(e, value(answer), False) for e, answer in pairs]
    return Fitted(new, None, fitted.seconds)


@task
def answered(X: Any, *answers: Any) -> Any:
    """``X``, and what it has taken to ask the members of a stack about it."""
    before = seconds(X)
    spent = sum(max(seconds(a) - before, 0.0) for a in answers)
    return Done(value(X), before + spent)
