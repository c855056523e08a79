"""How objects of Python itself are copied, and which ones need no copy."""

from __future__ import annotations

import datetime
import decimal
import fractions
import pathlib
import re
import types
import uuid
import zoneinfo
from typing import TYPE_CHECKING, Any

from stratum_dask.optimizations.copying_faithful import by_name, reshuffled

if TYPE_CHECKING:
    from stratum_dask.optimizations.copying import Memo
    from stratum_dask.optimizations.copying_arrays import Handler

__all__ = ["ATOMIC", "BUILTINS"]

ATOMIC: frozenset[type] = frozenset(
    {
        *(type(None), type(Ellipsis), type(NotImplemented), bool, int, float, complex),
        *(str, bytes, range, decimal.Decimal, fractions.Fraction, uuid.UUID),
        *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta),
        *(datetime.timezone, zoneinfo.ZoneInfo, re.Pattern),
        *(pathlib.PurePosixPath, pathlib.PureWindowsPath),
        *(pathlib.PosixPath, pathlib.WindowsPath),
        *(types.CodeType, property, re.Match),
    }
)
"""Exact types whose values nobody can write into."""


def _list(obj: list[Any], memo: Memo) -> list[Any]:
    result: list[Any] = []
    memo[id(obj)] = result
    result.extend([memo.duplicate(item) for item in obj])
    return result


def _dict(obj: dict[Any, Any], memo: Memo) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    memo[id(obj)] = result
    for key, value in obj.items():
        result[memo.duplicate(key)] = memo.duplicate(value)
    return result


def _frozen(obj: Any, memo: Memo) -> Any:
    items = list(obj)
    copies = [memo.duplicate(item) for item in items]
    if all(new is old for new, old in zip(copies, items, strict=True)):
        return obj
    # a cycle through the tuple has copied it meanwhile
    return memo[id(obj)] if id(obj) in memo else type(obj)(copies)


def _slice(obj: slice, memo: Memo) -> slice:
    parts = (obj.start, obj.stop, obj.step)
    copies = _frozen(parts, memo)
    return obj if copies is parts else slice(*copies)


def _method(obj: types.MethodType, memo: Memo) -> Any:
    return types.MethodType(obj.__func__, memo.duplicate(obj.__self__))


def _builtin(obj: types.BuiltinFunctionType, memo: Memo) -> Any:
    owner = obj.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return obj
    own = memo.duplicate(owner)
    return obj if own is owner else getattr(own, obj.__name__)


def _function(obj: types.FunctionType, memo: Memo) -> Any:
    if by_name(obj):
        return obj
    if "__name__" not in obj.__globals__:
        raise ValueError("its global names belong to no module")
    old_cells = obj.__closure__ or ()
    state = (obj.__defaults__, obj.__kwdefaults__, obj.__dict__)
    fresh = [cell for cell in old_cells if id(cell) not in memo]
    memo.alive.extend(fresh)
    memo.update((id(cell), types.CellType()) for cell in fresh)
    cells = tuple(memo[id(cell)] for cell in old_cells) or None
    result = types.FunctionType(
        obj.__code__, obj.__globals__, obj.__name__, None, cells
    )
    memo[id(obj)] = result
    for cell in fresh:
        try:
            content = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
        memo[id(cell)].cell_contents = memo.duplicate(content)
    result.__defaults__, result.__kwdefaults__, extra = memo.duplicate(state)
    result.__dict__.update(extra)
    for name in ("__qualname__", "__module__", "__doc__", "__annotations__"):
        setattr(result, name, getattr(obj, name))
    return result


def _set(obj: set[Any], memo: Memo) -> Any:
    result = memo.by_parts(obj)
    if reshuffled(obj, result):
        raise ValueError("it would list its items in another order")
    return result


BUILTINS: dict[type, Handler] = {
    list: _list,
    dict: _dict,
    tuple: _frozen,
    set: _set,
    frozenset: _frozen,
    slice: _slice,
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.FunctionType: _function,
}
"""The handler of each exact type."""
