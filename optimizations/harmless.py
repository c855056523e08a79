"""Run a function that only looks, on the shared objects themselves.

Light: this is what workers import. Whether a function only looks was found from its
code, for plain arrays and frames; whether it gets those is asked here, of each call,
and whether its result looks into what is shared.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from typing import Any

from stratum_dask.optimizations.copying_arrays import is_flat_array, is_plain_array
from stratum_dask.optimizations.copying_libraries import (
    copies_on_write,
    plain_cells_only,
)

__all__ = ["harmless", "looks_into"]

_ARRAYS, _FRAMES = 1, 2
_ATOMS = frozenset(
    (
        *(type(None), bool, int, float, complex, str, bytes, slice, range, type(...)),
        *(datetime.date, datetime.datetime, datetime.timedelta),
    )
)
_DEEPEST = 4


def harmless(looks: int, values: list[Any]) -> bool:
    """Whether a function may have ``values`` themselves.

    Parameters
    ----------
    looks
        What it only looks at, see `stratum_dask.optimizations.looking`.
    values
        All its arguments.

    Examples
    --------
    >>> import numpy as np
    >>> harmless(1, [np.zeros(2), 3]), harmless(1, [[np.zeros(2)]]), harmless(0, [])
    (True, False, False)
    """
    if not looks:
        return False
    others = [v for v in values if not _is_constant(v)]
    if not others:
        return True
    if looks & _FRAMES and all(map(plain_cells_only, others)) and copies_on_write():
        return True
    return bool(looks & _ARRAYS) and all(
        is_flat_array(v) or plain_cells_only(v) for v in others
    )


def looks_into(result: Any, shared: list[Any]) -> bool:
    """Whether a result is, holds, or shares memory with something shared.

    What cannot be told counts as if it did.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.zeros(4)
    >>> looks_into(x[1:], [x]), looks_into(x + 1, [x]), looks_into((1, "a"), [x])
    (True, False, False)
    """
    if _is_constant(result):
        return False
    try:
        theirs = [
            m for value in shared if not _is_constant(value) for m in _memory(value)
        ]
        return _meets(result, theirs, 0)
    except _NotKnown:
        return True


class _NotKnown(Exception):
    """An object of which one cannot tell what memory it has."""


def _meets(result: Any, theirs: list[Any], depth: int) -> bool:
    if _is_constant(result):
        return False
    kind = type(result)
    if kind in (list, tuple, dict, set, frozenset) and depth < _DEEPEST:
        items = [*result, *result.values()] if kind is dict else result
        return any(_meets(item, theirs, depth + 1) for item in items)
    share = getattr(sys.modules.get("numpy"), "may_share_memory", None)
    for mine in _memory(result):
        for other in theirs:
            if mine is other:
                return True
            arrays = is_plain_array(mine) and is_plain_array(other)
            if arrays and (share is None or share(mine, other)):
                return True
    return False


def _memory(value: Any) -> Iterator[Any]:
    """The arrays that a plain value consists of, and what it has besides them."""
    if is_plain_array(value):
        if value.dtype.hasobject:
            raise _NotKnown
        yield value
        return
    pandas = sys.modules.get("pandas")
    if pandas is None or type(value) not in (pandas.DataFrame, pandas.Series):
        raise _NotKnown
    yield from value.axes
    blocks = getattr(value._mgr, "blocks", None)
    if blocks is None:
        raise _NotKnown
    for block in blocks:
        yield from _of_block(block.values)


def _of_block(values: Any) -> Iterator[Any]:
    """The arrays of one block; those of Arrow are immutable."""
    if is_plain_array(values):
        yield values
        return
    parts = ("_ndarray", "_data", "_mask", "_pa_array")
    found = [getattr(values, name) for name in parts if hasattr(values, name)]
    if not found or not type(values).__module__.startswith("pandas.core.arrays"):
        raise _NotKnown
    for part in found:
        if is_plain_array(part):
            yield part
        elif not type(part).__module__.startswith("pyarrow"):
            raise _NotKnown


def _is_constant(value: object) -> bool:
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind in (list, tuple, set, frozenset):
        items: Any = value
        return all(map(_is_atom, items))
    if kind is dict:
        pairs: Any = value
        return all(map(_is_atom, pairs)) and all(map(_is_atom, pairs.values()))
    return _is_atom(value)


def _is_atom(value: object) -> bool:
    kind = type(value)
    if kind in _ATOMS:
        return True
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.generic):
        return kind.__module__ == "numpy" and not issubclass(kind, numpy.void)
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return False
    times = (pandas.Timestamp, pandas.Timedelta)
    return kind in (*times, type(pandas.NaT), type(pandas.NA))
