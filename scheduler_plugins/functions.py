"""What is known of the functions of the tasks that live, as long as these do."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from stratum_dask.graph import Task
from stratum_dask.optimizations.private import Isolated
from stratum_dask.optimizations.wrapping import Wrapper

__all__ = ["Functions", "innermost"]


class _Known(NamedTuple):
    there: weakref.ref[Callable[..., Any]]
    looks: bool
    quiet: bool


class Functions:
    """Facts about functions, by identity.

    A graph has many tasks and few functions, and is rarely asked about one of them.
    Functions of which there can be no weak reference are not remembered.

    Examples
    --------
    >>> from stratum_dask.graph import as_graph
    >>> def size(frame): return len(frame)
    >>> functions = Functions()
    >>> functions.learn(size, looks=True, quiet=False)
    >>> task = as_graph({"n": (size, [1])})["n"]
    >>> functions.looks(task), functions.quiet(task), len(functions)
    (True, False, 1)
    >>> del size, task
    >>> len(functions)
    0
    """

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, func: Callable[..., Any], *, looks: bool, quiet: bool) -> None:
        """Remember whether ``func`` only looks, or is not seen to write."""
        name, known = id(func), self._known

        def gone(there: weakref.ref[Callable[..., Any]]) -> None:
            # by now another one may be in its place
            if (last := known.get(name)) is not None and last.there is there:
                del known[name]

        try:
            there = weakref.ref(func, gone)
        except TypeError:
            return
        known[name] = _Known(there, looks, quiet)

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def looks(self, spec: Any) -> bool:
        """Whether the function of a task only looks, as its code shows."""
        if type(spec) is Task and isinstance(spec.func, Isolated):
            return spec.func.looks
        known = self._of(spec)
        return known is not None and known.looks

    def quiet(self, spec: Any) -> bool:
        """Whether it is not seen to write into what it is given."""
        known = self._of(spec)
        return known is not None and known.quiet

    def _of(self, spec: Any) -> _Known | None:
        func = innermost(getattr(spec, "func", None))
        known = self._known.get(id(func))
        return known if known is not None and known.there() is func else None


def innermost(func: Any) -> Any:
    """The function itself, without the wrappers that guard what it shares."""
    while isinstance(func, Wrapper):
        func = func.func
    return func
