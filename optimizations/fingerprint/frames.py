"""pandas: frames, series, indexes, their arrays, dtypes and scalars.

A frame is its columns, one after the other, however they are packed into blocks.
"""

from __future__ import annotations

import struct
from typing import Any

from stratum_dask.optimizations.fingerprint import arrays
from stratum_dask.optimizations.fingerprint.sharing import Kind
from stratum_dask.optimizations.fingerprint.values import Encoder

__all__ = ["KINDS"]


def _part(encoder: Encoder, obj: Any) -> bytes:
    """A part of a frame or index, whatever memory it shares with other parts."""
    return encoder.adopt(*encoder.alone(obj, Encoder.value), views=False)


def _column(encoder: Encoder, values: Any) -> bytes:
    """One column: its dtype and elements, not how its memory is laid out."""
    import numpy as np

    if type(values) is not np.ndarray:
        return _part(encoder, values)
    encoder.mention(arrays.memory(values))
    head = b"n" + arrays.dtype_bytes(encoder, values.dtype)
    if values.dtype == object:
        cells = map(_cell, values.flat)
        return head + encoder.series(b"[", values.size, cells)
    return head + arrays.content(encoder, values)


_NANS: dict[bytes, float] = {}


def _cell(cell: Any) -> Any:
    """A cell, or one NaN for all of these bits: which are one object is an accident."""
    if type(cell) is not float or cell == cell:  # noqa: PLR0124
        return cell
    bits = struct.pack("<d", cell)
    return _NANS.setdefault(bits, struct.unpack("<d", bits)[0])


def _block(encoder: Encoder, values: Any) -> list[bytes]:
    """Each column of one block."""
    import numpy as np

    if type(values) is not np.ndarray:
        if values.ndim == 1:
            return [_column(encoder, values)]
        # Dates are kept in 2-D extension arrays.
        return [_column(encoder, row) for row in values]
    if values.dtype.hasobject:
        return [_column(encoder, row) for row in values]
    encoder.mention(arrays.memory(values))
    head = b"n" + arrays.dtype_bytes(encoder, values.dtype)
    return [head + digest for digest in arrays.rows(encoder, values)]


def _frame(encoder: Encoder, frame: Any) -> bytes:
    columns: list[bytes] = [b""] * frame.shape[1]
    for block in frame._mgr.blocks:
        parts = _block(encoder, block.values)
        for place, part in zip(block.mgr_locs.as_array, parts, strict=True):
            columns[place] = part
    head = _part(encoder, frame.columns) + _part(encoder, frame.index)
    head += _labels(encoder, frame)
    return encoder.short(head + b"%d:" % len(columns) + b"".join(columns))


def _series(encoder: Encoder, series: Any) -> bytes:
    head = _part(encoder, series.index) + encoder.value(series.name)
    head += _labels(encoder, series)
    return head + _column(encoder, series._mgr.blocks[0].values)


def _labels(encoder: Encoder, obj: Any) -> bytes:
    return encoder.value((obj.attrs, obj.flags.allows_duplicate_labels))


def _index(encoder: Encoder, index: Any) -> bytes:
    # Dates know their freq; in pandas < 3 their array says so too.
    labels = index.name, getattr(index, "_freq", None)
    return encoder.value(labels) + encoder.value(index.array)


def _range_index(encoder: Encoder, index: Any) -> bytes:
    return encoder.value((index.name, index.start, index.stop, index.step))


def _multi_index(encoder: Encoder, index: Any) -> bytes:
    parts = [encoder.value((tuple(index.names), index.sortorder))]
    for level, codes in zip(index.levels, index.codes, strict=True):
        parts += [_part(encoder, level), _column(encoder, codes)]
    return encoder.short(b"".join(parts))


def _numpy_backed(encoder: Encoder, array: Any) -> bytes:
    return encoder.value(array.dtype) + _column(encoder, array._ndarray)


def _dates(encoder: Encoder, array: Any) -> bytes:
    freq = getattr(array, "_freq", None)
    return encoder.value(freq) + _numpy_backed(encoder, array)


def _categorical(encoder: Encoder, array: Any) -> bytes:
    return encoder.value(array.dtype) + _column(encoder, array._codes)


def _masked(encoder: Encoder, array: Any) -> bytes:
    """Values and mask, but not what lies below the mask."""
    import numpy as np

    values, mask = array._data, array._mask
    head = encoder.value(array.dtype) + _column(encoder, mask)
    if not mask.any():
        return head + _column(encoder, values)
    encoder.mention(arrays.memory(values))
    hasher = encoder.hasher()
    step = 1 << 18
    for start in range(0, len(values), step):
        part = np.array(values[start : start + step])
        part[mask[start : start + step]] = 0
        arrays.update(hasher, part)
    return head + b"m" + hasher.digest()  # type: ignore[no-any-return]


def _arrow_backed(encoder: Encoder, array: Any) -> bytes:
    import pyarrow as pa

    chunks = array._pa_array
    texts = pa.types.is_large_string(chunks.type) or pa.types.is_string(chunks.type)
    if chunks.num_chunks != 1 and (texts or chunks.nbytes < 1 << 20):
        # Adding a column leaves its name in a chunk of its own, and a pickle has one
        # chunk. Of numbers it decides how they are added.
        chunks = pa.chunked_array([chunks.combine_chunks()], chunks.type)
    return encoder.value((array.dtype, chunks))


