"""Functions as bytes: the user's own by what they do, installed ones by name."""

from __future__ import annotations

import functools
import sys
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from stratum_dask.optimizations.fingerprint import cycles
from stratum_dask.optimizations.fingerprint.callables import encode_callable
from stratum_dask.optimizations.fingerprint.code import Body, Nested, normalise
from stratum_dask.optimizations.fingerprint.origin import (
    installed_name,
)
from stratum_dask.optimizations.fingerprint.references import Scope, sees_names
from stratum_dask.optimizations.fingerprint.user_classes import encode_class

if TYPE_CHECKING:
    from stratum_dask.optimizations.fingerprint.values import Encoder

__all__ = ["Parameters", "encode_callee", "encode_function", "parameters"]


class Parameters(NamedTuple):
    """What a plain function takes.

    Examples
    --------
    >>> def f(a, /, b, *more, c=1): ...
    >>> parameters(f)[:3]
    (('a', 'b'), 1, ('c',))
    """

    positional: tuple[str, ...]
    positional_only: int
    keyword_only: tuple[str, ...]
    var_positional: bool
    var_keyword: bool
    defaults: dict[str, Any]


def parameters(func: object) -> Parameters | None:
    """Return the parameters of a Python function, or of a simple partial or method.

    None where they are not known: builtins, classes, partials with keywords.

    Examples
    --------
    >>> parameters(len) is None
    True
    """
    if type(func) is functools.partial:
        inner = None if func.keywords else parameters(func.func)
        return None if inner is None else _without_first(inner, len(func.args))
    if isinstance(func, types.MethodType):
        inner = parameters(func.__func__)
        return None if inner is None else _without_first(inner, 1)
    if not isinstance(func, types.FunctionType):
        return None
    code = func.__code__
    count = code.co_argcount
    names = code.co_varnames
    defaults: dict[str, Any] = {}
    if func.__defaults__:
        given = func.__defaults__[-count:] if count else ()
        defaults = dict(zip(names[count - len(given) : count], given, strict=True))
    if func.__kwdefaults__:
        defaults.update(func.__kwdefaults__)
    return Parameters(
        names[:count],
        code.co_posonlyargcount,
        names[count : count + code.co_kwonlyargcount],
        bool(code.co_flags & 4),
        bool(code.co_flags & 8),
        defaults,
    )


def _without_first(known: Parameters, count: int) -> Parameters | None:
    if count > len(known.positional):
        return None
    gone = known.positional[:count]
    return known._replace(
        positional=known.positional[count:],
        positional_only=max(0, known.positional_only - count),
        defaults={k: v for k, v in known.defaults.items() if k not in gone},
    )


def encode_function(obj: object, encoder: Encoder) -> bytes:
    """Encode a function, class, method, partial, ufunc or other callable.

    Its own name and those of its parameters enter, for whoever receives the
    function can see them; file, lines, docstrings, annotations and the names of
    local variables do not.

    Parameters
    ----------
    obj
        What can be called.
    encoder
        Encodes constants, defaults, closures and globals, and remembers.

    Raises
    ------
    Refused
        Where equal bytes would not promise equal work.

    Examples
    --------
    >>> from stratum_dask.optimizations.fingerprint.values import Encoder
    >>> one, other = lambda a: a + 1, lambda a: a + 2
    >>> encode_function(one, Encoder()) == encode_function(other, Encoder())
    False
    """
    return cycles.walk(obj, encoder, lambda node: _encode(obj, encoder, node))


def encode_callee(func: object, encoder: Encoder) -> bytes:
    """Encode the function of a task whose arguments are bound to positions.

    Its name and those of its parameters do not enter, unless its body can see
    them, so that ``f(df)`` and ``g(data)`` meet.

    Examples
    --------
    >>> from stratum_dask.optimizations.fingerprint.values import Encoder
    >>> one, other = lambda a: a + 1, lambda b: b + 1
    >>> encode_callee(one, Encoder()) == encode_callee(other, Encoder())
    True
    """
    hit = encoder.memo.get(~id(func))
    if hit is not None and isinstance(hit[1], bytes):
        return hit[1]
    whole = encode_function(func, encoder)
    hit = encoder.memo.get(~id(func))
    return hit[1] if hit is not None and isinstance(hit[1], bytes) else whole


