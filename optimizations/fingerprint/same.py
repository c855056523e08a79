"""Which arguments of one call are one object, and which are only equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratum_dask.graph import Alias, GraphNode, Key, Task, TaskRef

if TYPE_CHECKING:
    from stratum_dask.optimizations.fingerprint.values import Encoder

__all__ = ["SAME", "SCALARS", "references", "together"]

SAME = b"="
SCALARS = frozenset({str, int, float, bool, bytes, complex, type(None)})


def together(encoder: Encoder, values: tuple[Any, ...]) -> list[bytes]:
    """What several literals have in common, which a function can see.

    Two may be one object, hold one, or look into the memory of one.

    Examples
    --------
    >>> from stratum_dask.optimizations.fingerprint.values import Encoder
    >>> a, b, encoder = [1], [1], Encoder()
    >>> together(encoder, (a, [a])) == together(encoder, (a, [b]))
    False
    """
    objects = tuple(
        [
            value
            for value in values
            if (type(value) not in SCALARS or value != value)  # noqa: PLR0124
            and not isinstance(value, GraphNode | TaskRef)
        ]
    )
    # Once more, as one value: what its parts share is part of its encoding.
    return [SAME + encoder.value(objects)] if len(objects) > 1 else []


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
