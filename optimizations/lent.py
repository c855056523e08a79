"""Which tasks work on objects that the calling program holds itself.

Local schedulers hand a task the very arrays, frames and lists that the program
passed to it. Where a task writes into one, or returns it, the program sees that: of
equal tasks each has to do so with its own object. What comes after may be merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stratum_dask.graph import (
    CONTAINERS,
    Alias,
    DataNode,
    Graph,
    GraphNode,
    Key,
    Task,
    TaskRef,
    execute_subgraph,
    is_identity,
    subgraph,
)
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.purity.taking import (
    Taken,
    may_change,
    taken,
    takes,
)
from stratum_dask.optimizations.verdict import Role, Verdict

__all__ = ["HANDS_ON", "WRITES", "Lent"]

WRITES = Verdict(
    Role.REFUSE,
    "it may write into an object of the program that computes it",
    "let the task make the object, or work on a copy",
)
HANDS_ON = Verdict(
    Role.BATCH,
    "it may return an object of the program that computes it, or a part of one",
    "return a copy",
)


class Lent:
    """Follows the program's own objects through one graph.

    Parameters
    ----------
    judge
        Tells what functions do to their arguments.
    graph
        The tasks.
    outside
        What the keys stand for that are not in the graph: the inputs of a fused
        task.

    Examples
    --------
    >>> from stratum_dask.graph import as_graph
    >>> def same(x): return x
    >>> graph = as_graph({"a": (same, [1]), "b": (len, "a"), "c": (same, "a")})
    >>> lent = Lent(Judge(), graph)
    >>> [lent.holds(key) for key in "abc"]
    [True, False, True]
    """

    def __init__(
        self, judge: Judge, graph: Graph, outside: Mapping[Key, Any] | None = None
    ) -> None:
        self._judge = judge
        self._graph = graph
        self._outside = outside or {}
        self._held: dict[Key, bool] = {}
        self._takes: dict[int, bool] = {}

    def among(self, keys: Iterable[Key]) -> dict[Key, Verdict]:
        """Which of some keys each program needs for itself, and why."""
        found: dict[Key, Verdict] = {}
        for key in keys:
            node = self._graph.get(key)
            if type(node) is Task and not self.may_take(node):
                continue
            if self.writes(key):
                found[key] = WRITES
            elif self.holds(key):
                found[key] = HANDS_ON
        return found

    def may_take(self, node: Task) -> bool:
        """Whether a call may do more than look; nearly none does, so it is quick."""
        known = self._takes.get(id(node.func))
        if known is None:
            known = node.func is execute_subgraph or takes(self._judge, node.func)
            self._takes[id(node.func)] = known
        return known or any(
            type(a) is not TaskRef and isinstance(a, Task) for a in node.args
        )

    def holds(self, key: Key) -> bool:
        """Whether the result of ``key`` may be, or hold, an object of the program."""
        held = self._held
        stack = [key]
        while stack:
            at = stack[-1]
            if at in held:
                stack.pop()
                continue
            node = self._graph.get(at)
            if node is not None and subgraph(node) is not None:
                # Not by a call from within a call: chains of them are long.
                missing = [k for k in node._dependencies if k not in held]
                if missing:
                    stack += missing
                    continue
            own, needs = self._handed_on(at)
            missing = [] if own else [k for k in needs if k not in held]
            if missing:
                stack += missing
            else:
                held[at] = own or any(held[k] for k in needs)
        return held[key]

    def passed_on(self, key: Key) -> list[Key]:
        """The inputs of ``key`` that its result may be, or hold, as they are."""
        node = self._graph.get(key)
        if type(node) is Alias:
            return [node.target]
        found: list[Key] = []
        stack = [t.value for t in self._taken(node) if t.handed and t.whole]
        while stack:
            value = stack.pop()
            if isinstance(value, TaskRef):
                found.append(value.key)
            elif type(value) is Alias:
                found.append(value.target)
            elif node is not None and not isinstance(value, GraphNode):  # see `_seen`
                found += [k for k in node._dependencies if self._gives(k) is value]
            else:
                stack += [t.value for t in self._taken(value) if t.handed and t.whole]
        return found

    def writes(self, key: Key) -> bool:
        """Whether ``key`` may write into an object of the program."""
        node = self._graph.get(key)
        if node is not None and (parts := subgraph(node)) is not None:
            inner = self._inside(parts)
            return any(inner.writes(k) for k in parts.inner)
        return any(t.written and self._is_own(t) for t in self._all_taken(node))

    def changes(self, key: Key) -> bool:
        """Whether ``key`` may write into anything at all that it is given."""
        node = self._graph.get(key)
        if node is None or type(node) is Alias:
            return False
        if subgraph(node) is not None:
            return True
        return any(t.written for t in self._all_taken(node))

    def _is_own(self, t: Taken) -> bool:
        own, needs = self._value(t.value, t.whole or t.written)
        return own or any(map(self.holds, needs))

    def _all_taken(self, node: Any) -> Iterator[Taken]:
        """What a node and those among its arguments do to what they are given."""
        if isinstance(node, Task):
            yield from self._taken(node)
            for value in (*node.args, *node.kwargs.values()):
                yield from self._all_taken(value)

    def _taken(self, node: Any) -> list[Taken]:
        """What a node does to what it is given."""
        if not isinstance(node, Task):
            return []
        if type(node) in CONTAINERS or is_identity(node.func):
            values = (*node.args, *node.kwargs.values())
            return [Taken(v, False, True, True) for v in values]
        if not self.may_take(node):
            return []
        args = [self._seen(a) for a in node.args]
        kwargs = {name: self._seen(a) for name, a in node.kwargs.items()}
        return taken(self._judge, node.func, args, kwargs)

    def _seen(self, value: Any) -> Any:
        """The program's object itself, where a task only gives it a key."""
        if isinstance(value, TaskRef):
            own = self._gives(value.key)
            return value if own is None else own
        return value

    def _gives(self, key: Key) -> Any:
        """What a task only gives a key, if it is no more."""
        node = self._graph.get(key)
        while type(node) is Alias:
            node = self._graph.get(node.target)
        return node.value if type(node) is DataNode else None

    def _handed_on(self, key: Key) -> tuple[bool, list[Key]]:
        """Whether a key hands on an object of the program; else from which keys."""
        node = self._graph.get(key)
        if node is None:
            return self._value(self._outside.get(key), True)
        return self._result(node)

    def _result(self, node: GraphNode) -> tuple[bool, list[Key]]:
        if type(node) is Alias:
            return False, [node.target]
        if type(node) is DataNode:
            return may_change(node.value), []
        if (parts := subgraph(node)) is not None:
            return self._inside(parts).holds(parts.output), []
        found: list[Key] = []
        for t in self._taken(node):
            if t.handed:
                own, needs = self._value(t.value, t.whole)
                if own:
                    return True, []
                found += needs
        return False, found

    def _value(self, value: Any, whole: bool) -> tuple[bool, list[Key]]:
        if isinstance(value, TaskRef):
            return False, [value.key]
        if isinstance(value, GraphNode):
            return self._result(value)
        return may_change(value, whole), []

    def _inside(self, parts: Any) -> Lent:
        outside: dict[Key, Any] = {
            k: [] if self._is_own(Taken(v, False, True, True)) else None
            for k, v in parts.inputs.items()
        }
        return Lent(self._judge, parts.inner, outside)
