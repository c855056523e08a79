"""Arrow: arrays, tables, schemas, types and scalars.

Only what an array shows is read: the window that a slice looks through, and no
bits beyond its length or below its nulls.
"""

from __future__ import annotations

from typing import Any

from stratum_dask.optimizations.fingerprint.sharing import Kind
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.verdict import Refused

__all__ = ["BY_REDUCE", "KINDS"]

_STEP = 1 << 17
"""So many elements are unpacked at a time, where unpacking is needed."""


def _type(encoder: Encoder, dtype: Any) -> bytes:
    import pyarrow as pa

    return _schema(encoder, pa.schema([pa.field("", dtype)]))


def _field(encoder: Encoder, field: Any) -> bytes:
    import pyarrow as pa

    return _schema(encoder, pa.schema([field]))


def _schema(encoder: Encoder, schema: Any) -> bytes:
    return encoder.value(schema.serialize().to_pybytes())


def _array(encoder: Encoder, array: Any) -> bytes:
    return encoder.short(_type(encoder, array.type) + _elements(encoder, array))


def _elements(encoder: Encoder, array: Any) -> bytes:
    """The elements of an array whose type is told elsewhere."""
    import pyarrow.types as t

    head = b"a%d:" % len(array)
    dtype = array.type
    if t.is_null(dtype):
        return head
    if isinstance_extension(dtype):
        return head + _elements(encoder, array.storage)
    if t.is_dictionary(dtype):
        keys = _elements(encoder, array.indices)
        return encoder.short(head + keys + _elements(encoder, array.dictionary))
    head += _validity(encoder, array)
    if t.is_struct(dtype):
        parts = [_elements(encoder, array.field(i)) for i in range(dtype.num_fields)]
        return encoder.short(head + b"".join(parts))
    if t.is_fixed_size_list(dtype):
        size = dtype.list_size
        window = array.values.slice(array.offset * size, len(array) * size)
        return encoder.short(head + _elements(encoder, window))
    if t.is_list(dtype) or t.is_large_list(dtype) or t.is_map(dtype):
        wide = t.is_large_list(dtype)
        sizes, first, last = _lengths(encoder, array, array.buffers()[1], wide)
        if t.is_map(dtype):
            inner = [array.keys, array.items]
        else:
            inner = [array.values]
        windows = [_elements(encoder, x.slice(first, last - first)) for x in inner]
        return encoder.short(head + sizes + b"".join(windows))
    if _is_bytes(dtype):
        wide = t.is_large_string(dtype) or t.is_large_binary(dtype)
        sizes, first, last = _lengths(encoder, array, array.buffers()[1], wide)
        hasher = encoder.hasher()
        if last > first:
            hasher.update(memoryview(array.buffers()[2])[first:last])
        return head + sizes + hasher.digest()  # type: ignore[no-any-return]
    return head + _fixed(encoder, array)


def isinstance_extension(dtype: Any) -> bool:
    """Whether ``dtype`` only gives another type a new name."""
    import pyarrow as pa

    return bool(isinstance(dtype, pa.BaseExtensionType))


def _is_bytes(dtype: Any) -> bool:
    import pyarrow.types as t

    return bool(
        t.is_string(dtype)
        or t.is_binary(dtype)
        or t.is_large_string(dtype)
        or t.is_large_binary(dtype)
    )


