"""Wrappers of a task's function that guard what it shares with other tasks."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.graph import identity
from stratum_dask.optimizations.copying import Memo, Uncopyable
from stratum_dask.optimizations.copying_arrays import is_flat_array
from stratum_dask.optimizations.handles import Second, privates
from stratum_dask.optimizations.harmless import harmless, looks_into
from stratum_dask.optimizations.portable import Portable
from stratum_dask.optimizations.purity.effects import computes

__all__ = ["Isolated", "Opened", "Wrapper"]

_PLAIN = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    type,
)
_LIKE_A_FUNCTION = frozenset(
    (
        *("__qualname__", "__code__", "__defaults__", "__kwdefaults__"),
        *("__annotations__", "__tornado_coroutine__"),
        *("_is_coroutine_mark", "_is_coroutine"),
    )
)


_DEEPEST = 50
"""How far Dask may have nested results in each other, at most: a task's own result
can be deeper than the stack."""


_ATOMS = frozenset((int, float, complex, bool, str, type(None)))


class Wrapper(Portable):
    """A callable that looks like the function it wraps."""

    __slots__ = ("__dict__", "func")

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        # the class has these itself, so __getattr__ is never asked for them
        self.__dict__ = {
            "__doc__": func.__doc__,
            "__module__": getattr(func, "__module__", None),
            "__wrapped__": func,
        }

    def __getattr__(self, name: str) -> Any:
        if name == "__name__":
            return _name(self.func)
        if name not in _LIKE_A_FUNCTION:
            raise AttributeError(name)
        func = self.func
        while isinstance(func, functools.partial):
            func = func.func
        return getattr(func, name)

    def __repr__(self) -> str:
        return str(self.func)


def _name(func: Callable[..., Any]) -> str:
    utils = sys.modules.get("dask.utils")  # whoever asks for Dask's names has it
    if isinstance(func, _PLAIN) or utils is None:
        return func.__name__
    return str(utils.funcname(func))


class Isolated(Wrapper):
    """A task's function that gets private handles on what it shares with others.

    Parameters
    ----------
    func
        The function.
    which
        Positions and keyword names of the arguments that are shared.
    cow
        Trust pandas' copy-on-write: see :mod:`stratum_dask.optimizations.handles`.
    looks
        Whether the function is known only to look at plain data, so that it gets
        the shared objects themselves: see :mod:`stratum_dask.optimizations.looking`.

    Examples
    --------
    >>> def add(items, extra):
    ...     items.append(extra)
    ...     return items
    >>> shared = [1]
    >>> Isolated(add, (0,))(shared, 2), shared
    ([1, 2], [1])
    """

    __slots__ = ("cow", "looks", "which")

    def __init__(
        self,
        func: Callable[..., Any],
        which: tuple[int | str, ...],
        cow: bool = False,
        looks: bool = False,
    ) -> None:
        super().__init__(func)
        self.which = which
        self.cow = cow
        self.looks = looks

    def _parts(self) -> tuple[Any, ...]:
        parts = (self.func, self.which, self.cow, self.looks)
        return parts if self.looks else parts[: 3 if self.cow else 2]

    def _privates(self, shared: list[Any]) -> list[Any]:
        try:
            second = self.func is identity  # it stands for an equal task
            return privates(shared, Second() if second else Memo(cow=self.cow))
        except Uncopyable as error:
            if not _on_worker():
                raise
            return [_sent(value, error) for value in shared]

    def _only_reads(
        self, shared: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        """Whether numpy gets plain numbers here, of which it makes new ones."""
        return (
            all(map(is_flat_array, shared))
            and computes(self.func, args, kwargs)
            and all(_is_numbers(value) for value in (*args, *kwargs.values()))
            and self.func.__name__ != "round"  # of old it gave integers back
        )

    def _may_look(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the function may have these objects themselves."""
        return self.looks and harmless([*args, *kwargs.values()])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = list(args)
        places = [
            at
            for at in self.which
            if (at in kwargs if isinstance(at, str) else at < len(args))
        ]
        shared = [kwargs[at] if isinstance(at, str) else args[at] for at in places]
        if self._only_reads(shared, args, kwargs):
            return self.func(*args, **kwargs)
        if self._may_look(args, kwargs):
            result = self.func(*args, **kwargs)
            if not looks_into(result, shared):
                return result
            try:
                return privates([result])[0]
            except Uncopyable:
                pass  # once more, with handles: such functions are pure
        handles = self._privates(shared)
        for at, handle in zip(places, handles, strict=True):
            if isinstance(at, str):
                kwargs[at] = handle
            else:
                values[at] = handle
        return self.func(*values, **kwargs)


def _is_numbers(value: object) -> bool:
    return type(value) in _ATOMS or is_flat_array(value)


def _on_worker() -> bool:
    """Whether a cluster runs this, which may send any result through a pickle."""
    worker = sys.modules.get("distributed.worker")
    return hasattr(getattr(worker, "thread_state", None), "key")


def _sent(value: Any, refused: Uncopyable) -> Any:
    """Return what another worker would have got of a value."""
    try:
        return privates([value])[0]
    except Uncopyable:
        pass
    cloudpickle = importlib.import_module("cloudpickle")
    try:
        return cloudpickle.loads(cloudpickle.dumps(_opened(value, Memo(), frozenset())))
    except Exception:  # noqa: BLE001 whatever a pickle does
        raise refused from None


class Opened(Wrapper):
    """A task's function that only looks at what it shares with others.

    It gets the shared objects themselves, without a copy; only a `Recipe` is made
    into a result of its own first.

    Parameters
    ----------
    func
        The function.
    which
        Positions and keyword names of the arguments that are shared.

    Examples
    --------
    >>> from stratum_dask.optimizations.recipe import Recipe
    >>> Opened(list, (0,))(Recipe(iter, ([1, 2],), {}))
    [1, 2]
    """

    __slots__ = ("which",)

    def __init__(self, func: Callable[..., Any], which: tuple[int | str, ...]) -> None:
        super().__init__(func)
        self.which = which

    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.which

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        values = list(args)
        memo = Memo()  # what is one recipe becomes one result
        for at in self.which:
            if isinstance(at, str):
                kwargs[at] = _opened(kwargs[at], memo, frozenset())
            else:
                values[at] = _opened(args[at], memo, frozenset())
        return self.func(*values, **kwargs)


def _opened(value: Any, memo: Memo, above: frozenset[int]) -> Any:
    """Make the recipes in a container that Dask may have built of results."""
    kind = type(value)
    if getattr(kind, "__stratum_recipe__", False):
        return memo.duplicate(value)
    if kind not in (list, tuple, set, dict) or id(value) in above:
        return value
    if len(above) > _DEEPEST:
        return value
    above = above | {id(value)}
    items = list(value.values() if kind is dict else value)
    opened = [_opened(item, memo, above) for item in items]
    if all(new is old for new, old in zip(opened, items, strict=True)):
        return value
    return dict(zip(value, opened, strict=True)) if kind is dict else kind(opened)
