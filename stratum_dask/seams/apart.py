"""Give every output of a merged graph an object of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dask.core import flatten

from stratum_dask.graph import Graph, Key, roots
from stratum_dask.optimizations import Submission
from stratum_dask.optimizations.private import privates

__all__ = ["apart"]


def apart(found: Any, result: Any, submission: Submission) -> Any:
    """Give every output an object of its own, as its pipeline had before.

    The copies are made here, after everything ran, and not by tasks: where a task
    has written into a result that is also an output, the user sees it written.

    Parameters
    ----------
    found
        The results, nested as ``result``.
    result
        The keys that were asked for.
    submission
        What the rules found out.
    """
    names = submission.names()
    aliases = roots(submission.unmerged)
    # What two keys of one task stand for is one object in plain Dask, too.
    task = {k: aliases.get(k, k) for k in submission.outputs}
    if not any(k in names or k in submission.held for k in task.values()):
        return found
    order = dict.fromkeys(
        task[key] for key in (flatten(result) if isinstance(result, list) else [result])
    )
    memos = _memos(list(order), names, submission)
    done: dict[Key, Any] = {}

    def copied(key: Any, value: Any) -> Any:
        if isinstance(key, list):
            return tuple(copied(k, v) for k, v in zip(key, value, strict=True))
        key = task[key]
        memo = memos.get(key)
        if memo is None:
            return value
        if key not in done:
            (done[key],) = privates([value], memo)
        return done[key]

    return copied(result, found)


def _memos(
    order: list[Key], names: Mapping[Key, Key], submission: Submission
) -> dict[Key, dict[int, Any]]:
    """Of each output that has to be copied: with which others in one act.

    The first duplicates of the outputs of a pipeline belong together, and so on: what
    was one object in two outputs of it stays one object.
    """
    held = submission.held
    pipelines = _pipelines(submission.unmerged) if held else {}
    taken: dict[tuple[Any, Key], int] = {}
    groups: dict[tuple[Any, int], list[Key]] = {}
    for key in order:
        at = (pipelines.get(key), names.get(key, key))
        rank = taken[at] = taken.get(at, -1) + 1
        groups.setdefault((at[0], rank), []).append(key)
    memos: dict[Key, dict[int, Any]] = {}
    given: set[Key] = set()
    for group in groups.values():
        targets = {names.get(key, key) for key in group}
        objects = targets.union(*[held.get(target, ()) for target in targets])
        if not given.isdisjoint(objects):
            memo: dict[int, Any] = {}
            memos.update(dict.fromkeys(group, memo))
        given |= objects
    return memos


def _pipelines(graph: Graph) -> dict[Key, Key]:
    """Key -> one of the keys of all that it has to do with."""
    above: dict[Key, Key] = {}

    def top(key: Key) -> Key:
        while (up := above.setdefault(key, key)) != key:
            above[key] = key = above.setdefault(up, up)
        return key

    for key, node in graph.items():
        for need in node.dependencies:
            above[top(need)] = top(key)
    return {key: top(key) for key in graph}
