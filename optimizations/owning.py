"""Results that share nothing with what their functions were given.

A function may return what it was given, or a part of it, or an object that holds on to
it. Who writes into the one has changed the other then, so that the result may not be
given to anybody later. Here the result is copied if it might be so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dask.sizeof import sizeof

from stratum_dask.optimizations.copying import Uncopyable
from stratum_dask.optimizations.handles import privates
from stratum_dask.optimizations.harmless import looks_into
from stratum_dask.optimizations.wrapping import Wrapper

__all__ = ["Own"]


class Own(Wrapper):
    """A task's function whose result is an object of its own, if it is not too large.

    The function gets the very objects that it would have got.

    Parameters
    ----------
    func
        The function.
    limit
        So many bytes are copied at most.

    Examples
    --------
    >>> def same(x):
    ...     return x
    >>> given = [1]
    >>> Own(same, 1000)(given) is given, Own(same, 10)(given) is given
    (False, True)
    """

    __slots__ = ("limit",)

    def __init__(self, func: Callable[..., Any], limit: int) -> None:
        super().__init__(func)
        self.limit = limit

    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.limit

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.func(*args, **kwargs)
        given = [*args, *kwargs.values()]
        if inspect.isawaitable(result) or not looks_into(result, given):
            return result
        if sizeof(result) > self.limit:
            return result
        try:
            return privates([result])[0]
        except Uncopyable:
            return result
