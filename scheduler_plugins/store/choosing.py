"""Which results are worth writing."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

from stratum_dask.graph import Key
from stratum_dask.scheduler_plugins.retention.lineage import rebuild
from stratum_dask.scheduler_plugins.store.bandwidth import Bandwidth
from stratum_dask.scheduler_plugins.store.environment import entry_key, environment
from stratum_dask.scheduler_plugins.store.known import Known
from stratum_dask.scheduler_plugins.store.store import Store

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["Choice"]

_PAYS = 2.0
"""So many times as long as reading or writing it a result must take to compute."""
_LARGEST = 1 / 4
"""No single entry may take more than this part of the store."""


class Choice:
    """Finds what is worth writing, given what is stored already.

    Parameters
    ----------
    plugin, scheduler
        Know what there is, and what it took.
    store, known
        What is stored, and what a read and a write take.

    Attributes
    ----------
    costs
        What writing takes, by the type of a value: a model takes longer than an array
        of its size.
    """

    def __init__(
        self, plugin: StratumPlugin, scheduler: Scheduler, store: Store, known: Known
    ) -> None:
        self._plugin = plugin
        self._scheduler = scheduler
        self._store = store
        self._known = known
        # What was made and not looked at yet; a dict keeps their order.
        self._recent: dict[Key, None] = {}
        self.costs = Bandwidth(local=store.files.local)

    def made(self, key: Key) -> None:
        """Look at a result next time; called within a transition."""
        self._recent[key] = None

    def forget(self, key: Key) -> None:
        """A task is gone; called within a transition."""
        self._recent.pop(key, None)

    def wanted(
        self, everything: bool, but: Container[str]
    ) -> Iterator[tuple[TaskState, str, float]]:
        """What is worth writing and was not yet, with the seconds that it saves.

        Parameters
        ----------
        everything
            Look at all that lives, and not only at what is kept or has just been made.
        but
            Entries that are being written.
        """
        now, largest = time.monotonic(), self._store.options.limit * _LARGEST
        seen: set[str] = set()
        for key in self._candidates(everything):
            ts = self._scheduler.tasks.get(key)
            if ts is None or ts.state != "memory" or ts.actor or ts.nbytes > largest:
                continue
            entry = self.entry(key)
            if entry in but or entry in seen or self._known.has(entry, now):
                continue
            seconds = rebuild(ts, self._plugin.registry.seconds, there=self._stored)
            if self._pays(seconds, ts):
                seen.add(entry)
                yield ts, entry, seconds

    def entry(self, key: Key) -> str:
        """The entry of what a key computes."""
        return entry_key(self._plugin.registry.fingerprints[key], environment())

    def _stored(self, ts: TaskState) -> bool:
        """Whether what a result is made of need not be computed next time."""
        known = ts.key in self._plugin.registry.fingerprints
        return known and self.entry(ts.key) in self._known.rows

    def _pays(self, seconds: float, ts: TaskState) -> bool:
        store = self._store
        reading = store.bandwidth.seconds("array", ts.nbytes)
        writing = self.costs.seconds(ts.type or "", ts.nbytes)
        least = _PAYS * max(reading, writing)
        return seconds >= max(least, store.options.min_seconds)

    def _candidates(self, everything: bool) -> Iterator[Key]:
        """What is kept, best first, then what has just been made, or all that lives."""
        registry = self._plugin.registry
        if self._plugin.retention is not None:
            for candidate in self._plugin.retention.candidates():
                yield candidate.key
        recent = list(registry.seconds if everything else self._recent)
        self._recent.clear()
        for key in sorted(recent, key=lambda k: -registry.seconds.get(k, 0.0)):
            ts = self._scheduler.tasks.get(key)
            if ts is None or key in registry.passing or not registry.reusable(key):
                continue
            if self._plugin.is_intact(ts):
                yield key
