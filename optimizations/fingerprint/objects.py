"""Any other object: its class, and all that it holds.

An object of a class written in Python *is* its class, its ``__dict__`` and its
slots; they are read as they are, whatever the class says of itself by
``__reduce__``, ``__getstate__``, ``__eq__`` or ``__dask_tokenize__``. Compiled
objects are taken at the word of their ``__reduce__`` where the library is known.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.fingerprint import arrays, arrow, frames
from stratum_dask.optimizations.fingerprint.classes import (
    find,
    instance_dict,
    match,
    own_slots,
    public_name,
    root,
)
from stratum_dask.optimizations.fingerprint.refusals import refusal
from stratum_dask.optimizations.fingerprint.sharing import Kind
from stratum_dask.optimizations.fingerprint.stdlib import BUILTINS, ENUM, KINDS
from stratum_dask.optimizations.fingerprint.values import FUNCTION, Encoder, text
from stratum_dask.optimizations.verdict import Refused

__all__ = ["resolve"]

_FUNCTIONS = frozenset(
    {
        type,
        types.FunctionType,
        types.BuiltinFunctionType,
        types.MethodType,
        types.MethodWrapperType,
        types.WrapperDescriptorType,
        types.MethodDescriptorType,
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        staticmethod,
        classmethod,
        property,
        functools.partial,
        functools.partialmethod,
        type(functools.cache(id)),
    }
)
_FUNCTION_NAMES = {
    "cython_function_or_method",
    "fused_cython_function",
    "_ArrayFunctionDispatcher",
    "ufunc",
}
_WRAPPERS = {"toolz", "cytoolz", "numba"}

_LIBRARIES = KINDS | arrays.KINDS | frames.KINDS | arrow.KINDS

_TRUSTED = {"numpy", "pandas", "scipy", "sklearn", "shapely", "pytz", "dateutil"}
"""Libraries besides Python's own whose compiled classes reduce faithfully."""

_BY_REDUCE = {
    "fsspec:AbstractFileSystem": True,
    "lightgbm:Booster": True,
    "xgboost:Booster": True,
    **dict.fromkeys(arrow.BY_REDUCE, True),
}
"""Classes whose instances hold handles that are not part of their value."""


_IMMUTABLE = {"pandas._libs.tslibs.offsets:BaseOffset": True}
"""Classes among them whose instances nobody can change."""


def resolve(cls: type) -> Kind:
    """How objects of ``cls`` are encoded."""
    if (why := refusal(cls)) is not None:
        return _refuse(why.reason, why.remedy)
    if _is_function(cls):
        return FUNCTION
    if enum.Enum in cls.__mro__:
        return _known(cls, enum.Enum, ENUM)
    for table in (_LIBRARIES, BUILTINS):
        found = match(cls, table)
        if found is not None:
            base, kind = found
            if cls is base or _is_family(cls, base):
                return _known(cls, base, kind)
            if own_slots(cls, base) is not None:
                return _known(cls, base, kind)
            break
    if cls is object:
        return _refuse(
            "a bare object() is known by its identity alone",
            "use a string or an enum member",
        )
    if match(cls, _BY_REDUCE) is not None:
        return Kind(_reduced)
    if (slots := own_slots(cls, object)) is not None:
        return Kind(_object(cls, slots))
    library = root(cls)
    trusted = library in _TRUSTED or library in sys.stdlib_module_names
    if trusted and public_name(cls) is not None:
        return Kind(_reduced, mutable=match(cls, _IMMUTABLE) is None)
    name = f"{cls.__module__}.{cls.__qualname__}"
    return _refuse(
        f"a {name} keeps its state in compiled code that is not known",
        "pass what it is made from, or a numpy, pandas or Arrow object",
    )


def _is_function(cls: type) -> bool:
    if not _FUNCTIONS.isdisjoint(cls.__mro__):
        return True
    if cls.__name__ in _FUNCTION_NAMES:
        return True
    return root(cls) in _WRAPPERS and "__call__" in cls.__dict__


def _is_family(cls: type, base: type) -> bool:
    """Whether ``cls`` is of the same library, which ``base`` was read for."""
    return root(cls) == root(base) and public_name(cls) is not None


def _refuse(reason: str, remedy: str) -> Kind:
    def encode(encoder: Encoder, obj: Any) -> bytes:
        raise Refused(reason, remedy)

    return Kind(encode, mutable=False)


def _known(cls: type, base: type, kind: Kind) -> Kind:
    """``kind``, told apart by class and by what ``cls`` adds to ``base``."""
    content, covered = kind.encode, kind.covered or frozenset()
    own = cls is base or _is_family(cls, base)
    slots = [] if own else own_slots(cls, base) or []
    head = b"K" + text(f"{cls.__module__}:{cls.__qualname__}")
    holds_state = bool(slots or cls.__dictoffset__)
    if own and kind.covered is None:
        holds_state = False

    def encode(encoder: Encoder, obj: Any) -> bytes:
        start = head if own else b"k" + encoder.value(cls)
        state = _state(encoder, obj, slots, covered) if holds_state else b""
        return encoder.short(start + content(encoder, obj) + state)

    mutable = kind.mutable or holds_state
    return Kind(encode, mutable, kind.heavy)


def _state(
    encoder: Encoder,
    obj: object,
    slots: list[types.MemberDescriptorType],
    covered: frozenset[str] = frozenset(),
) -> bytes:
    found = instance_dict(obj)
    if covered:
        found = {k: v for k, v in found.items() if k not in covered}
    if slots:
        held = []
        for slot in slots:
            try:
                held.append((slot.__name__, slot.__get__(obj)))
            except AttributeError:
                continue
        return encoder.value(held) + encoder.value(found)
    return encoder.value(found)


def _object(
    cls: type, slots: list[types.MemberDescriptorType]
) -> Callable[[Encoder, Any], bytes]:
    def encode(encoder: Encoder, obj: Any) -> bytes:
        return encoder.short(b"o" + encoder.value(cls) + _state(encoder, obj, slots))

    return encode


def _reduced(encoder: Encoder, obj: Any) -> bytes:
    # Twice: what is not told alike at once will not be told alike elsewhere.
    encoding, inside = encoder.alone(obj, _reduce)
    if encoder.alone(obj, _reduce)[0] != encoding:
        raise Refused(
            f"a {type(obj).__module__}.{type(obj).__qualname__} reduces to "
            "something else each time"
        )
    return encoder.adopt(encoding, inside)


def _reduce(encoder: Encoder, obj: Any) -> bytes:
    cls = type(obj)
    name = f"{cls.__module__}.{cls.__qualname__}"
    try:
        special = copyreg.dispatch_table.get(cls)
        found = special(obj) if special else obj.__reduce_ex__(4)
    except Exception as e:  # noqa: BLE001
        raise Refused(f"a {name} can not be taken apart: {e}") from None
    if isinstance(found, str):
        place = f"{getattr(obj, '__module__', cls.__module__)}:{found}"
        if find(place) is not obj:
            raise Refused(f"a {name} says it is {place!r}, which is not it")
        return b"g" + text(place)
    func, args, state, items, pairs, setter = (*found, *[None] * 4)[:6]
    parts = [b"r", encoder.value(cls), encoder.value(func), encoder.value(args)]
    parts += [encoder.value(state), encoder.value(setter)]
    for rest in (items, pairs):
        values = None if rest is None else list(rest)
        parts.append(encoder.value(values))
    return encoder.short(b"".join(parts))
