"""Which functions of the user's only look at what they are given, as their code shows.

`stratum_dask.optimizations.purity` tells what a function is *seen* to write. Here it
is the other way round: what is not on a closed list of harmless things may write.
The answer holds for plain arrays and frames only, which
`stratum_dask.optimizations.harmless` asks of the arguments of every single call.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.copying_libraries import copies_on_write
from stratum_dask.optimizations.looking.calls import Calls
from stratum_dask.optimizations.looking.names import outside
from stratum_dask.optimizations.looking.reader import Reader
from stratum_dask.optimizations.looking.steps import step
from stratum_dask.optimizations.looking.values import Unclear, Value, is_frozen
from stratum_dask.optimizations.purity.variables import parameters

__all__ = ["ARRAYS", "FRAMES", "Looker"]

ARRAYS, FRAMES = 1, 2
"""It only looks at plain arrays and frames; at plain frames that copy on write."""

_NOT_FUNCTIONS = 0x20 | 0x80 | 0x200  # generators, coroutines
_DEEPEST = 20


class Looker:
    """Tells of functions what they only look at; one for each pass, for it remembers.

    Examples
    --------
    >>> looker = Looker()
    >>> def mean(x): return float(x.mean())
    >>> def normed(x): x -= x.mean(); return x
    >>> def labelled(df): df = df.copy(); df["label"] = 1; return df
    >>> looker.only_looks(normed), bool(looker.only_looks(mean) & ARRAYS)
    (0, True)
    >>> bool(looker.only_looks(labelled))
    True
    """

    def __init__(self) -> None:
        self._answers: dict[int, tuple[object, int]] = {}
        self._followed: dict[tuple[int, bool, bool], tuple[object, Value | None]] = {}
        self._depth = 0
        self._calls = Calls(self._follow)

    def only_looks(self, func: Callable[..., Any]) -> int:
        """What ``func`` only looks at: `ARRAYS` and `FRAMES`, or 0; never raises."""
        known = self._answers.get(id(func))
        if known is None:
            known = self._answers[id(func)] = (func, self._ask(func))
        return known[1]

    def _ask(self, func: Any) -> int:
        inner = func
        while type(inner) is functools.partial:
            held = (*inner.args, *inner.keywords.values())
            if not all(map(is_frozen, held)):
                return 0
            inner = inner.func
        if type(inner) is not types.FunctionType:
            return 0
        found = 0
        for kind in (ARRAYS, FRAMES):
            if kind is FRAMES and not ("pandas" in sys.modules and copies_on_write()):
                continue
            try:
                self._follow(inner, True, kind is FRAMES)
            except Unclear:
                continue
            except Exception:  # noqa: BLE001 what fails may write
                return 0
            found |= kind
        return found

    def _follow(self, func: types.FunctionType, flat: bool, frames: bool) -> Value:
        key = id(func), flat, frames
        known = self._followed.get(key)
        if known is None:
            self._followed[key] = (func, None)  # while it is open
            self._depth += 1
            try:
                known = self._followed[key] = (func, self._read(func, flat, frames))
            finally:
                self._depth -= 1
        if known[1] is None:
            raise Unclear("it calls itself, or is not clear")
        return known[1]

    def _read(self, func: types.FunctionType, flat: bool, frames: bool) -> Value:
        code = func.__code__
        if code.co_flags & _NOT_FUNCTIONS or self._depth > _DEEPEST:
            raise Unclear("it is no plain function")
        given = {
            name: Value(frozenset([name]), False, False, flat, frames)
            for name in parameters(code)
        }
        cells = {}
        closure = func.__closure__ or ()
        for name, cell in zip(code.co_freevars, closure, strict=True):
            try:
                cells[name] = outside(cell.cell_contents)
            except ValueError:
                raise Unclear("a variable that is not assigned") from None
        reader = Reader(
            code, func.__globals__, given, cells, step, self._calls, frames=frames
        )
        return reader.run()
