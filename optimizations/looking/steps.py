"""What each instruction does, where it only looks; any other one is unclear."""

from __future__ import annotations

import dis
import types
from typing import Any

from stratum_dask.optimizations.looking.names import NAMES, Step
from stratum_dask.optimizations.looking.operators import OPERATORS
from stratum_dask.optimizations.looking.reader import Reader
from stratum_dask.optimizations.looking.values import (
    NULL,
    Known,
    Nested,
    Unclear,
    Value,
)
from stratum_dask.optimizations.purity.words import words

__all__ = ["step"]


def step(r: Reader, name: str, arg: int) -> None:
    """Follow one instruction."""
    found = _STEPS.get(name)
    if found is None:
        raise Unclear(f"the instruction {name}")
    found(r, arg)


def _nothing(r: Reader, arg: int) -> None:
    pass


def _pop(r: Reader, arg: int) -> None:
    r.pop()


def _iter(r: Reader, arg: int) -> None:
    value = r.pop()
    found = r.data(value)
    if found.code:
        raise Unclear("it goes through functions")
    r.stack.append(found)


def _for_iter(r: Reader, arg: int) -> None:
    r.stack.append(r.part(r.stack[-1]))


def _unpack(r: Reader, arg: int) -> None:
    part = r.part(r.pop())
    r.stack += [part] * arg


def _unpack_ex(r: Reader, arg: int) -> None:
    part = r.part(r.pop())
    r.stack += [part] * ((arg & 0xFF) + (arg >> 8) + 1)


def _copy(r: Reader, arg: int) -> None:
    r.stack.append(r.stack[-arg])


def _swap(r: Reader, arg: int) -> None:
    r.stack[-1], r.stack[-arg] = r.stack[-arg], r.stack[-1]


def _return(r: Reader, arg: int) -> None:
    r.returns(r.pop())


def _return_const(r: Reader, arg: int) -> None:
    r.returns(Value())


def _yield(r: Reader, arg: int) -> None:
    r.returns(r.pop())
    r.stack.append(Value())


def _raise(r: Reader, arg: int) -> None:
    for _ in range(arg):
        r.pop()


def _end_for(r: Reader, arg: int) -> None:
    for _ in range(-dis.stack_effect(dis.opmap["END_FOR"])):
        r.pop()


def _push_exception(r: Reader, arg: int) -> None:
    top = r.pop()
    r.stack += [Value(), top]


def _matches(r: Reader, arg: int) -> None:
    r.pop()
    r.stack.append(Value())


def _make_function(r: Reader, arg: int) -> None:
    code = r.pop()
    if type(code) is not Known or not isinstance(code.obj, types.CodeType):
        raise Unclear("a function without code")
    around = r.everything()
    if "SET_FUNCTION_ATTRIBUTE" not in dis.opmap:
        for bit in (3, 2, 1, 0):  # the last one is on top
            if arg & (1 << bit):
                held = r.pop()
                if bit < 2:  # default values
                    around = _around(r, around, held)
    r.stack.append(Nested(code.obj, around))


def _around(r: Reader, around: Value, held: Any) -> Value:
    found = r.data(held)
    if found.code:
        raise Unclear("a function as a default value")
    return around._replace(deps=around.deps | found.deps)


def _set_function_attribute(r: Reader, arg: int) -> None:
    func, held = r.pop(), r.pop()
    if type(func) is not Nested:
        raise Unclear("a function without code")
    if arg in (1, 2):  # default values
        func = func._replace(around=_around(r, func.around, held))
    r.stack.append(func)


def _kw_names(r: Reader, arg: int) -> None:
    r.kwnames = r.code.co_consts[arg]


def _call(r: Reader, arg: int) -> None:
    names, r.kwnames = r.kwnames, ()
    _finish(r, arg, names)


def _call_kw(r: Reader, arg: int) -> None:
    names = r.pop()
    if type(names) is not Known:
        raise Unclear("keywords that cannot be seen")
    _finish(r, arg, names.obj)


def _finish(r: Reader, count: int, names: tuple[str, ...]) -> None:
    values = [r.pop() for _ in range(count)][::-1]
    cut = count - len(names)
    second, first = r.pop(), r.pop()
    if second is NULL:
        func = first
    elif first is NULL:
        func = second
    else:
        func, values, cut = first, [second, *values], cut + 1
    kwargs = dict(zip(names, values[cut:], strict=True))
    r.stack.append(r.call(func, values[:cut], kwargs))


_STEPS: dict[str, Step] = {
    **NAMES,
    **OPERATORS,
    **dict.fromkeys(
        words("""
        RESUME NOP CACHE PRECALL MAKE_CELL COPY_FREE_VARS NOT_TAKEN DELETE_FAST
        EXTENDED_ARG
        """),
        _nothing,
    ),
    **dict.fromkeys(
        words("""
        POP_TOP POP_ITER POP_EXCEPT JUMP_IF_TRUE_OR_POP JUMP_IF_FALSE_OR_POP
        POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_NONE
        POP_JUMP_FORWARD_IF_NOT_NONE POP_JUMP_BACKWARD_IF_NONE
        POP_JUMP_BACKWARD_IF_NOT_NONE POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE
        POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE
        POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_FALSE
        """),
        _pop,
    ),
    "GET_ITER": _iter,
    "FOR_ITER": _for_iter,
    "END_FOR": _end_for,
    "UNPACK_SEQUENCE": _unpack,
    "UNPACK_EX": _unpack_ex,
    "COPY": _copy,
    "SWAP": _swap,
    "RETURN_VALUE": _return,
    "RETURN_CONST": _return_const,
    "YIELD_VALUE": _yield,
    **dict.fromkeys(("RAISE_VARARGS", "RERAISE"), _raise),
    "PUSH_EXC_INFO": _push_exception,
    "CHECK_EXC_MATCH": _matches,
    "MAKE_FUNCTION": _make_function,
    "SET_FUNCTION_ATTRIBUTE": _set_function_attribute,
    "KW_NAMES": _kw_names,
    "CALL": _call,
    "CALL_KW": _call_kw,
}
