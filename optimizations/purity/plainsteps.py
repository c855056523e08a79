"""Instructions that only take and leave values nobody need know."""

from __future__ import annotations

import dis

from stratum_dask.optimizations.purity.calls import ADDRESS, UNSEEN
from stratum_dask.optimizations.purity.machine import Walker
from stratum_dask.optimizations.purity.outer import mixed
from stratum_dask.optimizations.purity.words import words

__all__ = ["plain_step"]

# instruction -> how many values it takes, how many unknown ones it leaves
_PLAIN: dict[str, tuple[int, int]] = {
    **dict.fromkeys(
        words("""
        RESUME NOP CACHE PRECALL MAKE_CELL COPY_FREE_VARS SETUP_ANNOTATIONS
        NOT_TAKEN DELETE_FAST DELETE_DEREF DELETE_NAME JUMP_FORWARD JUMP_BACKWARD
        EXTENDED_ARG JUMP_BACKWARD_NO_INTERRUPT RETURN_CONST
        """),
        (0, 0),
    ),
    **dict.fromkeys(
        words("""
        POP_TOP POP_ITER END_FOR
        POP_JUMP_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_IF_NONE
        POP_JUMP_IF_NOT_NONE POP_JUMP_FORWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE
        POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE POP_EXCEPT
        POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_BACKWARD_IF_FALSE JUMP_IF_TRUE_OR_POP
        POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE JUMP_IF_FALSE_OR_POP
        """),
        (1, 0),
    ),
    **dict.fromkeys(
        words("""
        UNARY_NOT TO_BOOL CALL_INTRINSIC_1 LIST_TO_TUPLE
        GET_YIELD_FROM_ITER UNARY_INVERT UNARY_POSITIVE YIELD_VALUE
        """),
        (1, 1),
    ),
    **dict.fromkeys(
        words("""
        COMPARE_OP IS_OP CONTAINS_OP CALL_INTRINSIC_2
        """),
        (2, 1),
    ),
    **dict.fromkeys(
        words("""
        LOAD_ASSERTION_ERROR LOAD_BUILD_CLASS LOAD_LOCALS
        """),
        (0, 1),
    ),
    "BEFORE_WITH": (1, 2),
    "PUSH_EXC_INFO": (1, 2),
    "CHECK_EXC_MATCH": (1, 1),
    "GET_LEN": (0, 1),
}
_COUNTED = frozenset(
    [
        "BUILD_TUPLE",
        "BUILD_LIST",
        "BUILD_SET",
        "BUILD_STRING",
        "BUILD_SLICE",
        "RAISE_VARARGS",
    ]
)
_NEW = frozenset(
    words("""
    COMPARE_OP IS_OP CONTAINS_OP UNARY_NOT TO_BOOL BUILD_STRING UNARY_INVERT
    UNARY_POSITIVE BUILD_SLICE
    """)
)


def plain_step(w: Walker, name: str, arg: int) -> None:
    """An instruction that only takes and leaves values nobody need know."""
    takes, leaves = _PLAIN.get(name, (-1, 0))
    if name in _COUNTED:
        takes, leaves = arg, int(name != "RAISE_VARARGS")
    if takes < 0:  # not listed: forget the whole stack, keep its depth
        effect = dis.stack_effect(dis.opmap[name], arg if _has_arg(name) else None)
        w.stack = [mixed(*w.stack)] * max(0, len(w.stack) + effect)
        return
    taken = w.stack[max(0, len(w.stack) - takes) :] if takes else []
    left = UNSEEN if name in _NEW else mixed(*taken)
    found = left is not UNSEEN
    inside = w.stack[len(w.stack) - takes :] if name in _COUNTED else ()
    if takes:
        del w.stack[max(0, len(w.stack) - takes) :]
    if leaves:
        shown = any(v is ADDRESS for v in inside)
        w.stack.extend([ADDRESS if shown and not found else left] * leaves)


def _has_arg(name: str) -> bool:
    return dis.opmap[name] in getattr(dis, "hasarg", ()) or (
        dis.opmap[name] >= dis.HAVE_ARGUMENT
    )
