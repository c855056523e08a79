"""Calibrated classifiers, taken apart: a classifier is fitted in each fold.

Candidates that calibrate in different ways fit the classifiers once, and those that
try different classifiers share what comes before them in a pipeline.

>>> from sklearn.calibration import CalibratedClassifierCV
>>> from sklearn.datasets import load_iris
>>> from sklearn.naive_bayes import GaussianNB
>>> from stratum_dask.sklearn import GridSearchCV, count_tasks
>>> model = CalibratedClassifierCV(GaussianNB(), cv=2)
>>> with count_tasks() as tasks:
...     search = GridSearchCV(model, {"method": ["sigmoid", "isotonic"]}, cv=3)
...     search = search.fit(*load_iris(return_X_y=True))
>>> tasks.asked["fit"], tasks.run["fit"]
(12, 6)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils import column_or_1d

from stratum_dask.frontends.sklearn import private, stacks, steps
from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.sklearn.calls import Capture, captured, read, replaying
from stratum_dask.frontends.sklearn.careful import folds_of, pairwise
from stratum_dask.frontends.sklearn.models import Given, Model, fit, kind
from stratum_dask.frontends.sklearn.standins import Answers, Past, with_members
from stratum_dask.frontends.sklearn.work import (
    Done,
    Fitted,
    Timer,
    seconds,
    task,
    value,
)

__all__: list[str] = []

_METHODS = ("decision_function", "predict_proba")


# ------------------------------------------------------------------------- tasks
@task
def folds_of_calibration(spec: Any, X: Any, y: Any, number: int) -> Any:
    """The folds in which classifiers are fitted, and the target that they get."""
    timer = Timer()
    data = value(X)
    given = target = value(y)
    if np.shape(target)[1:] == (1,):  # `join_calibrated` warns of it
        given = column_or_1d(target)
    capture = private.rebound(private.calibrated_fit, {"Parallel": Capture})
    calls = captured(lambda: capture(copy.deepcopy(spec), data, given))
    if len(calls) != number or any(c.given["X"] is not data for c in calls):
        raise ValueError("other folds than expected")
    rows = [(c.given["train"], c.given["test"]) for c in calls]
    if calls[0].given["y"] is not given:  # it is encoded
        target = calls[0].given["y"]
    return Done((rows, target), timer.seconds)


@task
def join_calibrated(template: Any, X: Any, y: Any, *parts: Any) -> Any:
    """A fitted `CalibratedClassifierCV`.

    ``parts`` are, for each fold, what its classifier has answered about the rows
    that it had not seen, and the classifier.
    """
    timer = Timer()
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    parallel = _calibrating([(m.estimator, a.value) for a, m in pairs])
    shell = with_members(template, "n_jobs", None)
    private.rebound(private.calibrated_fit, {"Parallel": parallel})(
        shell, value(X), value(y)
    )
    shell.n_jobs = template.n_jobs
    spent = sum(seconds(a) + m.seconds for a, m in pairs)
    return Fitted(shell, None, spent + timer.seconds)


def _calibrating(known: Sequence[tuple[Any, Any]]) -> Callable[..., Any]:
    """The ``Parallel`` of a fit whose classifiers are fitted, and have answered."""

    def run(iterable: Any) -> list[Any]:
        made = []
        for call, (fitted, answer) in zip(read(iterable)[1], known, strict=True):
            answers = Answers(fitted, answer, True)
            pair = call.function(**{**call.given, "estimator": answers})
            pair.estimator = fitted
            made.append(pair)
        return made

    return lambda **options: run


@task
def folds_of_one(spec: Any, X: Any, y: Any, number: int) -> Any:
    """The same where the classifier of all rows is the one that is calibrated.

    It is fitted to the target as it came, and asked by ``cross_val_predict``.
    """
    timer = Timer()
    data, target = value(X), value(y)
    if np.ndim(target) != 1:
        raise ValueError("a target of another shape, of which there are warnings")
    predict = private.rebound(private.cross_val_predict, {"Parallel": Capture})
    seen: list[Any] = []

    def predicting(**given: Any) -> Any:
        seen.append(given["y"])
        return predict(**given)

    fit = private.rebound(private.calibrated_fit, {"cross_val_predict": predicting})
    calls = captured(lambda: fit(copy.deepcopy(spec), data, target))
    if len(calls) != number or any(c.given["X"] is not data for c in calls):
        raise ValueError("other folds than expected")
    rows = [(c.given["train"], c.given["test"]) for c in calls]
    return Done((rows, calls[0].given["y"], seen[0]), timer.seconds)


@task
def target_of_one(folds: Any) -> Any:
    """The target that the classifier of all rows is fitted to."""
    return Done(value(folds)[2])


@task
def join_one(template: Any, X: Any, y: Any, fitted: Any, *parts: Any) -> Any:
    """A fitted `CalibratedClassifierCV` of one classifier.

    ``parts`` are, for each fold, what a classifier has answered about the rows that
    it had not seen, and the classifier.
    """
    timer = Timer()
    answers = list(zip(parts[::2], parts[1::2], strict=True))

    predict = private.rebound(
        private.cross_val_predict, {"Parallel": replaying(answers)}
    )
    run = private.rebound(private.calibrated_fit, {"cross_val_predict": predict})
    shell = with_members(template, "estimator", Past(fitted.estimator), n_jobs=None)
    run(shell, value(X), value(y))
    shell.estimator, shell.n_jobs = template.estimator, template.n_jobs
    for pair in shell.calibrated_classifiers_:
        pair.estimator = fitted.estimator
    spent = fitted.seconds + sum(seconds(a) + m.seconds for a, m in answers)
    return Fitted(shell, None, spent + timer.seconds)


@task
def join_calibrated_bound(fitted: Any, *answers: Any) -> Any:
    """One whose classifiers have been asked already."""
    new = copy.copy(fitted.estimator)
    new.calibrated_classifiers_ = []
    pairs = fitted.estimator.calibrated_classifiers_
    for pair, answer in zip(pairs, answers, strict=True):
        bound = copy.copy(pair)
        bound.estimator = Answers(pair.estimator, value(answer), True)
        new.calibrated_classifiers_.append(bound)
    return Fitted(new, None, fitted.seconds)


# ------------------------------------------------------------------------- graphs
class CalibratedModel(Model):
    """A fitted calibrated classifier, and the classifiers of its folds."""

    binds = True

    def __init__(
        self, builder: Builder, template: Any, node: Ref, models: list[Model]
    ) -> None:
        super().__init__(builder, template, node)
        self.models = models

    def reduced(self, X: Ref) -> tuple[Ref, Ref]:
        call = self.builder.call
        answers = [_asked(self.builder, model, X) for model in self.models]
        bound = call(join_calibrated_bound, self.node, *answers)
        return bound, call(stacks.answered, X, *answers)


def _asked(builder: Builder, model: Model, X: Ref) -> Ref:
    node, X = model.reduced(X)
    return builder.call(steps.respond, node, X, _METHODS, not model.quiet)


class _Parts(NamedTuple):
    inner: Any
    """The classifier."""
    spec: Any
    """What decides about folds, without it."""
    folds: int
    many: bool
    """Whether the classifiers of all folds are calibrated, or one of all rows is."""


def _parts(template: Any) -> _Parts | None:
    folds = folds_of(template.cv)
    if folds < 2:
        return None
    try:
        private.validate(template)
        inner = private.classifier_of(template)
        if isinstance(inner, FrozenEstimator) or pairwise(inner):
            return None
    except Exception:  # noqa: BLE001 it will raise again where it is fitted
        return None
    many = template.ensemble is not False  # "auto" is for frozen ones
    # One way of calibrating encodes the target before, the others do not.
    method = "temperature" if template.method == "temperature" else "sigmoid"
    spec = CalibratedClassifierCV(
        DummyClassifier(), method=method, cv=template.cv, ensemble=many
    )
    return _Parts(inner, spec, folds, many)


@kind(CalibratedClassifierCV)
def fit_calibrated(builder: Builder, template: Any, given: Given) -> Model | None:
    parts = builder.once(template, _parts)
    if parts is None or given.params.names or private.routing_enabled():
        return None
    spec = builder.literal(parts.spec)
    if spec.token is None:  # other folds each time
        return None
    call = builder.call
    what = folds_of_calibration if parts.many else folds_of_one
    folds = call(what, spec, given.X, given.y, parts.folds)
    target = call(stacks.target_of_folds, folds)
    models, pairs = [], []
    for number in range(parts.folds):
        train, test = (call(stacks.fold, folds, number, i) for i in (0, 1))
        X, y = call(steps.rows, given.X, train), call(steps.rows, target, train)
        model = fit(builder, parts.inner, Given(X, y))
        models.append(model)
        pairs.append(_asked(builder, model, call(steps.rows, given.X, test)))
        pairs.append(model.whole())
    args = (builder.literal(template), given.X, given.y)
    if parts.many:
        node = call(join_calibrated, *args, *pairs)
        return CalibratedModel(builder, template, node, models)
    one = fit(builder, parts.inner, Given(given.X, call(target_of_one, folds)))
    node = call(join_one, *args, one.whole(), *pairs)
    return CalibratedModel(builder, template, node, [one])
