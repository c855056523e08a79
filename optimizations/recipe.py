"""Results that cannot be copied: each pipeline makes its own from a recipe."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from stratum_dask.optimizations.copying import Memo, Uncopyable, surely_copyable
from stratum_dask.optimizations.portable import Portable
from stratum_dask.optimizations.wrapping import Wrapper

__all__ = ["Recipe", "Shareable"]


class Shareable(Wrapper):
    """The function of a task whose result several pipelines will look at.

    A result that can be copied is returned as it is. For one that cannot (a
    generator, an open file, a lock) a :class:`Recipe` is returned.

    Examples
    --------
    >>> def numbers(n):
    ...     yield from range(n)
    >>> from stratum_dask.optimizations.handles import private
    >>> shared = Shareable(numbers)(3)
    >>> list(private(shared)), list(private(shared))
    ([0, 1, 2], [0, 1, 2])
    """

    __slots__ = ()

    def _parts(self) -> tuple[Any, ...]:
        return (self.func,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.func(*args, **kwargs)
        if inspect.iscoroutine(result) and inspect.iscoroutinefunction(self):
            return self._later(result, args, kwargs)
        if _is_copyable(result):
            return result
        return Recipe(self.func, args, kwargs, [result])

    async def _later(
        self, coming: Coroutine[Any, Any, Any], args: Any, kwargs: Any
    ) -> Any:
        result = await coming
        if _is_copyable(result):
            return result
        return Recipe(self.func, args, kwargs, [result])


def _is_copyable(result: object) -> bool:
    if surely_copyable(result):
        return True
    try:
        Memo().duplicate(result)
    except MemoryError:
        return True  # only the probe was too large
    except Uncopyable:
        return False
    return True


class Recipe(Portable):
    """Stands for a result that cannot be copied: every taker makes its own.

    The first taker gets the object that was made when the task ran, so as many
    objects are made as there are pipelines, as if nothing had been merged.

    Parameters
    ----------
    func, args, kwargs
        The call that makes the result.
    made
        A result that exists already.

    Examples
    --------
    >>> from stratum_dask.optimizations.handles import private
    >>> recipe = Recipe(iter, ([1, 2],), {})
    >>> next(private(recipe)), next(private(recipe))
    (1, 1)
    """

    __slots__ = ("args", "func", "kwargs", "made")
    __stratum_recipe__ = True
    """What tells a recipe apart, whichever worker made it."""

    def __init__(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        made: list[Any] | None = None,
    ) -> None:
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.made = made or []

    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.args, self.kwargs

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        try:
            return self.made.pop()
        except IndexError:
            result = self.func(*self.args, **self.kwargs)
        if inspect.iscoroutine(result) and inspect.iscoroutinefunction(self.func):
            # the thread we are in may run an event loop already
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                return pool.submit(asyncio.run, result).result()
        return result
