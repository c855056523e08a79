"""The way of the machine through the code: branches, loops, handlers."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable
from typing import Any

from stratum_dask.optimizations.purity.calls import UNSEEN, Param, Source
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.machine import Found, Walker
from stratum_dask.optimizations.purity.meeting import Arrival, meet, union
from stratum_dask.optimizations.purity.outer import mixed, sources
from stratum_dask.optimizations.purity.reach import hidden
from stratum_dask.optimizations.purity.stack import Pairs
from stratum_dask.optimizations.purity.variables import (
    Instruction,
    parameters,
    stores,
)

__all__ = ["Way"]

_ENDS = frozenset(
    [
        "RETURN_VALUE",
        "RETURN_CONST",
        "RAISE_VARARGS",
        "RERAISE",
        "JUMP_FORWARD",
        "JUMP_BACKWARD",
        "JUMP_BACKWARD_NO_INTERRUPT",
        "INTERPRETER_EXIT",
    ]
)
_FORWARD = frozenset(
    name
    for op, name in enumerate(dis.opname)
    if op in dis.hasjrel and "BACKWARD" not in name
)
_BACKWARD = frozenset(name for name in dis.opmap if "JUMP_BACKWARD" in name)
_PASSES = 20

Step = Callable[[Walker, str, int], None]


class Way(Walker):
    """Walks the instructions of one code object."""

    def walk(self, instructions: list[Instruction], step: Step) -> Found:
        """Go through the code in order, again while loops bring something new."""
        self.stores = stores(self.code, instructions)
        for name in parameters(self.code):
            if self.stores[name] <= 0:
                self.env[name] = Param(self.prefix + name)
            else:
                self.ever[name] = frozenset([Source(self.prefix + name, "")])
            self.stores[name] += 1
        start = dict(self.ever)
        for _ in range(_PASSES):
            before = self._seen()
            self.stack, self.pending, self.flow = [], {}, dict(start)
            self._pass(instructions, step)
            if before == self._seen():
                break
        else:
            self.note(hidden("what its loops do").verdict)
        for held in self.pending.values():
            self.note(held.loose)
        for demand in list(self.found.demands):
            pack = demand.key is not None or demand.kind == "parameters"
            if pack and demand.param in self.found.writes:
                self.note(refuse(f"{demand.param} is changed before it is used as **"))
        return self.found._replace(oneshot=self.oneshot)

    def _seen(self) -> object:
        back = [(at, list(map(sources, s)), f) for at, (s, f) in self.back.items()]
        return dict(self.ever), self.escaped, back

    def _pass(self, instructions: list[Instruction], step: Step) -> None:
        arrivals = {t: (s, self.ever) for t, s in self._handlers().items()}
        alive = True
        for at, name, arg, following in instructions:
            arriving = arrivals.get(at)
            if arriving is not None and alive:
                arriving = meet((self.stack, self.flow), arriving)
            if arriving is not None:
                self.stack, self.flow, alive = (
                    list(arriving[0]),
                    dict(arriving[1]),
                    True,
                )
            elif not alive:
                self.flow = dict(self.ever)
            if at in self.back:
                self._come_back(self.back[at])
            if name in _FORWARD:
                self._jump(name, arg, following, arrivals)
            if name in _BACKWARD:
                self._jump_back(following - 2 * arg, name)
            step(self, name, arg)
            if name in _ENDS:
                self.stack, alive = [], False

    def _come_back(self, again: Arrival) -> None:
        stack, flow = again
        if len(stack) == len(self.stack):
            for i, value in enumerate(stack):
                if not sources(value) <= sources(self.stack[i]):
                    self.stack[i] = mixed(value, self.stack[i])
        self.flow = union(self.flow, flow)

    def _jump_back(self, target: int, name: str) -> None:
        stack = list(self.stack)
        if "IF" in name:
            stack = stack[:-1]
        now = (stack, dict(self.flow))
        before = self.back.get(target)
        self.back[target] = now if before is None else meet(before, now)

    def _handlers(self) -> dict[int, list[Any]]:
        if not self.code.co_exceptiontable:
            return {}
        entries: Iterable[Any] = vars(dis.Bytecode(self.code))["exception_entries"]
        return {e.target: [UNSEEN] * (e.depth + 1 + e.lasti) for e in entries}

    def _jump(
        self, name: str, arg: int, following: int, arrivals: dict[int, Arrival]
    ) -> None:
        target = following + 2 * arg
        effect = dis.stack_effect(dis.opmap[name], arg, jump=True)
        if name == "FOR_ITER" and any(isinstance(v, Pairs) for v in self.stack[-2:-1]):
            self.stack[-2] = mixed(
                self.stack[-2]
            )  # a comprehension fills it while it goes round
        stack = list(self.stack)
        if effect < 0:
            del stack[effect:]
        else:
            stack.extend([UNSEEN] * effect)
        now = (stack, dict(self.flow))
        before = arrivals.get(target)
        arrivals[target] = now if before is None else meet(before, now)
