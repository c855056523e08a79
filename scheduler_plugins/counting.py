"""Counts what a scheduler was asked for, and what it did not have to run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.tally import Tally, tally

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
        # How many seconds are to be counted once they are known.
        self._waiting: dict[Key, int] = {}
        self._hits: set[Key] = set()
        self._hits_seconds = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def hits(self, keys: set[Key], seconds: float) -> None:
        """What the next graph will not run because its results were kept."""
        self._hits, self._hits_seconds = keys, seconds

    def count(self, submission: Submission) -> None:
        """A graph has arrived."""
        total, registry = self._total, self._registry
        counts = tally(submission)
        once, counts.retention_seconds = self._hits, self._hits_seconds
        self.hits(set(), 0.0)
        counts.retained = len(once)
        counts.seconds_saved += counts.retention_seconds
        total.add(counts)
        for target in (*submission.replaced.values(), *submission.copies.values()):
            if target in once:
                once.remove(target)  # counted above, with what it is made of
            elif (known := registry.seconds.get(target)) is not None:
                total.seconds_saved += known
            elif target in registry.fingerprints:
                self._waiting[target] = self._waiting.get(target, 0) + 1

    def made(self, key: Key, startstops: Iterable[Any]) -> float:
        """A result has arrived; called within a transition."""
        seconds = 0.0
        for s in startstops:
            if s["action"] == "compute":
                seconds += s["stop"] - s["start"]
        self._registry.seconds[key] = seconds
        if key in self._waiting:
            self._total.seconds_saved += self._waiting.pop(key) * seconds
        return seconds

    def forget(self, key: Key) -> None:
        """A task is gone; called within a transition."""
        self._waiting.pop(key, None)

    def clear(self) -> None:
        """Everything is gone."""
        self._waiting.clear()
