"""How often a piece of code assigns each of its variables."""

from __future__ import annotations

import dis
import types
from collections import Counter
from collections.abc import Iterable

__all__ = ["Instruction", "parameters", "slots", "stores"]

Instruction = tuple[int, str, int, int]
"""Offset, name, argument, offset of the next one."""


def slots(code: types.CodeType) -> tuple[str, ...]:
    """The names that instructions mean by a number."""
    own = code.co_varnames
    cells = [c for c in code.co_cellvars if c not in own]
    return (*own, *cells, *code.co_freevars)


def parameters(code: types.CodeType) -> tuple[str, ...]:
    """The names of all parameters, those behind stars too.

    Examples
    --------
    >>> parameters((lambda a, *b, c, **d: 0).__code__)
    ('a', 'c', 'b', 'd')
    """
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    return code.co_varnames[:count]


def stores(code: types.CodeType, instructions: list[Instruction]) -> Counter[str]:
    """Count for every variable where it is assigned; inner functions count twice."""
    names = slots(code)
    count: Counter[str] = Counter()
    for _, name, arg, _ in instructions:
        if name in ("STORE_FAST", "STORE_DEREF"):
            count[names[arg]] += 1
        elif name == "STORE_FAST_LOAD_FAST":
            count[names[arg >> 4]] += 1
        elif name == "STORE_FAST_STORE_FAST":
            count[names[arg >> 4]] += 1
            count[names[arg & 15]] += 1
        elif name == "LOAD_FAST_AND_CLEAR":
            count[names[arg]] -= 2
        elif name in ("STORE_NAME", "DELETE_NAME"):
            count[code.co_names[arg]] += 1
    for name in _stored_within(code):
        count[name] += 2
    return count


def _stored_within(code: types.CodeType) -> Iterable[str]:
    """Variables of a function that its inner functions assign."""
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType) and inner.co_freevars:
            names = slots(inner)
            raw = inner.co_code
            for at in range(0, len(raw), 2):
                if dis.opname[raw[at]] in ("STORE_DEREF", "DELETE_DEREF"):
                    index = raw[at + 1]
                    if index < len(names) and names[index] in inner.co_freevars:
                        yield names[index]
            yield from (n for n in _stored_within(inner) if n in inner.co_freevars)
