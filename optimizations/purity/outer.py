"""What a value may be part of: objects of outside, and parameters."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import sys
import types
from typing import Any, NamedTuple

from stratum_dask.optimizations.purity.calls import (
    UNSEEN,
    Count,
    Inside,
    Mixed,
    Param,
    Source,
)
from stratum_dask.optimizations.purity.places import canonical, installed, root_of
from stratum_dask.optimizations.purity.reach import Ref, State
from stratum_dask.optimizations.purity.stack import Bound, Held, Pairs
from stratum_dask.optimizations.purity.words import words

__all__ = [
    "contents",
    "copies",
    "fresh",
    "inner",
    "is_fixed",
    "mixed",
    "outer",
    "sources",
    "unpacked",
    "usual",
]

NOTHING: frozenset[Source] = frozenset()
_FIXED: tuple[type, ...] = (
    *(type(None), bool, int, float, complex, str, bytes, range, slice, type(...)),
    *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type),
    *(types.MethodDescriptorType, types.WrapperDescriptorType, type(NotImplemented)),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo),
    *(decimal.Decimal, fractions.Fraction, re.Pattern, pathlib.PurePath, enum.Enum),
)
_FIXED_NAMES = frozenset(
    words("""
    ufunc _ArrayFunctionDispatcher cython_function_or_method Timestamp Timedelta
    DType NaTType NAType dtype _lru_cache_wrapper itemgetter attrgetter TypeVar
    _SpecialForm GenericAlias _GenericAlias UnionType
    """)
)
_BUILTIN = (list, tuple, set, frozenset, dict)
_READERS = frozenset(
    words("""
    math cmath statistics json string hashlib base64 struct textwrap datetime
    calendar zlib unicodedata decimal fractions difflib re
    """)
)
_CONVERT = frozenset(words("numpy pandas scipy sklearn polars pyarrow"))
_NUMBERS = frozenset(
    words("""
    len abs int float bool str repr hash isinstance issubclass any all sum ascii
    format ord chr bin hex oct round divmod pow callable hasattr print
    """)
)
_ELEMENTS = frozenset(
    words("""
    list tuple set frozenset dict sorted iter zip enumerate map filter reversed
    """)
)


class _Several(NamedTuple):
    """What a loop over an object goes through."""

    objs: tuple[Any, ...]


def is_fixed(obj: object, depth: int = 0) -> bool:
    """Whether an object never changes, nor anything in it.

    Examples
    --------
    >>> is_fixed((1, "a")), is_fixed(([],))
    (True, False)
    """
    if isinstance(obj, _FIXED) or type(obj).__name__ in _FIXED_NAMES:
        return True
    if depth > 8 or type(obj) not in (tuple, frozenset, types.MappingProxyType):
        numpy = type(obj).__module__ == "numpy" and type(obj).__name__ != "ndarray"
        return numpy and hasattr(type(obj), "dtype") and hasattr(type(obj), "item")
    whole: Any = obj
    held = [*whole, *whole.values()] if hasattr(whole, "values") else whole
    return all(is_fixed(item, depth + 1) for item in held)


def contents(value: State) -> Any:
    """What is in an object of outside; `UNSEEN` where nothing in it can change."""
    objs = value.obj.objs if type(value.obj) is _Several else (value.obj,)
    found: list[Any] = []
    for obj in objs:
        if type(obj) not in _BUILTIN:
            return State(None, value.label)
        items = [*obj, *obj.values()] if type(obj) is dict else obj
        found.extend(item for item in items if not is_fixed(item))
    if not found:
        return UNSEEN
    return State(_Several(tuple(found)), value.label)


def sources(value: Any) -> frozenset[Source]:
    """What a value may be, or hold, or be a part of."""
    if isinstance(value, Mixed):
        return value.sources
    if isinstance(value, Held):
        return sources(value.value)
    if isinstance(value, State):
        return NOTHING if _settled(value.obj) else frozenset([Source("", value.label)])
    if isinstance(value, (Param, Inside, Count)):
        return frozenset([Source(value.name, "")])
    if isinstance(value, Bound):
        return sources(value.base)
    if isinstance(value, Ref):
        return value.evidence.hands
    if isinstance(value, Pairs):
        return NOTHING.union(*map(sources, (*value.kwargs.values(), *value.packs)))
    return NOTHING


def _settled(obj: object) -> bool:
    return obj is not None and is_fixed(obj)


def mixed(*values: Any) -> Any:
    """A value of which only its sources are known."""
    found = NOTHING.union(*map(sources, values))
    return Mixed(found) if found else UNSEEN


def outer(value: Any) -> list[str]:
    """The objects of outside that a value may be part of, by name."""
    return sorted(s.label for s in sources(value) if s.label)


def inner(value: Any) -> Any:
    """What a new object made of this one shares with it: its elements."""
    if not isinstance(value, State):
        return mixed(value) if outer(value) else UNSEEN
    if type(value.obj) in (*_BUILTIN, _Several):
        return contents(value)
    data = root_of(type(value.obj).__module__) in ("numpy", "pandas")
    return UNSEEN if data else value


def fresh(func: Any, value: Any, count: int = 1) -> Any:
    """What the result of a library's function shares with an argument."""
    if not isinstance(func, (Ref, Bound)) or not outer(value):
        return mixed(value)
    if isinstance(func, Bound):
        return _from_method(func, value)
    name = canonical(func.obj) if func.obj is not None else func.path
    root, leaf = root_of(name), name.rpartition(".")[2]
    if root in _READERS or name in ("copy.deepcopy", "pickle.dumps"):
        return UNSEEN
    if root == "builtins" and leaf in _NUMBERS:
        return UNSEEN
    if root == "builtins" and leaf in _ELEMENTS:
        return inner(value)
    if leaf in ("min", "max") and root == "builtins":
        return inner(value) if count == 1 else value
    if root not in _CONVERT or not installed(root):
        return mixed(value)
    if isinstance(value, State) and type(value.obj) in _BUILTIN:
        within = contents(value)
        if within is UNSEEN or leaf in ("DataFrame", "array"):
            return UNSEEN if within is UNSEEN else inner(within)
        return mixed(within)
    return UNSEEN if copies(root, leaf, func.obj) else mixed(value)


