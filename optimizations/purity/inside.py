"""What objects that can be called hold inside."""

from __future__ import annotations

import contextlib
import inspect
import types
from typing import Any

from stratum_dask.optimizations.purity.places import canonical

__all__ = ["filled", "generates", "same_name", "slots_of", "wrapped"]


def wrapped(obj: Any, home: str) -> object:
    """The Python function behind a cache, or behind numba's compiler."""
    if type(obj).__name__ == "_lru_cache_wrapper":
        return vars(obj).get("__wrapped__")
    return getattr(obj, "py_func", None) if home == "numba" else None


_managing: Any = contextlib.contextmanager(iter)
_MANAGES = _managing.__code__


def generates(func: types.FunctionType) -> bool:
    """Whether a library's function returns a generator, a decorated one too.

    Examples
    --------
    >>> import difflib
    >>> generates(difflib.unified_diff), generates(difflib.get_close_matches)
    (True, False)
    """
    if func.__code__ is _MANAGES:  # it makes a context of one
        return False
    inner = inspect.unwrap(func)
    code = getattr(inner, "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_GENERATOR)


def slots_of(kind: type) -> list[str]:
    """The names of all slots of a class."""
    return [
        s for c in kind.__mro__ for s in vars(c).get("__slots__", ()) if s[:2] != "__"
    ]


def same_name(obj: object, name: str) -> bool:
    """Whether a library's wrapper holds what it wraps, under the same name."""
    return isinstance(obj, types.FunctionType) and canonical(obj) == name


def filled(cell: types.CellType) -> bool:
    """Whether a cell of a closure holds something."""
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
