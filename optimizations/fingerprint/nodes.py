"""Fingerprints of single nodes: what one task, or one value, is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stratum_dask.graph import (
    Alias,
    DataNode,
    Graph,
    GraphNode,
    Key,
    Subgraph,
    Task,
    TaskRef,
    is_plain,
    literal,
    subgraph,
    with_func,
)
from stratum_dask.optimizations.fingerprint.binding import Binder
from stratum_dask.optimizations.fingerprint.callees import (
    REF,
    TASK,
    VALUE,
    Callee,
    Callees,
)
from stratum_dask.optimizations.fingerprint.reading import Reading
from stratum_dask.optimizations.fingerprint.same import (
    SAME,
    SCALARS,
    references,
    together,
)
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.handing import handed_on, passed_on
from stratum_dask.optimizations.keeping import Telling
from stratum_dask.optimizations.private import Isolated, Opened, Shareable
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.verdict import Effect, Refused, Role, Verdict

__all__ = ["NodeFingerprints"]

# See callees.py for what the other tags are.
_DATA, _NODE, _FILES = b"D", b"N", b"F"


class NodeFingerprints:
    """Fingerprint a node whose dependencies are fingerprinted.

    Parameters
    ----------
    encoder
        Encodes functions and values.
    judge
        Tells the role of a function.

    Attributes
    ----------
    fused
        Keys of the fused tasks that were met.
    iterators
        Fused key -> inner keys whose result can be read only once.
    holds_objects, hands_on
        Whether something in the graph may be an object of the calling program, and
        whether a task may have the fingerprint of one of its inputs.
    """

    def __init__(self, encoder: Encoder, judge: Judge) -> None:
        self.encoder = encoder
        self.judge = judge
        self.fused: set[Key] = set()
        self.iterators: dict[Key, set[Key]] = {}
        self.holds_objects = self.hands_on = False
        self._callees = Callees(encoder, judge)
        # Where the walk is: the key of the graph, the key inside its fused task
        # (where that hands its result on), and the fused tasks around it.
        self._owner: Any = None
        self._inside: Any = None
        self._outputs: list[Key] = []
        self._scopes: list[tuple[Graph, Mapping[Key, Any]]] = []
        self._batch: Verdict | None = None
        self._annotated: str | None = None

    def callee(self, func: Callable[..., Any]) -> Callee:
        """What is known of ``func``; raises `Refused` where it has no identity."""
        return self._callees.find(func)

    def effect(self, func: Callable[..., Any]) -> Effect:
        """What ``func`` may do to its arguments."""
        return self._callees.effect(func)

    def _fill(self, graph: Graph, found: dict[Key, bytes]) -> None:
        raise NotImplementedError

    def _node(self, node: GraphNode, found: Mapping[Key, bytes]) -> bytes:
        kind = type(node)
        if kind is Alias:
            self.hands_on = True
            return found[node.target]  # type: ignore[attr-defined]
        if kind is DataNode:
            self.holds_objects = True
            value = node.value  # type: ignore[attr-defined]
            self._follow(self.judge.value(value))
            return self.encoder.digest(_DATA + self.encoder.value(value))
        if not is_plain(node):
            raise Refused(f"a {kind.__name__} does more than call a function")
        assert isinstance(node, Task)
        if kind is not Task:
            # The class says which container it is; its function repeats it.
            parts = [TASK, kind.__name__.encode(), b"("]
            parts += [self._spell(a, found) for a in node.args]
            self._tell_apart(node, found, parts)
            return self.encoder.digest(b"".join(parts))
        func = node.func
        while isinstance(func, Isolated | Opened | Shareable | Telling):
            func = func.func
        if func is not node.func:
            node = with_func(node, func)
        if subgraph(node) is not None:
            return self._subgraph(node, found)
        if (below := handed_on(node)) is not None:
            return self._argument(below, found)
        callee = self._callees.find(func)
        if self._annotated is not None:
            self._believe(func)
            return self._call(node, callee, found)
        if not callee.plain and not self._may_iterate(func):
            verdict = self.judge.task(func, node.args, node.kwargs)
            self._follow(verdict)
            return self._call(node, callee, found, judged=True)
        return self._call(node, callee, found)

    def _may_iterate(self, func: Callable[..., Any]) -> bool:
        """Whether ``func`` may return an iterator here.

        It is read once; inside a fused task, that is by the next part of it.
        """
        if self._inside is None or not self.judge.iterates(func):
            return False
        self.iterators.setdefault(self._owner, set()).add(self._inside)
        return True

    def _believe(self, func: Callable[..., Any]) -> None:
        """Let an annotation stand for evidence, but for what none can change."""
        if self.judge.said(func) == "impure":
            self._follow(self.judge.function(func).verdict)
        elif self.judge.evidence(func).makes == "iterator":
            if self._inside is None:
                raise Refused("it returns an iterator, which can be read only once")
            self.iterators.setdefault(self._owner, set()).add(self._inside)

    def _follow(self, verdict: Verdict) -> None:
        if verdict.role is Role.REFUSE:
            raise Refused(verdict.reason, verdict.remedy)
        if verdict.role is Role.BATCH:
            self._batch = verdict

    def _call(
        self,
        node: Task,
        callee: Callee,
        found: Mapping[Key, bytes],
        judged: bool = False,
    ) -> bytes:
        args, kwargs = node.args, node.kwargs
        parts = [callee.head]
        add = parts.append
        if type(callee.func) is literal:
            self.holds_objects = True
        promised = callee.reads is Reading.INSIDE and self._annotated == "pure"
        if callee.reads is not Reading.NOTHING and not promised:
            add(self._files(callee, args, kwargs))
        if callee.binder is not None and (kwargs or len(args) != callee.binder.simple):
            parts += callee.binder.bind(
                args, kwargs, lambda a: self._spell(a, found, judged)
            )
        else:
            parts += [self._spell(a, found, judged) for a in args]
            for name, a in kwargs.items():
                add(self.encoder.value(name))
                add(self._spell(a, found, judged))
        if len(node._dependencies) > 1:
            self._tell_apart(node, found, parts, callee.binder)
        if len(args) + len(kwargs) > 1:
            parts += together(self.encoder, (*args, *kwargs.values()))
        return self.encoder.digest(b"".join(parts))

    def _argument(self, a: Any, found: Mapping[Key, bytes]) -> bytes:
        """Digest of one argument as if it were a task of its own."""
        if isinstance(a, TaskRef):
            self.hands_on = True
            return found[a.key]
        if isinstance(a, GraphNode):
            return self._node(a, found)
        self.holds_objects = True
        self._follow(self.judge.value(a))
        return self.encoder.digest(_DATA + self.encoder.value(a))

    def _spell(self, a: Any, found: Mapping[Key, bytes], judged: bool = False) -> bytes:
        """One argument, self-delimiting."""
        if isinstance(a, TaskRef):
            return REF + found[a.key]
        if isinstance(a, GraphNode):
            if type(a) is Alias:
                return REF + found[a.target]
            # What a nested task returns is read by this one, and by no other.
            outside, self._inside = self._inside, _NODE
            try:
                return _NODE + self._node(a, found)
            finally:
                self._inside = outside
        if type(a) not in SCALARS:
            self.holds_objects = True
            if not judged:
                self._follow(self.judge.value(a))
        return VALUE + self.encoder.value(a)

    def _tell_apart(
        self,
        node: Task,
        found: Mapping[Key, bytes],
        parts: list[bytes],
        spelling: Binder | None = None,
    ) -> None:
        """Two equal results are two objects, one result used twice is one.

        A function that writes into one of its arguments shows the difference.
        """
        deps = node._dependencies
        work = {found[d] for d in deps}
        if len(work) == len(deps):
            return
        objects = {d: self._object(d) for d in deps}
        if len(work) == len(set(objects.values())):
            return
        index = {} if spelling is None else spelling.index
        places = [(f"{i:08}", references(a)) for i, a in enumerate(node.args)]
        for name, a in node.kwargs.items():
            i = index.get(name)
            places.append((name if i is None else f"{i:08}", references(a)))
        order: dict[tuple[int, Key], int] = {}
        pattern = [
            (place, [order.setdefault(objects[d], len(order)) for d in keys])
            for place, keys in sorted(places)
            if keys
        ]
        parts.append(SAME + repr(pattern).encode())

    def _object(self, key: Key) -> tuple[int, Key]:
        """The task that made the object which goes by ``key`` here.

        Aliases and identities hand on the very object; so does a fused task to
        its parts.
        """
        depth = len(self._scopes) - 1
        seen: set[tuple[int, Key]] = set()
        while (depth, key) not in seen:
            seen.add((depth, key))
            graph, inputs = self._scopes[depth]
            source: Any = inputs.get(key)
            if source is not None:
                depth -= 1
            else:
                source = graph.get(key)
            if (below := passed_on(source)) is None:
                break
            key = below
        return depth, key

    def _subgraph(self, node: GraphNode, found: Mapping[Key, bytes]) -> bytes:
        parts = subgraph(node)
        assert parts is not None
        self.fused.add(self._owner)
        return self._inner_graph(parts, found)[parts.output]

    def _inner_graph(
        self, parts: Subgraph, found: Mapping[Key, bytes]
    ) -> dict[Key, bytes]:
        inner = {k: self._argument(v, found) for k, v in parts.inputs.items()}
        self._outputs.append(parts.output)
        self._scopes.append((parts.inner, parts.inputs))
        try:
            self._fill(parts.inner, inner)
        finally:
            self._outputs.pop()
            self._scopes.pop()
        return inner

    def _files(self, callee: Callee, args: Any, kwargs: Any) -> bytes:
        seen, why_not = self._callees.files(callee, args, kwargs)
        if why_not:
            self._batch = Verdict(Role.BATCH, why_not)
        return _FILES + len(seen).to_bytes(4, "little") + seen
