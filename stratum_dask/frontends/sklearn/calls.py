"""The fits that scikit-learn asks for, one call for each candidate and fold."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, clone

from stratum_dask.frontends.sklearn import models, private, steps
from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref
from stratum_dask.frontends.sklearn.careful import (
    clones_itself,
    is_library,
    pairwise,
    writes,
)
from stratum_dask.frontends.sklearn.cloning import LATE, reading
from stratum_dask.frontends.sklearn.scoring import score
from stratum_dask.frontends.sklearn.standins import Answers
from stratum_dask.frontends.sklearn.work import Failed

__all__ = [
    "Call",
    "Capture",
    "Planned",
    "Planner",
    "captured",
    "failed",
    "read",
    "replay",
    "replaying",
]


class Call(NamedTuple):
    """One call of ``_fit_and_score`` or ``_fit_and_predict``."""

    function: Any
    given: dict[str, Any]
    """Its arguments by name."""

    @property
    def predicts(self) -> bool:
        return self.function is private.fit_and_predict


class Planned(NamedTuple):
    """The tasks that stand for one call; empty where it is left to scikit-learn."""

    nodes: tuple[Ref, ...] = ()


def read(iterable: Iterable[Any]) -> tuple[list[Any], list[Call]]:
    """The calls that ``Parallel`` was given: as they came, and taken apart."""
    with reading():
        raw = list(iterable)
    calls = []
    for wrapper, args, kwargs in raw:
        function = private.function_of(wrapper)
        bound = _signature(function).bind(*args, **kwargs)
        bound.apply_defaults()
        calls.append(Call(function, dict(bound.arguments)))
    return raw, calls


class _CapturedError(Exception):
    """Carries the calls out of scikit-learn's code."""

    def __init__(self, calls: list[Call]) -> None:
        super().__init__()
        self.calls = calls


class Capture(private.Parallel):
    def __call__(self, iterable: Iterable[Any]) -> Any:
        raise _CapturedError(read(iterable)[1])


def captured(run: Callable[[], Any]) -> list[Call]:
    try:
        run()
    except _CapturedError as found:
        return found.calls
    return []


@functools.cache
def _signature(function: Any) -> inspect.Signature:
    return inspect.signature(function)


class Planner:
    """Plans calls, one builder for all of them.

    Parameters
    ----------
    builder
        Builds the graph.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._estimators: dict[int, tuple[Any, Any]] = {}

    def plan(self, call: Call) -> Planned:
        """The tasks of one call."""
        try:
            return self._planned(call)
        except models.LeftError:
            return Planned()

    def _planned(self, call: Call) -> Planned:
        given = call.given
        estimator = self._estimator(given)
        if estimator is None:
            return Planned()
        b = self.builder
        b.begin()
        X, y = b.data(given["X"]), given["y"]
        train, test = (b.data(_rows(given[name])) for name in ("train", "test"))
        X_train, X_test = (b.call(steps.rows, X, rows) for rows in (train, test))
        y_train: Ref | Literal = b.literal(steps.ALONE)
        y_test = y_train
        if y is not None:
            data = b.data(y)
            y_train, y_test = (b.call(steps.rows, data, rows) for rows in (train, test))
        fit_params = given["fit_params"] or {}
        cut = self._params(X, fit_params, train)
        params = models.Params(cut, {name: name for name in fit_params})
        model = models.fit(b, estimator, models.Given(X_train, y_train, params))
        if call.predicts:
            node, X_test = model.reduced(X_test)
            methods = (given["method"],)
            return Planned(
                (b.call(steps.respond, node, X_test, methods, not model.quiet), node)
            )
        score_params = given["score_params"] or {}
        scorer = given["scorer"]
        cut = self._params(X, score_params, test)
        nodes = [score(b, scorer, model, X_test, y_test, cut)]
        if given["return_train_score"]:
            cut = self._params(X, score_params, train)
            nodes.append(score(b, scorer, model, X_train, y_train, cut))
        if given["return_estimator"]:
            nodes.append(model.whole())
        return Planned(tuple(nodes))

    def _params(self, X: Ref, given: dict[str, Any], rows: Ref) -> Ref | None:
        if not given:
            return None
        return self.builder.call(steps.parameters, X, self.builder.data(given), rows)

    def _estimator(self, given: dict[str, Any]) -> Any:
        """The estimator of a candidate; None where it is left to scikit-learn."""
        estimator, parameters = given["estimator"], given.get("parameters")
        once = self.builder.once
        if type(estimator) not in LATE and once(estimator, clones_itself):
            return None
        if parameters is None:
            return estimator if _in_steps(estimator) else None
        known = self._estimators.get(id(parameters))
        if known is None:
            try:
                made = self._made(estimator, parameters)
            except Exception:  # noqa: BLE001 scikit-learn will raise it again
                made = None
            known = self._estimators[id(parameters)] = parameters, made
        return known[1]

    @staticmethod
    def _made(estimator: Any, parameters: Any) -> Any:
        cls = type(estimator)
        known = is_library(cls.set_params) or models.is_kind(cls)
        if not known or (cls not in LATE and clones_itself(parameters)):
            return None  # who knows what else it does
        made = clone(estimator).set_params(**clone(parameters, safe=False))
        return made if _in_steps(made) else None


def _in_steps(estimator: Any) -> bool:
    if type(estimator) in LATE:  # kinds of others look after their own steps
        return not pairwise(estimator)
    return not pairwise(estimator) and not writes(estimator)


def _rows(indices: Any) -> Any:
    return indices if isinstance(indices, (Ref, np.ndarray)) else np.asarray(indices)


class _Clock:
    """Stands in for the module `time`: tells what time the tasks have taken."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now


