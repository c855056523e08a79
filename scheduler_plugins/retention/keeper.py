"""Keeps results of one scheduler after clients have let go of them.

Within a transition only a key is written down; the rest is done in a turn of the event
loop of its own. A result counts against the budget only while nobody else needs it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from distributed.metrics import time
from tornado.ioloop import PeriodicCallback

from stratum_dask.graph import Key
from stratum_dask.scheduler_plugins.guard import Guard
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.scheduler_plugins.retention.budget import Pressure, budget_of
from stratum_dask.scheduler_plugins.retention.eviction import victims
from stratum_dask.scheduler_plugins.retention.figures import Candidate, RetentionFigures
from stratum_dask.scheduler_plugins.retention.lineage import descendants
from stratum_dask.scheduler_plugins.retention.options import Options
from stratum_dask.scheduler_plugins.retention.pins import Kept, Pins, size
from stratum_dask.scheduler_plugins.retention.policy import Policy
from stratum_dask.scheduler_plugins.retention.worth import Worth

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import WorkerState

__all__ = ["Retention"]

logger = logging.getLogger("stratum_dask")

_LARGEST = 1 / 4
"""No single result may take more than this part of the budget."""
_MOST = 20_000
"""Of more tasks than that the scheduler does not know for what is kept, however small
it is: what a result is made of is known as long as it is there."""
_EVERY = 0.5
"""Seconds between two looks at the cluster where nothing happens."""
_REST = 20
"""After a turn of the loop leave it to others for so many times as long."""


class Retention:
    """What one scheduler keeps.

    Parameters
    ----------
    scheduler
        The scheduler.
    registry, guard
        What its tasks compute, and who has their results.
    chosen
        How much is kept, of what, and for how long.
    is_on
        Whether anything is to be kept any more.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        registry: Registry,
        guard: Guard,
        chosen: Options,
        is_on: Callable[[], bool],
    ) -> None:
        self.chosen = chosen
        self._is_on = is_on
        self._scheduler = scheduler
        self._registry = registry
        self._guard = guard
        self._pins = Pins(scheduler)
        self._policy = Policy()
        self._worth = Worth(registry, guard, self._pins, self._policy)
        self._pressure = Pressure()
        self._made: list[Key] = []
        self._spared: set[WorkerState] = set()
        self._due = False
        self._earliest = 0.0
        self._clock: PeriodicCallback | None = None
        self._hits, self._seconds_saved = 0, 0.0
        self._evicted, self._evicted_bytes = 0, 0

    def start(self) -> None:
        """Begin to look at the cluster from time to time."""
        self._clock = PeriodicCallback(self._turn, _EVERY * 1000)
        self._clock.start()

    def stop(self) -> None:
        """Keep nothing any more."""
        if self._clock is not None:
            self._clock.stop()
            self._clock = None
        self._pins.release_all()

    # -- what others ask ---------------------------------------------------

    def figures(self) -> RetentionFigures:
        """The state at this moment."""
        alone = [ts for ts, _ in self._pins.alone()]
        return RetentionFigures(
            results=len(alone),
            bytes=sum(map(size, alone)),
            budget=self._budget(),
            hits=self._hits,
            seconds_saved=self._seconds_saved,
            evicted=self._evicted,
            evicted_bytes=self._evicted_bytes,
        )

    def candidates(self) -> Iterator[Candidate]:
        """What is worth keeping, best first; not only what nobody else needs."""
        found = []
        for key, ts, one in self._pins.all():
            if ts is not None:
                score = self._worth.score(ts, one)
                seconds = self._worth.seconds(ts, score)
                found.append(Candidate(key, one.fingerprint, seconds, ts.nbytes, score))
        yield from sorted(found, key=lambda c: c.score, reverse=True)

    def __len__(self) -> int:
        return len(self._pins)

    def __contains__(self, key: object) -> bool:
        return key in self._pins

    # -- what happens, within a transition ---------------------------------

    def made(self, key: Key) -> None:
        """A result has arrived."""
        self._made.append(key)
        if len(self._made) == 1:  # soon, before the client has let go of it
            self._scheduler.loop.add_callback(self.keep)

    def forget(self, key: Key) -> None:
        """A task is gone."""
        self._pins.forget(key)

    def spare(self, worker: WorkerState | None) -> None:
        """A worker gets a task that another one died of.

        It may need all the memory that there is.
        """
        if worker is not None:
            self._spared.add(worker)
            self.look()

    # -- what happens, outside of transitions ------------------------------

    def look(self) -> None:
        """Something may have changed: have a look, but not now."""
        if self._pins and not self._due:
            self._due = True
            delay = max(0.0, self._earliest - time())
            self._scheduler.loop.call_later(delay, self._turn)

    def keep(self) -> None:
        """Keep what was made; before a client lets go of it."""
        if self._made:
            self._guarded(self._keep_what_was_made)
            self.look()

    def arrived(self, fingerprints: Iterable[bytes]) -> None:
        """A graph has come, of tasks with these fingerprints."""
        self._policy.history.graph(fingerprints)

    def hits(self, keys: Iterable[Key]) -> tuple[set[Key], float]:
        """Which results that a graph will use only we have kept; seconds they save."""
        now, seconds = time(), 0.0
        hit: set[Key] = set()
        counted: set[Key] = set()
        for key in keys:
            one, ts = self._pins.get(key), self._scheduler.tasks.get(key)
            if one is None or ts is None:
                continue
            one.floor, one.used = self._policy.floor, now
            self._worth.score(ts, one)
            if ts.state == "memory" and self._pins.is_alone(ts):
                hit.add(key)
                seconds += self._worth.saved(ts, counted)
        self._hits += len(hit)
        self._seconds_saved += seconds
        return hit, seconds

    def make_way(
        self, keys: Iterable[Key], fingerprints: Mapping[Key, bytes] | None
    ) -> None:
        """Let go of what would stand in the way of a graph with these keys.

        Dask goes by the key: without us nothing would live under it, and what the
        graph says would be computed.
        """
        if not self._pins:
            return
        tasks = self._scheduler.tasks
        others = [
            ts
            for key in keys
            if (ts := tasks.get(key)) is not None
            and not self._worth.is_same(ts, fingerprints)
        ]
        self._pins.release([ts.key for ts in descendants(others) if ts.key in self])

    def leave(self, workers: Collection[WorkerState]) -> None:
        """Let go of what only some workers have, before they go.

        Nobody shall compute it again who does not need it.
        """
        self._pins.release(
            [
                key
                for key, ts, _ in self._pins.all()
                if ts is None or all(ws in workers for ws in ts.who_has or ())
            ]
        )

    def clear(self) -> None:
        """Forget everything; the scheduler has done so."""
        self._pins.forget_all()
        self._made.clear()
        self._spared.clear()
        self._policy.clear()

    # -- in a turn of the event loop of our own ----------------------------

    def _turn(self) -> None:
        self._due = False
        start = time()
        self._guarded(self._let_go if self._is_on() else self.stop)
        end = time()
        self._earliest = end + _REST * (end - start)

    def _guarded(self, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception:
            logger.warning(
                "stratum stops keeping results on this scheduler, because of the error "
                "below; please report it. All computations go on.",
                exc_info=True,
            )
            with suppress(Exception):
                self.stop()

    def _keep_what_was_made(self) -> None:
        made, self._made = self._made, []
        if self._clock is None:
            return
        largest = self._budget() * _LARGEST
        known: dict[Key, bool] = {}
        found: dict[Key, Kept] = {}
        for key in made:
            ts = self._scheduler.tasks.get(key)
            if ts is None or key in self or ts.nbytes > largest:
                continue
            if self._worth.may_keep(ts, self.chosen.min_seconds, known):
                fingerprint = self._registry.fingerprints[key]
                self._policy.history.add(fingerprint)
                states = self._worth.states(ts)
                found[key] = Kept(fingerprint, self._policy.floor, time(), states)
        self._pins.pin(found)
        for key, one in found.items():
            self._worth.score(self._scheduler.tasks[key], one)

    def _let_go(self) -> None:
        now = time()
        known: dict[Key, bool] = {}
        useless = []
        for key, ts, one in self._pins.all():
            if ts is None or not self._guard.is_intact(ts, known):
                useless.append(key)
            elif not self._pins.is_alone(ts):
                one.used = now
            elif now - one.used > self.chosen.keep:
                useless.append(key)
        self._pins.release(useless)
        short = self._pressure.short(self._scheduler)
        while self._spared:
            short[self._spared.pop()] = sys.maxsize
        alone = dict(self._pins.alone())
        for ts, score in victims(
            alone, self._worth.score, self._budget(), _MOST, short
        ):
            self._worth.going.add(ts.key)
            self._evicted += 1
            self._evicted_bytes += size(ts)
            if score is not None:
                self._policy.let_go(score)
        self._pins.release(self._worth.going)
        self._worth.going.clear()

    # -- answers -----------------------------------------------------------

    def _budget(self) -> int:
        return budget_of(self._scheduler, self.chosen.budget)
