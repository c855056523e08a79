"""Which functions of the user's only look at what they are given, as their code shows.

`stratum_dask.optimizations.purity` tells what a function is *seen* to write. Here it
is the other way round: what is not on a closed list of harmless things may write.
The answer holds for plain arrays and frames only, which
`stratum_dask.optimizations.harmless` asks of the arguments of every single call.
"""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.looking.calls import Calls
from stratum_dask.optimizations.looking.names import outside
from stratum_dask.optimizations.looking.reader import Budget, Reader
from stratum_dask.optimizations.looking.steps import step
from stratum_dask.optimizations.looking.values import Unclear, Value, is_frozen
from stratum_dask.optimizations.purity.variables import parameters

__all__ = ["Looker"]

_NOT_FUNCTIONS = 0x20 | 0x80 | 0x200  # generators, coroutines
_STEPS = 5_000
_LONGEST = 8_000
"""Bytes of code of one function; no human's is longer."""
_DEEPEST = 20


class Looker:
    """Tells of functions whether they only look; one for each pass, for it remembers.

    Examples
    --------
    >>> looker = Looker()
    >>> def mean(x): return float(x.mean())
    >>> def normed(x): x -= x.mean(); return x
    >>> def labelled(df): df = df.copy(); df["label"] = 1; return df
    >>> [looker.only_looks(func) for func in (mean, normed, labelled)]
    [True, False, True]
    """

    def __init__(self) -> None:
        self._answers: dict[int, tuple[object, bool]] = {}
        self._followed: dict[int, tuple[object, Value | None]] = {}
        self._depth = 0
        self._calls = Calls(self._follow)

    def only_looks(self, func: Callable[..., Any]) -> bool:
        """Whether ``func`` only looks at plain data that it is given; never raises."""
        known = self._answers.get(id(func))
        if known is None:
            try:
                found = self._ask(func)
            except Exception:  # noqa: BLE001 what is unclear, or fails, may write
                found = False
            known = self._answers[id(func)] = (func, found)
        return known[1]

    def _ask(self, func: Any) -> bool:
        while type(func) is functools.partial:
            if not all(map(is_frozen, (*func.args, *func.keywords.values()))):
                return False
            func = func.func
        if type(func) is not types.FunctionType:
            return False
        self._read(func, Budget(_STEPS))
        return True

    def _follow(self, func: types.FunctionType, caller: Reader) -> Value:
        key = id(func)
        known = self._followed.get(key)
        if known is None:
            self._followed[key] = (func, None)  # while it is open
            self._depth += 1
            try:
                found = self._read(func, caller.budget)
            finally:
                self._depth -= 1
            known = self._followed[key] = (func, found)
        if known[1] is None:
            raise Unclear("it calls itself, or is not clear")
        return known[1]

    def _read(self, func: types.FunctionType, budget: Budget) -> Value:
        code = func.__code__
        if code.co_flags & _NOT_FUNCTIONS or self._depth > _DEEPEST:
            raise Unclear("it is no plain function")
        if len(code.co_code) > _LONGEST or _builtins(func) is not vars(builtins):
            raise Unclear("it is no usual function")
        defaults = (*(func.__defaults__ or ()), *(func.__kwdefaults__ or {}).values())
        if not all(map(is_frozen, defaults)):
            raise Unclear("a default value that may change")
        given = {name: Value(frozenset([name]), False) for name in parameters(code)}
        cells = {}
        closure = func.__closure__ or ()
        for name, cell in zip(code.co_freevars, closure, strict=True):
            cells[name] = outside(cell.cell_contents)
        return Reader(
            code, func.__globals__, given, cells, step, self._calls, budget
        ).run()


def _builtins(func: types.FunctionType) -> object:
    return getattr(func, "__builtins__", None)
