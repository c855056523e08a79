"""Run a function that only looks on the shared objects themselves.

Light: this is what workers import. That a function only looks was found from its code,
for plain arrays and frames; whether it gets those is asked here, of each call, and
whether its result may look into what is shared.
"""

from __future__ import annotations

import datetime
import sys
from typing import Any

from stratum_dask.optimizations.copying_arrays import is_flat_array
from stratum_dask.optimizations.copying_libraries import plain_cells_only

__all__ = ["harmless", "looks_into"]

_ATOMS = frozenset(
    (
        *(type(None), bool, int, float, complex, str, bytes, range, type(...)),
        *(datetime.date, datetime.datetime, datetime.timedelta),
    )
)
_CONTAINERS = (list, tuple, set, frozenset)
_KINDS = frozenset("biufcmMSU")


def harmless(values: list[Any]) -> bool:
    """Whether a function that only looks may have ``values`` themselves.

    Examples
    --------
    >>> import numpy as np
    >>> harmless([np.zeros(2), 3, ["a"]]), harmless([[np.zeros(2)]])
    (True, False)
    """
    return all(_is_plain(v) or _holds_atoms(v) for v in values)


def looks_into(result: Any, shared: list[Any]) -> bool:
    """Whether a result may be, hold, or share memory with something shared.

    Of what is neither an atom nor an array it is not asked: it may.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.zeros(4)
    >>> looks_into(x[1:], [x]), looks_into(x + 1, [x]), looks_into(1.5, [x])
    (True, False, False)
    """
    if _is_atom(result):
        return False
    numpy = sys.modules.get("numpy")
    if numpy is None or not is_flat_array(result):
        return True
    return not all(
        _is_atom(value)
        or (is_flat_array(value) and not numpy.may_share_memory(result, value))
        for value in shared
    )


def _is_plain(value: Any) -> bool:
    """Whether a value is an array of numbers, or a frame of them, texts and times."""
    if is_flat_array(value):
        return value.dtype.kind in _KINDS
    return plain_cells_only(value)


def _holds_atoms(value: Any) -> bool:
    kind = type(value)
    if kind in _CONTAINERS:
        return all(map(_is_atom, value))
    if kind is dict:
        return all(map(_is_atom, value)) and all(map(_is_atom, value.values()))
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
