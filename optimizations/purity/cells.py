"""What containers hold: those of Python and those of the data libraries."""

from __future__ import annotations

import collections
import sys
from collections.abc import Iterable
from typing import Any

__all__ = ["cells"]

_SEQUENCES: tuple[type[Any], ...] = (list, tuple, set, frozenset, collections.deque)


def cells(obj: Any) -> list[Any] | None:
    """The Python objects in a container, None where there can't be any.

    The methods are those of the base class, so no code of the user's runs.

    Examples
    --------
    >>> cells(collections.OrderedDict(a=1)), cells(3.5)
    ([1, 'a'], None)
    """
    if isinstance(obj, dict):
        return [*dict.values(obj), *dict.keys(obj)]
    for base in _SEQUENCES:
        if isinstance(obj, base):
            return list(base.__iter__(obj))
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    array = getattr(numpy, "ndarray", None)
    if array is not None and isinstance(obj, array):
        return _array(numpy, obj)
    frames = [getattr(pandas, n, None) for n in ("DataFrame", "Series", "Index")]
    known = tuple(frame for frame in frames if frame is not None)
    return _frame(numpy, pandas, obj) if known and isinstance(obj, known) else None


def _array(numpy: Any, obj: Any) -> list[Any] | None:
    plain = numpy.ndarray.view(obj, numpy.ndarray)
    if not plain.dtype.hasobject:
        return None
    if plain.dtype.names is None:
        return list(plain.flat)
    found: list[Any] = []
    for name in plain.dtype.names:
        found.extend(_array(numpy, plain[name]) or ())
    return found


def _frame(numpy: Any, pandas: Any, obj: Any) -> list[Any] | None:
    found: list[Any] = [obj.attrs] if getattr(obj, "attrs", None) else []
    if not isinstance(obj, pandas.DataFrame):
        columns: Iterable[Any] = (obj,)
    else:
        at = [i for i, kind in enumerate(obj.dtypes) if kind == object]
        columns = (obj.iloc[:, i] for i in at)
    for column in columns:
        if column.dtype == object:
            found.extend(_array(numpy, column.to_numpy()) or ())
    return found or None
