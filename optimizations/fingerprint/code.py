"""Code objects without what can't be seen from outside.

File, lines, docstrings and the names of local variables go; constants, names and
variables are numbered by their first use, so that what is never used goes as well.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from stratum_dask.optimizations.fingerprint import opcodes

__all__ = ["Body", "Nested", "normalise"]

# What a class body stores for tools only (lines, docstring, a set in hash order).
_FOR_TOOLS = {"__firstlineno__", "__static_attributes__", "__doc__"}
_NO_ARGUMENT = 0xFFFFFFFF
# Optimised, new locals, *args, **kwargs, and the kinds of generators.
_FLAGS = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x80 | 0x100 | 0x200


class Body(NamedTuple):
    """What a function's code and the code nested in it do, and refer to."""

    shape: bytes
    """Instructions, with numbers for what follows."""
    constants: list[object]
    """In the order of first use; nested code by its shape."""
    names: list[str]
    """Of attributes, imports and the like."""
    globals: list[str]
    """What is looked up in the module or the builtins."""
    free: list[str]
    """Names of the closure's cells."""
    chains: dict[str, set[tuple[str, ...]]]
    """For every global the attributes loaded straight from it."""
    passed: set[str]
    """Globals that are not only called."""
    imports: list[tuple[object, str, object]]
    """(level, module, names) of every import statement."""
    variables: list[str]
    """Names of all variables, for a body that can see them."""
    inner: list[object]
    """Names, and those of the parameters, of nested functions."""


def normalise(code: CodeType) -> Body:
    """Return what a code object does, however it was written down.

    Examples
    --------
    >>> def f(x):
    ...     "Doubled."
    ...     y = x * 2
    ...     return y
    >>> normalise(f.__code__) == normalise((lambda a: a * 2).__code__)
    False
    >>> def g(a):
    ...     # another comment
    ...     twice = a * 2
    ...     return twice
    >>> normalise(f.__code__).shape == normalise(g.__code__).shape
    True
    """
    body = Body(b"", [], [], [], [], {}, set(), [], [], [])
    reader = _Reader(body, _Tables(), None, code)
    shape = reader.read()
    numbers = reader.numbers
    free = sorted(code.co_freevars, key=lambda name: numbers.get(name, _NO_ARGUMENT))
    body.free.extend(free)
    return body._replace(shape=shape)


class Nested(bytes):
    """The shape of nested code among the constants, told from a bytes constant."""


