"""What the user said: decorators and configuration come before all evidence.

"Impure" always wins. Else the decorator wins over the configuration, which names
functions by globs; and of two that stand in one place "batch", the more careful one.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import dask

from stratum_dask.optimizations.purity.places import opaque

__all__ = ["MARK", "Declared", "batch", "impure", "pure"]

MARK = "__stratum__"
"""Attribute of a declared function: lives in its ``__dict__``, so it is pickled."""

_WORDS = ("impure", "batch", "pure")  # the most careful one first

F = TypeVar("F", bound=Callable[..., Any])


def pure(func: F) -> F:
    """Declare that every call with equal arguments gives the same result.

    The function is then merged without being looked into. A later change of
    its source still makes it another function.

    Examples
    --------
    >>> @pure
    ... def area(width, height):
    ...     return width * height
    >>> area(2, 3)
    6
    >>> area.__stratum__
    'pure'
    """
    setattr(func, MARK, "pure")
    return func


def impure(func: F) -> F:
    """Declare that a function must run as often as it is written.

    Examples
    --------
    >>> @impure
    ... def read_sensor():
    ...     return 42
    >>> read_sensor.__stratum__
    'impure'
    """
    setattr(func, MARK, "impure")
    return func


def batch(func: F) -> F:
    """Declare that equal calls may be merged inside one submission only.

    For what changes from time to time, such as a table in a database: programs
    that are computed together see it once, and the next computation anew.

    Examples
    --------
    >>> @batch
    ... def exchange_rates():
    ...     return {"EUR": 1.0}
    >>> exchange_rates.__stratum__
    'batch'
    """
    setattr(func, MARK, "batch")
    return func


class Declared:
    """The declarations in force: decorators, and dotted names or globs by config.

    Parameters
    ----------
    pure, impure, batch
        Names such as ``"shop.prices.load"`` or ``"shop.*"``.
    strictness
        What is merged where nothing was said: ``strict``, ``evidence``, ``trust``.

    Examples
    --------
    >>> said = Declared(pure=["json.*"], impure=["json.dump*"])
    >>> import json
    >>> said.about(json.loads), said.about(json.dumps), said.about(len)
    ('pure', 'impure', '')
    """

    def __init__(
        self,
        pure: Iterable[str] = (),
        impure: Iterable[str] = (),
        batch: Iterable[str] = (),
        strictness: str = "evidence",
    ) -> None:
        self._configured = {
            "impure": tuple(impure),
            "batch": tuple(batch),
            "pure": tuple(pure),
        }
        self._any = any(self._configured.values())
        self.strictness = strictness

    @classmethod
    def here(cls, more: Mapping[str, Any] | None = None) -> Declared:
        """What the configuration of this process says.

        Parameters
        ----------
        more
            The same section of another process, a client's: its names count as
            well, and its strictness instead.
        """
        names = {
            word: [
                *(dask.config.get(f"stratum.purity.{word}", None) or ()),
                *((more or {}).get(word) or ()),
            ]
            for word in _WORDS
        }
        chosen = (more or {}).get("strictness")
        own = dask.config.get("stratum.purity.strictness", None)
        return cls(**names, strictness=chosen or own or "evidence")

    def about(self, func: object) -> str:
        """Answer ``"pure"``, ``"impure"``, ``"batch"``, or ``""``: nothing was said."""
        marks = _marks(func)
        if not self._any:
            return _careful(marks)
        names = _names(func)
        listed = {w for w, globs in self._configured.items() if _matches(names, globs)}
        return "impure" if "impure" in listed else _careful(marks) or _careful(listed)


def _careful(said: set[str]) -> str:
    return next((word for word in _WORDS if word in said), "")


def _marks(func: object) -> set[str]:
    if isinstance(func, types.MethodType):
        return _marks(func.__func__) | _marks(type(func.__self__))
    if isinstance(func, functools.partial):
        # a partial adds arguments that must still be looked at
        return _marks(func.func) & {"impure"}
    own = getattr(func, "__dict__", None) if _plain(func) else vars(type(func))
    mark = own.get(MARK) if own is not None else None
    if mark not in _WORDS:
        return set()
    # functools.wraps copies the mark of a declared function to a wrapper that
    # nobody declared: "impure" still holds, the others have to be shown by evidence
    inner = own.get("__wrapped__") if own is not None else None
    if mark != "impure" and inner is not None and mark in _marks(inner):
        return set()
    return {mark}


def _plain(func: object) -> bool:
    """Whether reading ``__dict__`` runs no code of the user's."""
    if isinstance(func, type):
        return type.__getattribute__(type(func), "__getattribute__") in (
            type.__getattribute__,
            object.__getattribute__,
        )
    return isinstance(func, types.FunctionType) or hasattr(type(func), "__wrapped__")


def _names(func: object) -> tuple[str, ...]:
    if isinstance(func, types.MethodType):
        owner = func.__self__
        cls = owner if isinstance(owner, type) else type(owner)
        return (f"{cls.__module__}.{cls.__qualname__}.{func.__func__.__name__}",)
    if isinstance(func, functools.partial):
        return ()
    if not isinstance(func, (type, types.FunctionType, types.BuiltinFunctionType)):
        found = type(func)
        own = f"{found.__module__}.{found.__qualname__}"
        wrapped = None if opaque(func) else getattr(func, "__name__", None)
        if not isinstance(wrapped, str):
            return (own,)
        return (own, f"{getattr(func, '__module__', '')}.{wrapped}")
    name = f"{func.__module__}.{func.__qualname__}"
    return (name, name.replace(".<locals>", ""))


def _matches(names: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, p) for name in names for p in patterns)
