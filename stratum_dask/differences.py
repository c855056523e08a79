"""What sets two tasks apart that look alike, told to a person."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stratum_dask.functions_apart import OTHER, apart, contrast, defaults, shown
from stratum_dask.graph import (
    CONTAINERS,
    Alias,
    DataNode,
    GraphNode,
    Key,
    Task,
    TaskRef,
    subgraph,
)
from stratum_dask.optimizations import Role, Submission
from stratum_dask.optimizations.handing import handed_on
from stratum_dask.optimizations.verdict import Refused
from stratum_dask.tally import name_of

__all__ = ["Difference", "Differences"]

_DEPTH = 1_000
_PASS_EQUAL = "pass equal values, if they mean the same"
_ONE_FUNCTION = "if they mean the same, let both import one function"


class Difference(NamedTuple):
    """Why two tasks are not one, and what a person can do about it."""

    reason: str
    remedy: str


class _Scope(NamedTuple):
    """A graph, or the inside of a fused task."""

    graph: Mapping[Key, GraphNode]
    prints: Mapping[Key, bytes]
    inputs: Mapping[Key, Any]
    outer: Any = None


class _Spot(NamedTuple):
    """One node in its surroundings."""

    scope: _Scope
    key: Key
    node: GraphNode


class Differences:
    """Compares tasks of one submission; nothing of the user's is run.

    Parameters
    ----------
    submission
        A graph that was fingerprinted.
    """

    def __init__(self, submission: Submission) -> None:
        self._encoder = submission.encoder
        self._verdicts = submission.verdicts
        self._top = _Scope(submission.original, submission.fingerprints, {})
        self._opened: dict[tuple[int, Key], _Scope] = {}

    def count(self, a: Key, b: Key) -> int:
        """How unlike two tasks are: the smaller, the more alike."""
        first, second = self._spot(a), self._spot(b)
        if (found := self._function(first, second)) is not None:
            return 2_000 if found.startswith(OTHER) else 1_000
        return sum(_weight(x, y) for _, x, y in self._places(first, second))

    def between(self, a: Key, b: Key) -> Difference:
        """The first difference of two tasks, or of what they are made of."""
        first, second = self._spot(a), self._spot(b)
        within = ""
        for _ in range(_DEPTH):
            if within and (refused := self._refused(first) or self._refused(second)):
                return Difference(f"{within}{refused.reason}", refused.remedy)
            found = self._function(first, second)
            if found is not None:
                return Difference(f"{within}{found}", _ONE_FUNCTION)
            place = next(self._places(first, second), None)
            if place is None:
                break
            name, x, y = place
            if not (isinstance(x, _Spot) and isinstance(y, _Spot)):
                told = self._apart(name, x, y)
                return Difference(f"{within}{told}", _PASS_EQUAL)
            first, second = self._entered(x), self._entered(y)
            if (type(first.node) in CONTAINERS) != (type(second.node) in CONTAINERS):
                told = self._apart(name, first, second)
                return Difference(f"{within}{told}", _PASS_EQUAL)
            within = f"its input {_name(first)}: "
        return Difference(f"{within}something that can't be named here", "")

    # -- from keys to nodes --------------------------------------------------

    def _spot(self, key: Key) -> _Spot:
        return self._entered(_Spot(self._top, key, self._top.graph[key]))

    def _entered(self, spot: _Spot) -> _Spot:
        """The node itself: of a fused task the last part, of an alias its target."""
        for _ in range(_DEPTH):
            node = spot.node
            if subgraph(node) is not None:
                scope = self._inside(spot)
                key = scope.outer[1]
                spot = _Spot(scope, key, scope.graph[key])
                continue
            target: Any = None
            if type(node) is Alias:
                target = TaskRef(node.target)
            else:
                target = handed_on(node)
            followed = None if target is None else self._followed(spot.scope, target)
            if not isinstance(followed, _Spot):
                return spot
            spot = followed
        return spot

    def _inside(self, spot: _Spot) -> _Scope:
        known = self._opened.get((id(spot.scope.graph), spot.key))
        if known is None:
            parts = subgraph(spot.node)
            assert parts is not None
            said = dict(self._verdicts)  # looking again must not add any
            prints = self._encoder.inner(spot.key, spot.node, spot.scope.prints)
            self._verdicts.clear()
            self._verdicts.update(said)
            known = _Scope(
                parts.inner, prints, parts.inputs, (spot.scope, parts.output)
            )
            self._opened[id(spot.scope.graph), spot.key] = known
        return known

    def _followed(self, scope: _Scope, value: Any) -> Any:
        """What an argument is: a spot, or a value."""
        key: Any = getattr(value, "key", None)
        while isinstance(value, TaskRef | Alias):
            key = value.key if isinstance(value, TaskRef) else value.target
            if key in scope.graph:
                value = scope.graph[key]
                if type(value) is not Alias:
                    break
            elif key in scope.inputs:
                value, scope = scope.inputs[key], scope.outer[0]
            else:
                return _Outside(scope.prints.get(key, b""))
        if type(value) is DataNode:
            return value.value
        return _Spot(scope, key, value) if isinstance(value, GraphNode) else value

    # -- what differs --------------------------------------------------------

    def _refused(self, spot: _Spot) -> Any:
        verdict = self._verdicts.get(spot.key) if spot.scope is self._top else None
        return verdict if verdict is not None and verdict.role is Role.REFUSE else None

    def _function(self, a: _Spot, b: _Spot) -> str | None:
        first, second = (getattr(s.node, "func", type(s.node)) for s in (a, b))
        return apart(first, second, self._encoder.encoder)

    def _places(self, a: _Spot, b: _Spot) -> Iterator[tuple[str, Any, Any]]:
        """Arguments that differ: their name, and what they are in both."""
        first, second = self._arguments(a), self._arguments(b)
        for place in dict.fromkeys((*first, *second)):
            if place not in first or place not in second:
                yield place, *(v.get(place, _MISSING) for v in (first, second))
                continue
            x, y = (
                self._followed(s.scope, v[place]) for s, v in ((a, first), (b, second))
            )
            if self._print(x) != self._print(y):
                yield place, x, y

    def _arguments(self, spot: _Spot) -> dict[str, Any]:
        node = spot.node
        if not isinstance(node, Task):
            return {}
        try:
            binder = self._encoder.callee(node.func).binder
        except Refused:
            binder = None
        names = () if binder is None else binder.names
        found = {
            names[i] if i < len(names) else f"number {i + 1}": a
            for i, a in enumerate(node.args)
        }
        own = defaults(node.func) if type(node.func) is types.FunctionType else {}
        return {**own, **found, **node.kwargs}

    def _print(self, value: Any) -> Any:
        """What tells equal work or values; None is equal to nothing."""
        try:
            if isinstance(value, _Spot):
                known = value.scope.prints.get(value.key)
                if known is not None and value.scope.graph.get(value.key) is value.node:
                    return known
                spelled = [
                    self._print(self._followed(value.scope, v))
                    for v in self._arguments(value).values()
                ]
                return getattr(value.node, "func", None), repr(spelled)
            if isinstance(value, _Outside):
                return value
            return self._encoder.encoder.value(value)
        except (Refused, RecursionError):
            return object()

    def _apart(self, name: str, x: Any, y: Any) -> str:
        if x is _MISSING or y is _MISSING:
            return f"argument {name} is given to one of them only"
        if callable(x) and callable(y):
            found = apart(x, y, self._encoder.encoder)
            if found is not None:
                return f"argument {name}: {found}"
        return f"argument {name}: {contrast(_said(x), _said(y))}"


class _Outside(NamedTuple):
    """The result of a task that is not in the graph."""

    fingerprint: bytes


_MISSING = object()


def _weight(x: Any, y: Any) -> int:
    if isinstance(x, _Spot) and isinstance(y, _Spot):
        return 1 if _name(x) == _name(y) else 2
    return 2 if isinstance(x, _Spot) or isinstance(y, _Spot) else 1


def _name(spot: _Spot) -> str:
    kind = type(spot.node)
    return kind.__name__.lower() if kind in CONTAINERS else name_of(spot.key, spot.node)


def _said(value: Any) -> str:
    if isinstance(value, _Spot):
        result = type(value.node) not in CONTAINERS
        return f"the result of {_name(value)}" if result else f"a {_name(value)}"
    if isinstance(value, _Outside):
        return "a result computed before"
    return shown(value)
