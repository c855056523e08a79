"""What a result is made of: what it would take to compute it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from stratum_dask.graph import Key

if TYPE_CHECKING:
    from distributed.scheduler import TaskState

__all__ = ["descendants", "rebuild"]

_FARTHEST = 300
"""Of more ancestors than that the seconds are not added: it is much in any case."""


def rebuild(
    ts: TaskState,
    seconds: Mapping[Key, float],
    there: Callable[[TaskState], bool],
    counted: set[Key] | None = None,
) -> float:
    """Seconds to compute a task again, with all that is gone and goes into it.

    Parameters
    ----------
    ts
        The task.
    seconds
        How long tasks took.
    there
        Whether the result of an ancestor will be there.
    counted
        Keys that were counted before; those that are now are added.
    """
    counted = set() if counted is None else counted
    if ts.key in counted:
        return 0.0
    counted.add(ts.key)
    total = 0.0
    stack = [ts]
    for _ in range(_FARTHEST):
        if not stack:
            break
        one = stack.pop()
        total += seconds.get(one.key, 0.0)
        for dependency in one.dependencies:
            if dependency.key not in counted and not there(dependency):
                counted.add(dependency.key)
                stack.append(dependency)
    return total


def descendants(tasks: Iterable[TaskState]) -> set[TaskState]:
    """Some tasks, and all that is made of them."""
    found = set(tasks)
    stack = list(found)
    while stack:
        for dependent in stack.pop().dependents:
            if dependent not in found:
                found.add(dependent)
                stack.append(dependent)
    return found
