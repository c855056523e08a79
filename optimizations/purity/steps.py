"""What each bytecode instruction does to the abstract stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.purity import calling
from stratum_dask.optimizations.purity.calls import (
    NUMBER,
    ONESHOT,
    RANGE,
    UNSEEN,
    Count,
    Fresh,
    Inside,
    Lit,
    Param,
    Source,
    Stream,
    shows_address,
)
from stratum_dask.optimizations.purity.callsteps import CALL_STEPS
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.machine import Walker
from stratum_dask.optimizations.purity.namesteps import NAME_STEPS
from stratum_dask.optimizations.purity.outer import (
    inner,
    mixed,
    outer,
    sources,
    unpacked,
)
from stratum_dask.optimizations.purity.pathtexts import joined, made
from stratum_dask.optimizations.purity.plainsteps import plain_step
from stratum_dask.optimizations.purity.stack import Held, Pairs

__all__ = ["step"]

Step = Callable[[Walker, int], None]


def _subscript(w: Walker, arg: int) -> None:
    key = w.pop()
    w.push(w.item(w.pop(), key))


def _slice(w: Walker, arg: int) -> None:
    w.pop()
    _subscript(w, arg)


def _store_subscript(w: Walker, arg: int) -> None:
    w.pop()
    w.changes(w.pop())
    w.escapes(w.pop())


def _store_slice(w: Walker, arg: int) -> None:
    w.pop()
    _store_subscript(w, arg)


def _delete_subscript(w: Walker, arg: int) -> None:
    w.pop()
    w.changes(w.pop())


def _store_attr(w: Walker, arg: int) -> None:
    owner, value = w.pop(), w.pop()
    w.changes(owner)
    w.escapes(value)
    if w.code.co_names[arg] in ("__class__", "__dict__"):
        w.changes(value)
    calling.set_attribute(w, owner, w.code.co_names[arg], value)


def _delete_attr(w: Walker, arg: int) -> None:
    w.changes(w.pop())


_IN_PLACE = range(13, 26)
_REMAINDER = 6
_SHARING = frozenset([0, 5, 7])  # + * |
_COMPUTED = (float, complex, str, bool)


def _binary(w: Walker, arg: int) -> None:
    right, left = w.pop(), w.pop()
    if arg >= _IN_PLACE.stop:  # a subscript, since 3.14
        w.push(w.item(left, right))
        return
    if arg in _IN_PLACE:
        w.changes(left)
    if arg % _IN_PLACE.start == _REMAINDER:  # of a text: fills it in
        _shown(w, right)
    if _number(left) or _number(right):
        w.stack.append(NUMBER)
    else:
        counts = [v for v in (left, right) if isinstance(v, Count)]
        shares = arg in _IN_PLACE or arg % _IN_PLACE.start in _SHARING
        what = _shared(left, right, kept=arg in _IN_PLACE) if shares else UNSEEN
        if what is UNSEEN:
            what = joined(left, right, arg)
        w.stack.append(counts[0] if counts else what)


def _shared(left: Any, right: Any, *, kept: bool) -> Any:
    """What a sum, product or union of two objects has in common with them."""
    if any(isinstance(v, Lit) and type(v.value) in _COMPUTED for v in (left, right)):
        return mixed(left) if kept and sources(left) else UNSEEN
    parts = [mixed(left) if kept else inner(left), inner(right)]
    return mixed(*parts)


def _number(value: Any) -> bool:
    return value is NUMBER or (isinstance(value, Lit) and type(value.value) is int)


def _negative(w: Walker, arg: int) -> None:
    w.stack.append(NUMBER if _number(w.pop()) else UNSEEN)


def _get_iter(w: Walker, arg: int) -> None:
    value = w.pop()
    w.stack.append(value if value is RANGE or outer(value) else w.derive(value))


def _for_iter(w: Walker, arg: int) -> None:
    top = w.stack[-1] if w.stack else UNSEEN
    if isinstance(top, Param) and top.name.endswith(".0"):
        w.push(Count(top.name))  # a comprehension is given what it goes through
    else:
        w.push(NUMBER if top is RANGE else w.derive(top))


def _unpack(w: Walker, arg: int) -> None:
    value = w.pop()
    parts = unpacked(value, arg)
    if parts is not None:
        w.stack.extend(parts[::-1])
        return
    inside = w.derive(value)
    for _ in range(arg):
        w.push(inside)


def _copy(w: Walker, arg: int) -> None:
    value = w.stack[-arg] if len(w.stack) >= arg else UNSEEN
    if isinstance(value, Held):
        w.push(value.value)
    else:
        w.stack.append(value)


def _swap(w: Walker, arg: int) -> None:
    if len(w.stack) >= arg:
        w.stack[-1], w.stack[-arg] = w.stack[-arg], w.stack[-1]


def _return(w: Walker, arg: int) -> None:
    value = w.pop()
    if value is ONESHOT or isinstance(value, Stream):
        w.oneshot = True
    known = value in (NUMBER, ONESHOT) if not isinstance(value, tuple) else False
    if not known and not isinstance(value, Lit):
        w.found.returns.update(sources(value) or {Source("", "")})
        if not isinstance(value, Inside | Fresh):
            w.found.whole.update(s.param for s in sources(value))


def _yield(w: Walker, arg: int) -> None:
    given = sources(w.pop())
    w.found.returns.update(given)
    w.found.whole.update(s.param for s in given)
    w.stack.append(UNSEEN)


def _format_value(w: Walker, arg: int) -> None:
    if arg & 4:
        _format_with_spec(w, arg)
    else:
        _convert_value(w, arg)


def _convert_value(w: Walker, arg: int) -> None:
    if arg in (0, 1):  # as it is, or by str
        _format_simple(w, arg)
    else:
        _shown(w, w.pop())
        w.stack.append(UNSEEN)


def _format_simple(w: Walker, arg: int) -> None:
    value = w.pop()
    _shown(w, value)
    w.stack.append(made("text", value))


def _format_with_spec(w: Walker, arg: int) -> None:
    w.pop()
    _shown(w, w.pop())
    w.stack.append(UNSEEN)


def _build_string(w: Walker, arg: int) -> None:
    text = made("text", *w.stack[len(w.stack) - arg :])
    plain_step(w, "BUILD_STRING", arg)
    if text is not UNSEEN:
        w.stack[-1] = text


def _shown(w: Walker, value: Any) -> None:
    """A value is made part of a text."""
    pairs = value.kwargs.values() if isinstance(value, Pairs) else ()
    if any(map(shows_address, (value, *pairs))):
        why = "a text that it makes shows where an object lies in memory"
        w.note(refuse(why, "give the class of the object a __repr__"))


def _add(w: Walker, arg: int) -> None:
    _put(w, arg, w.pop())


def _extend(w: Walker, arg: int) -> None:
    _put(w, arg, inner(w.pop()))


def _put(w: Walker, arg: int, value: Any) -> None:
    if len(w.stack) >= arg and sources(value):
        w.stack[-arg] = mixed(w.stack[-arg], value)


_STEPS: dict[str, Step] = {
    **NAME_STEPS,
    **CALL_STEPS,
    "BINARY_SUBSCR": _subscript,
    "BINARY_SLICE": _slice,
    "STORE_SUBSCR": _store_subscript,
    "STORE_SLICE": _store_slice,
    "DELETE_SUBSCR": _delete_subscript,
    "STORE_ATTR": _store_attr,
    "DELETE_ATTR": _delete_attr,
    "BINARY_OP": _binary,
    "UNARY_NEGATIVE": _negative,
    "GET_ITER": _get_iter,
    "FOR_ITER": _for_iter,
    "UNPACK_SEQUENCE": _unpack,
    "COPY": _copy,
    "SWAP": _swap,
    "RETURN_VALUE": _return,
    **dict.fromkeys(("LIST_APPEND", "SET_ADD"), _add),
    **dict.fromkeys(("LIST_EXTEND", "SET_UPDATE"), _extend),
    "YIELD_VALUE": _yield,
    "FORMAT_VALUE": _format_value,
    "FORMAT_SIMPLE": _format_simple,
    "CONVERT_VALUE": _convert_value,
    "FORMAT_WITH_SPEC": _format_with_spec,
    "BUILD_STRING": _build_string,
}


def step(w: Walker, name: str, arg: int) -> None:
    """Follow one instruction."""
    found = _STEPS.get(name)
    if found is not None:
        found(w, arg)
    else:
        plain_step(w, name, arg)
