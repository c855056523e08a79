"""Names to objects, without running anything: what code reaches through them."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Container, Mapping
from typing import Any, NamedTuple, Protocol

from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.evidence import PURE, Evidence
from stratum_dask.optimizations.purity.known import METHODS, rule
from stratum_dask.optimizations.purity.known.touching import touching
from stratum_dask.optimizations.purity.places import canonical
from stratum_dask.optimizations.verdict import MERGE, Verdict

__all__ = [
    "Judging",
    "Named",
    "Ref",
    "State",
    "attribute",
    "hidden",
    "imported",
    "method",
]


class Judging(Protocol):
    """What the reader of bytecode asks of the judge."""

    patched: Container[str]
    """Names of methods that the program has put into classes of libraries."""

    def evidence(self, obj: object, path: str = "") -> Evidence:
        """Judge something callable."""

    def named(self, path: str) -> Evidence:
        """Judge something that is not imported here, by its name."""

    def value(self, obj: object) -> Verdict:
        """Judge an object that is not callable."""


class Ref(NamedTuple):
    """A module, class or function, and how the code came to it."""

    obj: Any
    path: str
    evidence: Evidence


class Named(NamedTuple):
    """A member of a module that is not imported here."""

    path: str
    evidence: Evidence


class State(NamedTuple):
    """An object that lives outside the function, or something inside one."""

    obj: Any
    label: str


_STATIC = (types.FunctionType, type, types.BuiltinFunctionType)


def imported(name: str, judge: Judging) -> Ref | Named:
    """What ``import name`` binds, if somebody has imported it already."""
    module = sys.modules.get(name)
    if module is not None:
        return Ref(module, name, PURE)
    found = judge.named(name)
    return Named(name, found if found.verdict != MERGE else PURE)


def absolute(name: str, level: int, scope: Mapping[str, Any]) -> str:
    """The full name of a relative import, itself where it is none."""
    if not level:
        return name
    try:
        package = scope.get("__package__") or ""
        return importlib.util.resolve_name("." * level + name, package)
    except ImportError:
        return name


def attribute(owner: Ref | Named, name: str, judge: Judging) -> Any:
    """What an attribute of a module or class is: an object, or `Evidence`.

    Returns a `Ref`, `Named`, a plain object wrapped in a list of one (data), or
    Evidence for a method that is known by name only.
    """
    path = f"{owner.path}.{name}"
    if isinstance(owner, Named):
        return Named(path, judge.named(path))
    if isinstance(owner.obj, types.ModuleType):
        return _member(owner.obj, path, name, judge)
    return _class_member(owner, path, name, judge)


def _member(module: types.ModuleType, path: str, name: str, judge: Judging) -> Any:
    scope = vars(module)
    if name in scope:
        found = scope[name]
    else:
        found = sys.modules.get(f"{module.__name__}.{name}")
        if found is None:
            full = f"{module.__name__}.{name}"
            return Named(full, judge.named(full))
    if isinstance(found, types.ModuleType):
        return Ref(found, found.__name__, PURE)
    full = f"{module.__name__}.{name}"
    if callable(found):
        return Ref(found, full, judge.evidence(found, full))
    if rule(full) is not None:
        by_name = judge.named(full)
        if by_name.verdict != MERGE:
            return Named(full, by_name)
    return [found]


def _class_member(owner: Ref, path: str, name: str, judge: Judging) -> Any:
    for cls in type.mro(owner.obj) if isinstance(owner.obj, type) else ():
        if name not in vars(cls):
            continue
        found = vars(cls)[name]
        if isinstance(found, (staticmethod, classmethod)):
            found = found.__func__
        home = f"{canonical(cls)}.{name}"
        if isinstance(found, _STATIC):
            return Ref(found, home, judge.evidence(found, home))
        if isinstance(found, property) or hasattr(type(found), "__get__"):
            return PURE if rule(home) is None else judge.named(home)
        return [found]
    return method(name)


def method(name: str) -> Evidence:
    """Judge a method by its name alone, on an object of unknown type."""
    found = METHODS.get(name)
    if found is None and "_" in name.strip("_"):
        found = touching(name)
    if found is None:
        return PURE
    if isinstance(found, Verdict):
        return Evidence(found)
    return Evidence(found.loose, found)


def hidden(what: str) -> Evidence:
    """Something the reader can't follow."""
    return Evidence(refuse(f"{what} can't be seen before it runs"))
