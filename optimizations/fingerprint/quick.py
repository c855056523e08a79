"""The short way for plain tasks: nearly every task of nearly every graph.

A plain task calls a function that may always be merged with results of others and
with scalars. What it spells is what `NodeFingerprints` would spell, without the
questions that have no other answer here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from stratum_dask.graph import Graph, GraphNode, Key, Task, TaskRef
from stratum_dask.optimizations.fingerprint.binding import Spelled
from stratum_dask.optimizations.fingerprint.callees import REF, VALUE, Callee
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.verdict import Refused

__all__ = ["fill"]

_REMEMBERED = (str, int, bool, bytes, type(None))
_LONG = (object(),)
"""An argument that has no short way."""


def fill(
    graph: Graph,
    found: dict[Key, bytes],
    encoder: Encoder,
    callees: dict[int, Callee | Refused],
    long_way: Callable[[Key, GraphNode], bytes],
    external: Callable[[Key], bytes],
) -> None:
    """Put the fingerprint of every key of ``graph`` into ``found``.

    Parameters
    ----------
    graph
        The tasks.
    found
        Key -> fingerprint; what is there already is not looked at again.
    encoder
        Encodes scalars.
    callees
        What is known of functions, by ``id``. Whoever goes the long way adds to it.
    long_way
        Fingerprint of a node whose dependencies have theirs, if it is not plain.
    external
        Fingerprint of a key that is not in the graph.

    Raises
    ------
    ValueError
        A task depends on itself.
    """
    get, have, known = graph.get, found.get, callees.get
    digest, join, encode = encoder.digest, b"".join, encoder.value
    # By type: 1 and True are one key of a dictionary. So are 0.0 and -0.0, which is
    # why floats are not among them.
    texts: dict[type, dict[Any, bytes]] = {cls: {} for cls in _REMEMBERED}
    texts_of = texts.get
    waits = 0
    for root in _inputs_first(graph):
        if root in found:
            continue
        # Iterative and depth first: graphs are deeper than Python's stack.
        stack = [root]
        while stack:
            key = stack[-1]
            if key in found:
                stack.pop()
                continue
            node = get(key)
            if node is None:
                found[key] = external(key)
                stack.pop()
                continue
            needs = node._dependencies
            if type(node) is Task:
                callee = known(id(node.func))
                if type(callee) is Callee and callee.plain:
                    args: Iterable[Any] = node.args
                    if node.kwargs or len(node.args) != callee.simple:
                        args = _ordered(callee, node)
                    parts = [callee.head]
                    add = parts.append
                    for a in args:
                        cls = type(a)
                        if cls is TaskRef:
                            text = have(a.key)
                            if text is None:
                                break
                            add(REF)
                            add(text)
                        elif (mine := texts_of(cls)) is not None:
                            text = mine.get(a)
                            if text is None:
                                text = mine[a] = VALUE + encode(a)
                            add(text)
                        elif cls is Spelled:
                            add(a)
                        elif cls is float:
                            add(VALUE)
                            add(encode(a))
                        else:
                            break
                    else:
                        count = len(needs)
                        if count < 2 or len({found[d] for d in needs}) == count:
                            found[key] = digest(join(parts))
                            stack.pop()
                            continue
            if needs:
                missing = [d for d in needs if d not in found]
                if missing:
                    waits += 1
                    if waits > len(graph):  # each waits once, or for itself
                        raise ValueError(f"task {key!r} depends on itself")
                    stack += missing
                    continue
            stack.pop()
            found[key] = long_way(key, node)


def _inputs_first(graph: Graph) -> Iterable[Key]:
    """The order in which fewer tasks wait for others, judged by the first one."""
    for node in graph.values():
        return reversed(graph) if node.dependencies else graph
    return ()


def _ordered(callee: Callee, node: Task) -> Iterable[Any]:
    """The arguments in the order in which they are spelled."""
    args, kwargs = node.args, node.kwargs
    if callee.binder is None:
        return (*args, *_LONG) if kwargs else args
    return [
        item
        if type(item) is Spelled
        else args[item]
        if type(item) is int
        else kwargs[item]
        for item in callee.binder.plan(len(args), tuple(kwargs))
    ]
