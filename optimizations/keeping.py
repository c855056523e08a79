"""What becomes of an object that functions hand on which may also write into it.

Whether they do hand it on is known once they have run. Each that may is `Telling`: it
tells what it kept, and where one object comes to a task on two ways, as two copies, or
somebody has written into what another task reads, the seam runs the graph again.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dask.utils import funcname

from stratum_dask.graph import Key
from stratum_dask.optimizations.guarding import Guard, InputWritten
from stratum_dask.optimizations.wrapping import Wrapper

__all__ = ["Kept", "Telling", "keeps"]

_CONTAINERS = (list, tuple, set, frozenset, dict)
_ATOMS = (
    *(type(None), bool, int, float, complex, str, bytes, range, type(...), slice),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo),
)
_VIEWS: tuple[type, ...] = (
    *(type({}.keys()), type({}.values()), type({}.items())),
    *(memoryview, Iterator),
)
"""They look into something, and do not say into what."""
_DEEPEST = 20


class Kept:
    """One object on its ways to one task.

    Parameters
    ----------
    root
        The key of the result.
    steps
        Tasks on the ways, inputs first: whether they may write, and which are before.
    needs
        The inputs of the task at the end.

    Examples
    --------
    >>> kept = Kept("a", {"b": (True, ["a"]), "c": (False, ["b"])}, ["a", "c"])
    >>> kept.meets()
    False
    >>> kept.by("b")
    >>> kept.meets()
    True
    """

    def __init__(
        self,
        root: Key,
        steps: dict[Key, tuple[bool, list[Key]]],
        needs: Sequence[Key],
    ) -> None:
        self._root = root
        self._steps = steps
        self._needs = needs
        self._keepers: set[Key] = set()

    def before(self, task: Key) -> list[Key]:
        """The inputs of a task that may hold it."""
        return self._steps[task][1]

    def by(self, task: Key) -> None:
        """Note that a task has handed on what it was given."""
        self._keepers.add(task)

    def meets(self) -> bool:
        """Whether it came on two ways, at least one of them through a copy."""
        if not self._keepers:
            return False
        came = {self._root: False}
        for key, (writes, before) in self._steps.items():
            ways = [came[k] for k in before if k in came]
            if ways and (not writes or key in self._keepers):
                came[key] = writes or any(ways)
        found = [came[need] for need in self._needs if need in came]
        return len(found) > 1 and any(found)


class Telling(Wrapper):
    """A function that tells what it keeps, and what it must not get or do.

    Parameters
    ----------
    func
        The function.
    key
        Its task.
    on
        The objects that it may hand on, and the arguments that may hold them.
    at
        Those that must not come to it on two ways.
    guards
        Objects that it must not write into.
    """

    __slots__ = ("at", "guards", "key", "on")

    def __init__(
        self,
        func: Callable[..., Any],
        key: Key,
        on: Sequence[tuple[Kept, tuple[int | str, ...]]] = (),
        at: Sequence[Kept] = (),
        guards: Sequence[Guard] = (),
    ) -> None:
        super().__init__(func)
        self.key = key
        self.on = on
        self.at = at
        self.guards = guards

    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.key, self.on, self.at, self.guards

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        if any(kept.meets() for kept in self.at):
            objects = [value for value in given if not _is_atom(value)]
            if len(objects) > 1 or any(map(_holds_objects, objects)):
                raise InputWritten(
                    f"{funcname(self.func)} takes an object, and another one that is "
                    "made of it and still holds it (let tasks return copies)"
                )
        result = self.func(*args, **kwargs)
        for guard in self.guards:
            guard.check(funcname(self.func))
        for kept, places in self.on:
            mine = [kwargs[at] if isinstance(at, str) else args[at] for at in places]
            if keeps(result, mine):
                kept.by(self.key)
        return result


def keeps(result: Any, given: Sequence[Any]) -> bool:
    """Whether a result is or holds an object that was given, or a view of an array.

    Of other objects than containers, what they hold is not looked at.

    Examples
    --------
    >>> items = [1]
    >>> keeps(items, [items]), keeps({"of": items}, [items]), keeps([1], [items])
    (True, True, False)
    """
    theirs = {id(v): v for value in given for v in _inside(value, 0)}
    arrays = [value for value in theirs.values() if _is_array(value)]
    for value in _inside(result, 0):
        if id(value) in theirs or isinstance(value, _VIEWS):
            return True
        if arrays and _is_array(value):
            numpy = sys.modules["numpy"]
            if any(numpy.may_share_memory(value, array) for array in arrays):
                return True
    return False


def _is_atom(value: object) -> bool:
    """Whether nobody can tell a value from an equal one."""
    numpy = sys.modules.get("numpy")
    return isinstance(value, _ATOMS) or (
        numpy is not None and isinstance(value, numpy.generic)
    )


def _holds_objects(value: object) -> bool:
    """Whether a container holds more than atoms."""
    return isinstance(value, _CONTAINERS) and any(
        not _is_atom(v) for v in (value.values() if isinstance(value, dict) else value)
    )


def _inside(value: Any, depth: int) -> Iterator[Any]:
    """What can be told from an equal object, outside first."""
    if isinstance(value, _CONTAINERS):
        if type(value) is not tuple:
            yield value
        if depth < _DEEPEST:
            for item in value.values() if isinstance(value, dict) else value:
                yield from _inside(item, depth + 1)
    elif not _is_atom(value):
        yield value


def _is_array(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)
