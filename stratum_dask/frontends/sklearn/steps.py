"""The tasks of single estimators: rows, fit, transform, respond, score."""

from __future__ import annotations

import copy
import numbers
from typing import Any

from sklearn.base import clone

from stratum_dask.frontends.sklearn.private import (
    check_method_params,
    safe_indexing,
)
from stratum_dask.frontends.sklearn.standins import Answers
from stratum_dask.frontends.sklearn.watching import Watch
from stratum_dask.frontends.sklearn.work import (
    Done,
    Failed,
    Fitted,
    Timer,
    private,
    seconds,
    task,
    value,
)

__all__ = [
    "ALONE",
    "fit",
    "fit_transform",
    "parameters",
    "respond",
    "rows",
    "score",
    "score_own",
    "score_whole",
    "transform",
]

ALONE = "fit(X)"
"""Passed as ``y`` where `fit` gets no ``y`` at all."""


@task
def rows(data: Any, indices: Any) -> Any:
    """The rows of a data set that are in a fold."""
    return Done(safe_indexing(value(data), value(indices)))


@task
def parameters(X: Any, given: Any, indices: Any) -> Any:
    """The parameters of a fit or score, those of its rows where they have rows."""
    return Done(check_method_params(value(X), params=given, indices=value(indices)))


@task
def fit(
    template: Any, X: Any, y: Any, params: Any, names: dict[str, str], copies: bool
) -> Any:
    """Fit a clone of an estimator.

    Parameters
    ----------
    template
        The estimator.
    X, y
        What it is fitted to.
    params, names
        Parameters of ``fit``: name of each -> its name in ``params``.
    copies
        Whether it may write into what it is fitted to.
    """
    data, target, more, watch = _inputs(X, y, params, names, copies)
    timer = Timer()
    estimator = clone(template)
    if _alone(target):
        estimator.fit(data, **more)
    else:
        estimator.fit(data, target, **more)
    spent = timer.seconds
    watch.check()
    return Fitted(estimator, None, seconds(X) + spent)


@task
def fit_transform(
    template: Any, X: Any, y: Any, params: Any, names: dict[str, str], copies: bool
) -> Any:
    """Fit a clone of a transformer as a pipeline would, see `fit`."""
    data, target, more, watch = _inputs(X, y, params, names, copies)
    timer = Timer()
    estimator = clone(template)
    if _alone(target):
        target = None
    if hasattr(estimator, "fit_transform"):
        made = estimator.fit_transform(data, target, **more)
    else:
        made = estimator.fit(data, target, **more).transform(data)
    spent = timer.seconds
    watch.check()
    return Fitted(estimator, made, seconds(X) + spent)


def _inputs(
    X: Any, y: Any, params: Any, names: dict[str, str], copies: bool
) -> tuple[Any, Any, dict[str, Any], Watch]:
    more = {name: value(params)[given] for name, given in names.items()}
    data, target = value(X), value(y)
    if not copies:
        return data, target, more, Watch()
    data, target, more = private(data), private(target), private(more)
    return data, target, more, Watch(data, target, more)


def _alone(target: Any) -> bool:
    return isinstance(target, str) and target == ALONE


@task
def transform(fitted: Any, X: Any, copies: bool) -> Any:
    """Transform with an estimator that is fitted."""
    estimator, data, watch = _asked(fitted, X, copies)
    timer = Timer()
    made = estimator.transform(data)
    spent = timer.seconds
    watch.check()
    return Done(made, seconds(X) + spent)


@task
def respond(fitted: Any, X: Any, methods: tuple[str, ...], copies: bool) -> Any:
    """What an estimator answers: by the first of ``methods`` that it has."""
    estimator, data, watch = _asked(fitted, X, copies)
    timer = Timer()
    name = next(m for m in methods if hasattr(estimator, m))
    answer = getattr(estimator, name)(data)
    spent = timer.seconds
    watch.check()
    return Done({name: answer}, seconds(X) + spent, fitted.seconds)


def _asked(fitted: Any, X: Any, copies: bool) -> tuple[Any, Any, Watch]:
    estimator, data = fitted.estimator, value(X)
    if not copies:
        return estimator, data, Watch()
    estimator, data = copy.deepcopy(estimator), private(data)
    return estimator, data, Watch(estimator, data)


@task
def score(
    scorer: Any, fitted: Any, y: Any, params: Any, copies: bool, *answers: Any
) -> Any:
    """Score what an estimator has answered."""
    known = {name: a for each in answers for name, a in each.value.items()}
    target, more = value(y), value(params)
    if copies:
        target, more = private(target), private(more)
    timer = Timer()
    estimator = Answers(fitted.estimator, known, copies)
    if _alone(target):
        found = scorer(estimator, None, **more)
    else:
        found = scorer(estimator, None, target, **more)
    spent = sum(map(seconds, answers)) + timer.seconds
    return _checked(found, spent, fitted.seconds)


@task
def score_whole(scorer: Any, fitted: Any, X: Any, y: Any, params: Any) -> Any:
    """Score a whole estimator with a callable that may look at all of it."""
    estimator, data, watch = _asked(fitted, X, True)
    target, more = private(value(y)), private(value(params))
    timer = Timer()
    if _alone(target):
        found = scorer(estimator, data, **more)
    else:
        found = scorer(estimator, data, target, **more)
    watch.check()
    return _checked(found, seconds(X) + timer.seconds, fitted.seconds)


@task
def score_own(fitted: Any, X: Any, y: Any, params: Any, copies: bool) -> Any:
    """Score an estimator by a ``score`` method of its own."""
    estimator, data, watch = _asked(fitted, X, copies)
    target, more = value(y), value(params)
    if copies:
        target, more = private(target), private(more)
    timer = Timer()
    found = (
        estimator.score(data, **more)
        if _alone(target)
        else estimator.score(data, target, **more)
    )
    watch.check()
    return _checked(found, seconds(X) + timer.seconds, fitted.seconds)


def _checked(found: Any, spent: float, fit_seconds: float) -> Any:
    """A score, unless scikit-learn would complain of it."""
    each = found.values() if isinstance(found, dict) else [found]
    if not all(map(_is_number, each)):
        return Failed("a score that is no number")
    return Done(found, spent, fit_seconds)


def _is_number(found: Any) -> bool:
    if hasattr(found, "item"):
        try:
            found = found.item()
        except ValueError:
            return False
    return isinstance(found, numbers.Number)
