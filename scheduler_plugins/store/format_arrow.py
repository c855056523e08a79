"""pandas frames and series, and what pyarrow has: Arrow's IPC stream."""

from __future__ import annotations

from typing import Any

from stratum_dask.scheduler_plugins.store import format_plain

__all__ = ["decode", "encode", "layout"]


def encode(obj: Any) -> tuple[dict[str, Any], memoryview] | None:
    """What says how to read the stream, and the stream; None where none is made.

    What pandas keeps as Python objects is not tried: Arrow gives it other types.
    Whether the rest comes back as it was is for the caller to compare.
    """
    root = type(obj).__module__.partition(".")[0]
    if root not in ("pandas", "pyarrow"):
        return None
    try:
        import pyarrow as pa

        made = _tabled(obj, pa) if root == "pyarrow" else _framed(obj, pa)
        if made is None:
            return None
        meta, table = made
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write(table)
        return meta, memoryview(sink.getvalue())
    except ImportError:
        return None
    except Exception:  # noqa: BLE001 whatever Arrow says of a type that it has not
        return None


def _tabled(obj: Any, pa: Any) -> tuple[dict[str, Any], Any] | None:
    if type(obj) is pa.Table:
        return {"as": "table"}, obj
    if type(obj) is pa.RecordBatch:
        return {"as": "batch"}, obj
    if type(obj) is pa.ChunkedArray:
        return {"as": "chunked"}, pa.table({"0": obj})
    if isinstance(obj, pa.Array) and type(obj).__module__ == "pyarrow.lib":
        return {"as": "array"}, pa.record_batch({"0": obj})
    return None


def _framed(obj: Any, pa: Any) -> tuple[dict[str, Any], Any] | None:
    import pandas as pd

    meta: dict[str, Any]
    if type(obj) is pd.Series:
        name = format_plain.encode(obj.name)
        if name is None:
            return None
        meta = {"as": "series", "name": name.decode()}
        frame = obj.to_frame("0")
    elif type(obj) is pd.DataFrame:
        meta, frame = {"as": "frame"}, obj
    else:
        return None
    if any(dtype == object for dtype in [*frame.dtypes, *_index_dtypes(frame)]):
        return None
    if not frame.columns.is_unique or not frame.flags.allows_duplicate_labels:
        return None
    return meta, pa.Table.from_pandas(frame, preserve_index=None)


def _index_dtypes(frame: Any) -> list[Any]:
    index = frame.index
    return [level.dtype for level in getattr(index, "levels", [index])]


def decode(meta: dict[str, Any], frame: bytearray) -> Any:
    """The object that `encode` was given, in memory of its own."""
    import pyarrow as pa

    stream = pa.ipc.open_stream(pa.py_buffer(frame))
    kind = meta["as"]
    if kind in ("batch", "array"):
        batch = stream.read_next_batch()
        return batch if kind == "batch" else batch.column(0)
    table = stream.read_all()
    if kind == "table":
        return table
    if kind == "chunked":
        return table.column(0)
    found = table.to_pandas()
    if any(not writeable for *_, writeable in layout(found)):
        found = found.copy()  # it looks into Arrow's memory
    if kind == "frame":
        return found
    if kind != "series":
        raise ValueError(f"no {kind!r} in Arrow")
    series = found.iloc[:, 0]
    series.name = format_plain.decode(meta["name"].encode())
    return series


def layout(obj: Any) -> list[tuple[object, ...]]:
    """How a frame or series is packed into memory, which decides how numpy adds.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rows = pd.DataFrame(np.eye(3), copy=False)
    >>> layout(rows) == layout(pd.DataFrame({i: np.eye(3)[i] for i in range(3)}))
    False
    """
    import numpy as np

    found: list[tuple[object, ...]] = []
    for block in getattr(getattr(obj, "_mgr", None), "blocks", ()):
        values = block.values
        values = getattr(values, "_ndarray", values)
        if isinstance(values, np.ndarray):
            # Of a row alone the order means nothing.
            order = values.flags.c_contiguous, values.flags.f_contiguous
            steps = None if any(order) else values.strides
            places = tuple(block.mgr_locs.as_array.tolist())
            found.append((places, values.shape, order, steps, values.flags.writeable))
    return found
