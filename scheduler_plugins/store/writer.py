"""Has workers write what is worth it: in the background, and one at a time on each."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from distributed.protocol.pickle import dumps
from distributed.protocol.serialize import deserialize
from distributed.utils import offload
from tornado.ioloop import PeriodicCallback

from stratum_dask.graph import Key
from stratum_dask.scheduler_plugins.retention import Candidate
from stratum_dask.scheduler_plugins.retention.lineage import rebuild
from stratum_dask.scheduler_plugins.store.container import Header
from stratum_dask.scheduler_plugins.store.environment import (
    differences,
    entry_key,
    environment,
)
from stratum_dask.scheduler_plugins.store.known import Known
from stratum_dask.scheduler_plugins.store.writing import WRITE, install

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin
    from stratum_dask.scheduler_plugins.store.service import StoreService

__all__ = ["Writer"]

logger = logging.getLogger("stratum_dask")

_EVERY = 0.25
_LATER = 5.0
_NEVER = 7 * 24 * 3600.0
_REST = 60.0
"""Seconds without writing after a disk was full, or said no."""
_PAYS = 2.0
"""So many times as long as reading it a result must take to compute."""
_LARGEST = 1 / 4
"""No single entry may take more than this part of the store."""


class Writer:
    """Decides what is written, when and by whom.

    Parameters
    ----------
    plugin, scheduler
        Know what there is, and who has it.
    service
        The store.
    """

    def __init__(
        self, plugin: StratumPlugin, scheduler: Scheduler, service: StoreService
    ) -> None:
        self.known = Known()
        self._plugin = plugin
        self._scheduler = scheduler
        self._service = service
        self._clock: PeriodicCallback | None = None
        self._turning = False
        self._rests_until = 0.0
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._entries: set[str] = set()
        # Worker -> whether it can write, once it was asked.
        self._ready: dict[str, bool] = {}
        self._mixed = False

    def start(self) -> None:
        """Begin to write from time to time."""
        self._clock = PeriodicCallback(self._turn, _EVERY * 1000)
        self._clock.start()

    def stop(self) -> None:
        """Write nothing any more."""
        if self._clock is not None:
            self._clock.stop()
            self._clock = None
        for task in self._writing.values():
            task.cancel()

    async def flush(self, timeout: float = 60.0) -> int:
        """Write all that is worth it; return how many results are left when time is up."""
        end = time.monotonic() + timeout
        while self._clock is not None:
            await self._turn()
            left = len(list(self._wanted())) if not self._resting() else 0
            if not self._writing and not left:
                return 0
            rest = end - time.monotonic()
            if rest <= 0:
                return left + len(self._writing)
            if self._writing:
                await asyncio.wait(
                    self._writing.values(),
                    timeout=rest,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            else:
                await asyncio.sleep(min(_EVERY, rest))
        return 0

    # -- inside ------------------------------------------------------------

    async def _turn(self) -> None:
        if self._turning:
            return
        self._turning = True
        try:
            self.known.seen(await offload(self._look))
            if not self._resting():
                self._hand_out()
        except Exception as e:
            self._rests_until = time.monotonic() + _REST
            self._service.fail("unwritable", f"{type(e).__name__}: {e}")
            logger.debug("stratum could not write to its store", exc_info=True)
        finally:
            self._turning = False

    def _look(self) -> dict[str, Any]:
        self._service.remember()
        return dict(self._service.store.rows())

    def _resting(self) -> bool:
        return time.monotonic() < self._rests_until

    def _hand_out(self) -> None:
        if self._clock is None:
            return
        for ts, entry, candidate in self._wanted():
            holders = [ws for ws in ts.who_has or () if self._is_free(ws)]
            if not holders:
                continue
            if not self._plugin.keep_intact(ts):
                self.known.skip(entry, _LATER, time.monotonic())
                continue
            worker = min(holders, key=lambda ws: ws.nbytes).address
            self._entries.add(entry)
            self._writing[worker] = asyncio.create_task(
                self._write(worker, ts.key, entry, candidate)
            )

    def _is_free(self, worker: WorkerState) -> bool:
        address = worker.address
        return address not in self._writing and self._ready.get(address, True)

    def _wanted(self) -> Iterator[tuple[TaskState, str, Candidate]]:
        """What is worth writing and was not yet, best first."""
        if self._mixed:
            return
        here, now = environment(), time.monotonic()
        store = self._service.store
        for candidate in self._candidates():
            ts = self._scheduler.tasks.get(candidate.key)
            if ts is None or ts.state != "memory" or ts.actor:
                continue
            if candidate.seconds_to_rebuild < store.options.min_seconds:
                continue
            if candidate.nbytes > store.options.limit * _LARGEST:
                continue
            load = store.bandwidth.seconds("array", candidate.nbytes)
            if candidate.seconds_to_rebuild < _PAYS * load:
                continue
            entry = entry_key(candidate.fingerprint, here)
            if entry not in self._entries and not self.known.has(entry, now):
                yield ts, entry, candidate

    def _candidates(self) -> Iterable[Candidate]:
        retention = self._plugin.retention
        if retention is not None:
            return retention.candidates()
        # Nothing is kept: what clients have not let go of yet.
        registry, tasks = self._plugin.registry, self._scheduler.tasks
        found = [
            Candidate(key, registry.fingerprints[key], seconds, ts.nbytes, seconds)
            for key, seconds in registry.seconds.items()
            if (ts := tasks.get(key)) is not None and registry.reusable(key)
        ]
        return sorted(found, key=lambda candidate: candidate.score, reverse=True)

    async def _write(
        self, worker: str, key: Key, entry: str, candidate: Candidate
    ) -> None:
        done = {}
        try:
            if await self._is_ready(worker):
                done = await self._ask(worker, key, entry, candidate)
            await self._take_in(worker, key, entry, done)
        except (TimeoutError, OSError):  # the worker is gone
            self.known.skip(entry, _LATER, time.monotonic())
        except Exception as e:
            self.known.skip(entry, _REST, time.monotonic())
            self._service.fail("unwritable", f"{type(e).__name__}: {e}", worker=worker)
            logger.debug("stratum could not have a result written", exc_info=True)
        finally:
            self._entries.discard(entry)
            self._writing.pop(worker, None)
        if self._clock is not None and not self._resting():
            self._hand_out()

    async def _ask(
        self, worker: str, key: Key, entry: str, candidate: Candidate
    ) -> dict[str, Any]:
        store, ts = self._service.store, self._scheduler.tasks[key]
        took = self._plugin.registry.seconds
        # Next week nothing of what it is made of will be there.
        seconds = rebuild(ts, took, there=lambda ts: False)
        ask = getattr(self._scheduler.rpc(worker), WRITE)
        found: dict[str, Any] = await ask(
            key=key,
            entry=entry,
            url=store.url,
            pickle=store.options.pickle,
            compression=store.options.compression,
            function=ts.prefix.name,
            seconds=max(candidate.seconds_to_rebuild, seconds),
            own=took.get(key, 0.0),
        )
        return found

    async def _take_in(
        self, worker: str, key: Key, entry: str, done: dict[str, Any]
    ) -> None:
        """What became of a write."""
        now = time.monotonic()
        if "refused" in done:
            self.known.skip(entry, _NEVER, now)
            self._tell(key, entry, "store-refusal", reason=done["refused"])
        elif "later" in done:
            self.known.skip(entry, _LATER, now)
        elif "failed" in done:
            self.known.skip(entry, _REST, now)
            self._rests_until = now + _REST
            self._service.fail(done["failed"], done["detail"], worker=worker)
        elif "header" in done:
            header, size = Header(**done["header"]), int(done["size"])
            header.frames = [(int(a), int(b), str(c)) for a, b, c in header.frames]
            row, rows = await offload(self._know, header, size)
            if row is None:
                self.known.skip(entry, _NEVER, now)
                self._service.fail("elsewhere", f"{entry} is not there", worker=worker)
                return
            self.known.seen(rows)
            self.known.wrote(row)
            speed = self._service.store.bandwidth
            speed.learn(header.format, header.nbytes, float(done["seconds"]))
            self._tell(
                key,
                entry,
                "store-write",
                function=header.function,
                format=header.format,
                nbytes=header.nbytes,
                bytes=size,
                seconds=done["seconds"],
                computing=header.seconds,
            )

    def _know(self, header: Header, size: int) -> tuple[Any, dict[str, Any]]:
        store = self._service.store
        if not store.files.has(header.key):
            return None, {}
        return store.know(header, size), dict(store.rows())

    def _tell(self, key: Key, entry: str, action: str, **facts: Any) -> None:
        message = {"action": action, "key": str(key), "entry": entry, **facts}
        self._scheduler.log_event("stratum", message)

    async def _is_ready(self, worker: str) -> bool:
        """Whether a worker can write: whether it has this package, and equal others."""
        known = self._ready.get(worker)
        if known is None:
            reply = await self._scheduler.rpc(worker).run(function=dumps(install))
            if reply.get("status") != "OK":
                known = False
                self._service.fail(
                    "absent", "it does not know stratum_dask", worker=worker
                )
            else:
                known = True
                sent = reply["result"]  # which a scheduler does not read unasked
                theirs = deserialize(sent.header, sent.frames)
                if differs := differences(environment(), theirs):
                    # What it has computed may be in any result by now.
                    self._mixed, known = True, False
                    self._service.fail("mixed", differs, worker=worker)
            self._ready[worker] = known
        return known