def _bits(buffer: Any, start: int, size: int) -> Any:
    """``size`` bits from bit ``start`` on, as an array of bool."""
    import numpy as np

    raw = np.frombuffer(buffer, np.uint8)[start // 8 : (start + size + 7) // 8]
    bits = np.unpackbits(raw, bitorder="little")
    return bits[start % 8 : start % 8 + size].view(bool)


def _validity(encoder: Encoder, array: Any) -> bytes:
    if array.null_count == 0:
        return b"-"
    return b"+" + _hash_bits(encoder, array, array.buffers()[0])


def _hash_bits(encoder: Encoder, array: Any, buffer: Any) -> bytes:
    hasher = encoder.hasher()
    for start in range(0, len(array), _STEP):
        size = min(_STEP, len(array) - start)
        bits = _bits(buffer, array.offset + start, size)
        if buffer is not array.buffers()[0] and array.null_count:
            bits = bits & _valid(array, start, size)
        hasher.update(bits)
    return hasher.digest()  # type: ignore[no-any-return]


def _valid(array: Any, start: int, size: int) -> Any:
    return _bits(array.buffers()[0], array.offset + start, size)


def _lengths(
    encoder: Encoder, array: Any, buffer: Any, wide: bool
) -> tuple[bytes, int, int]:
    """Digest of the elements' lengths, and where the first begins and last ends."""
    import numpy as np

    hasher = encoder.hasher()
    if len(array) == 0:
        return hasher.digest(), 0, 0
    offsets = np.frombuffer(buffer, np.int64 if wide else np.int32)
    offsets = offsets[array.offset : array.offset + len(array) + 1]
    for start in range(0, len(array), _STEP):
        hasher.update(np.diff(offsets[start : start + _STEP + 1]))
    return hasher.digest(), int(offsets[0]), int(offsets[-1])


def _fixed(encoder: Encoder, array: Any) -> bytes:
    """Elements that are all of one width."""
    import numpy as np
    import pyarrow.types as t

    dtype = array.type
    buffers = array.buffers()
    if t.is_boolean(dtype):
        return _hash_bits(encoder, array, buffers[1]) if len(array) else b""
    try:
        width = dtype.bit_width // 8
    except ValueError:
        width = 0
    if len(buffers) != 2 or width == 0:
        raise Refused(
            f"the layout of the Arrow type {dtype} is not known",
            "cast it to a type that older versions of Arrow have too",
        )
    hasher = encoder.hasher()
    if len(array) == 0:
        return hasher.digest()  # type: ignore[no-any-return]
    first = array.offset * width
    raw = memoryview(buffers[1]).cast("B")[first : first + len(array) * width]
    if array.null_count == 0:
        hasher.update(raw)
        return hasher.digest()  # type: ignore[no-any-return]
    cells = np.frombuffer(raw, np.uint8).reshape(len(array), width)
    for start in range(0, len(array), _STEP):
        part = cells[start : start + _STEP].copy()
        part[~_valid(array, start, len(part))] = 0
        hasher.update(part.reshape(-1))
    return hasher.digest()  # type: ignore[no-any-return]


def _chunked(encoder: Encoder, array: Any) -> bytes:
    parts = [_type(encoder, array.type), b"%d:" % array.num_chunks]
    parts += [_elements(encoder, chunk) for chunk in array.chunks]
    return encoder.short(b"".join(parts))


def _table(encoder: Encoder, table: Any) -> bytes:
    columns = tuple(table.columns)
    head = _schema(encoder, table.schema) + b"%d:" % table.num_rows
    return head + encoder.value(columns)


def _scalar(encoder: Encoder, scalar: Any) -> bytes:
    import pyarrow as pa

    return _array(encoder, pa.repeat(scalar, 1))


def _buffer(encoder: Encoder, buffer: Any) -> bytes:
    hasher = encoder.hasher(memoryview(buffer))
    return encoder.value((buffer.size, buffer.is_mutable)) + hasher.digest()  # type: ignore[no-any-return]


def _heavy(encode: Any) -> Kind:
    return Kind(encode, mutable=False, heavy=True)


KINDS: dict[str, Kind] = {
    "pyarrow:Array": _heavy(_array),
    "pyarrow:ChunkedArray": _heavy(_chunked),
    "pyarrow:Table": _heavy(_table),
    "pyarrow:RecordBatch": _heavy(_table),
    "pyarrow:Schema": _heavy(_schema),
    "pyarrow:Field": _heavy(_field),
    "pyarrow:DataType": _heavy(_type),
    "pyarrow:Scalar": _heavy(_scalar),
    "pyarrow:Buffer": _heavy(_buffer),
}
"""``module:qualname`` -> how its instances are encoded."""

BY_REDUCE = (
    "pyarrow.compute:Expression",
    "pyarrow.fs:FileSystem",
    "pyarrow.dataset:FileFormat",
    "pyarrow.dataset:Partitioning",
)
"""Compiled classes whose ``__reduce__`` is the whole of their value."""