class _Tables:
    """Numbers given out so far, shared by a function and what is nested in it."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.globals: dict[str, int] = {}
        self.variables = 0


class _Reader:
    def __init__(
        self, body: Body, tables: _Tables, outer: _Reader | None, code: CodeType
    ) -> None:
        self.body, self.tables, self.outer, self.code = body, tables, outer, code
        parameters = code.co_argcount + code.co_kwonlyargcount
        parameters += bool(code.co_flags & 4) + bool(code.co_flags & 8)
        variables = code.co_varnames
        cells = tuple(name for name in code.co_cellvars if name not in variables)
        self.slots = variables + cells + code.co_freevars
        self.numbers: dict[str, int] = {}
        for name in variables[:parameters]:
            self.number(name)
        self.constants: dict[int, int] = {}
        body.variables.extend(self.slots)
        if outer is not None:
            body.inner.append((code.co_name, *variables[:parameters]))

    def number(self, name: str) -> int:
        """Return the number of a variable; one of the outer function keeps its."""
        known = self.numbers.get(name)
        if known is None:
            if self.outer is not None and name in self.code.co_freevars:
                known = self.outer.number(name)
            else:
                known = self.tables.variables
                self.tables.variables += 1
            self.numbers[name] = known
        return known

    def constant(self, index: int) -> int:
        known = self.constants.get(index)
        if known is None:
            value = self.code.co_consts[index]
            found = self.body.constants
            known = self.constants[index] = len(found)
            found.append(value)
            if isinstance(value, CodeType):
                nested = _Reader(self.body, self.tables, self, value).read()
                found[known] = Nested(nested)
        return known

    def name(self, name: str) -> int:
        names = self.tables.names
        if name not in names:
            self.body.names.append(name)
        return names.setdefault(name, len(names))

    def look_up(self, name: str) -> int:
        known = self.tables.globals
        if name not in known:
            self.body.globals.append(name)
            self.body.chains[name] = set()
        return known.setdefault(name, len(known))

    def read(self) -> bytes:
        """Return the instructions: numbers two by two, jumps to instructions."""
        code = self.code
        raw = code.co_code
        names = code.co_names
        out: list[int] = []
        add = out.append
        places: list[int] = []  # of every unit, the instruction it belongs to
        jumps: list[tuple[int, int]] = []  # where a target stands, and its unit
        extended = 0
        chain: list[str] | None = None  # a global and the attributes loaded from it
        cells = {i for i, name in enumerate(self.slots) if name in code.co_cellvars}
        cells.update(range(len(self.slots) - len(code.co_freevars), len(self.slots)))
        prologue = True
        units = len(raw) // 2
        for unit in range(units):
            op, arg = raw[2 * unit], raw[2 * unit + 1]
            places.append(len(out) // 2)
            kind = opcodes.KIND[op]
            if kind == opcodes.SKIP:
                if op == opcodes.EXTENDED:
                    extended = (extended | arg) << 8
                continue
            arg |= extended
            extended = 0
            if chain is not None:
                if op in opcodes.ATTRIBUTES:
                    chain.append(names[arg >> opcodes.SHIFT[op]])
                else:
                    self.body.chains[chain[0]].add(tuple(chain[1:]))
                    chain = None
            if kind == opcodes.CONST:
                arg = self.constant(arg)
            elif kind == opcodes.LOCAL:
                if op == opcodes.LOAD_CLOSURE or (
                    op == opcodes.LOAD_FAST and arg in cells
                ):
                    # Cells for a nested function, which names them itself; their
                    # order is that of their names.
                    op, arg = opcodes.LOAD_FAST, _NO_ARGUMENT
                elif op == opcodes.MAKE_CELL and prologue:
                    arg = _NO_ARGUMENT
                else:
                    arg = self.number(self.slots[arg])
            elif kind == opcodes.NAME:
                name = names[arg >> opcodes.SHIFT[op]]
                if op == opcodes.STORE_NAME and name in _FOR_TOOLS:
                    self.unload(out)
                elif op == opcodes.IMPORT_NAME:
                    self.imported(name, out)
                arg = self.flagged(self.name(name), arg, op)
            elif kind == opcodes.GLOBAL:
                name = names[arg >> opcodes.SHIFT[op]]
                if op != opcodes.LOAD_GLOBAL or not arg & 1:  # the bit prepares a call
                    self.body.passed.add(name)
                if op != opcodes.LOAD_NAME:
                    chain = [name]
                    arg = self.flagged(self.look_up(name), arg, op)
                elif name == "__name__":  # of the module, which a class body stores
                    arg = self.name(name)
                else:  # or of the class body itself: its name tells
                    chain = [name]
                    out += (op, self.name(name))
                    arg = self.look_up(name)
            elif kind == opcodes.PAIR:
                op, after = opcodes.PAIR_OF[op]
                out += (op, self.number(self.slots[arg >> 4]))
                op, arg = after, self.number(self.slots[arg & 15])
            elif kind != opcodes.PLAIN:
                after = unit + 1
                while after < units and raw[2 * after] == 0:  # its caches
                    after += 1
                jumps.append(
                    (len(out) + 1, after + (arg if kind == opcodes.AHEAD else -arg))
                )
            elif op == opcodes.RESUME:
                prologue = False
            add(op)
            add(arg)
        places.append(len(out) // 2)
        for position, target in jumps:
            out[position] = places[target]
        handlers = _handlers(code.co_exceptiontable, places)
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
        header = (*counts, code.co_flags & _FLAGS, len(out), len(handlers))
        numbers = (*header, *out, *handlers)
        return struct.pack(f"<{len(numbers)}I", *numbers)

    def flagged(self, number: int, arg: int, op: int) -> int:
        shift = opcodes.SHIFT[op]
        return number << shift | arg & ((1 << shift) - 1)

    def unload(self, out: list[int]) -> None:
        """Forget the constant just loaded, if this was its only use."""
        constants = self.body.constants
        if out[-1] == len(constants) - 1:
            constants.pop()
            for index, number in self.constants.items():
                if number == out[-1]:
                    del self.constants[index]
                    break
        out[-1] = _NO_ARGUMENT

    def imported(self, name: str, out: list[int]) -> None:
        """Note an import: the level and the names are the two constants before."""
        constants = self.body.constants
        level, names = constants[out[-3]], constants[out[-1]]
        self.body.imports.append((level, name, names))


def _handlers(table: bytes, places: list[int]) -> list[int]:
    """Return the exception table with instructions for offsets."""
    found: list[int] = []
    data = iter(table)
    for first in data:
        start = _varint(first, data)
        length = _varint(next(data), data)
        target = _varint(next(data), data)
        depth = _varint(next(data), data)
        begin, end = places[start], places[start + length]
        if begin < end:
            found += (begin, end, places[target], depth)
    return found


def _varint(first: int, data: Iterator[int]) -> int:
    value = first & 63
    while first & 64:
        first = next(data)
        value = value << 6 | first & 63
    return value
