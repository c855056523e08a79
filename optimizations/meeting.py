"""Tasks that get a shared result twice: itself, and a part of it or what holds it.

A list of a frame, and the frame; an array, and a slice of it. Such a task can see that
the two belong together: it asks whether one is inside the other, or writes into one and
reads the other. With a private copy for what makes the list and one for the task they
would not. So what is on the way takes no copy, and is shared as well: the task copies
all it gets in one act, which keeps together what belongs together. Functions that may
write take their copy all the same, and tell if they hand it on.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from stratum_dask.graph import Graph, Key, Task
from stratum_dask.optimizations.flow import Flow
from stratum_dask.optimizations.guarding import Guard
from stratum_dask.optimizations.keeping import Kept
from stratum_dask.optimizations.purity.blind import is_blind
from stratum_dask.optimizations.submission import Submission
from stratum_dask.optimizations.verdict import Effect

__all__ = ["Relatives", "Tells", "Ways", "meet_themselves"]

_COMPUTES = frozenset(["dask", "numpy", "pandas", "pyarrow", "scipy", "sklearn"])
"""Their functions that return new objects do not ask which of two is which."""


class Tells(NamedTuple):
    """What one task has to do with."""

    on: Sequence[Kept]
    at: Sequence[Kept]
    guards: Sequence[Guard]


class Ways(NamedTuple):
    """What is on the way of shared results to where they meet themselves."""

    held: dict[Key, set[Key]]
    """Tasks that only hand on: the shared results in theirs, as they are."""
    on: dict[Key, list[Kept]]
    """Tasks that may write, and may return what they get: what they may."""
    at: dict[Key, list[Kept]]
    """Tasks that must not get the one and the other then."""

    def tells(self, watching: Iterable[Guard]) -> dict[Key, Tells]:
        """Which tasks have to tell what: see `Telling`."""
        guards: dict[Key, list[Guard]] = {}
        for guard in watching:
            for key in guard.writers:
                guards.setdefault(key, []).append(guard)
        return {
            key: Tells(self.on.get(key, []), self.at.get(key, []), guards.get(key, []))
            for key in self.on.keys() | self.at.keys() | guards.keys()
        }


def meet_themselves(
    submission: Submission, flow: Flow, graph: Graph, shared: Iterable[Key]
) -> Ways:
    """Find what hands on shared results to tasks that also get them otherwise.

    Parameters
    ----------
    submission, graph
        The graph, as it is after the merge.
    flow
        Where its objects go.
    shared
        The keys of shared results.

    Examples
    --------
    >>> from stratum_dask.graph import as_graph
    >>> def count(items, one): return sum(item is one for item in items)
    >>> graph = as_graph({"a": (list, "ab"), "of a": ["a"], "n": (count, "of a", "a")})
    >>> s = Submission(graph, frozenset("n"))
    >>> meet_themselves(s, Flow(s, graph), graph, ["a"]).held
    {'of a': {'a'}}
    """
    ways = Ways({}, {}, {})
    roots = set(shared)

    def handing_on(key: Key) -> list[Key]:
        return [
            user
            for user in flow.users(key)
            if user not in submission.copies and flow.handed_on(user)
        ]

    region = flow.reach(roots, handing_on)
    if region is None or len(region) == len(roots):
        return ways
    holds, whole = _objects(flow, region, roots)
    order = {key: i for i, key in enumerate(holds)}
    for user in {user for key in region for user in flow.users(key)}:
        needs = [key for key in set(flow.inputs(user)) if key in region]
        if len(needs) < 2 or user in submission.copies:
            continue
        times = Counter(root for need in needs for root in holds[need])
        if len(times) < times.total() and _tells(flow, user, graph[user]):
            for root, n in times.items():
                if n > 1:
                    _go_back(flow, root, user, needs, holds, whole, order, ways)
    return ways


class Relatives:
    """Which results that go into one task may be one object, or parts of one.

    Parameters
    ----------
    flow
        Where objects go.
    private
        Task -> inputs that it gets as copies of its own.
    """

    def __init__(self, flow: Flow, private: Mapping[Key, set[Key]]) -> None:
        self._flow = flow
        self._private = private
        self._above: dict[Key, set[Key] | None] = {}

    def of(self, user: Key, keys: set[Key]) -> set[Key]:
        """The other inputs of ``user`` that may have to do with ``keys``."""
        others = set(self._flow.inputs(user)) - keys
        return {k for k in others if any(self._are_related(k, key) for key in keys)}

    def apart(self, key: Key) -> bool:
        """Whether all that goes with ``key`` into a task has it from this very key.

        So that what has it from a copy instead still fits together.
        """
        flow = self._flow
        above = self._find(key)
        if above is None:
            return False
        above = above - {key}
        if not above.isdisjoint(flow.outputs):  # the user has one of them
            return False
        for user in flow.users(key):
            others = set(flow.inputs(user)) - {key}
            if others and above:
                found = flow.reach(others, lambda k: self._step(k) if k != key else [])
                if found is None or not found.isdisjoint(above):
                    return False
        return True

    def _are_related(self, one: Key, other: Key) -> bool:
        a, b = self._find(one), self._find(other)
        return a is None or b is None or not a.isdisjoint(b)

    def _find(self, key: Key) -> set[Key] | None:
        if key not in self._above:
            self._above[key] = self._flow.reach([key], self._step)
        return self._above[key]

    def _step(self, key: Key) -> list[Key]:
        own = self._private.get(key, ())
        return [need for need in self._flow.handed_on(key) if need not in own]


def _objects(
    flow: Flow, region: set[Key], roots: set[Key]
) -> tuple[dict[Key, frozenset[Key]], dict[Key, frozenset[Key]]]:
    """Which shared results may be in that of a key, and which of them as they are."""
    inputs = {
        key: [k for k in set(flow.handed_on(key)) if k in region] for key in region
    }
    waits = {key: len(needs) for key, needs in inputs.items()}
    holds: dict[Key, frozenset[Key]] = {}
    whole: dict[Key, frozenset[Key]] = {}
    ready = [key for key, n in waits.items() if not n]
    while ready:
        key = ready.pop()
        needs, own = inputs[key], frozenset((key,) if key in roots else ())
        holds[key] = own.union(*[holds[need] for need in needs])
        if flow.effect(key) is Effect.ALIAS:
            own = own.union(*[whole[need] for need in needs])
        whole[key] = own
        for user in set(flow.users(key)):
            if user in region and key in inputs[user]:
                waits[user] -= 1
                if not waits[user]:
                    ready.append(user)
    return holds, whole


def _go_back(
    flow: Flow,
    root: Key,
    user: Key,
    needs: Sequence[Key],
    holds: dict[Key, frozenset[Key]],
    whole: dict[Key, frozenset[Key]],
    order: dict[Key, int],
    ways: Ways,
) -> None:
    """Note what is on the ways from a shared result to where it meets itself."""
    found: dict[Key, tuple[bool, list[Key]]] = {}
    stack = list(needs)
    while stack:
        key = stack.pop()
        if key == root or key in found or root not in holds[key]:
            continue
        before = [k for k in flow.handed_on(key) if k in holds]
        found[key] = flow.effect(key) is Effect.WRITE, before
        if root in whole[key]:
            ways.held.setdefault(key, set()).add(root)
        stack += before
    writing = [key for key, (writes, _) in found.items() if writes]
    if writing:
        steps = {key: found[key] for key in sorted(found, key=order.__getitem__)}
        kept = Kept(root, steps, needs)
        ways.at.setdefault(user, []).append(kept)
        for key in writing:
            ways.on.setdefault(key, []).append(kept)


def _tells(flow: Flow, key: Key, node: object) -> bool:
    """Whether a task may notice that two of its inputs belong together."""
    if flow.effect(key) is not Effect.FRESH or not isinstance(node, Task):
        return True
    func = node.func
    if isinstance(func, types.FunctionType) and is_blind(func):
        return False
    home = str(getattr(func, "__module__", None)).partition(".")[0]
    return home not in _COMPUTES
