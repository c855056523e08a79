"""Functions that cannot tell whether two of their arguments are one object."""

from __future__ import annotations

import types

from stratum_dask.optimizations.purity.bytecode import decode
from stratum_dask.optimizations.purity.words import words

__all__ = ["is_blind"]

_STEPS = frozenset(
    words("""
    RESUME NOP CACHE PRECALL CALL LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_LOAD_FAST
    LOAD_FAST_BORROW LOAD_FAST_BORROW_LOAD_FAST_BORROW STORE_FAST LOAD_CONST
    LOAD_SMALL_INT LOAD_GLOBAL RETURN_VALUE RETURN_CONST POP_TOP
    """)
)
"""Instructions that compare nothing, look nothing up and write into nothing."""
_CALLS = frozenset(words("len int float bool abs round isinstance callable"))
"""Builtins that take one object and give a number."""


def is_blind(func: object) -> bool:
    """Whether the code of a user's function only hands its arguments around.

    Examples
    --------
    >>> def first(a, b): return a
    >>> def same(a, b): return a is b
    >>> is_blind(first), is_blind(same)
    (True, False)
    """
    if type(func) is not types.FunctionType or func.__closure__:
        return False
    code = func.__code__
    if not _CALLS.issuperset(code.co_names):
        return False
    if not func.__globals__.keys().isdisjoint(code.co_names):
        return False
    return all(name in _STEPS for _, name, _, _ in decode(code))