class _Fitted(BaseEstimator):
    """Stands in for the estimator of a call whose fit has been done."""

    def __init__(self, clock: _Clock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds

    def set_params(self, **params: Any) -> Any:
        return self

    def fit(self, X: Any, y: Any = None) -> Any:
        self.clock.now += self.seconds
        return self


def replay(call: Call, results: Sequence[Any]) -> Any:
    """What scikit-learn makes of the results of a call's tasks."""
    return _predicted(call, results) if call.predicts else _scored(call, results)


def replaying(results: Sequence[Sequence[Any]]) -> Any:
    """Takes the place of ``Parallel`` where the results of all its calls are known."""
    return lambda **options: (
        lambda iterable: [
            replay(call, one)
            for call, one in zip(read(iterable)[1], results, strict=True)
        ]
    )


def _predicted(call: Call, results: Sequence[Any]) -> Any:
    answer, fitted = results
    given = {**call.given, "fit_params": {}}
    given["estimator"] = Answers(fitted.estimator, answer.value, False)
    given["X"] = np.empty((_length(given["X"]), 0))  # it has answered about the rows
    return call.function(**given)


def _scored(call: Call, results: Sequence[Any]) -> Any:
    given = dict(call.given)
    scores = [*results]
    # A copy: tasks of others may have the same fitted steps.
    estimator = (
        copy.deepcopy(scores.pop().estimator) if given["return_estimator"] else None
    )
    clock = _Clock()
    first = scores[0]
    told = iter([(first.value, first.seconds), *((s.value, 0.0) for s in scores[1:])])

    def scorer(estimator: Any, X: Any) -> Any:
        found, spent = next(told)
        clock.now += spent
        return dict(found) if isinstance(found, dict) else found

    # Everything but the rows has been done, so nothing but their number is needed.
    given.update(
        estimator=_Fitted(clock, first.fit_seconds),
        X=np.empty((_length(given["X"]), 0)),
        y=None,
        scorer=scorer,
        fit_params={},
        score_params={},
    )
    run = private.rebound(call.function, {"time": clock})
    out = run(**given)
    if estimator is not None:
        out["estimator"] = estimator
    return out


def _length(X: Any) -> int:
    shape = getattr(X, "shape", None)
    return int(shape[0]) if shape else len(X)


def failed(results: Sequence[Any]) -> bool:
    """Whether scikit-learn has to do a call again to tell what is wrong."""
    return not results or any(isinstance(r, Failed) for r in results)
