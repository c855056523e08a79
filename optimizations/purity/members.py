"""What the methods of a class do to its object, at any depth."""

from __future__ import annotations

import types

from stratum_dask.optimizations.purity.places import installed, opaque
from stratum_dask.optimizations.purity.reach import Judging

__all__ = ["changes_itself", "held_by", "parts"]


def changes_itself(judge: Judging, owner: object, name: str) -> bool:
    """Whether a method writes into its object, or calls one of its own that does."""
    return _changes(judge, type(owner), name, set())


def _changes(judge: Judging, kind: type, name: str, seen: set[str]) -> bool:
    if name in seen:
        return False
    seen.add(name)
    func = next((vars(c)[name] for c in type.mro(kind) if name in vars(c)), None)
    funcs = (func.fget, func.fset) if isinstance(func, property) else (func,)
    for each in funcs:
        if not isinstance(each, types.FunctionType):
            continue
        found = judge.evidence(each)
        first = found.params[0] if found.params else ""
        if first and first in found.writes:
            return True
        own = [method for param, method in found.asks if param == first]
        if any(_changes(judge, kind, method, seen) for method in own):
            return True
    return False


def parts(member: object) -> list[types.FunctionType]:
    """The functions of the user's behind a property or another descriptor."""
    if isinstance(member, property):
        found = [member.fget, member.fset, member.fdel]
    else:
        homes = [vars(c) for c in type.mro(type(member))]
        names = ("__get__", "__set__", "__delete__", "__set_name__")
        found = [home[n] for home in homes for n in names if n in home]
    return [each for each in found if isinstance(each, types.FunctionType)]


def held_by(owner: object, name: str) -> object:
    """What an object of the user's holds under a name, None where not seen."""
    kind = type(owner)
    if installed(kind.__module__.partition(".")[0]) or opaque(owner):
        return None
    if any(hasattr(vars(c).get(name), "__get__") for c in type.mro(kind)):
        return None
    try:
        held = object.__getattribute__(owner, "__dict__").get(name)
    except AttributeError:
        return None
    return None if callable(held) else held
