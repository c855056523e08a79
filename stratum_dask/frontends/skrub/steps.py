"""The task of one node of a plan."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sklearn

from stratum_dask.frontends.sklearn.standins import Answers
from stratum_dask.frontends.sklearn.watching import Watch
from stratum_dask.frontends.sklearn.work import (
    Done,
    Failed,
    Fitted,
    Timer,
    seconds,
    task,
    value,
)
from stratum_dask.frontends.skrub import private
from stratum_dask.optimizations.handles import privates
from stratum_dask.optimizations.purity.declared import pure
from stratum_dask.optimizations.purity.effects import declare
from stratum_dask.optimizations.verdict import Effect
from stratum_dask.tally import NAMED_BY_KEY

__all__ = [
    "Slot",
    "Spec",
    "learned",
    "node",
    "raising",
    "respond",
    "run",
    "score",
    "step",
    "step_whole",
    "whole",
]


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands in a template for the result of another task."""

    number: int


@dataclass(frozen=True, slots=True)
class Spec:
    """One node of a plan, but for the results that it needs.

    Attributes
    ----------
    kind
        Its kind.
    fields
        Its fields, with a `Slot` for each result.
    mode
        In which it is evaluated.
    environment
        What it may look at in the environment.
    followed
        Whether another estimator waits for its result.
    keeps
        Whether to hand on what it learns.
    copies
        Whether it may write into what it is given.
    settings
        skrub's configuration.
    """

    kind: str
    fields: dict[str, Any]
    mode: str
    environment: dict[str, Any]
    followed: bool
    keeps: bool
    copies: bool
    settings: dict[str, Any]


def node(spec: Spec, results: Sequence[Any], **more: Any) -> Any:
    """A node with its fields."""
    fields = _filled(spec.fields, [value(result) for result in results])
    return private.blank(spec.kind, {**fields, **more})


def run(spec: Spec, impl: Any) -> Any:
    """Evaluate a node."""
    with private.config_context(**spec.settings):
        return private.run(impl, spec.mode, spec.environment, spec.followed)


def step_whole(spec: Spec, known: Any, *results: Any) -> Any:
    """Evaluate a node, see `step`."""
    values = [value(result) for result in results]
    template = dict(spec.fields)
    estimator, given = template.pop("estimator", None), {}
    if isinstance(estimator, Parameters):
        estimator, given = estimator.estimator, _filled(estimator.given, values)
    fields = _filled(template, values)
    if spec.copies:
        fields, given = privates([fields, given])
    fields["estimator"] = _cloned(estimator, given)
    state = known.estimator if isinstance(known, Fitted) else {}
    if spec.copies:
        state = copy.deepcopy(state)
    else:
        state = {n: copy.copy(v) if n == "estimator_" else v for n, v in state.items()}
    watch = Watch(state) if spec.copies and state else Watch()
    timer = Timer()
    impl = private.blank(spec.kind, fields, state)
    made = run(spec, impl)
    watch.check()
    spent = timer.seconds + sum(map(seconds, results))
    if spec.keeps:
        return Fitted(private.learned(impl), made, spent)
    return Done(made, spent, seconds(known))


def _cloned(estimator: Any, given: dict[str, Any]) -> Any:
    """What skrub makes of an estimator before it is fitted."""
    if not isinstance(estimator, sklearn.base.BaseEstimator):
        return estimator
    made = sklearn.base.clone(estimator)
    return made.set_params(**given) if given else made


def _filled(template: Any, values: Sequence[Any]) -> Any:
    kind = type(template)
    if kind is Slot:
        return values[template.number]
    if kind is dict:
        return {k: _filled(v, values) for k, v in template.items()}
    if kind in (list, tuple, set, frozenset):
        return kind([_filled(v, values) for v in template])
    if kind is slice:
        parts = (template.start, template.stop, template.step)
        return slice(*[_filled(v, values) for v in parts])
    if kind is Parameters:
        return _cloned(template.estimator, _filled(template.given, values))
    return template


@dataclass(frozen=True, slots=True)
class Parameters:
    """An estimator some of whose parameters are results."""

    estimator: Any
    given: dict[str, Any]


def raising(func: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``func`` a task that raises what goes wrong in it."""

    @functools.wraps(func)
    def run(config: dict[str, Any], *args: Any, after: Any = None) -> Any:
        with sklearn.config_context(**config):
            return func(*args)

    declare(run, Effect.ALIAS)  # type: ignore[arg-type]
    return pure(run)


@task
def step(spec: Spec, known: Any, *results: Any) -> Any:
    """Evaluate a node; what goes wrong is handed on."""
    return step_whole(spec, known, *results)


@raising
def step_or_raise(spec: Spec, known: Any, *results: Any) -> Any:
    """Evaluate a node; what goes wrong is raised."""
    return step_whole(spec, known, *results)


for _func in (step, step_or_raise):
    setattr(_func, NAMED_BY_KEY, True)


@task
def learned(fitted: Any, name: str) -> Any:
    """A part of what a node has learned."""
    return Done(fitted.estimator[name], 0.0, fitted.seconds)


@raising
def result(made: Any) -> Any:
    """What the plan evaluates to."""
    return value(made)


@task
def respond(made: Any, method: str, fitted: Any) -> Any:
    """What a plan answers, by the name of the method."""
    return Done({method: value(made)}, seconds(made), fitted.seconds)


@task
def score_own(made: Any, fitted: Any) -> Any:
    """The score that the last estimator gives itself."""
    found = value(made)
    if hasattr(found, "item"):
        found = found.item()
    if not isinstance(found, int | float):
        return Failed("a score that is no number")
    return Done(found, seconds(made), fitted.seconds)


@task
def whole(template: Any, names: tuple[int, ...], *fitted: Any) -> Any:
    """The fitted plan: skrub's own object, with what its nodes have learned.

    Parameters
    ----------
    template
        It, before it was fitted.
    names
        Which of its nodes has learned what, in the order of `nodes_of`.
    """
    with private.cheap_clones():
        made = sklearn.base.clone(template)
    nodes = nodes_of(made.data_op)
    total = 0.0
    for number, each in zip(names, fitted, strict=True):
        vars(nodes[number]._skrub_impl).update(copy.deepcopy(each.estimator))
        total = max(total, each.seconds)
    made._is_fitted = True
    return Fitted(made, None, total)


def nodes_of(data_op: Any) -> list[Any]:
    """All nodes of a plan, in an order that its copies share."""
    from skrub._data_ops._evaluation import graph

    return list(graph(data_op)["nodes"].values())


@task
def score(scorer: Any, fitted: Any, y: Any, *answers: Any) -> Any:
    """Score what a plan has answered."""
    known: Mapping[str, Any] = {n: a for each in answers for n, a in each.value.items()}
    estimator = Answers(fitted.estimator.get("estimator_"), dict(known), copies=True)
    timer = Timer()
    found = scorer(estimator, None, value(y))
    spent = sum(map(seconds, answers)) + timer.seconds
    each = found.values() if isinstance(found, dict) else [found]
    if not all(isinstance(f, int | float) or hasattr(f, "item") for f in each):
        return Failed("a score that is no number")
    return Done(found, spent, fitted.seconds)
