"""The short way for plain tasks: nearly every task of nearly every graph.

A plain task calls a function that may always be merged with results of others and
with scalars. What it spells is what `NodeFingerprints` would spell, without the
questions that have no other answer here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from stratum_dask.graph import Graph, GraphNode, Key, Task, TaskRef
from stratum_dask.optimizations.fingerprint.binding import Binder, Spelled
from stratum_dask.optimizations.fingerprint.callees import REF, VALUE
from stratum_dask.optimizations.fingerprint.order import inputs_first
from stratum_dask.optimizations.fingerprint.values import Encoder

__all__ = ["CycleError", "fill"]

# Not bytes: they can be large, and Python would hash them besides.
_REMEMBERED = (str, int, bool, type(None))
_MOST = 4096
"""How many are remembered of a type: those that are all different never help."""
_LONG = (object(),)
"""An argument that has no short way."""


class CycleError(ValueError):
    """A graph that nobody can compute; Dask says so in its own words."""


def fill(
    graph: Graph,
    found: dict[Key, bytes],
    encoder: Encoder,
    callees: Mapping[int, tuple[int, bytes, Binder | None]],
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
        Plain functions by ``id``, see `Callees`. Whoever goes the long way adds to it.
    long_way
        Fingerprint of a node whose dependencies have theirs, if it is not plain.
    external
        Fingerprint of a key that is not in the graph.

    Raises
    ------
    CycleError
        A task depends on itself.
    """
    get, have, plain = graph.get, found.get, callees.get
    digest, join, encode = encoder.digest, b"".join, encoder.value
    # By type: 1 and True are one key of a dictionary. So are 0.0 and -0.0, which is
    # why floats are not among them.
    texts: dict[type, dict[Any, bytes]] = {cls: {} for cls in _REMEMBERED}
    texts_of = texts.get
    waits = 0
    todo: Iterable[tuple[Key, GraphNode]] = inputs_first(graph)
    # What comes before its inputs is put off as long as that gets us on: to go and
    # find them would take us all over the graph.
    left, patient = len(graph), True
    while left:
        later: list[tuple[Key, GraphNode]] = []
        for root, first in todo:
            if root in found:
                continue
            key: Key = root
            node: GraphNode | None = first
            # Iterative and depth first: graphs are deeper than Python's stack.
            stack: list[Key] = []
            while True:
                if type(node) is Task:
                    callee = plain(id(node.func))
                    if callee is not None:
                        args: Iterable[Any] = node.args
                        simple, head, binder = callee
                        if node.kwargs or len(node.args) != simple:
                            args = _ordered(binder, node)
                        parts = [head]
                        add = parts.append
                        refs, twins, before = 0, False, None
                        for a in args:
                            cls = type(a)
                            if cls is TaskRef:
                                text = have(a.key)
                                if text is None:
                                    break
                                twins = text == before
                                before = text
                                refs += 1
                                add(REF)
                                add(text)
                            elif (mine := texts_of(cls)) is not None:
                                text = mine.get(a)
                                if text is None:
                                    text = VALUE + encode(a)
                                    if len(mine) < _MOST:
                                        mine[a] = text
                                add(text)
                            elif cls is Spelled:
                                add(a)
                            elif cls is float and a == a:  # noqa: PLR0124
                                add(VALUE)
                                add(encode(a))
                            else:
                                break
                        else:
                            if (
                                refs < 2
                                or (refs == 2 and not twins)
                                or _differ(node.dependencies, found)
                            ):
                                found[key] = digest(join(parts))
                                node = None
                if node is not None:
                    missing = [d for d in node.dependencies if d not in found]
                    if not missing:
                        found[key] = long_way(key, node)
                    elif patient and not graph.keys().isdisjoint(missing):
                        later.append((key, node))
                        break
                    else:
                        waits += 1
                        if waits > len(graph):  # each waits once, or for itself
                            raise CycleError(f"task {key!r} depends on itself")
                        stack.append(key)
                        stack += missing
                while stack:
                    key = stack.pop()
                    if key not in found:
                        node = get(key)
                        if node is not None:
                            break
                        found[key] = external(key)
                else:
                    break
        patient = len(later) < left // 2
        todo, left = later, len(later)


def _differ(needs: Collection[Key], found: Mapping[Key, bytes]) -> bool:
    """Whether the results that a task takes are of different work."""
    return len({found[d] for d in needs}) == len(needs)


def _ordered(binder: Binder | None, node: Task) -> Iterable[Any]:
    """The arguments in the order in which they are spelled."""
    if binder is not None:
        return binder.ordered(node.args, node.kwargs)
    return (*node.args, *_LONG) if node.kwargs else node.args
