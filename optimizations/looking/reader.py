"""Follow the code of one function along all its branches, until nothing new turns up."""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stratum_dask.optimizations.looking.values import (
    NULL,
    Known,
    Nested,
    Unclear,
    Value,
    data,
    join,
)
from stratum_dask.optimizations.purity.bytecode import decode
from stratum_dask.optimizations.purity.variables import parameters, slots

__all__ = ["Budget", "Reader", "State"]

_ENDS = frozenset(
    ["RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "INTERPRETER_EXIT"]
)
_JUMPS_ALWAYS = frozenset(
    ["JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"]
)
_JUMPS = frozenset(n for op, n in enumerate(dis.opname) if op in dis.hasjrel)

State = tuple[list[Any], dict[str, Any]]
"""What is on the stack, and in the variables."""
Step = Callable[["Reader", str, int], None]
Call = Callable[["Reader", Any, list[Any], dict[str, Any]], Any]


class Budget:
    """How much may be followed to answer one question: milliseconds of work."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise Unclear("too much to follow")


class Reader:
    """The machine that one code object runs on.

    Parameters
    ----------
    code, scope
        The code, and its globals.
    given
        What its parameters are.
    cells
        What its free variables hold.
    step, call
        What an instruction, and a call, does.
    budget
        Steps that are left, for this and all that it leads to.

    Attributes
    ----------
    put
        Parameters of which something was put into an object that was made here.
    returned
        What it returns, or yields.
    """

    def __init__(
        self,
        code: types.CodeType,
        scope: Mapping[str, Any],
        given: Mapping[str, Value],
        cells: Mapping[str, Any],
        step: Step,
        call: Call,
        budget: Budget,
    ) -> None:
        self.code, self.scope, self.cells = code, scope, cells
        self.given = given
        self.budget = budget
        self.names = slots(code)
        self.put: frozenset[str] = frozenset()
        self.returned: Value | None = None
        self.stack: list[Any] = []
        self.local: dict[str, Any] = {}
        self.kwnames: tuple[str, ...] = ()
        self.step, self._call = step, call

    # ---------------------------------------------------------------- values
    def pop(self) -> Any:
        if not self.stack:
            raise Unclear("an empty stack")
        return self.stack.pop()

    def data(self, value: Any) -> Value:
        """A value as data, and all that may be inside it."""
        found = data(value)
        if found.own and self.put:
            return found._replace(deps=found.deps | self.put)
        return found

    def part(self, value: Any) -> Value:
        """What stands in an object, or is a view of it."""
        found = self.data(value)
        return found._replace(own=found.own and not found.deps)

    def union(self, values: Iterable[Any]) -> Value:
        """A new object in which all of these may be."""
        found = [self.data(value) for value in values]
        deps = frozenset[str]().union(*(v.deps for v in found))
        return Value(deps, True, any(v.code for v in found))

    def writes(self, value: Any) -> None:
        """The outermost layer of an object is written into."""
        if type(value) is Known or not data(value).own:
            raise Unclear("it may write into what it is given")

    def puts(self, values: Iterable[Any]) -> None:
        """Something is put into an object that was made here."""
        self.put |= self.union(values).deps

    def call(self, func: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return self._call(self, func, args, kwargs)

    def returns(self, value: Any) -> None:
        found = self.data(value)
        known = self.returned
        self.returned = found if known is None else data(join(known, found))

    def everything(self) -> Value:
        """All that an inner function can get hold of."""
        deps = self.put.union(*(v.deps for v in self.given.values()))
        held = [data(v) for v in self.cells.values()]
        code = any(v.code for v in held)
        return Value(deps.union(*(v.deps for v in held)), False, code)

    # ------------------------------------------------------------------- way
    def run(self) -> Value:
        """Follow the code; what it returns.

        Raises
        ------
        Unclear
            It may write into what it is given, or that cannot be seen.
        """
        instructions = decode(self.code)
        while True:
            before = self.put
            self._follow(instructions)
            if self.put == before:
                break
        return self.returned or Value()

    def _follow(self, instructions: list[tuple[int, str, int, int]]) -> None:
        at = {start: i for i, (start, *_) in enumerate(instructions)}
        handlers = self._handlers()
        first: State = ([], {n: self.given[n] for n in parameters(self.code)})
        states: dict[int, State] = {0: first}
        todo = [0]
        while todo:
            index = min(todo)
            todo.remove(index)
            start, name, arg, following = instructions[index]
            stack, local = states[index]
            self.stack, self.local = list(stack), dict(local)
            self.budget.spend(1)
            arriving: list[tuple[int, State]] = []
            for low, high, target, depth, more in handlers:
                if low <= start < high:
                    self.budget.spend(1)
                    arriving.append((at[target], self._caught(depth, more)))
            if name in _JUMPS:
                backward = "BACKWARD" in name
                target = following - 2 * arg if backward else following + 2 * arg
                arriving.append((at[target], self._jumped(name, arg)))
            if name not in _JUMPS_ALWAYS:
                self.step(self, name, arg)
                if name not in _ENDS:
                    arriving.append((index + 1, (self.stack, self.local)))
            for target, state in arriving:
                known = states.get(target)
                new = state if known is None else _meet(known, state)
                if known is None or not _same(known, new):
                    states[target] = new
                    if target not in todo:
                        todo.append(target)

    def _handlers(self) -> list[tuple[int, int, int, int, int]]:
        if not self.code.co_exceptiontable:
            return []
        entries: Iterable[Any] = vars(dis.Bytecode(self.code))["exception_entries"]
        return [(e.start, e.end, e.target, e.depth, int(e.lasti)) for e in entries]

    def _caught(self, depth: int, more: int) -> State:
        # what the exception holds may be anything that was at hand
        stack = [*self.stack[:depth], *[Value()] * more, self.everything()]
        return stack, dict(self.local)

    def _jumped(self, name: str, arg: int) -> State:
        effect = dis.stack_effect(dis.opmap[name], arg, jump=True)
        stack = list(self.stack)
        if effect < 0:
            del stack[effect:]
        else:
            stack += [Value()] * effect
        return stack, dict(self.local)


def _meet(one: State, two: State) -> State:
    if len(one[0]) != len(two[0]):
        raise Unclear("branches that do not agree")
    stack = [join(a, b) for a, b in zip(one[0], two[0], strict=True)]
    local = dict(one[1])
    for name, value in two[1].items():
        local[name] = join(local[name], value) if name in local else value
    return stack, local


def _same(one: State, two: State) -> bool:
    if one[1].keys() != two[1].keys():
        return False
    pairs = [*zip(one[0], two[0], strict=True)]
    pairs += [(value, two[1][name]) for name, value in one[1].items()]
    return all(_equal(a, b) for a, b in pairs)


def _equal(one: Any, two: Any) -> bool:
    if one is two:
        return True
    if type(one) is not type(two) or one is NULL:
        return False
    if type(one) is Known:
        return one.obj is two.obj
    if type(one) is Nested:
        return one.code is two.code and one.around == two.around
    if type(one) is Value:
        return bool(one == two)
    return bool(one.name == two.name) and _equal(one.base, two.base)
