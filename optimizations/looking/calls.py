"""What a call does, where it only looks; any other one is unclear."""

from __future__ import annotations

import builtins
import functools
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any

from stratum_dask.optimizations.looking.reader import Reader
from stratum_dask.optimizations.looking.tables import (
    AT_MOST,
    METHODS_FRESH,
    METHODS_SHARING,
    METHODS_WRITING,
    NUMPY_FRESH,
    NUMPY_SHARING,
    PANDAS,
    PUTTING,
)
from stratum_dask.optimizations.looking.values import (
    CLEAN,
    Known,
    Method,
    Nested,
    Unclear,
    Value,
    data,
)
from stratum_dask.optimizations.purity.effects import effect, is_library_ufunc
from stratum_dask.optimizations.purity.places import canonical, installed, root_of
from stratum_dask.optimizations.purity.variables import parameters
from stratum_dask.optimizations.purity.words import words
from stratum_dask.optimizations.verdict import Effect

__all__ = ["Calls"]

_NUMBERS = frozenset(
    words("""
    abs len bool int float complex str repr format hash ord chr
    bin hex oct round divmod pow range any all type callable print ascii bytes
    """)
)
_GATHER = frozenset(
    words("sorted reversed tuple list dict set frozenset zip enumerate iter slice")
)
_PARTS = frozenset(words("sum min max next"))
_PURE = frozenset(words("math cmath statistics"))
_GENERATOR, _COROUTINE = 0x20, 0x80 | 0x200
_POSITIONAL = {"where": 3, "arange": 4, "concatenate": 2, "dot": 2, "vdot": 2}
_OUTPUTS = ("out", "overwrite_input", "overwrite_x", "copy")


