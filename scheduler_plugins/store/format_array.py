"""numpy arrays: their memory as it is, with dtype, shape, order and strides."""

from __future__ import annotations

from typing import Any

__all__ = ["decode", "encode"]

_KINDS = "biufcmMSU"
_SPREAD = 8
"""Memory that a view may look into, as a multiple of its own size."""


def encode(obj: Any) -> tuple[dict[str, Any], memoryview] | None:
    """What describes an array, and its elements; None for other objects.

    Examples
    --------
    >>> import numpy as np
    >>> array = np.arange(6).reshape(2, 3).T
    >>> meta, data = encode(array)
    >>> again = decode(meta, bytearray(data))
    >>> bool((again == array).all()), again.flags.f_contiguous, again.flags.writeable
    (True, True, True)
    """
    import numpy as np

    if type(obj) is not np.ndarray:
        return None
    dtype = obj.dtype
    if dtype.kind not in _KINDS or dtype.metadata or np.dtype(dtype.str) != dtype:
        return None
    meta: dict[str, Any] = {
        "dtype": dtype.str,
        "shape": list(obj.shape),
        "writeable": bool(obj.flags.writeable),
    }
    if obj.flags.c_contiguous:
        meta["order"] = "C"
        flat = obj
    elif obj.flags.f_contiguous:
        meta["order"] = "F"
        flat = obj.T
    else:
        # How the memory is stepped through decides in which order numpy adds.
        if _extent(obj.shape, obj.strides, dtype.itemsize)[1] > _SPREAD * obj.nbytes:
            return None
        meta["strides"] = list(obj.strides)
        flat = np.ascontiguousarray(obj)
    if obj.nbytes == 0:
        return meta, memoryview(b"")
    return meta, flat.reshape(-1).view(np.uint8).data


def decode(meta: dict[str, Any], frame: bytearray) -> Any:
    """The array that `encode` was given, in memory of its own.

    Raises
    ------
    ValueError
        What describes it does not fit its elements.
    """
    import numpy as np

    dtype, shape = np.dtype(meta["dtype"]), tuple(meta["shape"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"no array of {dtype}")
    strides = meta.get("strides")
    array = np.ndarray(shape, dtype, frame, order=meta.get("order", "C"))
    if strides is not None:
        first, extent = _extent(shape, strides, dtype.itemsize)
        around = np.ndarray(shape, dtype, bytearray(extent), first, tuple(strides))
        around[...] = array
        array = around
    if not meta["writeable"]:
        array.flags.writeable = False
    return array


def _extent(shape: Any, strides: Any, itemsize: int) -> tuple[int, int]:
    """Where the first element lies in the memory of a view, and how large that is."""
    steps = [step * (n - 1) for n, step in zip(shape, strides, strict=True)]
    before = -sum(step for step in steps if step < 0)
    after = sum(step for step in steps if step > 0)
    return before, before + after + itemsize
