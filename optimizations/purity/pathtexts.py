"""Paths that code puts together of constants and parameters."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from stratum_dask.optimizations.purity.calls import UNSEEN, Call, Demand, Lit, Param

__all__ = [
    "PATHS",
    "Made",
    "asked",
    "evaluate",
    "joined",
    "made",
    "of_call",
    "stripped",
    "substituted",
]

PATHS = frozenset(
    {
        pathlib.PurePath,
        pathlib.PurePosixPath,
        pathlib.PureWindowsPath,
        pathlib.Path,
        type(pathlib.Path()),
    }
)
"""Path-like classes whose text nobody has overridden."""


class Made(NamedTuple):
    """A text or path, and what it is made of: constants, parameters, others."""

    how: str
    parts: tuple[Any, ...]

    @property
    def is_path(self) -> bool:
        """Whether it is a path object, not a text."""
        return self.how.startswith(("path", "division"))


def made(how: str, *parts: Any) -> Any:
    """A text that is made of others; `UNSEEN` where one of them can't be seen.

    Examples
    --------
    >>> made("join", Param("folder"), Lit("a.csv")).how
    'join'
    >>> made("join", Param("folder"), UNSEEN)
    unseen
    """
    seen = all(isinstance(p, Param | Made) or _plain(p) for p in parts)
    return Made(how, parts) if seen and parts else UNSEEN


def _plain(value: Any) -> bool:
    if not isinstance(value, Lit):
        return False
    return type(value.value) in (str, int) or type(value.value) in PATHS


def of_call(func: object, call: Call) -> Any:
    """The path that a call of ``os.path.join``, ``Path`` or ``str`` makes.

    Examples
    --------
    >>> of_call(os.path.join, Call((Param("folder"), Lit("a.csv")))).how
    'join'
    >>> of_call(len, Call((Param("folder"),)))
    unseen
    """
    if call.kwargs or call.packs or call.starred:
        return UNSEEN
    if func is os.path.join:
        return made("join", *call.args)
    if isinstance(func, type) and func in PATHS:
        return made(f"path {func.__name__}", *call.args)
    if func in (str, os.fspath) and len(call.args) == 1:
        return made("text", *call.args)
    return UNSEEN


def joined(left: Any, right: Any, operator: int) -> Any:
    """The path that ``left + right`` or ``left / right`` makes."""
    how = {0: "sum", 11: "division"}.get(operator)
    return UNSEEN if how is None else made(how, left, right)


def _parameters(path: Any) -> Iterator[str]:
    if isinstance(path, Param):
        yield path.name
    elif isinstance(path, Made):
        for part in path.parts:
            yield from _parameters(part)


def asked(path: Any) -> Demand | None:
    """That the version of the file at ``path`` be seen; None where it can't be.

    Examples
    --------
    >>> asked(Made("join", (Param("folder"), Lit("a.csv")))).param
    'folder'
    >>> asked(Lit(3)) is None
    True
    """
    if not isinstance(path, Param | Made):
        if not _plain(path) or type(path.value) is int:
            return None
        path = Lit(path.value)
    names = list(_parameters(path))
    homes = {name.rpartition(":")[0] for name in names}
    if len(homes) > 1:  # of two functions: neither knows both
        return None
    return Demand(names[0] if names else "", None, "path", path)


def substituted(path: Any, value: Callable[[str], Any]) -> Any:
    """``path`` with the values of its parameters in their place."""
    if isinstance(path, Param):
        found = value(path.name)
        seen = isinstance(found, Param | Made) or _plain(found)
        return found if seen else UNSEEN
    if isinstance(path, Made):
        return made(path.how, *(substituted(p, value) for p in path.parts))
    return path


def stripped(demand: Demand, cut: int) -> Demand:
    """A demand of a nested function, as that function names its parameters."""
    path = substituted(demand.path, lambda name: Param(name[cut:]))
    return demand._replace(param=demand.param[cut:], path=path)


def evaluate(path: Any) -> Any:
    """The path itself, where all that it is made of is there; else None.

    Examples
    --------
    >>> evaluate(Made("sum", (Lit("a"), Lit(".csv"))))
    'a.csv'
    >>> evaluate(Made("sum", (Param("name"), Lit(".csv")))) is None
    True
    """
    found = _value(path)
    return found if type(found) is str or type(found) in PATHS else None


def _value(path: Any) -> Any:
    if isinstance(path, Lit):
        return path.value if _plain(path) else None
    if not isinstance(path, Made):
        return None
    parts = [_value(p) for p in path.parts]
    if any(p is None for p in parts):
        return None
    try:
        return _MAKERS[path.how.partition(" ")[0]](path.how, parts)
    except (TypeError, ValueError):  # so would the function have done
        return None


def _path(how: str, parts: list[Any]) -> pathlib.PurePath:
    name = how.partition(" ")[2]
    cls: type[pathlib.PurePath] = getattr(pathlib, name)
    return cls(*parts)


_MAKERS: dict[str, Callable[[str, list[Any]], Any]] = {
    "join": lambda _, parts: os.path.join(*parts),
    "text": lambda _, parts: "".join(map(str, parts)),
    "sum": lambda _, parts: parts[0] + parts[1],
    "division": lambda _, parts: parts[0] / parts[1],
    "path": _path,
    "npy": lambda _, parts: parts[0] if str(parts[0]).endswith(".npy") else None,
}
