"""The order in which the tasks of a graph are read.

Dask hands graphs over in the order of its sets, so in none. Reading a large one like
that waits for memory more than anything else: each task is somewhere else, and so is
each of its inputs. Tasks that were made one after the other lie side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from stratum_dask.graph import Graph, GraphNode, Key

__all__ = ["LARGE", "inputs_first"]

LARGE = 5_000
"""From so many tasks on they do not fit into a processor's cache."""

_NEAR = (1 << 20) - 1
_FAR = (1 << 64) - 1 - _NEAR
"""Python takes memory in pieces of a megabyte, and fills each from below."""

_ASKED = 256
"""How many tasks say in which direction the inputs lie."""


def inputs_first(graph: Graph) -> Iterable[tuple[Key, GraphNode]]:
    """All tasks, in an order in which few of them come before their inputs.

    Parameters
    ----------
    graph
        The tasks. A large graph is read in the order of memory, if that can be had
        quickly (with NumPy, where the program uses it).

    Examples
    --------
    >>> from stratum_dask.graph import as_graph
    >>> graph = as_graph({"y": (abs, "x"), "x": (int, "7")})
    >>> [key for key, node in inputs_first(graph)]
    ['x', 'y']
    """
    numpy = sys.modules.get("numpy") if len(graph) >= LARGE else None
    if numpy is not None:
        keys, nodes = list(graph), list(graph.values())
        turned = _turned(graph, nodes)
        if turned is not None:
            places = numpy.fromiter(map(id, nodes), numpy.uint64, len(nodes))
            places ^= numpy.uint64(turned)
            order = places.argsort().tolist()
            return zip(
                map(keys.__getitem__, order), map(nodes.__getitem__, order), strict=True
            )
    for node in graph.values():
        return reversed(graph.items()) if node.dependencies else graph.items()
    return ()


def _turned(graph: Graph, nodes: list[GraphNode]) -> int | None:
    """The bits of addresses that fall where the graph goes on; None if none do.

    The system may hand out pieces of memory from above or from below, and a graph
    that was unpickled lies where there was room.
    """
    near, far = [0, 0], [0, 0]
    for node in nodes[:: len(nodes) // _ASKED]:
        for key in node.dependencies:
            if (other := graph.get(key)) is not None:
                side = near if id(other) | _NEAR == id(node) | _NEAR else far
                side[id(other) > id(node)] += 1
    against = min(near) + min(far)
    if sum(near) < sum(far) and against * 20 > sum(near) + sum(far):
        return None
    return (_NEAR if near[1] > near[0] else 0) | (_FAR if far[1] > far[0] else 0)
