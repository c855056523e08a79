"""The scheduler plugin: merges what all clients of a scheduler send."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from distributed.diagnostics.plugin import SchedulerPlugin

from stratum_dask.errors import ConfigError
from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins.counting import Counting
from stratum_dask.scheduler_plugins.foresight import Foresight, foresee
from stratum_dask.scheduler_plugins.guard import Guard
from stratum_dask.scheduler_plugins.learning import expect, learn
from stratum_dask.scheduler_plugins.observer import Observer
from stratum_dask.scheduler_plugins.offers import Offers
from stratum_dask.scheduler_plugins.precaution import Precaution
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.scheduler_plugins.retention import Retention, options
from stratum_dask.scheduler_plugins.store import StoreService
from stratum_dask.seams import closing, leaving
from stratum_dask.seams import scheduler as seam
from stratum_dask.tally import Tally

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

__all__ = ["StratumPlugin"]

logger = logging.getLogger("stratum_dask")

# A graph goes through several times as many transitions.
_HEARD = frozenset({"processing", "memory", "forgotten"})


class StratumPlugin(SchedulerPlugin):
    """Merge equal tasks of all clients of one scheduler.

    Register it with ``Client.register_plugin(StratumPlugin())``, or start the
    scheduler with ``--preload stratum_dask.scheduler_plugins``.

    Attributes
    ----------
    registry
        What lives, by fingerprint.
    total
        What was asked for and what was merged so far.
    retention
        What is kept after clients have let go, or None where that is switched off.
    store
        Results that outlive the cluster, or None where none is configured.
    """

    name = "stratum"
    idempotent = True

    def __init__(self) -> None:
        self.registry = Registry()
        self._fingerprints = self.registry.fingerprints
        self.total = Tally()
        self.failures = 0
        self.retention: Retention | None = None
        self.store: StoreService | None = None
        self.observer: Observer | None = None
        self._scheduler: Scheduler | None = None
        self._guard = Guard(self.registry)
        self._counting = Counting(self.registry, self.total)
        self._offers: Offers | None = None
        self._precaution: Precaution | None = None
        self._said: set[str] = set()
        self._registered = False  # Dask starts a plugin before that

    def __reduce__(self) -> Any:
        return StratumPlugin, ()

    async def start(self, scheduler: Scheduler) -> None:
        if self.retention is not None:  # Dask may start a plugin twice
            self.retention.stop()
        self._scheduler = scheduler
        self._offers = Offers(scheduler, self.registry, self._guard)
        self._start_retention(scheduler)
        if self.store is not None:
            await self.store.close()
        self.store = await StoreService.open(self, scheduler)
        if self.store is not None:
            closing.install(scheduler, self, self.store.before_close)
        seam.install(scheduler, self)
        self.observer = Observer(scheduler, self)
        self.observer.start()

    async def before_close(self) -> None:
        if self.store is not None:
            await self.store.before_close()

    async def close(self) -> None:
        if self.observer is not None:
            self.observer.close()
        if self.store is not None:
            await self.store.close()
        if self.retention is not None:
            self.retention.stop()
        if self._scheduler is not None:
            seam.uninstall(self._scheduler)
            leaving.uninstall(self._scheduler)
            closing.uninstall(self._scheduler)

    def _start_retention(self, scheduler: Scheduler) -> None:
        self.retention = self._precaution = None
        try:
            chosen = options()
        except ConfigError as e:
            self.say_once(f"{e}\nUntil that is mended, no results are kept.")
            return
        if not chosen.budget:
            return
        try:
            leaving.install(scheduler, self)
        except (AttributeError, KeyError) as e:
            self.say_once(
                f"stratum keeps no results: this version of distributed has no {e}."
            )
        else:
            self.retention = Retention(
                scheduler, self.registry, self._guard, chosen, self._is_on
            )
            self._precaution = Precaution(
                self.registry, self._guard, chosen.min_seconds
            )
            self.retention.start()

    def _is_on(self) -> bool:
        """Whether this plugin was not taken away; Dask tells nobody."""
        assert self._scheduler is not None
        known = self._scheduler.plugins.get(self.name)
        self._registered = self._registered or known is self
        return known is self or not self._registered

    # -- what the seams ask ------------------------------------------------

    def make_way(
        self, keys: Iterable[Key], fingerprints: Mapping[Key, bytes] | None = None
    ) -> None:
        """Let nothing that is only kept stand in the way of a graph with ``keys``."""
        if self.retention is not None:
            self.retention.make_way(keys, fingerprints)

    def choose(self, submission: Submission) -> list[Key]:
        """Let ``submission`` use what lives; return the keys to keep meanwhile.

        Runs in the event loop.
        """
        assert self._offers is not None
        self.make_way(submission.tasks, submission.fingerprints)
        chosen = self._offers.choose(submission)
        if self.retention is not None:
            self._counting.hits(*self.retention.hits(chosen))
        return chosen

    def is_intact(self, ts: TaskState) -> bool:
        """Whether a result is still what its function returned."""
        return self._guard.is_intact(ts)

    def keep_intact(self, ts: TaskState) -> bool:
        """See to it that a result stays what its function returned, if it still is."""
        return self._guard.keep_intact(ts)

    def lent(self, key: Key) -> bool:
        """Whether the consumers of ``key`` get private handles on its result."""
        return self._offers is not None and self._offers.lent(key)

    def foresee(self, submission: Submission) -> Foresight:
        """Find out what takes time; runs in another thread."""
        if self.retention is None:
            return Foresight()
        return foresee(submission, self.registry)

    def expect(self, submission: Submission, foreseen: Foresight) -> None:
        """Know who can write into what before Dask sends the first of the tasks."""
        assert self._scheduler is not None
        expect(self.registry, self._scheduler.tasks, submission, foreseen)

    def learn(self, submission: Submission, foreseen: Foresight) -> None:
        """Remember what a submission has put on the scheduler."""
        assert self._scheduler is not None
        registry, tasks = self.registry, self._scheduler.tasks
        learn(registry, tasks, submission, foreseen)
        if self._scheduler.address.startswith("inproc://"):
            for key in submission.outputs & tasks.keys():
                registry.expose(key, None)  # its client has the very object
        counts = self._counting.count(submission)
        if self.observer is not None:
            self.observer.graph(counts)
        if self.retention is not None:
            self.retention.arrived(submission.fingerprints.values())

    def say_once(self, message: str) -> None:
        """Log what whoever runs the scheduler has to mend, and not once a graph."""
        if message not in self._said:
            self._said.add(message)
            logger.warning(message)

    def failed(self, what: str) -> None:
        """Count a graph that runs as it came, because something of ours failed."""
        self.failures += 1
        if self.observer is not None:
            self.observer.failure(what)

    def borrows(self, task: Key, dependency: Key) -> bool:
        """Whether ``task`` would outlive ``dependency`` had nothing been merged."""
        registry = self.registry
        return task in registry.merged or dependency in registry.borrowed.get(task, ())

    # -- what Dask tells ---------------------------------------------------

    def transition(
        self,
        key: Key,
        start: str,
        finish: str,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        scheduler = self._scheduler
        if finish not in _HEARD or scheduler is None:
            return
        if finish == "processing":
            ts = scheduler.tasks[key]
            self._guard.sent(ts)
            if ts.suspicious and self.retention is not None:
                self.retention.spare(ts.processing_on)
        elif finish == "memory":
            if start == "processing" and key in self._fingerprints:
                seconds = self._counting.made(key, kwargs.get("startstops") or ())
                if self.store is not None:
                    self.store.writer.made(key)
                if self._precaution is not None:
                    self._made(scheduler, key, seconds, kwargs.get("worker", ""))
        elif finish == "forgotten":
            self.registry.drop(key)
            self._counting.forget(key)
            if self.retention is not None:
                self.retention.forget(key)
            if self.store is not None:
                self.store.forget(key)

    def log_event(self, topic: str, msg: Any) -> None:
        if topic == "stratum" and self.store is not None:
            self.store.told(msg)

    def _made(
        self, scheduler: Scheduler, key: Key, seconds: float, worker: str
    ) -> None:
        assert self.retention is not None
        assert self._precaution is not None
        ts, at_most = scheduler.tasks[key], self.registry.at_most
        for dependency in ts.dependencies:
            seconds += at_most.get(dependency.key, 0.0)
        at_most[key] = seconds
        if ts.dependents:
            self._precaution.made(ts, scheduler.workers.get(worker))
        if seconds >= self.retention.chosen.min_seconds:
            self.retention.made(key)

    def leave(self, workers: Collection[WorkerState]) -> None:
        """Workers are about to go, and will not come back with what they have."""
        if self.retention is not None:
            self.retention.leave(workers)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        if self.retention is not None:
            self.retention.look()

    def restart(self, scheduler: Scheduler) -> None:
        self.registry.clear()
        self._counting.clear()
        if self._precaution is not None:
            self._precaution.clear()
        if self.retention is not None:
            self.retention.clear()
        if self.store is not None:
            self.store.recipes.clear()
