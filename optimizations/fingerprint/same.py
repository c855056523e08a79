"""Which arguments of one call are one object, and which are only equal."""

from __future__ import annotations

from typing import Any

from stratum_dask.graph import Alias, GraphNode, Key, Task, TaskRef

__all__ = ["SAME", "SCALARS", "references", "same_literals"]

SAME = b"="
SCALARS = frozenset({str, int, float, bool, bytes, complex, type(None)})


def same_literals(values: tuple[Any, ...]) -> list[bytes]:
    """Whether one object was passed twice, which a function that writes can see."""
    places: dict[int, list[int]] = {}
    for i, value in enumerate(values):
        if type(value) not in SCALARS and not isinstance(value, GraphNode | TaskRef):
            places.setdefault(id(value), []).append(i)
    return [SAME + repr(p).encode() for p in places.values() if len(p) > 1]


def references(a: Any) -> list[Key]:
    """The keys that one argument refers to, in the order in which it does."""
    if isinstance(a, TaskRef):
        return [a.key]
    if type(a) is Alias:
        return [a.target]
    if isinstance(a, Task):
        found: list[Key] = []
        for b in (*a.args, *a.kwargs.values()):
            found += references(b)
        return found
    return []
