"""Values and calls, as far as they can be seen without running anything."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = [
    "ADDRESS",
    "MISSING",
    "NULL",
    "NUMBER",
    "ONESHOT",
    "RANGE",
    "UNSEEN",
    "Call",
    "Count",
    "Demand",
    "Fresh",
    "Inside",
    "Lit",
    "Mixed",
    "Param",
    "Source",
    "Stream",
    "Written",
    "is_seed",
    "nameless",
    "shows_address",
]


class _Sign:
    """A value of which only this much is known."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


UNSEEN: Any = _Sign("unseen")
MISSING: Any = _Sign("missing")
NULL: Any = _Sign("null")
NUMBER: Any = _Sign("number")
"""Computed, never None, the same in every run: good enough for a seed."""
ONESHOT: Any = _Sign("iterator")
"""Can be read once only."""
RANGE: Any = _Sign("range")
"""Its items are numbers."""
ADDRESS: Any = _Sign("address")
"""An object without a text of its own, or a container of one."""


class Lit(NamedTuple):
    """A value that stands in the code or in the task."""

    value: Any


class Written(Lit):
    """A constant of the code that is looked into; its words enter the fingerprint."""

    __slots__ = ()


class Param(NamedTuple):
    """A parameter of the function that is looked into."""

    name: str


class Inside(NamedTuple):
    """Something reached through a parameter."""

    name: str


class Count(NamedTuple):
    """An item of a comprehension: a number, if what it goes through is a range."""

    name: str


class Source(NamedTuple):
    """Where a value may come from: a parameter, or an object of outside."""

    param: str
    label: str


class Mixed(NamedTuple):
    """A value that may be, hold, or be a part of each of its sources."""

    sources: frozenset[Source]


class Fresh(Mixed):
    """A new container or iterator of things that are parts of its sources."""


class Stream(Fresh):
    """One that can be read only once."""


class Demand(NamedTuple):
    """A parameter (or a key of a ``**`` parameter) that must be a seed, say."""

    param: str
    key: str | None = None
    kind: str = "seed"
    """What it must be: a key of `stratum_dask.optimizations.purity.demands.KINDS`,
    or ``path``: that the version of a file enters the fingerprint."""
    path: Any = None
    """The path, made of parameters; see `stratum_dask.optimizations.purity.pathtexts`."""


class Call(NamedTuple):
    """A call as far as it can be seen."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    packs: tuple[Any, ...] = ()
    """What stands behind ``**``: `Param`, `Lit` or `UNSEEN`."""
    starred: bool = False
    star: Any = None
    """What stands behind ``*``."""

    def get(self, name: str, position: int | None = None) -> Any:
        """The value a parameter gets, `MISSING`, a `Demand`, or `UNSEEN`."""
        if name in self.kwargs:
            return self.kwargs[name]
        if position is not None and position < len(self.args):
            return self.args[position]
        if position is not None and self.starred:
            return UNSEEN
        for pack in self.packs:
            if not isinstance(pack, Param):
                return UNSEEN
        return (
            Demand(self.packs[0].name, name)
            if len(self.packs) == 1
            else (UNSEEN if self.packs else MISSING)
        )


def is_seed(value: Any) -> bool | Demand:
    """Whether a value makes randomness repeatable, or what would have to."""
    if isinstance(value, Lit):
        # numpy's integers too: they are literals of tasks, never of code
        found = type(value.value)
        return found is int or (found.__module__ == "numpy" and "int" in found.__name__)
    if value is NUMBER:
        return True
    if isinstance(value, Param):
        return Demand(value.name)
    if isinstance(value, Count):
        return Demand(value.name, None, "range")
    return value if isinstance(value, Demand) else False


_SHOWN_BY_ADDRESS = (types.FunctionType, types.MethodType, functools.partial)


def shows_address(value: Any) -> bool:
    """Whether the text of a value tells where it lies in memory.

    Examples
    --------
    >>> shows_address(Lit(object())), shows_address(Lit(3))
    (True, False)
    """
    if value is ADDRESS:
        return True
    held = value.value if isinstance(value, Lit) else getattr(value, "obj", None)
    kind = type(held)
    return issubclass(kind, _SHOWN_BY_ADDRESS) or nameless(kind)


def nameless(kind: type) -> bool:
    """Whether instances of a class have no text of their own."""
    for name in ("__repr__", "__str__"):
        home = next((c for c in type.mro(kind) if name in vars(c)), object)
        if home is not object:
            return False
    return True
