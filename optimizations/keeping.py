"""Whether a result is, or holds, an object that its function was given."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dask.utils import funcname

from stratum_dask.optimizations.wrapping import Wrapper

__all__ = ["InputWritten", "Kept", "Meeting", "keeps"]

_CONTAINERS = (list, tuple, set, frozenset, dict)
_DEEPEST = 20


class InputWritten(Exception):
    """A task wrote into an input that its own pipeline reads again later.

    With the input shared among pipelines, the later reader would have missed the
    write. The seam that catches this runs the graph again as plain Dask would.
    """


class Kept:
    """Counts the ways on which one object really comes to one task.

    Parameters
    ----------
    ways
        On how many ways it comes for sure.

    Examples
    --------
    >>> kept = Kept(1)
    >>> kept.meets()
    False
    >>> kept.by(2)
    >>> kept.meets()
    True
    """

    def __init__(self, ways: int) -> None:
        self._ways = ways
        self._tasks: set[int] = set()

    def by(self, task: int) -> None:
        """Note that a task has handed on what it was given."""
        self._tasks.add(task)

    def meets(self) -> bool:
        """Whether it comes on more than one way."""
        return self._ways + len(self._tasks) > 1


class Meeting(Wrapper):
    """A function that would have got one object on two ways, and gets two.

    Parameters
    ----------
    func
        The function.
    kept
        The objects, and what became of them on their ways.
    """

    __slots__ = ("kept",)

    def __init__(self, func: Callable[..., Any], kept: tuple[Kept, ...]) -> None:
        super().__init__(func)
        self.kept = kept

    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.kept

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(kept.meets() for kept in self.kept):
            objects = [v for v in (*args, *kwargs.values()) if not _is_atom(v)]
            if len(objects) > 1 or any(map(_holds_objects, objects)):
                raise InputWritten(
                    f"{funcname(self.func)} takes an object, and another one that is "
                    "made of it and still holds it (let tasks return copies)"
                )
        return self.func(*args, **kwargs)


def keeps(result: Any, given: Sequence[Any]) -> bool:
    """Whether a result is or holds an object that was given, or a view of an array.

    Of other objects than containers, what they hold is not looked at.

    Examples
    --------
    >>> items = [1]
    >>> keeps(items, [items]), keeps({"of": items}, [items]), keeps([1], [items])
    (True, True, False)
    """
    theirs = {id(value): value for value in _inside(list(given), 0)}
    del theirs[next(iter(theirs))]  # the list of them
    arrays = [value for value in theirs.values() if _is_array(value)]
    for value in _inside(result, 0):
        if id(value) in theirs:
            return True
        if arrays and _is_array(value):
            numpy = sys.modules["numpy"]
            if any(numpy.may_share_memory(value, array) for array in arrays):
                return True
    return False


def _is_atom(value: object) -> bool:
    """Whether nobody can tell a value from an equal one, but for NaN."""
    return type(value).__module__ == "builtins" and not isinstance(value, _CONTAINERS)


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
