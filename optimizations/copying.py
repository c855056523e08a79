"""What is copied how: one private duplicate of any object, or a clear refusal.

The walk is that of :func:`copy.deepcopy` (memo, ``__deepcopy__``, the pickle
protocol), with what deepcopy shares put right at every depth: object cells of
arrays and frames, and functions (closures, methods of built-in types). What may
not be a faithful copy is refused: each pipeline makes its own object then.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import types
from collections.abc import Callable, Iterable
from typing import Any

from stratum_dask.optimizations.copying_arrays import (
    Handler,
    is_plain_array,
    root_of,
    same,
)
from stratum_dask.optimizations.copying_builtins import ATOMIC, BUILTINS
from stratum_dask.optimizations.copying_faithful import (
    Uncopyable,
    by_name,
    from_library,
    has_class_state,
    inherited,
    own_protocol,
    set_state,
    state_of,
)
from stratum_dask.optimizations.copying_libraries import LIBRARIES, plain_data

__all__ = ["Memo", "Uncopyable", "surely_copyable"]

_MISSING: Any = object()


class Memo(dict[int, Any]):
    """One act of copying: what was copied already, in the form :mod:`copy` expects.

    Parameters
    ----------
    cow
        Trust pandas' copy-on-write: frames become shallow copies.

    Attributes
    ----------
    roots
        Copies of array memory, by the ``id`` of the array that owns it.
    joint
        Owners (by ``id``) into which several of the arrays look.
    refs
        How pandas notices shared memory, by the ``id`` of what the originals have.
    judged
        Classes that were asked for state of their own.
    foreign
        An exception of a user's function that ran on the way: it passes unchanged.
    alive
        What was copied: its ``id`` must not be given to another object meanwhile.

    Examples
    --------
    >>> inner = [1]
    >>> both = Memo().duplicate([inner, inner])
    >>> both[0] is both[1], both[0] is inner
    (True, False)
    """

    def __init__(self, *, cow: bool = False) -> None:
        super().__init__()
        self.cow = cow
        self.roots: dict[int, Any] = {}
        self.joint: set[int] = set()
        self.refs: dict[int, Any] = {}
        self.judged: dict[type, bool] = {}
        self.foreign: BaseException | None = None
        self.alive: list[object] = []

    def foresee(self, objs: Iterable[object]) -> None:
        """Find the memory that several arrays in the objects look into."""
        roots: set[int] = set()
        walked: set[int] = set()
        stack = list(objs)
        while stack:
            obj = stack.pop()
            if type(obj) in ATOMIC or id(obj) in walked:
                continue
            walked.add(id(obj))
            if isinstance(obj, (list, tuple)):
                stack.extend(obj)
            elif isinstance(obj, dict):
                stack.extend(obj.values())
            elif is_plain_array(obj):
                root = id(root_of(obj))
                (self.joint if root in roots else roots).add(root)

    def duplicate(self, obj: Any) -> Any:
        """Return one private copy; what is immutable comes back as it is."""
        cls = type(obj)
        if cls in ATOMIC:
            return obj
        known = self.get(id(obj), _MISSING)
        if known is not _MISSING:
            return known
        try:
            handler = _handler(cls)
            if handler is not same and self._has_class_state(cls):
                raise Uncopyable(_name(cls), "its class was made by the program")
            result = handler(obj, self)
        except Exception as error:
            if isinstance(error, (Uncopyable, MemoryError)) or error is self.foreign:
                raise
            raise Uncopyable(_name(cls), f"{type(error).__name__}: {error}") from error
        if result is not obj:
            self[id(obj)] = result
            self.alive.append(obj)
        return result

    def by_protocol(self, obj: Any) -> Any:
        """Copy as :mod:`copy` does: its own way if it has one, else part by part."""
        cls = type(obj)
        own = getattr(cls, "__deepcopy__", None)
        result = self.by_parts(obj) if own is None else own(obj, self)
        trusted = from_library(cls.__module__)
        if result is obj:
            # A library knows what it may hand out again: a logger, say.
            known = trusted and (own is None or not getattr(obj, "__dict__", None))
            if not known and not by_name(obj):
                raise Uncopyable(_name(cls), "its copy is the object itself")
        elif type(result) is not cls or not (
            trusted or state_of(obj) <= state_of(result)  # libraries drop caches
        ):
            raise Uncopyable(_name(cls), "its copy is not the same")
        return result

    def by_parts(self, obj: Any) -> Any:
        """Take an object apart as for a pickle and build another one."""
        reducer = copyreg.dispatch_table.get(type(obj))
        if isinstance(reducer, types.FunctionType) and not from_library(
            reducer.__globals__.get("__name__")
        ):
            raise Uncopyable(_name(type(obj)), "copyreg has a function for it")
        parts: Any = reducer(obj) if reducer else obj.__reduce_ex__(4)
        if isinstance(parts, str):
            return obj  # a global: everybody finds it by its name
        make, args, state, items, pairs, setter = (*parts, *[None] * 4)[:6]
        cls = type(obj)
        result = make(*[arg if arg is cls else self.duplicate(arg) for arg in args])
        if result is obj:
            return obj
        self[id(obj)] = result
        if state is not None:
            set_state(result, self.duplicate(state), setter)
        # A class of the user may do more than that where it adds an item.
        append: Any = inherited(type(result), "append") if items else None
        for item in items or ():
            append(result, self.duplicate(item))
        put: Any = inherited(type(result), "__setitem__") if pairs else None
        for key, value in pairs or ():
            put(result, self.duplicate(key), self.duplicate(value))
        return result

    def _has_class_state(self, cls: type) -> bool:
        known = self.judged.get(cls)
        if known is None:
            known = self.judged[cls] = has_class_state(cls)
        return known

    @staticmethod
    def immutable(kind: type) -> bool:
        """Whether nobody can write into the values of a type."""
        return _handler(kind) is same


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _find_handler(cls: type) -> Handler:
    if cls in ATOMIC:
        return same
    if issubclass(cls, (type, types.ModuleType)):
        return _by_name
    if getattr(cls, "__stratum_recipe__", False) is True:
        return _again
    if issubclass(cls, enum.Enum):
        return same if by_name(cls) else _refuse
    if cls in BUILTINS:
        return BUILTINS[cls]
    if cls.__module__ == "itertools":
        return _refuse  # copying these warns on Python 3.12 and is gone in 3.14
    if own_protocol(cls):
        return _refuse  # what a user's class does there is not known
    for base in cls.__mro__:
        finder = LIBRARIES.get(base.__module__.partition(".")[0])
        handler = finder(cls) if finder else None
        if handler is not None and (
            handler is not same or from_library(cls.__module__)
        ):
            return handler
    return _refuse if own_protocol(cls, "__new__") else _by_protocol


def _by_name(obj: Any, memo: Memo) -> Any:
    if by_name(obj):
        return obj
    raise Uncopyable(_name(type(obj)), "it was made by the program")


def _refuse(obj: Any, memo: Memo) -> Any:
    cls = type(obj)
    method = own_protocol(cls) or own_protocol(cls, "__new__")
    raise Uncopyable(_name(cls), method and f"it has a {method} of its own")


_handler: Callable[[type], Handler] = functools.lru_cache(1024)(_find_handler)


def _again(obj: Any, memo: Memo) -> Any:
    try:
        return obj.__deepcopy__(memo)
    except BaseException as error:
        memo.foreign = error
        raise


def _by_protocol(obj: Any, memo: Memo) -> Any:
    return memo.by_protocol(obj)


def surely_copyable(obj: object, depth: int = 4) -> bool:
    """Whether the types alone tell that an object can be copied.

    Examples
    --------
    >>> surely_copyable([1, "a", {"b": (2.0,)}]), surely_copyable(iter([]))
    (True, False)
    """
    cls = type(obj)
    if cls in (list, tuple, set, frozenset, dict):
        kinds = {type(item) for item in obj}  # type: ignore[attr-defined]
        if not all(map(Memo.immutable, kinds)):
            return (
                cls in (list, tuple)
                and depth > 0
                and all(surely_copyable(item, depth - 1) for item in obj)  # type: ignore[attr-defined]
            )
        return cls is not dict or surely_copyable(list(obj.values()), depth)  # type: ignore[attr-defined]
    if Memo.immutable(cls):
        return True
    return plain_data(obj)