def _interval_array(encoder: Encoder, array: Any) -> bytes:
    ends = _part(encoder, array._left) + _part(encoder, array._right)
    return encoder.value(array.dtype) + ends


def _sparse_array(encoder: Encoder, array: Any) -> bytes:
    places = array.sp_index
    found = (array.dtype, len(array), type(places).__name__, array.sp_values)
    return encoder.value(found) + encoder.value(places.to_int_index().indices)


def _fields(*names: str) -> Kind:
    """A kind that is told by these attributes."""

    def encode(encoder: Encoder, obj: Any) -> bytes:
        found = [_told(getattr(obj, n, None)) for n in names]
        return encoder.series(b"(", len(names), found)

    return Kind(encode, mutable=False, covered=None)


def _told(value: Any) -> Any:
    """A missing value by its bits: types share theirs, or do not, by accident."""
    if type(value) is float and value != value:  # noqa: PLR0124
        return True, struct.pack("<d", value)
    return False, value


def _string_dtype(encoder: Encoder, dtype: Any) -> bytes:
    missing = getattr(dtype, "na_value", None)
    return encoder.value((dtype.storage, _told(missing)))


def _singleton(encoder: Encoder, obj: Any) -> bytes:
    return b""


def _timestamp(encoder: Encoder, stamp: Any) -> bytes:
    found = (stamp._value, stamp.unit, stamp.fold, stamp.tzinfo)
    return encoder.value(found)


def _timedelta(encoder: Encoder, delta: Any) -> bytes:
    return encoder.value((delta._value, delta.unit))


_FRAME = frozenset(
    {
        "_attrs",
        "_mgr",
        "_cacher",
        "_flags",
        "_is_copy",
        "_item_cache",
        "_metadata",
        "_typ",
    }
)
_INDEX = frozenset(
    {
        "_cache",
        "_codes",
        "_data",
        "_engine",
        "_freq",
        "_id",
        "_levels",
        "_name",
        "_names",
        "_range",
        "_references",
        "sortorder",
    }
)
_ARRAY = frozenset(
    {
        "_cache",
        "_codes",
        "_data",
        "_dtype",
        "_freq",
        "_left",
        "_mask",
        "_ndarray",
        "_pa_array",
        "_readonly",
        "_right",
        "_sparse_index",
        "_sparse_values",
    }
)


def _heavy(encode: Any, covered: frozenset[str]) -> Kind:
    return Kind(encode, heavy=True, covered=covered)


def _shared(encode: Any) -> Kind:
    # Frames share their indexes and give away their arrays freely, and copy them
    # when written to: which are one object is an accident.
    return Kind(encode, mutable=False, heavy=True, covered=_INDEX)


KINDS: dict[str, Kind] = {
    "pandas:DataFrame": _heavy(_frame, _FRAME),
    "pandas:Series": _heavy(_series, _FRAME | {"_name"}),
    "pandas:RangeIndex": _shared(_range_index),
    "pandas:MultiIndex": _shared(_multi_index),
    "pandas:Index": _shared(_index),
    "pandas:Categorical": _heavy(_categorical, _ARRAY),
    "pandas.arrays:DatetimeArray": _heavy(_dates, _ARRAY),
    "pandas.arrays:TimedeltaArray": _heavy(_dates, _ARRAY),
    "pandas.arrays:PeriodArray": _heavy(_numpy_backed, _ARRAY),
    "pandas.arrays:NumpyExtensionArray": _heavy(_numpy_backed, _ARRAY),
    "pandas.arrays:IntervalArray": _heavy(_interval_array, _ARRAY),
    "pandas.arrays:SparseArray": _heavy(_sparse_array, _ARRAY),
    "pandas.arrays:ArrowExtensionArray": _heavy(_arrow_backed, _ARRAY),
    "pandas.core.arrays.masked:BaseMaskedArray": _heavy(_masked, _ARRAY),
    "pandas:CategoricalDtype": _fields("categories", "ordered"),
    "pandas:DatetimeTZDtype": _fields("unit", "tz"),
    "pandas:PeriodDtype": _fields("freq"),
    "pandas:IntervalDtype": _fields("subtype", "closed"),
    "pandas:SparseDtype": _fields("subtype", "fill_value"),
    "pandas:StringDtype": Kind(_string_dtype, mutable=False, covered=None),
    "pandas:ArrowDtype": _fields("pyarrow_dtype"),
    "pandas.core.dtypes.base:ExtensionDtype": _fields("name"),
    "pandas:Timestamp": Kind(_timestamp, mutable=False, covered=None),
    "pandas:Timedelta": Kind(_timedelta, mutable=False, covered=None),
    "pandas:Period": _fields("ordinal", "freq"),
    "pandas:Interval": _fields("left", "right", "closed"),
    "pandas._libs.tslibs.nattype:NaTType": Kind(
        _singleton, mutable=False, covered=None
    ),
    "pandas._libs.missing:NAType": Kind(_singleton, mutable=False, covered=None),
}
"""``module:qualname`` -> how its instances are encoded."""
