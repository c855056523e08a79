"""Callables that are neither plain functions nor classes, each on purpose."""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stratum_dask.optimizations.fingerprint.origin import PYTHON, module_origin
from stratum_dask.optimizations.verdict import Refused

if TYPE_CHECKING:
    from stratum_dask.optimizations.fingerprint.references import Scope

__all__ = ["KINDS", "encode_callable"]


def encode_callable(obj: object, scope: Scope) -> bytes:
    """Encode what is no plain function, no class, and not importable by name.

    Raises
    ------
    Refused
        For compiled functions that no installed module knows by name, and for
        kinds of objects that are not known to be functions.
    """
    cls = type(obj)
    known = KINDS.get(cls)
    if known is not None:
        return known(obj, scope)
    root = cls.__module__.partition(".")[0]
    by_name = _NAMED_KINDS.get((root, cls.__name__))
    if by_name is not None:
        return by_name(obj, scope)
    if cls.__name__ in ("ufunc", "cython_function_or_method", "fused_cython_function"):
        raise _not_installed(obj)
    if root == "numba" and hasattr(obj, "py_func"):
        return _numba(obj, scope)
    if callable(obj):
        # Class and state are its value; whoever asked for the value of one of
        # these has a rule for it and does not come back here.
        scope.node.delegated = True
        return b"object" + scope.value(obj)
    raise Refused(f"a {cls.__module__}.{cls.__qualname__} is no known kind of function")


def _not_installed(obj: object) -> Refused:
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", "?")
    return Refused(
        f"{type(obj).__name__} {name} is compiled, and no installed distribution "
        "has it under that name",
        "install the module it comes from",
    )


def _partial(obj: Any, scope: Scope) -> bytes:
    name = type(obj).__name__.encode()
    keywords = tuple(obj.keywords.items())
    if not _takes_any_keyword(obj.func):
        keywords = tuple(sorted(keywords))
    parts = [b"partial", name, b"%d:" % len(obj.args), scope.spell(obj.func)]
    parts += map(scope.spell, obj.args)
    for key, given in keywords:
        parts += (scope.spell(key), scope.spell(given))
    # partials carry attributes; toolz.curry reports everything as plumbing
    if isinstance(obj, functools.partial) and vars(obj):
        parts.append(b"with" + scope.pairs(vars(obj).items()))
    return b"".join(parts)


def _takes_any_keyword(func: object) -> bool:
    """Whether the order of keywords may be seen."""
    while isinstance(func, functools.partial):
        func = func.func
    func = getattr(func, "__func__", func)
    code = getattr(func, "__code__", None)
    return not isinstance(code, types.CodeType) or bool(code.co_flags & 8)


def _method(obj: Any, scope: Scope) -> bytes:
    return b"method" + scope.spell(obj.__self__) + scope.spell(obj.__func__)


def _builtin(obj: Any, scope: Scope) -> bytes:
    owner = obj.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        # A module's function that is not found under its name.
        origin = None if owner is None else module_origin(owner.__name__)
        if owner is None or origin is None:
            raise _not_installed(obj)
        name = (*origin, owner.__name__, obj.__qualname__)
        return b"builtin" + scope.spell(name)
    return b"bound" + scope.spell(owner) + scope.spell(obj.__name__)


def _descriptor(obj: Any, scope: Scope) -> bytes:
    python = (*PYTHON, type(obj).__name__, obj.__name__)
    return b"descriptor" + scope.spell(python) + scope.spell(obj.__objclass__)


def _cached(obj: Any, scope: Scope) -> bytes:
    settings = scope.spell(tuple(sorted(obj.cache_parameters().items())))
    return b"cached" + settings + scope.spell(obj.__wrapped__)


def _reduced(obj: Any, scope: Scope) -> bytes:
    function, args = obj.__reduce__()[:2]
    return b"reduced" + scope.spell(function) + scope.spell(args)


def _wrapper(obj: Any, scope: Scope) -> bytes:
    return type(obj).__name__.encode() + b":" + scope.spell(obj.__func__)


def _property(obj: property, scope: Scope) -> bytes:
    return b"property" + b"".join(map(scope.spell, (obj.fget, obj.fset, obj.fdel)))


def _cached_property(obj: Any, scope: Scope) -> bytes:
    return b"cachedproperty" + scope.spell(obj.func) + scope.spell(obj.attrname)


def _compose(obj: Any, scope: Scope) -> bytes:
    functions = [scope.spell(f) for f in (obj.first, *obj.funcs)]
    return b"compose%d:" % len(functions) + b"".join(functions)


def _juxt(obj: Any, scope: Scope) -> bytes:
    functions = [scope.spell(f) for f in obj.funcs]
    return b"juxt%d:" % len(functions) + b"".join(functions)


def _complement(obj: Any, scope: Scope) -> bytes:
    return b"complement" + scope.spell(obj.func)


def _dask_methodcaller(obj: Any, scope: Scope) -> bytes:
    return b"dask" + scope.spell(type(obj)) + scope.spell(obj.method)


def _dask_getter(obj: Any, scope: Scope) -> bytes:
    return b"dask" + scope.spell(type(obj)) + scope.spell(obj.index)


def _vectorize(obj: Any, scope: Scope) -> bytes:
    state = {k: v for k, v in vars(obj).items() if k not in ("__doc__", "_ufunc")}
    return b"vectorize" + scope.pairs(state.items())


def _numba(obj: Any, scope: Scope) -> bytes:
    options = getattr(obj, "targetoptions", {})
    kind = type(obj)
    compiler = module_origin("numba")
    if compiler is None:
        raise _not_installed(obj)
    parts = (scope.spell((*compiler, kind.__qualname__)), scope.spell(obj.py_func))
    return b"numba" + b"".join(parts) + scope.pairs(options.items())


_Kind = Callable[[Any, "Scope"], bytes]
KINDS: dict[type, _Kind] = {
    functools.partial: _partial,
    functools.partialmethod: _partial,
    types.MethodType: _method,
    types.BuiltinFunctionType: _builtin,
    types.MethodWrapperType: _builtin,
    types.MethodDescriptorType: _descriptor,
    types.WrapperDescriptorType: _descriptor,
    types.ClassMethodDescriptorType: _descriptor,
    types.GetSetDescriptorType: _descriptor,
    types.MemberDescriptorType: _descriptor,
    functools._lru_cache_wrapper: _cached,
    operator.itemgetter: _reduced,
    operator.attrgetter: _reduced,
    operator.methodcaller: _reduced,
    staticmethod: _wrapper,
    classmethod: _wrapper,
    property: _property,
    functools.cached_property: _cached_property,
}
_NAMED_KINDS: dict[tuple[str, str], _Kind] = {
    ("toolz", "curry"): _partial,
    ("cytoolz", "curry"): _partial,
    ("toolz", "Compose"): _compose,
    ("cytoolz", "Compose"): _compose,
    ("toolz", "juxt"): _juxt,
    ("cytoolz", "juxt"): _juxt,
    ("toolz", "complement"): _complement,
    ("cytoolz", "complement"): _complement,
    ("dask", "methodcaller"): _dask_methodcaller,
    ("dask", "itemgetter"): _dask_getter,
    ("numpy", "vectorize"): _vectorize,
}