class Calls:
    """Judges calls, and the functions that they lead to.

    Parameters
    ----------
    follow
        Follows a function of the user's; see `Looker`.
    """

    def __init__(self, follow: Callable[[Any, bool, bool], Value]) -> None:
        self._follow = follow

    def __call__(
        self, r: Reader, func: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> Any:
        if any(name.startswith("overwrite") for name in kwargs):
            raise Unclear("it may overwrite what it is given")
        if not _is(kwargs.get("out"), None) or not _is(kwargs.get("inplace"), False):
            raise Unclear("it may write into what it is given")
        if type(func) is Method:
            return self._method(r, func, args, kwargs)
        if type(func) is Nested:
            return self._nested(r, func, [*args, *kwargs.values()])
        if type(func) is Known:
            return self._known(r, func.obj, args, kwargs)
        raise Unclear("it calls what cannot be seen")

    # ------------------------------------------------------------- functions
    def _known(
        self, r: Reader, func: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> Value:
        values = [*args, *kwargs.values()]
        if type(func) is types.FunctionType and not installed(
            str(func.__globals__.get("__name__", "")).partition(".")[0]
        ):
            return self._user(r, func, values)
        if func is getattr(builtins, getattr(func, "__name__", ""), None):
            return self._builtin(r, func, args, kwargs)
        name = canonical(func)
        root = "numpy" if type(func).__name__ == "ufunc" else root_of(name)
        given = self._given(r, values)
        if root == "numpy" and installed(root):
            flat = all(r.is_flat(v) for v in map(r.data, values))
            return _numpy(func, name, args, kwargs, given._replace(flat=flat))
        if root == "pandas" and installed(root):
            leaf = name.rpartition(".")[2]
            sees = name.startswith("pandas.core.dtypes") or leaf in PANDAS
            if not sees:
                raise Unclear(f"it calls {name}")
            whole = all(v.frame for v in map(r.data, values) if v.deps)
            flat = all(r.is_flat(v) for v in map(r.data, values) if v.deps)
            return given._replace(own=r.frames, flat=flat, frame=r.frames and whole)
        if root in _PURE and installed(root):
            return CLEAN
        if root == "sklearn" and effect(func) is Effect.FRESH:
            return given
        raise Unclear(f"it calls {name}")

    def _user(self, r: Reader, func: types.FunctionType, values: list[Any]) -> Value:
        given = [r.data(v) for v in values]
        if any(v.code for v in given):
            raise Unclear("it hands on a function")
        flat = all(r.is_flat(v) for v in given)
        frames = r.frames and flat and all(r.is_frame(v) or not v.deps for v in given)
        found = self._follow(func, flat, frames)
        deps = r.union(values).deps if found.deps else frozenset()
        own = found.own or not (found.deps or deps)
        return Value(deps, own, found.code, found.flat and flat, found.frame and frames)

    def _nested(self, r: Reader, func: Nested, values: list[Any]) -> Value:
        code = func.code
        if code.co_flags & _COROUTINE:
            raise Unclear("it is asynchronous")
        given = [r.part(v)._replace(own=False) for v in values]
        if any(v.code for v in given):
            raise Unclear("it hands on a function")
        around = func.around
        inside = Value(around.deps.union(*(v.deps for v in given)), False)
        reader = Reader(
            code,
            r.scope,
            dict.fromkeys(parameters(code), inside),
            dict.fromkeys(code.co_freevars, inside),
            r.step,
            self,
            frames=False,
        )
        found = reader.run()
        if code.co_flags & _GENERATOR:
            return Value(found.deps, True, found.code)
        return found

    def _builtin(
        self, r: Reader, func: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> Value:
        name = func.__name__
        key = kwargs.pop("key", None)
        if key is not None:
            self._called_back(r, key, args)
        if name in ("map", "filter"):
            held = self._called_back(r, args[0], args[1:])
            return r.union([*args[1:], held])
        if name in ("isinstance", "issubclass"):
            return CLEAN
        given = self._given(r, [*args, *kwargs.values()])
        if isinstance(func, type) and issubclass(func, BaseException):
            return given
        if name in _NUMBERS:
            shared = name in ("abs", "round", "divmod", "pow", "type")
            return given if shared else CLEAN
        if name in _GATHER:
            return given
        if name in _PARTS:
            return given._replace(own=not given.deps)
        raise Unclear(f"it calls {name}")

    def _called_back(self, r: Reader, func: Any, values: Iterable[Any]) -> Value:
        """A function that somebody else calls, with parts of what is at hand."""
        if type(func) is Known and func.obj is None:
            return CLEAN
        parts: list[Any] = [r.part(v) for v in values]
        if type(func) is Nested:
            return self._nested(r, func, parts)
        if type(func) is Known and callable(func.obj):
            return self._known(r, func.obj, parts or [Value()], {})
        raise Unclear("it hands on what may be a function")

    def _given(self, r: Reader, values: list[Any]) -> Value:
        """A new object that may hold all that is given, and no function."""
        found = r.union(values)
        if found.code:
            raise Unclear("it hands on a function")
        return found

    # --------------------------------------------------------------- methods
    def _method(
        self, r: Reader, func: Method, args: list[Any], kwargs: dict[str, Any]
    ) -> Value:
        name, base = func.name, r.data(func.base)
        if base.code:
            raise Unclear(f"it calls {name} of what may be a function")
        values = [
            self._called_back(r, v, [func.base]) if data(v).code else v
            for v in (*args, *kwargs.values())
        ]
        given = self._given(r, [func.base, *values])
        if name in METHODS_WRITING:
            r.writes(func.base)
            if name in PUTTING:
                r.puts(values)
            return r.part(func.base)
        if len(args) > AT_MOST.get(name, 4) or any(_is(a, True) for a in args):
            raise Unclear(f"{name} may write into an argument")
        if name in _BY_NAME and not _is_plain_call(args, kwargs):
            raise Unclear(f"{name} may be told to call something that writes")
        flat, frame = r.is_flat(base), r.is_frame(base)
        given = given._replace(flat=flat, frame=frame)
        if name == "copy" and flat and not values:
            return CLEAN
        if name in METHODS_FRESH and kwargs.keys().isdisjoint(("deep", "copy")):
            return given
        if name in METHODS_FRESH or name in METHODS_SHARING:
            return given._replace(own=frame or not given.deps)
        raise Unclear(f"it calls {name} of what it is given")


_BY_NAME = frozenset(words("agg aggregate apply transform map applymap"))


def _is_plain_call(args: list[Any], kwargs: dict[str, Any]) -> bool:
    """Whether what is called by its name gets nothing but the object."""
    if len(args) > 1:
        return False
    if not args and "func" not in kwargs:
        return True  # named aggregations
    return kwargs.keys() <= {"func", "axis"}


def _is(value: Any, constant: object) -> bool:
    """Whether a value is missing, or a constant that stands in the code."""
    if value is None:
        return constant is not True
    return type(value) is Known and value.obj is constant


def _numpy(
    func: Any, name: str, args: list[Any], kwargs: dict[str, Any], given: Value
) -> Value:
    if type(func).__name__ == "ufunc":
        if not is_library_ufunc(func) or len(args) > func.nin:
            raise Unclear("it calls a ufunc that may write")
        return given
    leaf = _leaf(func, name)
    if len(args) > _before_outputs(func, leaf):
        raise Unclear(f"numpy.{leaf} may write into an argument")
    if leaf in ("array", "copy") and given.flat and "copy" not in kwargs:
        return CLEAN
    if leaf in NUMPY_FRESH and "copy" not in kwargs:
        return given
    if leaf in NUMPY_SHARING:
        return given._replace(own=not given.deps)
    raise Unclear(f"it calls numpy.{leaf}")


def _leaf(func: Any, name: str) -> str:
    parts = name.split(".")
    inner = [p for p in parts[1:-1] if p in ("linalg", "fft")]
    return ".".join((*inner[:1], parts[-1]))


@functools.lru_cache(256)
def _before_outputs(func: Any, leaf: str) -> int:
    try:
        names = list(inspect.signature(func).parameters)
    except (TypeError, ValueError):
        return _POSITIONAL.get(leaf, 2)
    places = [names.index(n) for n in _OUTPUTS if n in names]
    return min(places, default=len(names)) if leaf != "array" else 2
