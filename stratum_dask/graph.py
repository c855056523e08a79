"""The only module that touches the private side of ``dask._task_spec``.

Dask has no public names for the nodes of a task graph. Everything the optimizer
must know of them goes through here, so that a new Dask release is one module's
work, and is tested in one file against the oldest and newest Dask we support.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import dask._task_spec as _ts
from dask._expr import LLGExpr, ProhibitReuse
from dask._task_spec import (
    Alias,
    DataNode,
    Dict,
    GraphNode,
    List,
    NestedContainer,
    Set,
    Task,
    TaskRef,
    Tuple,
)
from dask.core import literal
from dask.local import identity
from dask.typing import Key
from dask.utils import key_split

__all__ = [
    "CONTAINERS",
    "Alias",
    "DataNode",
    "Graph",
    "GraphNode",
    "Key",
    "List",
    "Subgraph",
    "Task",
    "TaskRef",
    "as_graph",
    "called",
    "content_key",
    "cull",
    "execute_subgraph",
    "function_of",
    "identity",
    "is_identity",
    "is_plain",
    "literal",
    "needs_culling",
    "reference",
    "rekey",
    "renamed",
    "roots",
    "subgraph",
    "subgraph_task",
    "with_func",
]

Graph = dict[Key, GraphNode]

CONTAINERS: tuple[type[NestedContainer], ...] = (List, Tuple, Set, Dict)
"""Nodes that build a container of the results of others."""

execute_subgraph = _ts._execute_subgraph
_PLAIN = frozenset({Task, *CONTAINERS})
_new = object.__new__

# Until the spring of 2025 a task turned the references among its arguments into
# aliases, and did not evaluate any other kind.
reference: type[TaskRef | Alias] = type(Task("probe", print, TaskRef("probe")).args[0])
# And it had delayed calls with keywords made by a function of Dask's own.
_APPLY = getattr(import_module("dask.delayed"), "_apply2", None)


class Subgraph(NamedTuple):
    """What a fused task holds: several tasks that run as one."""

    inner: Graph
    output: Key
    inputs: dict[Key, Any]
    """Key inside the subgraph -> what the fused task passes in for it."""


def is_plain(node: GraphNode) -> bool:
    """Whether ``node`` is a task of a type whose meaning we know.

    Special nodes (those of a P2P shuffle, say) talk to more than their
    arguments and are left alone.
    """
    return type(node) in _PLAIN


def as_graph(dsk: Mapping[Key, Any]) -> Graph:
    """Turn any Dask graph, old tuples included, into one of graph nodes."""
    for key, node in dsk.items():
        if not isinstance(node, GraphNode) or (
            type(node) is Alias and node.target == key
        ):
            graph: Graph = _ts.convert_legacy_graph(dsk)
            return graph
    graph = dsk if type(dsk) is dict else dict(dsk)
    return graph if _APPLY is None else {k: _direct(n) for k, n in graph.items()}


def _direct(node: GraphNode) -> GraphNode:
    """The call itself, where ``node`` has it made by ``_apply2``."""
    if type(node) is not Task or node.func is not _APPLY:
        return node
    func, *args = node.args
    given = node.kwargs.get("dask_kwargs")
    if type(given) is Task and given.func is dict and type(given.args[0]) is List:
        given = dict(p.args if type(p) is List else p for p in given.args[0].args)
    if type(given) is not dict or isinstance(func, GraphNode | TaskRef):
        return node
    return _task(node.key, node, func, tuple(args), given, node._dependencies)


def cull(graph: Graph, keys: Iterable[Key]) -> Graph:
    """Keep what ``keys`` need, in the order of ``graph``."""
    wanted = set(keys)
    # Most graphs arrive culled: all that nobody asked for is used by somebody.
    used = wanted.union(*[node.dependencies for node in graph.values()])
    if graph.keys() <= used:
        return graph
    needed: set[Key] = set()
    stack = list(wanted)
    while stack:
        key = stack.pop()
        if key not in needed and key in graph:
            needed.add(key)
            stack.extend(graph[key].dependencies)
    return {key: node for key, node in graph.items() if key in needed}


def needs_culling(expr: object) -> bool:
    """Whether Dask leaves the culling of this expression to the scheduler."""
    return isinstance(expr, LLGExpr)


def is_identity(func: Callable[..., Any]) -> bool:
    """Whether ``func`` only gives a result another key.

    ``ProhibitReuse`` suffixes the keys of collections that were passed into a
    delayed call with a random number; the work is still the same work.
    """
    return func is ProhibitReuse._identity or func is identity


def function_of(node: Task) -> Any:
    """The function that ``node`` calls, for showing its name."""
    inner = getattr(node.func, "func", node.func)  # where we have wrapped it
    return node.args[0] if _APPLY and inner is _APPLY else node.func


def subgraph(node: GraphNode) -> Subgraph | None:
    """The parts of a fused task, or None where ``node`` is not one."""
    if type(node) is not Task or node.func is not execute_subgraph:
        return None
    inner, output, names, *values = node.args
    return Subgraph(inner, output, dict(zip(names, values, strict=True)))


def subgraph_task(
    key: Key, inner: Graph, output: Key, inputs: Mapping[Key, Any]
) -> Task:
    """Build a fused task; a single inner task with plain inputs stays itself."""
    if len(inner) == 1 and all(isinstance(v, TaskRef | Alias) for v in inputs.values()):
        names = {
            k: (v.key if isinstance(v, TaskRef) else v.target)
            for k, v in inputs.items()
        }
        return rekey(inner[output], key, names)  # type: ignore[return-value]
    return Task(key, execute_subgraph, inner, output, tuple(inputs), *inputs.values())


def content_key(key: Key, fingerprint: bytes) -> str:
    """A key that says what is computed, with the prefix people know it by."""
    return f"{key_split(key)}-{fingerprint.hex()}"


def roots(graph: Graph) -> dict[Key, Key]:
    """Alias key -> the key whose result it stands for (aliases only)."""
    found: dict[Key, Key] = {}
    for key, node in graph.items():
        if type(node) is Alias:
            seen = {key}
            target = node.target
            while type(nxt := graph.get(target)) is Alias and target not in seen:
                seen.add(target)
                target = nxt.target
            found[key] = target
    return found


def renamed(value: Any, names: dict[Key, Key]) -> Any:
    """``value`` with its references to other tasks renamed."""
    kind = type(value)
    if kind is TaskRef:
        new = names.get(value.key)
        return value if new is None else reference(new)
    if kind is Alias:
        new = names.get(value.target)
        return value if new is None else reference(new)
    if isinstance(value, GraphNode):
        # not a copy of `names`, which can be as large as the graph
        return value.substitute(names) if value.dependencies else value  # type: ignore[arg-type]
    if isinstance(value, TaskRef):  # a Future
        new = names.get(value.key)
        return value if new is None else reference(new)
    return value


def rekey(node: GraphNode, key: Key, names: dict[Key, Key]) -> GraphNode:
    """A copy of ``node`` under ``key`` whose dependencies are renamed.

    Written out for plain tasks: ``substitute`` inspects signatures and costs
    five times as much, and this runs for every task below a merge.
    """
    kind = type(node)
    if kind is Task:
        assert isinstance(node, Task)
        deps = node._dependencies
        args, kwargs = node.args, node.kwargs
        if deps and not names.keys().isdisjoint(deps):
            args = tuple([renamed(a, names) for a in args])
            if kwargs:
                kwargs = {k: renamed(v, names) for k, v in kwargs.items()}
            deps = frozenset([names.get(d, d) for d in deps])
        return _task(key, node, node.func, args, kwargs, deps)
    if kind is DataNode:
        assert isinstance(node, DataNode)
        return DataNode(key, node.value)
    if kind is Alias:
        assert isinstance(node, Alias)
        return Alias(key, names.get(node.target, node.target))
    if kind in CONTAINERS:
        assert isinstance(node, NestedContainer)
        args = tuple([renamed(a, names) for a in node.args])
        deps = frozenset([names.get(d, d) for d in node._dependencies])
        return _task(key, node, node.func, args, node.kwargs, deps, kind)
    new = node.substitute(dict(names), key=key)
    if new.key != key:
        new = new.copy()
        new.key = key
    return new


def called(key: Key, node: GraphNode) -> Task:
    """``node`` as one call whose arguments are the results it depends on.

    Most tasks are. A task with another task among its arguments, or one that
    builds a container, is put into a fused task of its own.
    """
    if type(node) is Task and not any(
        isinstance(a, Task) and type(a) not in CONTAINERS and a.dependencies
        for a in _nested((*node.args, *node.kwargs.values()))
    ):
        return node
    needs = tuple(sorted(node.dependencies, key=str))
    refs = map(reference, needs)
    return Task(key, execute_subgraph, {key: node}, key, needs, *refs)


def _nested(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        yield value
        if type(value) in CONTAINERS:
            yield from _nested(value.args)


def with_func(node: Task, func: Callable[..., Any]) -> Task:
    """A copy of ``node`` that calls ``func`` with the same arguments."""
    return _task(node.key, node, func, node.args, node.kwargs, node._dependencies)


def _task(
    key: Key,
    like: Task,
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    dependencies: frozenset[Key],
    kind: type[Task] = Task,
) -> Task:
    task: Task = _new(kind)
    task.key = key
    task.func = func
    task.args = args
    task.kwargs = kwargs
    task._dependencies = dependencies
    task._is_coro = None
    task._token = None
    task._repr = None
    task._data_producer = like._data_producer
    return task
