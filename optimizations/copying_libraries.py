"""How objects of the data libraries are copied; none of them is imported here.

pandas objects go through the pickle protocol, their supported way to be taken
apart, so object cells, index memory, flags, attrs and the layout of the blocks are
copied exactly; ``copy(deep=True)`` shares cells and index and loses the layout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stratum_dask.optimizations.copying_arrays import (
    PLAIN_CELLS,
    Handler,
    find_numpy,
    is_plain_array,
    parts,
    plain_cells,
    same,
)

if TYPE_CHECKING:
    from stratum_dask.optimizations.copying import Memo

__all__ = ["LIBRARIES", "copies_on_write", "plain_cells_only", "plain_data"]

ARROW_VALUES = frozenset(
    (
        *("Array", "ChunkedArray", "Table", "RecordBatch", "Scalar"),
        *("DataType", "Schema", "Field"),
    )
)
FRAME_SLOTS = frozenset(
    ["_mgr", "_item_cache", "_attrs", "_flags", "_is_copy", "_cacher", "_name"]
)


def plain_data(obj: Any) -> bool:
    """Whether an object is an array or a frame without Python objects inside.

    Examples
    --------
    >>> import numpy as np
    >>> plain_data(np.zeros(3)), plain_data(np.array([[]], object)), plain_data(3)
    (True, False, False)
    """
    if is_plain_array(obj):
        return not obj.dtype.hasobject
    pandas = sys.modules.get("pandas")
    frames = pandas and (pandas.DataFrame, pandas.Series)
    if not frames or type(obj) not in frames or obj.attrs:
        return False
    kinds = [obj.dtype] if obj.ndim == 1 else obj.dtypes
    return not any(kind == object for kind in kinds)


def plain_cells_only(obj: Any) -> bool:
    """Whether an object is a frame of numbers, times, texts and the like.

    Examples
    --------
    >>> import pandas as pd
    >>> plain_cells_only(pd.Series([1, 2])), plain_cells_only(pd.Series([[1], 2]))
    (True, False)
    """
    pandas = sys.modules.get("pandas")
    if pandas is None or type(obj) not in (pandas.DataFrame, pandas.Series):
        return False
    if obj.attrs or vars(obj).keys() - FRAME_SLOTS - obj._accessors:
        return False
    values = [obj] if obj.ndim == 1 else [obj.iloc[:, i] for i in _odd(obj.dtypes)]
    return all(map(_has_plain_cells, (*values, *obj.axes)))


def _odd(kinds: Any) -> list[int]:
    """The places of types whose cells have to be looked at."""
    return [i for i, kind in enumerate(kinds) if getattr(kind, "kind", "O") == "O"]


def _has_plain_cells(values: Any) -> bool:
    """Whether no cell of a column or an index can be written into."""
    kind, pandas = values.dtype, sys.modules["pandas"]
    name = type(kind).__name__
    if name == "CategoricalDtype":
        return _has_plain_cells(kind.categories)
    if kind == object:
        return pandas.api.types.infer_dtype(values, skipna=True) in PLAIN_CELLS
    home = type(kind).__module__.partition(".")[0]
    return home == "numpy" or (home == "pandas" and name in _PLAIN_KINDS)


_PLAIN_KINDS = frozenset(
    (
        *("StringDtype", "ArrowDtype", "DatetimeTZDtype", "PeriodDtype"),
        *("BooleanDtype", "Float32Dtype", "Float64Dtype"),
        *(f"{u}Int{bits}Dtype" for u in ("", "U") for bits in (8, 16, 32, 64)),
    )
)


def _frame(obj: Any, memo: Memo) -> Any:
    if memo.cow and copies_on_write() and not _has_cells(obj, memo):
        result = obj.copy(deep=False)
        for name in set(obj._metadata) - {"_name"}:
            if hasattr(obj, name):
                copied = memo.duplicate(getattr(obj, name))
                object.__setattr__(result, name, copied)
    else:
        result = memo.by_parts(obj)
        _link(obj, result, memo)
    # df.note = ... is no column: pandas' own copies would forget it
    for name in vars(obj).keys() - FRAME_SLOTS - {*obj._metadata} - obj._accessors:
        object.__setattr__(result, name, memo.duplicate(vars(obj)[name]))
    return result


def _categories(obj: Any, memo: Memo) -> Any:
    """Another type with categories of its own, whose index has a name to write."""
    if obj.categories is None:
        return obj
    return type(obj)(memo.duplicate(obj.categories), obj.ordered)


def _index(obj: Any, memo: Memo) -> Any:
    result = memo.by_parts(obj)
    old = getattr(obj, "_references", None)
    if old is not None and result is not obj:
        refs = memo.refs.get(id(old))
        if refs is None:
            refs = memo.refs[id(old)] = result._references or type(old)()
            memo.alive.append(old)
        if refs is not result._references:
            result._references = refs
            refs.add_index_reference(result)
    return result


def _link(old: Any, new: Any, memo: Memo) -> None:
    """Let pandas know which copies share memory: those whose originals do.

    It copies on write where others refer to the same memory, and a pickle does not
    tell that they do.
    """
    if not hasattr(old._mgr, "blocks"):
        return
    for was, block in zip(old._mgr.blocks, new._mgr.blocks, strict=True):
        if not hasattr(was, "refs"):
            return
        known = memo.refs.setdefault(id(was.refs), block.refs)
        memo.alive.append(was.refs)
        if known is not block.refs:
            block.refs = known
            known.add_reference(block)


def _has_cells(frame: Any, memo: Memo) -> bool:
    """Whether a copy-on-write handle would share cells one can write into."""
    if frame.ndim == 1:
        return frame.dtype == object and not plain_cells(frame.to_numpy(), memo)
    return any(
        kind == object and not plain_cells(frame.iloc[:, i].to_numpy(), memo)
        for i, kind in enumerate(frame.dtypes)
    )


def copies_on_write() -> bool:
    """Whether pandas copies what is written into, if somebody else looks at it."""
    pandas = sys.modules["pandas"]
    if int(pandas.__version__.partition(".")[0]) >= 3:
        return True
    return pandas.options.mode.copy_on_write is True


def _pandas(cls: type) -> Handler | None:
    pandas = sys.modules["pandas"]
    if issubclass(cls, (pandas.DataFrame, pandas.Series)):
        return _frame
    if issubclass(cls, pandas.Index):
        return parts if issubclass(cls, pandas.RangeIndex) else _index
    scalars = (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.Interval)
    others = (type(pandas.NaT), type(pandas.NA), pandas.tseries.offsets.BaseOffset)
    if issubclass(cls, pandas.CategoricalDtype):
        return _categories
    dtype = pandas.api.extensions.ExtensionDtype
    return same if issubclass(cls, (*scalars, *others, dtype)) else None


def _pyarrow(cls: type) -> Handler | None:
    names = {base.__name__ for base in cls.__mro__ if base.__module__ == "pyarrow.lib"}
    return same if names & ARROW_VALUES else None


def _polars(cls: type) -> Handler | None:
    if cls.__name__ in ("DataFrame", "Series"):
        return lambda obj, memo: obj.clone()
    return same if cls.__name__ in ("LazyFrame", "Expr") else None


LIBRARIES: dict[str, Callable[[type], Handler | None]] = {
    "numpy": find_numpy,
    "pandas": _pandas,
    "pyarrow": _pyarrow,
    "polars": _polars,
}
"""By root package: what finds the handler of one of its classes, if it has one."""
