"""What a call does, where it only looks; any other one is unclear."""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import sys
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.looking.reader import Reader
from stratum_dask.optimizations.looking.tables import (
    AT_MOST,
    METHODS,
    NUMPY,
    PANDAS,
    PUTTING,
    WRITING,
)
from stratum_dask.optimizations.looking.values import (
    CLEAN,
    Known,
    Method,
    Nested,
    Unclear,
    Value,
    is_frozen,
)
from stratum_dask.optimizations.purity.effects import is_library_ufunc
from stratum_dask.optimizations.purity.places import installed
from stratum_dask.optimizations.purity.variables import parameters
from stratum_dask.optimizations.purity.words import words

__all__ = ["Calls"]

_CONSTANTS = frozenset(
    words("""
    len bool int float complex str repr format hash ord chr bin hex oct range any all
    callable ascii
    """)
)
_GATHER = frozenset(
    words("sorted reversed tuple list dict set frozenset zip enumerate")
)
_PARTS = frozenset(words("sum min max next iter abs round divmod pow"))
_GENERATOR, _COROUTINE = 0x20, 0x80 | 0x200
_POSITIONAL = {"where": 3, "arange": 3, "linspace": 3, "array": 2, "copy": 1}
_OUTPUTS = ("out", "overwrite_input", "overwrite_x", "overwrite_a", "copy")

Follow = Callable[[types.FunctionType, "Reader"], Value]


class Calls:
    """Judges calls, and the functions that they lead to.

    Parameters
    ----------
    follow
        Follows a function of the user's; see `Looker`.
    """

    def __init__(self, follow: Follow) -> None:
        self._follow = follow

    def __call__(
        self, r: Reader, func: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        if any(name.startswith("overwrite") for name in kwargs):
            raise Unclear("it may overwrite what it is given")
        if not _is(kwargs.get("out"), None) or not _is(kwargs.get("inplace"), False):
            raise Unclear("it may write into what it is given")
        values = [*args, *kwargs.values()]
        if type(func) is Known and func.obj in (isinstance, issubclass):
            return _instance(r, values)
        given = r.union(values)
        if given.code:
            raise Unclear("it hands on a function")
        if type(func) is Method:
            return _method(r, func, args, kwargs, given)
        if type(func) is Nested:
            return self._nested(r, func, given)
        if type(func) is not Known:
            raise Unclear("it calls what cannot be seen")
        if type(func.obj) is types.FunctionType and not installed(
            str(func.obj.__globals__.get("__name__", "")).partition(".")[0]
        ):
            return self._user(r, func.obj, given)
        return _library(func.obj, args, kwargs, given)

    def _user(self, r: Reader, func: types.FunctionType, given: Value) -> Value:
        found = self._follow(func, r)
        if not found.deps:
            return found
        # what is not an argument's lives outside of all this
        deps = given.deps | (found.deps & _OUTSIDE)
        return Value(deps, found.own, found.code)

    def _nested(self, r: Reader, func: Nested, given: Value) -> Value:
        code, around = func.code, func.around
        if code.co_flags & _COROUTINE:
            raise Unclear("it is asynchronous")
        inside = Value(around.deps | given.deps, False, around.code)
        reader = Reader(
            code,
            r.scope,
            dict.fromkeys(parameters(code), inside._replace(code=False)),
            dict.fromkeys(code.co_freevars, inside),
            r.step,
            self,
            r.budget,
        )
        found = reader.run()
        if code.co_flags & _GENERATOR:
            return Value(found.deps, True, found.code)
        return found


_OUTSIDE = frozenset([""])


def _instance(r: Reader, values: list[Any]) -> Value:
    """``isinstance`` of a class that does not look for itself."""
    kind = values[1] if len(values) == 2 else None
    held = kind.obj if type(kind) is Known else None
    if not isinstance(held, type) or not installed(held.__module__.partition(".")[0]):
        raise Unclear("it asks for a class that may look for itself")
    if r.data(values[0]).code:
        raise Unclear("it hands on a function")
    return CLEAN


def _library(func: Any, args: list[Any], kwargs: dict[str, Any], given: Value) -> Value:
    name = getattr(func, "__name__", "")
    if vars(builtins).get(name) is func:
        return _builtin(func, name, given)
    if vars(math).get(name) is func and name != "prod":
        return CLEAN
    shares = given._replace(own=not given.deps)
    numpy, pandas = map(sys.modules.get, ("numpy", "pandas"))
    if numpy is not None and installed("numpy"):
        if type(func).__name__ == "ufunc":
            if not is_library_ufunc(func) or len(args) > func.nin:
                raise Unclear("it calls a ufunc that may write")
            return shares
        leaf = _leaf(numpy, func, name)
        if leaf in NUMPY:
            return _numpy(func, leaf, args, kwargs, given)
    if name in PANDAS and getattr(pandas, name, None) is func and installed("pandas"):
        return shares
    raise Unclear(f"it calls {name or func}")


def _builtin(func: Any, name: str, given: Value) -> Value:
    if isinstance(func, type) and issubclass(func, BaseException):
        if given.deps:
            raise Unclear("an exception that takes it along")
        return CLEAN
    if name in _CONSTANTS:
        return CLEAN
    if name in _GATHER:
        return given
    if name in _PARTS:
        return given._replace(own=not given.deps)
    raise Unclear(f"it calls {name}")


def _leaf(numpy: types.ModuleType, func: Any, name: str) -> str:
    """The name of a function under which numpy itself has it, "" for any other."""
    for prefix in ("", "linalg", "fft"):
        home = vars(numpy).get(prefix) if prefix else numpy
        if home is not None and vars(home).get(name) is func:
            return f"{prefix}.{name}" if prefix else name
    return ""


def _numpy(
    func: Any, leaf: str, args: list[Any], kwargs: dict[str, Any], given: Value
) -> Value:
    if len(args) > _before_outputs(func, leaf):
        raise Unclear(f"numpy.{leaf} may write into an argument")
    if leaf in ("array", "copy") and kwargs.keys() <= {"dtype"}:
        return given
    if "copy" in kwargs:
        raise Unclear(f"numpy.{leaf} may write into an argument")
    return given._replace(own=not given.deps)


@functools.lru_cache(256)
def _before_outputs(func: Any, leaf: str) -> int:
    if leaf in _POSITIONAL:
        return _POSITIONAL[leaf]
    try:
        names = list(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return 2
    places = [names.index(n) for n in _OUTPUTS if n in names]
    return min(places, default=len(names))


def _method(
    r: Reader,
    func: Method,
    args: list[Any],
    kwargs: dict[str, Any],
    given: Value,
) -> Value:
    name, base = func.name, r.data(func.base)
    if base.code:
        raise Unclear(f"it calls {name} of what may be a function")
    if name in WRITING:
        r.writes(func.base)
        if name in PUTTING:
            r.puts([*args, *kwargs.values()])
        return r.part(func.base)
    if name not in METHODS:
        raise Unclear(f"it calls {name} of what it is given")
    if len(args) > AT_MOST.get(name, 4) or any(_is(a, True) for a in args):
        raise Unclear(f"{name} may write into an argument")
    deps = base.deps | given.deps
    new = name == "copy" and not args and not kwargs
    return Value(deps, new or not deps)


def _is(value: Any, constant: object) -> bool:
    """Whether a value is missing, or a constant that stands in the code."""
    if value is None:
        return constant is not True
    return type(value) is Known and is_frozen(value.obj) and value.obj is constant
