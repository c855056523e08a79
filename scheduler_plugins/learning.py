"""What the registry learns of a graph: before its tasks are sent, and once they are there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from stratum_dask.graph import Key, Task
from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins.foresight import Foresight
from stratum_dask.scheduler_plugins.registry import Registry

__all__ = ["expect", "learn"]


def expect(
    registry: Registry,
    tasks: Mapping[Key, Any],
    submission: Submission,
    foreseen: Foresight,
) -> None:
    """Know who can write into what before Dask sends the first of the tasks.

    Parameters
    ----------
    registry
        Learns it.
    tasks
        All that the scheduler has, not yet those of the graph.
    submission, foreseen
        The graph, rewritten, and what was found out about it.
    """
    for kind in (submission.lookers, submission.copies, foreseen.harmless):
        registry.harmless.update(k for k in kind if k not in tasks)
    for copy, source in submission.copies.items():
        if copy not in tasks:
            registry.private[copy] = frozenset([source])
    registry.private.update(
        (k, keys) for k, keys in submission.isolated.items() if k not in tasks
    )


def learn(
    registry: Registry,
    tasks: Mapping[Key, Any],
    submission: Submission,
    foreseen: Foresight,
) -> None:
    """Remember what a submission has put on the scheduler.

    Parameters
    ----------
    registry, tasks, submission, foreseen
        As for `expect`, but now the tasks of the graph are there, if Dask took them.
    """
    fingerprints, verdicts = submission.fingerprints, submission.verdicts
    graph, known = submission.tasks, registry.fingerprints
    all_known = graph is submission.original or graph.keys() <= fingerprints.keys()
    all_there = graph.keys() <= tasks.keys()
    if all_known and all_there and known.keys().isdisjoint(graph.keys()):
        new: Collection[Key] = graph  # as nearly always
    else:
        new = [k for k in graph if k in tasks and k not in known and k in fingerprints]
    reusable = new
    if verdicts or new is not graph or set(map(type, graph.values())) != {Task}:
        reusable = [k for k in new if isinstance(graph[k], Task) and k not in verdicts]
    registry.add(new, fingerprints, reusable)
    for kind in (submission.lookers, submission.copies, foreseen.harmless):
        registry.harmless.difference_update(k for k in kind if k not in tasks)
    for keys in (submission.isolated, submission.copies):
        for key in keys.keys() - tasks.keys():
            registry.private.pop(key, None)
    registry.passing.update(k for k in foreseen.passing if k in tasks)
    _edges(registry, tasks, submission, new)


def _edges(
    registry: Registry,
    tasks: Mapping[Key, Any],
    submission: Submission,
    new: Iterable[Key],
) -> None:
    """Remember which tasks depend on which only because of a merge."""
    before = submission.original
    targets = {*submission.replaced.values(), *submission.copies.values()}
    registry.merged.update(targets & tasks.keys())
    if not targets:
        return
    for key in new:
        needs = submission.tasks[key].dependencies
        if targets.isdisjoint(needs):
            continue
        own = before.get(submission.split.get(key, key))
        if own is not None and (left := (needs - own.dependencies) & targets):
            registry.borrowed[key] = frozenset(left)
