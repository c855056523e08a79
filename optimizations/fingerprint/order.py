"""The order in which the tasks of a graph are read.

Dask hands graphs over in the order of its sets, so in none. Reading a large one like
that waits for memory more than anything else: each task is somewhere else, and so is
each of its inputs. Tasks that were made one after the other lie side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from stratum_dask.graph import Graph, GraphNode, Key

__all__ = ["LARGE", "inputs_first"]

LARGE = 5_000
"""From so many tasks on they do not fit into a processor's cache."""

_ASKED = 64
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
        places = numpy.fromiter(map(id, nodes), numpy.uint64, len(nodes)).argsort()
        if _inputs_lie_above(graph):
            places = places[::-1]
        order = places.tolist()
        return zip(
            map(keys.__getitem__, order), map(nodes.__getitem__, order), strict=True
        )
    for node in graph.values():
        return reversed(graph.items()) if node.dependencies else graph.items()
    return ()


def _inputs_lie_above(graph: Graph) -> bool:
    """Whether tasks lie behind those that use them, as they do when unpickled."""
    above = 0
    for node in _some(graph):
        for key in node.dependencies:
            if (other := graph.get(key)) is not None:
                above += 1 if id(other) > id(node) else -1
                break
    return above > 0


def _some(graph: Graph) -> Iterator[GraphNode]:
    """A few tasks with inputs, from the beginning, where Dask puts the outputs."""
    left = _ASKED
    for node in graph.values():
        if node.dependencies:
            yield node
            left -= 1
            if not left:
                break
