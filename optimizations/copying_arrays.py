"""How numpy's objects are copied; numpy is not imported here.

Arrays keep their strides and read-only flag, and views of one base keep sharing:
another memory order changes the last bits of sums.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from stratum_dask.optimizations.copying import Memo

__all__ = [
    "Handler",
    "find_numpy",
    "is_flat_array",
    "is_plain_array",
    "parts",
    "plain_cells",
    "root_of",
    "same",
]

Handler: TypeAlias = "Callable[[Any, Memo], Any]"

PLAIN_CELLS = frozenset(
    (
        *("string", "bytes", "integer", "floating", "complex", "boolean", "decimal"),
        *("empty", "date", "datetime", "datetime64", "time"),
        *("timedelta", "timedelta64", "period", "interval"),
    )
)
"""Answers of pandas' ``infer_dtype`` that rule out cells one can write into."""


def is_plain_array(obj: object) -> bool:
    """Whether an object is an ``ndarray``, and of no subclass.

    Examples
    --------
    >>> is_plain_array([1])
    False
    """
    cls = type(obj)
    return cls.__name__ == "ndarray" and cls.__module__ == "numpy"


def is_flat_array(obj: object) -> bool:
    """Whether an object is a plain array, and its bytes are all there is to it.

    Examples
    --------
    >>> import numpy as np
    >>> is_flat_array(np.zeros(2)), is_flat_array(np.array([[]], object))
    (True, False)
    """
    return is_plain_array(obj) and _is_flat(obj)


def root_of(array: Any) -> Any:
    """Return the array that owns the memory which an array looks into.

    Examples
    --------
    >>> import numpy as np
    >>> owner = np.zeros(4)
    >>> root_of(owner[1:][::2]) is owner
    True
    """
    while is_plain_array(array.base):
        array = array.base
    return array


def plain_cells(array: Any, memo: Memo) -> bool:
    """Whether no cell of an object array can be written into.

    Examples
    --------
    >>> import numpy as np
    >>> from stratum_dask.optimizations.copying import Memo
    >>> plain_cells(np.array(["a", 1, None], object), Memo())
    True
    >>> plain_cells(np.array(["a", []], object), Memo())
    False
    """
    flat = array.ravel(order="K")
    pandas = sys.modules.get("pandas")
    infer = getattr(getattr(pandas, "api", None), "types", None)
    if infer is not None and infer.infer_dtype(flat, skipna=True) in PLAIN_CELLS:
        return True
    return all(memo.immutable(cls) for cls in set(map(type, flat)))


def same(obj: Any, memo: Memo) -> Any:
    """Return what needs no copy.

    Examples
    --------
    >>> from stratum_dask.optimizations.copying import Memo
    >>> same("text", Memo())
    'text'
    """
    return obj


def parts(obj: Any, memo: Memo) -> Any:
    """Return what the pickle protocol makes of an object."""
    return memo.by_parts(obj)


def _array(obj: Any, memo: Memo) -> Any:
    root = root_of(obj)
    # A view brings its base along when that is no waste, or when somebody else
    # looks into the same memory too.
    if (
        root is not obj
        and (root.nbytes <= 2 * obj.nbytes or id(root) in memo.joint)
        and (root.flags.c_contiguous or root.flags.f_contiguous)
        and _is_flat(root)
        and _is_flat(obj)
    ):
        return _view(obj, root, memo)
    result = memo.roots.get(id(obj))
    if result is None:
        result = memo.roots[id(obj)] = _array_copy(obj, memo)
    result.flags.writeable = obj.flags.writeable
    return result


def _is_flat(array: Any) -> bool:
    """Whether the bytes of an array are all there is to it."""
    return bool(array.nbytes and array.dtype.kind in "biufcmMSUV") and not (
        array.dtype.hasobject
    )


def _view(obj: Any, root: Any, memo: Memo) -> Any:
    base = memo.roots.get(id(root))
    if base is None:
        base = memo.roots[id(root)] = root.copy(order="K")
        memo.alive.append(root)
    frozen = not base.flags.writeable
    base.flags.writeable = True  # a frozen base would freeze its views for good
    result = _window(obj, base.ravel(order="K"), _address(obj) - _address(root))
    base.flags.writeable = not frozen
    result.flags.writeable = obj.flags.writeable
    return result


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _window(like: Any, flat: Any, offset: int) -> Any:
    numpy = sys.modules["numpy"]
    memory = flat.view(numpy.uint8)
    return numpy.ndarray(like.shape, like.dtype, memory, offset, like.strides)


def _array_copy(obj: Any, memo: Memo) -> Any:
    numpy = sys.modules["numpy"]
    contiguous = obj.flags.c_contiguous or obj.flags.f_contiguous
    if is_plain_array(obj) and not contiguous and _is_flat(obj):
        # same gaps as before; memory nobody touches is never really taken
        spans = [(n - 1) * s for n, s in zip(obj.shape, obj.strides, strict=True)]
        below = -sum(span for span in spans if span < 0)
        above = sum(span for span in spans if span > 0) + obj.itemsize
        result = _window(obj, numpy.empty(below + above, numpy.uint8), below)
        result[...] = obj
        return result
    result = obj.copy(order="K")
    if obj.dtype.names:  # the names of its fields can be written
        result.dtype = copy.deepcopy(obj.dtype)
    if obj.dtype.hasobject:
        memo[id(obj)] = result  # an array can be inside itself
        _copy_cells(obj, result, memo)
    return result


def _copy_cells(old: Any, new: Any, memo: Memo) -> None:
    if old.dtype.names:
        for name in old.dtype.names:
            if old.dtype[name].hasobject:
                _copy_cells(old[name], new[name], memo)
    elif not plain_cells(old, memo):
        cells = (memo.duplicate(cell) for cell in old.flat)
        flat = sys.modules["numpy"].fromiter(cells, object, old.size)
        new[...] = flat.reshape(old.shape)


def _array_subclass(obj: Any, memo: Memo) -> Any:
    numpy = sys.modules["numpy"]
    cls = type(obj)
    if cls is numpy.ma.core.MaskedConstant:
        return obj
    if issubclass(cls, numpy.memmap):
        if obj.mode != "c" and obj._mmap is not None:
            return obj  # a window on a file, as every pipeline had before
        result = _array_copy(obj, memo)
        result.filename, result.mode, result.offset = obj.filename, obj.mode, obj.offset
        return result
    masked = issubclass(cls, numpy.ma.MaskedArray)
    if cls.__deepcopy__ is not numpy.ndarray.__deepcopy__ and not masked:
        return obj.__deepcopy__(memo)
    result = _array_copy(obj, memo)
    for name, value in getattr(obj, "__dict__", {}).items():
        result.__dict__[name] = memo.duplicate(value)
    result.flags.writeable = obj.flags.writeable
    return result


def find_numpy(cls: type) -> Handler | None:
    """Return the handler of one of numpy's classes, if it has one."""
    numpy = sys.modules["numpy"]
    if issubclass(cls, numpy.ndarray):
        return _array if cls is numpy.ndarray else _array_subclass
    if issubclass(cls, numpy.void):
        return parts  # a record is the one scalar with cells to write into
    return same if issubclass(cls, (numpy.generic, numpy.dtype, numpy.ufunc)) else None
