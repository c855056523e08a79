"""Counts what a scheduler was asked for, and what it did not have to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from stratum_dask.graph import Key, Task
from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.tally import Merge, Tally, merges, name_of, tally

__all__ = ["Counting"]


class Counting:
    """Adds up what becomes of the graphs of one scheduler.

    Parameters
    ----------
    registry
        How long tasks took is written there.
    total
        The sum.
    """

    def __init__(self, registry: Registry, total: Tally) -> None:
        self._registry = registry
        self._total = total
        # Key that has not run yet -> functions of the tasks that it stands for.
        # A text where it is one, as nearly always.
        self._waiting: dict[Key, str | list[str]] = {}
        self._hits: set[Key] = set()
        self._hits_seconds = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def hits(self, keys: set[Key], seconds: float) -> None:
        """What the next graph will not run because its results were kept."""
        self._hits, self._hits_seconds = keys, seconds

    def count(self, submission: Submission) -> Tally:
        """Count a graph in that has arrived, and return what became of it."""
        registry = self._registry
        merged = [*merges(submission), *_below(submission, registry)]
        counts = tally(submission, merged)
        counts.retained, counts.retention_seconds = len(self._hits), self._hits_seconds
        self.hits(set(), 0.0)
        # As a rule all of them have just arrived, and each stands for one other.
        targets = {target: function for function, target in merged}
        if (
            len(targets) == len(merged)
            and targets.keys() <= registry.fingerprints.keys()
            and targets.keys().isdisjoint(registry.seconds)
            and targets.keys().isdisjoint(self._waiting)
        ):
            self._waiting.update(targets)
        else:
            self._wait(submission, merged, counts)
        self._total.add(counts)
        return counts

    def _wait(
        self, submission: Submission, merged: Iterable[Merge], counts: Tally
    ) -> None:
        """Count what is saved already; what is not must wait for its result."""
        registry, waiting = self._registry, self._waiting
        for function, key in merged:
            target = _home(key, submission, registry)
            if target is None:
                continue
            if (seconds := registry.seconds.get(target)) is not None:
                counts.save(function, seconds)
            elif (known := waiting.get(target)) is None:
                waiting[target] = function
            elif isinstance(known, str):
                waiting[target] = [known, function]
            else:
                known.append(function)

    def made(self, key: Key, startstops: Iterable[Any]) -> float:
        """A result has arrived; called within a transition."""
        seconds = 0.0
        for s in startstops:
            if s["action"] == "compute":
                seconds += s["stop"] - s["start"]
        self._registry.seconds[key] = seconds
        waiting = self._waiting.pop(key, ())
        for function in (waiting,) if isinstance(waiting, str) else waiting:
            self._total.save(function, seconds)
        return seconds

    def forget(self, key: Key) -> None:
        """A task is gone; called within a transition."""
        self._waiting.pop(key, None)

    def clear(self) -> None:
        """Everything is gone."""
        self._waiting.clear()


def _home(key: Key, submission: Submission, registry: Registry) -> Key | None:
    """Where the result of a key of ``submission`` lives, or will live."""
    if key in registry.fingerprints:
        return key
    fingerprint = submission.fingerprints.get(key)
    known = () if fingerprint is None else registry.find(fingerprint)
    return known[0] if known else None


def _below(submission: Submission, registry: Registry) -> Iterator[Merge]:
    """Yield what only served tasks that live already, and lives with them."""
    graph, before = submission.tasks, submission.unmerged
    gone = submission.replaced.keys() | submission.copies.keys()
    if not submission.live or len(before) == len(graph) + len(submission.replaced):
        return
    for key, node in before.items():
        if key in graph or key in gone or not isinstance(node, Task):
            continue
        if _home(key, submission, registry) is not None:
            yield Merge(name_of(key, node), key)
