"""What sets two functions apart, told to a person; nothing of the user's is run."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any

from stratum_dask.optimizations.fingerprint.functions import encode_callee
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.purity.places import label
from stratum_dask.optimizations.verdict import Refused

__all__ = ["OTHER", "apart", "contrast", "defaults", "shown"]

OTHER = "other code"
"""What a difference begins with that can't be told more precisely."""

_SCALARS = (str, bytes, int, float, bool, complex, type(None))
_WIDTH = 40


def apart(first: Any, second: Any, encoder: Encoder) -> str | None:
    """What differs between two functions, None where nothing does.

    Examples
    --------
    >>> apart(lambda x: x + 1, lambda x: x + 2, Encoder())
    'another constant in its code: 1, not 2'
    >>> apart(lambda x: x + 1, lambda y: y + 1, Encoder()) is None
    True
    """
    if first is second or _code(first, encoder) == _code(second, encoder):
        return None
    kinds = type(first), type(second)
    if kinds[0] is kinds[1] is types.FunctionType:
        return _functions(first, second, encoder)
    if kinds[0] is kinds[1] is functools.partial:
        inner = apart(first.func, second.func, encoder)
        return inner or "other arguments in its partial"
    if kinds[0] is kinds[1] is types.MethodType:
        inner = apart(first.__func__, second.__func__, encoder)
        return inner or f"it is bound to another {type(first.__self__).__name__}"
    a, b = label(first), label(second)
    return f"another function: {a}, not {b}" if a != b else f"another {a}"


def contrast(first: str, second: str) -> str:
    """Two values against each other.

    Examples
    --------
    >>> contrast("1", "2"), contrast("a DataFrame", "a DataFrame")
    ('1, not 2', 'another DataFrame')
    """
    if first != second:
        return f"{first}, not {second}"
    return "another " + first.removeprefix("an ").removeprefix("a ")


def _code(func: Any, encoder: Encoder) -> Any:
    try:
        return encode_callee(func, encoder)
    except (Refused, RecursionError):
        return id(func)


def _functions(
    first: types.FunctionType, second: types.FunctionType, encoder: Encoder
) -> str:
    docs = [doc for doc in (first.__doc__, second.__doc__) if type(doc) is str]
    found = _constants(first.__code__, second.__code__, docs)
    if found:
        return found
    if found is not None:
        for name, x, y in _surroundings(first, second):
            if not _same(x, y, encoder):
                a, b = shown(x), shown(y)
                return f"another {name}" + (f": {a}, not {b}" if a != b else "")
    a, b = (str(f.__globals__.get("__name__")) for f in (first, second))
    return f"{OTHER}: that of {a}, not of {b}" if a != b else f"{OTHER} by that name"


def _constants(a: types.CodeType, b: types.CodeType, docs: list[str]) -> str | None:
    """The first other constant; nothing if there is none, None if all is other."""
    if a.co_code != b.co_code or a.co_names != b.co_names:
        return None
    first, second = ([c for c in x.co_consts if c not in docs] for x in (a, b))
    if len(first) != len(second):
        return None
    for x, y in zip(first, second, strict=True):
        if isinstance(x, types.CodeType) and isinstance(y, types.CodeType):
            found = _constants(x, y, docs)
            if found or found is None:
                return found
        elif isinstance(x, str) and isinstance(y, str) and ".<locals>" in x + y:
            continue  # how a function inside is called
        elif type(x) is not type(y) or repr(x) != repr(y):
            return f"another constant in its code: {shown(x)}, not {shown(y)}"
    return ""


def _surroundings(
    first: types.FunctionType, second: types.FunctionType
) -> Iterator[tuple[str, Any, Any]]:
    """Defaults, closure and globals, in pairs of the same name."""
    for what, get in (
        ("default of", defaults),
        ("value of the closure,", _cells),
        ("value of the global", _globals),
    ):
        x, y = get(first), get(second)
        for name in sorted(x.keys() & y.keys()):
            yield f"{what} {name}", x[name], y[name]


def defaults(func: types.FunctionType) -> Mapping[str, Any]:
    """The default values of the parameters."""
    values = func.__defaults__ or ()
    names = func.__code__.co_varnames[: func.__code__.co_argcount]
    found = dict(zip(names[len(names) - len(values) :], values, strict=True))
    return {**found, **(func.__kwdefaults__ or {})}


def _cells(func: types.FunctionType) -> Mapping[str, Any]:
    found = {}
    cells = func.__closure__ or ()
    for name, cell in zip(func.__code__.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def _globals(func: types.FunctionType) -> Mapping[str, Any]:
    scope = func.__globals__
    return {n: scope[n] for n in _names(func.__code__) if n in scope}


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def _same(x: Any, y: Any, encoder: Encoder) -> bool:
    if x is y:
        return True
    if callable(x) and callable(y):
        return bool(_code(x, encoder) == _code(y, encoder))
    try:
        return encoder.value(x) == encoder.value(y)
    except (Refused, RecursionError):
        return False


def shown(value: Any) -> str:
    """A value in a few characters; only what Python itself has is spelled out.

    Examples
    --------
    >>> shown("a.csv"), shown([1, 2]), shown(object())
    ("'a.csv'", '[1, 2]', 'an object')
    """
    plain = type(value) in _SCALARS
    if type(value) in (list, tuple, set, dict):
        parts = [*value, *value.values()] if type(value) is dict else value
        plain = len(value) <= 10 and all(type(v) in _SCALARS for v in parts)
    if plain:
        text = repr(value)
        return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
    name = type(value).__name__
    if callable(value):
        return label(value)
    article = "an" if name[:1].lower() in "aeiou" else "a"
    shape = getattr(value, "shape", None) if _library(value) else None
    return f"{article} {name}" + (f" of shape {shape}" if shape is not None else "")


def _library(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in ("numpy", "pandas")