def _encode(obj: object, encoder: Encoder, node: cycles.Node) -> tuple[bytes, bytes]:
    name = installed_name(obj)
    if name is not None:
        return cycles.PLAIN, b"name" + encoder.value((*name[0], *name[1:]))
    if isinstance(obj, types.FunctionType):
        return _encode_plain(obj, encoder, node)
    scope = Scope(encoder, node, encode_function)
    if isinstance(obj, type):
        return cycles.PLAIN, encode_class(obj, scope)
    return cycles.PLAIN, encode_callable(obj, scope)


def _encode_plain(
    func: types.FunctionType, encoder: Encoder, node: cycles.Node
) -> tuple[bytes, bytes]:
    if func.__globals__ is vars(functools) and hasattr(func, "registry"):
        return cycles.PLAIN, _singledispatch(
            func, Scope(encoder, node, encode_function)
        )
    body = normalise(func.__code__)
    scope = Scope(encoder, node, encode_function)
    parts = [b"code", encoder.value(sys.implementation.cache_tag)]
    parts.append(encoder.value((body.shape, body.names, body.inner)))
    for constant in body.constants:
        if isinstance(constant, Nested):
            parts.append(b"n" + encoder.value(bytes(constant)))
        else:
            parts.append(b"v" + encoder.value(constant))
    parts += _defaults(func, scope)
    parts += _closure(func, body, scope)
    parts += scope.references(func, body)
    for name in sorted(func.__dict__):
        parts += (encoder.value(name), scope.spell(func.__dict__[name]))
    code = func.__code__
    names = code.co_varnames[: _parameter_count(code)]
    if scope.sees_names or sees_names(body):
        parts += (b"names", encoder.value((code.co_name, body.variables)))
        scope.sees_names = True
    content = b"".join(parts)
    tag = cycles.SEES_NAMES if scope.sees_names else cycles.PLAIN
    if _name_is_hidden(func, body, node) and not scope.sees_names:
        callee = b"callee" + content
        if node.pointed_at or code.co_flags & 8:
            # It may call itself by keyword; or what it collects excludes these.
            callee += encoder.value(names)
        node.callee = tag + encoder.digest(callee)
    return tag, content + b"called" + encoder.value((func.__name__, names))


def _name_is_hidden(func: types.FunctionType, body: Body, node: cycles.Node) -> bool:
    """Whether nothing but calls by itself leads back to the function."""
    calls = 0
    for name in body.globals:
        if func.__globals__.get(name) is func and name not in body.passed:
            calls += 1
    return node.low == node.position and node.pointed_at == calls


def _parameter_count(code: types.CodeType) -> int:
    more = bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return code.co_argcount + code.co_kwonlyargcount + more


def _defaults(func: types.FunctionType, scope: Scope) -> list[bytes]:
    """Encode defaults; of keywords by place, as the code names its parameters."""
    given = func.__defaults__ or ()
    parts = [b"d%d:" % len(given), *map(scope.spell, given)]
    by_keyword = func.__kwdefaults__ or {}
    code = func.__code__
    first, last = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    for name in code.co_varnames[first:last]:
        known = name in by_keyword
        parts.append(b"k" + scope.spell(by_keyword[name]) if known else b"?")
    return parts


def _closure(func: types.FunctionType, body: Body, scope: Scope) -> list[bytes]:
    names = func.__code__.co_freevars
    cells = dict(zip(names, func.__closure__ or (), strict=True))
    parts = [b"c%d:" % len(cells)]
    for name in body.free:
        try:
            held = cells[name].cell_contents
        except ValueError:  # not assigned yet
            parts.append(b"?")
        else:
            parts.append(b"=" + scope.spell(held))
    return parts


def _singledispatch(func: types.FunctionType, scope: Scope) -> bytes:
    registry: Any = func.__dict__["registry"]
    pairs = [scope.spell(cls) + scope.spell(f) for cls, f in registry.items()]
    return b"dispatch" + b"".join(sorted(pairs)) + scope.encoder.value(func.__name__)
