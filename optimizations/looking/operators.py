"""What the instructions do that compute, and that build containers."""

from __future__ import annotations

import dis
from typing import Any

from stratum_dask.optimizations.looking.names import Step
from stratum_dask.optimizations.looking.reader import Reader
from stratum_dask.optimizations.looking.values import (
    Known,
    Unclear,
    Value,
    data,
)

__all__ = ["OPERATORS"]

_IN_PLACE = range(13, 26)


def _subscript(r: Reader, arg: int) -> None:
    key, owner = r.pop(), r.pop()
    part = r.part(owner)
    if r.data(key).code:
        raise Unclear("a function as a key")
    r.stack.append(part)


def _slice(r: Reader, arg: int) -> None:
    r.pop()
    _subscript(r, arg)


def _store_subscript(r: Reader, arg: int) -> None:
    r.pop()
    r.writes(r.pop())
    r.puts([r.pop()])


def _store_slice(r: Reader, arg: int) -> None:
    r.pop()
    _store_subscript(r, arg)


def _delete_subscript(r: Reader, arg: int) -> None:
    r.pop()
    r.writes(r.pop())


def _binary(r: Reader, arg: int) -> None:
    if arg >= _IN_PLACE.stop:  # a subscript, since 3.14
        _subscript(r, arg)
        return
    right, left = r.pop(), r.pop()
    if arg in _IN_PLACE:
        r.writes(left if type(left) is not Known else data(left))
        r.puts([right])
    r.stack.append(_computed(r, left, right))


def _computed(r: Reader, *values: Any) -> Value:
    found = r.union(values)
    if found.code:
        raise Unclear("it does something with a function")
    return found


def _compare(r: Reader, arg: int) -> None:
    right, left = r.pop(), r.pop()
    r.stack.append(_computed(r, left, right))


def _is(r: Reader, arg: int) -> None:
    r.pop()
    r.pop()
    r.stack.append(Value())


def _unary(r: Reader, arg: int) -> None:
    r.stack.append(_computed(r, r.pop()))


def _bool(r: Reader, arg: int) -> None:
    if r.data(r.pop()).code:
        raise Unclear("whether something is a function")
    r.stack.append(Value())


def _build(r: Reader, count: int) -> None:
    values = [r.pop() for _ in range(count)]
    r.stack.append(_computed(r, *values))


def _build_map(r: Reader, arg: int) -> None:
    _build(r, 2 * arg)


def _const_key_map(r: Reader, arg: int) -> None:
    r.pop()
    _build(r, arg)


def _add(r: Reader, arg: int) -> None:
    _into(r, arg, [r.pop()])


def _map_add(r: Reader, arg: int) -> None:
    _into(r, arg, [r.pop(), r.pop()])


def _into(r: Reader, arg: int, values: list[Any]) -> None:
    r.writes(r.stack[-arg])
    r.puts(values)


def _intrinsic(r: Reader, arg: int) -> None:
    name = _INTRINSICS.get(arg)
    if name == "INTRINSIC_UNARY_POSITIVE":
        _unary(r, arg)
    elif name == "INTRINSIC_LIST_TO_TUPLE":
        r.stack.append(r.union([r.pop()]))
    elif name != "INTRINSIC_STOPITERATION_ERROR":
        raise Unclear("an instruction that is not known")


_INTRINSICS = dict(enumerate(getattr(dis, "_intrinsic_1_descs", ())))


def _list_to_tuple(r: Reader, arg: int) -> None:
    r.stack.append(r.union([r.pop()]))


def _format_value(r: Reader, arg: int) -> None:
    if arg & 4:
        r.pop()
    _text(r, arg)


def _text(r: Reader, arg: int) -> None:
    if r.data(r.pop()).code:
        raise Unclear("the text of a function")
    r.stack.append(Value())


def _format_with_spec(r: Reader, arg: int) -> None:
    r.pop()
    _text(r, arg)


def _build_string(r: Reader, arg: int) -> None:
    for _ in range(arg):
        r.pop()
    r.stack.append(Value())


OPERATORS: dict[str, Step] = {
    **dict.fromkeys(("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET", "BUILD_SLICE"), _build),
    **dict.fromkeys(
        ("LIST_APPEND", "SET_ADD", "LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE"), _add
    ),
    **dict.fromkeys(("UNARY_NEGATIVE", "UNARY_INVERT", "UNARY_POSITIVE"), _unary),
    **dict.fromkeys(("UNARY_NOT", "TO_BOOL"), _bool),
    **dict.fromkeys(("COMPARE_OP", "CONTAINS_OP"), _compare),
    **dict.fromkeys(("FORMAT_SIMPLE", "CONVERT_VALUE"), _text),
    "BINARY_SUBSCR": _subscript,
    "BINARY_SLICE": _slice,
    "STORE_SUBSCR": _store_subscript,
    "STORE_SLICE": _store_slice,
    "DELETE_SUBSCR": _delete_subscript,
    "BINARY_OP": _binary,
    "IS_OP": _is,
    "BUILD_MAP": _build_map,
    "BUILD_CONST_KEY_MAP": _const_key_map,
    "BUILD_STRING": _build_string,
    "MAP_ADD": _map_add,
    "CALL_INTRINSIC_1": _intrinsic,
    "LIST_TO_TUPLE": _list_to_tuple,
    "FORMAT_VALUE": _format_value,
    "FORMAT_WITH_SPEC": _format_with_spec,
}
