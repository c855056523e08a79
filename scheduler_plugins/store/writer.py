"""Has results written that are worth it: in the background, one at a time on a worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tornado.ioloop import PeriodicCallback

from stratum_dask.graph import Key
from stratum_dask.scheduler_plugins.retention.lineage import rebuild
from stratum_dask.scheduler_plugins.store.asking import Workers
from stratum_dask.scheduler_plugins.store.catalog import Row
from stratum_dask.scheduler_plugins.store.choosing import Choice
from stratum_dask.scheduler_plugins.store.container import Header
from stratum_dask.scheduler_plugins.store.known import Known

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import WorkerState

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin
    from stratum_dask.scheduler_plugins.store.service import StoreService

__all__ = ["Writer"]

logger = logging.getLogger("stratum_dask")

_EVERY = 0.25
_REFRESH = 2.0
"""Seconds for which what other processes write need not be seen."""
_LATER = 2.0
_NEVER = 7 * 24 * 3600.0
_REST = 60.0
"""Seconds without writing after a disk was full, or said no."""
_SHARE = 20
"""After a look at what could be written leave the loop for so many times as long."""
_SPARES = 9.0
"""A worker that has tasks to run is left alone for so many times as long as it wrote."""


class Writer:
    """Decides what is written, when and by whom.

    Parameters
    ----------
    plugin, scheduler
        Know what there is, and who has it.
    service
        The store.

    Attributes
    ----------
    known
        What is in the store, as far as the event loop knows.
    """

    def __init__(
        self, plugin: StratumPlugin, scheduler: Scheduler, service: StoreService
    ) -> None:
        self.known = Known()
        self._choice = Choice(plugin, scheduler, service.store, self.known)
        self._plugin = plugin
        self._scheduler = scheduler
        self._service = service
        self._workers = Workers(scheduler, service.fail)
        self._clock: PeriodicCallback | None = None
        self._looking = asyncio.Lock()
        self._earliest = self._rests_until = self._looked = 0.0
        self._changed = True
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._spared: dict[str, float] = {}
        self._entries: set[str] = set()

    def start(self) -> None:
        """Begin to write from time to time."""
        self._clock = PeriodicCallback(self._tick, _EVERY * 1000)
        self._clock.start()

    def stop(self) -> None:
        """Write nothing any more."""
        if self._clock is not None:
            self._clock.stop()
            self._clock = None
        for task in self._writing.values():
            task.cancel()

    def made(self, key: Key) -> None:
        """A result has arrived; called within a transition."""
        self._choice.made(key)
        self._changed = True

    def forget(self, key: Key) -> None:
        """A task is gone; called within a transition."""
        self._choice.forget(key)

    @property
    def resting(self) -> bool:
        """Whether nothing is written for now, since that has failed."""
        return time.monotonic() < self._rests_until

    async def flush(self, timeout: float = 60.0) -> int:
        """Write all that is worth it; return how many are left when time is up."""
        end = time.monotonic() + timeout
        while self._clock is not None:
            await self._look(everything=True)
            left = len(self._writing)
            if not self.resting and not self._workers.mixed:
                left += sum(1 for _ in self._choice.wanted(True, self._entries))
            rest = end - time.monotonic()
            if not left or rest <= 0:
                return left
            if self._writing:
                await asyncio.wait(self._writing.values(), timeout=min(rest, _EVERY))
            else:
                await asyncio.sleep(min(rest, _EVERY))
        return 0

    # -- inside ------------------------------------------------------------

    async def _tick(self) -> None:
        if self._scheduler.plugins.get(self._plugin.name) is not self._plugin:
            await self._service.close()  # it was unregistered
            return
        now = time.monotonic()
        if self._looking.locked() or now < self._earliest:
            return
        if self._changed or now > self._looked + _REFRESH:
            await self._look()

    async def _look(self, everything: bool = False) -> None:
        async with self._looking:
            try:
                self._looked = time.monotonic()
                self.known.seen(*await self._service.run(self._ask_catalog))
                start = time.monotonic()
                if (everything or self._changed) and not self.resting:
                    self._changed = False
                    self._hand_out(everything)
                end = time.monotonic()
                self._earliest = end + _SHARE * (end - start)
            except Exception as e:  # noqa: BLE001 whatever it is, computations go on
                self._fail(e)

    def _ask_catalog(self) -> tuple[Mapping[str, Row], int]:
        self._service.remember()
        rows = dict(self._service.store.rows())
        return rows, sum(row.size for row in rows.values())

    def _fail(self, e: Exception, worker: str = "") -> None:
        self._rests_until = time.monotonic() + _REST
        self._service.fail("unwritable", f"{type(e).__name__}: {e}", worker)
        logger.debug("stratum could not write to its store", exc_info=e)

    def _hand_out(self, everything: bool = False) -> None:
        if self._clock is None:
            return
        if self._workers.mixed:
            return
        for ts, entry, _ in self._choice.wanted(everything, self._entries):
            free = [ws for ws in ts.who_has or () if self._is_free(ws, everything)]
            if not free:
                self.made(ts.key)  # look at it again
            elif not self._plugin.keep_intact(ts):
                self.known.skip(entry, _LATER, time.monotonic())
                self.made(ts.key)
            else:
                worker = min(free, key=lambda ws: ws.nbytes).address
                self._entries.add(entry)
                act = self._write(worker, ts.key, entry)
                self._writing[worker] = asyncio.create_task(act)

    def _is_free(self, ws: WorkerState, now: bool) -> bool:
        """Whether a worker may be asked to write."""
        at = ws.address
        if at in self._writing or not self._workers.may(at):
            return False
        return now or not ws.processing or time.monotonic() >= self._spared.get(at, 0.0)

    async def _write(self, worker: str, key: Key, entry: str) -> None:
        start = time.monotonic()
        try:
            store, ts = self._service.store, self._scheduler.tasks[key]
            took = self._plugin.registry.seconds
            # Next week nothing of what it is made of will be there.
            seconds = rebuild(ts, took, there=lambda ts: False)
            done = await self._workers.write(
                worker,
                key=key,
                entry=entry,
                url=store.url,
                pickle=store.options.pickle,
                compression=store.options.compression,
                function=ts.prefix.name,
                seconds=seconds,
                own=took.get(key, 0.0),
            )
            if "seconds" in done:
                self._choice.costs.learn(
                    ts.type or "", ts.nbytes, float(done["seconds"])
                )
            await self._take_in(worker, key, entry, done)
        except (OSError, KeyError, TimeoutError):  # the worker, or the task, is gone
            self.known.skip(entry, _LATER, time.monotonic())
        except Exception as e:  # noqa: BLE001 whatever it is, computations go on
            self._fail(e, worker)
        finally:
            self._entries.discard(entry)
            self._writing.pop(worker, None)
            now = time.monotonic()
            self._spared[worker] = now + _SPARES * (now - start)
            for gone in self._spared.keys() - self._scheduler.workers.keys():
                del self._spared[gone]
        if self._changed:
            self._earliest = 0.0

    async def _take_in(
        self, worker: str, key: Key, entry: str, done: dict[str, Any]
    ) -> None:
        """What became of a write."""
        now = time.monotonic()
        self._changed = True
        if "refused" in done:
            self.known.skip(entry, _NEVER, now)
            self._tell(key, entry, "store-refusal", reason=done["refused"])
        elif "failed" in done:
            self._rests_until = now + _REST
            self._service.fail(done["failed"], done["detail"], worker)
        elif "header" not in done:
            self.known.skip(entry, _LATER, now)
            self.made(key)
        else:
            header, size = Header(**done["header"]), int(done["size"])
            row = await self._service.run(self._know, header, size)
            if row is None:
                self.known.skip(entry, _NEVER, now)
                self._service.fail("elsewhere", f"{entry} is not there", worker)
                return
            self.known.wrote(row)
            speed = self._service.store.bandwidth
            speed.learn(header.format, row.nbytes, float(done["seconds"]))
            self._tell(
                key,
                entry,
                "store-write",
                function=header.function,
                format=header.format,
                nbytes=row.nbytes,
                bytes=size,
                seconds=done["seconds"],
                computing=header.seconds,
            )

    def _know(self, header: Header, size: int) -> Row | None:
        store = self._service.store
        return store.know(header, size) if store.files.has(header.key) else None

    def _tell(self, key: Key, entry: str, action: str, **facts: Any) -> None:
        message = {"action": action, "key": str(key), "entry": entry, **facts}
        self._scheduler.log_event("stratum", message)