def copies(root: str, leaf: str, obj: Any) -> bool:
    """Whether a function of numpy or pandas gives something new."""
    if root == "pandas":
        return leaf in ("concat", "merge", "get_dummies", "cut", "qcut", "isna")
    if root != "numpy":
        return False
    return type(obj).__name__ == "ufunc" or leaf in _NUMPY_NEW


_NUMPY_NEW = frozenset(
    words("""
    sum prod mean std var min max amin amax nansum nanmean nanstd nanvar nanmin nanmax
    median nanmedian any all argmin argmax dot cumsum cumprod round concatenate stack
    vstack hstack argsort sort unique bincount allclose array_equal isclose quantile
    percentile count_nonzero zeros_like ones_like full_like array where interp digitize
    searchsorted isin corrcoef cov matmul outer einsum linspace histogram clip copy
    """)
)
_VIEWS = frozenset(
    words("""
    reshape ravel view squeeze swapaxes transpose diagonal to_numpy pipe apply
    __array__ __getitem__ get setdefault items values keys pop popitem
    """)
)


def _looked_up(base: State, name: str) -> Any:
    if type(base.obj) is not dict:
        return contents(base)
    if name == "items":
        return State(list(base.obj.items()), base.label)
    return base if name == "values" else contents(base)


def unpacked(value: Any, count: int) -> list[Any] | None:
    """The parts of what a loop goes through, each by itself; None if not known."""
    if not isinstance(value, State) or type(value.obj) is not _Several:
        return None
    if any(type(o) is not tuple or len(o) != count for o in value.obj.objs):
        return None
    found: list[Any] = []
    for part in zip(*value.obj.objs, strict=True):
        held = tuple(item for item in part if not is_fixed(item))
        found.append(State(_Several(held), value.label) if held else UNSEEN)
    return found


_MODEL = frozenset(
    words("""
    fit transform fit_transform inverse_transform predict predict_proba score
    decision_function partial_fit fit_predict set_params select with_columns group_by
    join cast append_column filter rename strftime agg rolling between
    """)
)


def usual(name: str) -> bool:
    """Whether a method is known from containers, texts, arrays, frames or models.

    Examples
    --------
    >>> usual("join"), usual("bump")
    (True, False)
    """
    return name in _MODEL or name in attributes(_loaded())


def _loaded() -> frozenset[str]:
    return frozenset(n for n in ("numpy", "pandas") if n in sys.modules)


@functools.lru_cache
def attributes(loaded: frozenset[str]) -> frozenset[str]:
    """The attributes that containers, arrays and frames have."""
    kinds: list[Any] = [str, bytes, list, dict, set, tuple, int, float]
    for name in loaded:
        for kind in ("ndarray", "DataFrame", "Series", "Index"):
            kinds.append(getattr(sys.modules[name], kind, None))
    return frozenset(name for kind in kinds for name in dir(kind))


def _from_method(func: Bound, value: Any) -> Any:
    base = func.base
    if value is not base:
        kept = func.name in _VIEWS or not usual(func.name)
        return mixed(value) if kept else UNSEEN
    if not isinstance(base, State):
        return mixed(value)
    if type(base.obj) in _BUILTIN or type(base.obj).__name__ == "_Several":
        return _looked_up(base, func.name)
    data = root_of(type(base.obj).__module__) in ("numpy", "pandas")
    return UNSEEN if data and func.name not in _VIEWS else mixed(value)
