"""Which class is which: by identity, never by what a class says of itself."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from typing import Any, TypeVar

from stratum_dask.optimizations.verdict import Refused

__all__ = ["find", "instance_dict", "match", "own_slots", "public_name", "root"]

T = TypeVar("T")

_WORD = tuple.__itemsize__
_MANAGED = -1
"""Offset of a ``__dict__`` that lies outside the object's own memory."""
_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)
_CLASSES: dict[frozenset[str], dict[type, str]] = {}


def root(cls: type) -> str:
    """Name of the top-level package that ``cls`` says it is from."""
    return str(cls.__module__).partition(".")[0]


def find(name: str) -> object | None:
    """What ``module:qualname`` names, where that module is loaded already.

    Examples
    --------
    >>> find("builtins:int")
    <class 'int'>
    """
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        if found is None:
            return None
        found = getattr(found, part, None)
    return found  # type: ignore[no-any-return]


def match(cls: type, table: Mapping[str, T]) -> tuple[type, T] | None:
    """First base of ``cls`` that ``table`` names, and what it says of it.

    Examples
    --------
    >>> match(bool, {"builtins:int": "a number"})
    (<class 'int'>, 'a number')
    """
    loaded = frozenset(n for n in table if n.partition(":")[0] in sys.modules)
    known = _CLASSES.get(loaded) or _classes(loaded)
    for base in cls.__mro__:
        name = known.get(base)
        if name is not None:
            return base, table[name]
    return None


def _classes(names: frozenset[str]) -> dict[type, str]:
    known = {cls: n for n in sorted(names) if isinstance(cls := find(n), type)}
    if len(known) == len(names):
        # Otherwise another thread may be in the middle of an import.
        _CLASSES[names] = known
    return known


def public_name(cls: type) -> str | None:
    """``module:qualname``, if that really leads to ``cls``."""
    name = f"{cls.__module__}:{cls.__qualname__}"
    return name if find(name) is cls else None


def own_slots(cls: type, base: type) -> list[types.MemberDescriptorType] | None:
    """The slots that ``cls`` adds to ``base``, or None if it adds hidden memory.

    A compiled class keeps state in memory that no slot names. Python tells by the
    same sum whether the default pickling of an object would be complete.
    """
    slots = []
    for c in cls.__mro__:
        if c in base.__mro__:
            continue
        names = c.__dict__.get("__slots__", ())
        for slot in (names,) if isinstance(names, str) else tuple(names):
            member = c.__dict__.get(_mangled(c, slot))
            if type(member) is types.MemberDescriptorType:
                slots.append(member)
    words = len(slots)
    words += cls.__dictoffset__ not in (base.__dictoffset__, _MANAGED)
    words += cls.__weakrefoffset__ > 0 and not base.__weakrefoffset__
    hidden = cls.__basicsize__ - base.__basicsize__ > words * _WORD
    return None if hidden or cls.__itemsize__ != base.__itemsize__ else slots


def _mangled(cls: type, slot: str) -> str:
    if not slot.startswith("__") or slot.endswith("__"):
        return slot
    stripped = cls.__name__.lstrip("_")
    return f"_{stripped}{slot}" if stripped else slot


def instance_dict(obj: object) -> dict[str, Any]:
    """The real ``__dict__`` of ``obj``, past whatever its class shows instead."""
    cls = type(obj)
    if not cls.__dictoffset__:
        return {}
    for base in cls.__mro__:
        descriptor = base.__dict__.get("__dict__")
        if type(descriptor) in _DESCRIPTORS:
            return descriptor.__get__(obj)  # type: ignore[union-attr,no-any-return]
    raise Refused(
        f"a {cls.__module__}.{cls.__qualname__} hides its attributes",
        "pass what it is made from",
    )
