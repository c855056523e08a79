"""What objects that can be called hold inside."""

from __future__ import annotations

import types
from typing import Any

from stratum_dask.optimizations.purity.places import canonical

__all__ = ["filled", "same_name", "slots_of", "wrapped"]


def wrapped(obj: Any, home: str) -> object:
    """The Python function behind a cache, or behind numba's compiler."""
    if type(obj).__name__ == "_lru_cache_wrapper":
        return vars(obj).get("__wrapped__")
    return getattr(obj, "py_func", None) if home == "numba" else None


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
