"""What stands in a variable while a function is followed that should only look."""

from __future__ import annotations

import types
from typing import Any, NamedTuple

__all__ = [
    "CLEAN",
    "NULL",
    "Known",
    "Method",
    "Nested",
    "Unclear",
    "Value",
    "data",
    "is_frozen",
    "join",
]

_MANY = 10_000
_ATOMS = frozenset(
    (type(None), bool, int, float, complex, str, bytes, type(...), range)
)


class Unclear(Exception):
    """The function does something of which it is not known that it only looks."""


class Value(NamedTuple):
    """Data of which only this much is known."""

    deps: frozenset[str] = frozenset()
    """Parameters that it may be, hold, or share memory with."""
    own: bool = True
    """Whether the object itself was made here, so that its outermost layer may be
    written into."""
    code: bool = False
    """Whether it may hold something that can be called."""


CLEAN = Value()


class Known:
    """An object that is found by its name, or stands in the code."""

    __slots__ = ("obj",)

    def __init__(self, obj: Any) -> None:
        self.obj = obj


class Method(NamedTuple):
    """An attribute that is about to be called."""

    name: str
    base: Value | Known


class Nested(NamedTuple):
    """A lambda, comprehension or inner function."""

    code: types.CodeType
    around: Value
    """All that it can see of the function around it."""


NULL: Any = object()
"""What the interpreter puts below some callables."""

Abstract = Value | Known | Method | Nested


def data(value: Any) -> Value:
    """A value as data; what can be called is marked."""
    if type(value) is Value:
        return value
    if type(value) is Known:
        return _constant(value.obj)
    if type(value) is Nested:
        return value.around._replace(own=False, code=True)
    raise Unclear("a method that is not called at once")


def _constant(obj: object) -> Value:
    code = not (is_frozen(obj) or _is_harmless_type(obj))
    return Value(frozenset(), not code, code)


def _is_harmless_type(obj: object) -> bool:
    """Whether an object is a type that nobody need fear to be called, or compared."""
    if not isinstance(obj, type):
        return False
    if issubclass(obj, BaseException):
        return obj.__module__ == "builtins"
    return obj in _NUMBER_TYPES or _is_scalar_type(obj)


def _is_scalar_type(kind: type) -> bool:
    if kind.__module__ != "numpy" or kind.__name__ in _NOT_ATOMS:
        return False
    return hasattr(kind, "dtype") and hasattr(kind, "item")


_NUMBER_TYPES = frozenset((bool, int, float, complex, str, bytes, object))
_NOT_ATOMS = frozenset(
    ("ndarray", "void", "record", "matrix", "memmap", "recarray", "chararray")
)


def is_frozen(obj: object) -> bool:
    """Whether an object is a constant of the language or of numpy, or a tuple of some.

    Examples
    --------
    >>> is_frozen((1, "a")), is_frozen([1])
    (True, False)
    """
    kind = type(obj)
    if kind in (tuple, frozenset):
        items: Any = obj
        return len(items) < _MANY and all(
            type(item) in _ATOMS or is_frozen(item) for item in items
        )
    if kind in _ATOMS:
        return True
    return _is_scalar_type(kind)


def join(one: Any, two: Any) -> Any:
    """What is known where two branches meet."""
    if one is two:
        return one
    if one is NULL or two is NULL:
        raise Unclear("branches that do not agree")
    if type(one) is type(two) is Known and one.obj is two.obj:
        return one
    if type(one) is type(two) is Method and one.name == two.name:
        return Method(one.name, join(one.base, two.base))
    if type(one) is type(two) is Nested and one.code is two.code:
        return Nested(one.code, _union(one.around, two.around))
    return _union(data(one), data(two))


def _union(one: Value, two: Value) -> Value:
    return Value(
        one.deps | two.deps,
        one.own and two.own,
        one.code or two.code,
    )
