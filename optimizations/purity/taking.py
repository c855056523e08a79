"""Which of its arguments one call may hand on, or write into, as far as is seen.

This goes by the same evidence as the rest of the package: of users' functions what
their code shows, of libraries what is known of them.
"""

from __future__ import annotations

import functools
import operator
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stratum_dask.graph import literal
from stratum_dask.optimizations.purity.effects import effect
from stratum_dask.optimizations.purity.evidence import Evidence
from stratum_dask.optimizations.purity.known import MUTATORS
from stratum_dask.optimizations.purity.outer import copies, is_fixed, usual
from stratum_dask.optimizations.purity.places import canonical, installed, root_of
from stratum_dask.optimizations.purity.reach import Judging
from stratum_dask.optimizations.purity.words import words
from stratum_dask.optimizations.verdict import Effect

__all__ = ["Taken", "may_change", "method_of", "taken", "takes"]

_RETURN_SELF = frozenset(
    words("""
    fit partial_fit set_params set_flags pipe apply get pop popitem setdefault items
    values copy reshape ravel view squeeze swapaxes transpose diagonal to_numpy
    __getitem__ __array__ __getattr__ __iter__
    """)
)
_CONTAINERS = (list, tuple, set, frozenset)


class Taken(NamedTuple):
    """One argument, and what a call may do with it."""

    value: Any
    written: bool
    """Whether the call may write into it."""
    handed: bool
    """Whether the result may share something with it."""
    whole: bool
    """Whether it is handed on itself, and not only a part of it."""


def takes(judge: Judging, func: object) -> bool:
    """Whether calls of ``func`` may do anything of it; a quick answer."""
    if type(func) is types.FunctionType:
        found = judge.evidence(func)
        return bool(found.writes) or _gives(found, func)
    if isinstance(func, functools.partial):
        return True
    return effect(func) is not Effect.FRESH


def taken(
    judge: Judging, func: object, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Taken]:
    """What a call does with its arguments; those it only reads are left out.

    Examples
    --------
    >>> from stratum_dask.optimizations.purity import Judge
    >>> def put(x, y, z): x.append(z); return y
    >>> [t.value for t in taken(Judge(), put, ["a", "b", "c"], {})]
    ['a', 'b']
    """
    while isinstance(func, functools.partial):
        args = (*func.args, *args)
        kwargs = {**func.keywords, **kwargs}
        func = func.func
    if type(func) is literal:
        held: Any = func
        return [Taken(held.data, False, True, True)]
    name = method_of(func)
    if name:
        return _by_method(judge, name, args, kwargs)
    if type(func) is types.FunctionType:
        return _by_evidence(func, judge.evidence(func), args, kwargs)
    if isinstance(func, type):
        if effect(func) is Effect.FRESH:
            return []
        return [Taken(a, False, True, True) for a in (*args, *kwargs.values())]
    if not _hands(func):
        return []
    part = func in (operator.getitem, getattr) or type(func) in _GETTERS
    return [Taken(a, False, True, not part) for a in (*args, *kwargs.values())]


_GETTERS = (operator.itemgetter, operator.attrgetter)


def method_of(func: object) -> str:
    """The name of the method that a method caller calls, "" for other functions.

    Examples
    --------
    >>> method_of(operator.methodcaller("fit", 1)), method_of(len)
    ('fit', '')
    """
    if type(func) is operator.methodcaller:
        reduced: Any = func.__reduce__()
        maker, args = reduced[:2]
        return str(maker.args[0] if isinstance(maker, functools.partial) else args[0])
    if type(func).__module__ == "dask.utils":
        name = getattr(func, "method", "")
        return name if isinstance(name, str) else ""
    return ""


def _by_evidence(
    func: types.FunctionType,
    found: Evidence,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> list[Taken]:
    gives = frozenset(found.params) if found.gives is None else found.gives
    if not _gives(found, func):
        gives = frozenset()
    whole = gives if found.gives is None else found.whole
    more = not (gives | found.writes).issubset({*found.params, ""})
    result = []
    given = [*zip(found.params, args, strict=False), *kwargs.items()]
    for name, value in given:
        rest = more and name not in found.params
        taken = Taken(
            value,
            rest or name in found.writes,
            rest or name in gives,
            rest or name in whole,
        )
        if taken.written or taken.handed:
            result.append(taken)
    if more:
        result += [Taken(v, True, True, True) for v in args[len(found.params) :]]
    return result


def _gives(found: Evidence, func: types.FunctionType) -> bool:
    if found.gives is None:  # known by name
        return _hands(func)
    return any(found.gives)


def _by_method(
    judge: Judging, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Taken]:
    owner = args[0] if args else None
    kind = type(owner)
    for base in kind.__mro__:
        member = vars(base).get(name)
        if isinstance(member, types.FunctionType) and not installed(
            base.__module__.partition(".")[0]
        ):
            return _by_evidence(member, judge.evidence(member), args, kwargs)
    known = usual(name)
    written = name in MUTATORS or not known
    handed = name in _RETURN_SELF or not known
    return [Taken(owner, written, handed, True)] if written or handed else []


def _hands(func: Any) -> bool:
    """Whether the result of what is no user's function may share with arguments."""
    if type(func) in (types.BuiltinFunctionType, *_GETTERS):
        return effect(func) is not Effect.FRESH
    name = canonical(func)
    root, leaf = root_of(name), name.rpartition(".")[2]
    if root == "numpy":
        return not copies(root, leaf, func)
    if root == "dask":
        return effect(func) is not Effect.WRITE
    return root not in ("pandas", "scipy", "sklearn")


def may_change(value: Any, whole: bool = True) -> bool:
    """Whether somebody could write into an object, or into a part of it.

    Parameters
    ----------
    value
        Any object.
    whole
        Ask for the object itself, too.

    Examples
    --------
    >>> may_change([1]), may_change([1], whole=False), may_change((1, "a"))
    (True, False, False)
    """
    if is_fixed(value):
        return False
    kind = type(value)
    if kind in (*_CONTAINERS, dict):
        if whole and kind not in (tuple, frozenset):
            return True
        items = [*value, *value.values()] if kind is dict else value
        return any(map(may_change, items))
    return whole or not _copies_on_write(kind)


def _copies_on_write(kind: type) -> bool:
    """Whether writing into a part of an object leaves the object alone."""
    pandas = sys.modules.get("pandas")
    if pandas is None or kind not in (pandas.DataFrame, pandas.Series):
        return False
    return int(pandas.__version__.partition(".")[0]) >= 3
