"""A store at work for one scheduler: what is read instead of computed."""

from __future__ import annotations

import asyncio
import functools
import logging
import pickle
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from distributed.utils import offload

from stratum_dask.errors import ConfigError
from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission
from stratum_dask.optimizations.stored import Offer
from stratum_dask.scheduler_plugins.store.environment import entry_key, environment
from stratum_dask.scheduler_plugins.store.figures import StoreFigures
from stratum_dask.scheduler_plugins.store.flushing import FLUSH
from stratum_dask.scheduler_plugins.store.loading import READ, RECIPE, Load
from stratum_dask.scheduler_plugins.store.options import Options, options
from stratum_dask.scheduler_plugins.store.problems import HAPPENED, REMEDIES, StoreError
from stratum_dask.scheduler_plugins.store.recipes import Recipes
from stratum_dask.scheduler_plugins.store.store import Store
from stratum_dask.scheduler_plugins.store.writer import Writer

if TYPE_CHECKING:
    from distributed import Scheduler

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["StoreService"]

logger = logging.getLogger("stratum_dask")

T = TypeVar("T")
_STAYS = frozenset({"newer", "denied", "environment", "untrusted"})
"""Failures after which a file is left to whoever has put it there."""


class StoreService:
    """The store of one scheduler.

    Attributes
    ----------
    store
        Its entries.
    recipes
        How to compute what is read from it.
    writer
        Has workers write what is worth it.
    """

    def __init__(
        self,
        plugin: StratumPlugin,
        scheduler: Scheduler,
        store: Store,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.store = store
        # Not Dask's own thread, which messages wait for.
        self._pool = pool
        self.recipes = Recipes()
        self.writer = Writer(plugin, scheduler, self)
        self._plugin = plugin
        self._scheduler = scheduler
        self._bad: set[str] = set()
        self._said: set[str] = set()
        self._hits: deque[str] = deque()
        self._bytes_read = 0
        self._closed = False
        self.failures = 0

    @classmethod
    async def open(
        cls, plugin: StratumPlugin, scheduler: Scheduler
    ) -> StoreService | None:
        """The store that the configuration names, or None; never fails."""
        store: Store | None = None
        loop = asyncio.get_running_loop()
        pool = ThreadPoolExecutor(1, thread_name_prefix="stratum-store")
        act = functools.partial(_opened, plugin.say_once)
        try:
            chosen = options()
            if chosen.url is None:
                return None
            store, size = await loop.run_in_executor(pool, act, chosen)
        except (ConfigError, StoreError) as e:
            plugin.say_once(f"{e}\nUntil that is mended, no results are stored.")
            return None
        except Exception as e:  # noqa: BLE001 file systems fail in ways of their own
            plugin.say_once(
                f"the store cannot be opened: {type(e).__name__}: {e}. Until that is "
                "mended, no results are stored; `dask stratum store info` tries again."
            )
            return None
        finally:
            if store is None:
                pool.shutdown(wait=False)
        assert store is not None
        if (why := store.entries.why_no_pickles()) and chosen.pickle == "private":
            plugin.say_once(
                f"the store {store.url} is used without pickles ({why}): models and "
                f"other objects are not stored. To mend it: {REMEDIES['untrusted']}."
            )
        service = cls(plugin, scheduler, store, pool)
        service.writer.known.seen(dict(store.rows()), size)
        scheduler.handlers[RECIPE] = service.recipe
        scheduler.handlers[FLUSH] = service.writer.flush
        service.writer.start()
        return service

    async def before_close(self) -> None:
        """Write what is worth it while there are workers that have it."""
        if seconds := self.store.options.flush:
            await self.writer.flush(seconds)

    async def close(self) -> None:
        """Let go of what is open, once."""
        if self._closed:
            return
        self._closed = True
        self.writer.stop()
        for name in (RECIPE, FLUSH):
            self._scheduler.handlers.pop(name, None)
        self.recipes.clear()
        await self.run(self._close)
        self._pool.shutdown(wait=False)

    def _close(self) -> None:
        self.remember()
        self.store.close()

    async def run(self, act: Callable[..., T], *arguments: Any) -> T:
        """Do what waits for a disk or a network, in the thread for that."""
        loop = asyncio.get_running_loop()
        try:
            done = loop.run_in_executor(self._pool, act, *arguments)
        except RuntimeError:  # a program that ends: Python stops all pools first
            return act(*arguments)
        return await done

    def figures(self) -> StoreFigures:
        """The state at this moment; asks neither disk nor index."""
        known = self.writer.known
        return StoreFigures(
            url=self.store.url,
            entries=known.entries,
            bytes=known.bytes,
            hits=self._plugin.total.stored,
            bytes_read=self._bytes_read,
            written=known.written,
            bytes_written=known.bytes_written,
            seconds_saved=self._plugin.total.store_seconds,
            failures=self.failures,
        )

    # -- a graph that arrives ------------------------------------------------

    def offer(self, submission: Submission) -> None:
        """Tell a graph what is stored. Not in the event loop."""
        # As they were a moment ago: a graph waits for no disk, and for no network.
        rows = self.writer.known.rows
        if not rows:
            return
        here, chosen = environment(), self.store.options
        works = set(submission.fingerprints.values())
        for inside in submission.inside().values():
            works.update(inside.values())
        found: dict[bytes, Offer] = {}
        for work in works:
            entry = entry_key(work, here)
            row = rows.get(entry)
            if row is None or entry in self._bad:
                continue
            load = self.store.bandwidth.seconds(row.format, row.nbytes)
            if load < row.seconds:
                get = Load(
                    work, entry, self.store.url, chosen.pickle, chosen.compression
                )
                found[work] = Offer(get, load, row.seconds, row.own)
        submission.stored = found

    def settle(self, submission: Submission) -> None:
        """Find out how to make again what a graph takes from outside."""
        outside = submission.fingerprints.keys() - submission.tasks.keys()
        if submission.stored and outside:
            found, lost = self.recipes.beyond(outside, self._scheduler.tasks)
            submission.beyond, submission.only_here = found, lost

    def expect(
        self,
        submission: Submission,
        everywhere: Mapping[str, Any] | None,
        by_type: Mapping[str, Mapping[Key, Any]],
    ) -> None:
        """Be ready to say how to compute what a graph reads."""
        self.recipes.keep(self._scheduler.tasks)
        self.recipes.add(submission, everywhere, by_type)

    async def recipe(
        self, fingerprint: bytes, entry: str, kind: str, detail: str, worker: str
    ) -> dict[str, Any]:
        """Tell a worker that could not read a result how to compute it."""
        for key in self.recipes.users(fingerprint):
            # Equal work is on its way, which must not be told to wait for this.
            self._plugin.registry.expose(key, None)
        with suppress(Exception):  # somebody waits for an answer
            self.fail(kind, detail, worker, entry)
        found = self.recipes.find(fingerprint)
        if found is None:
            # Then nobody waits for it any more.
            return {"recipe": b""}
        name = f"stratum-again-{uuid.uuid4().hex}"
        return {"recipe": await offload(_pickled, found, name)}

    # -- what workers tell ----------------------------------------------------

    def told(self, message: Mapping[str, Any]) -> None:
        """Take in an event of the topic ``stratum``."""
        if message.get("action") != READ or "worker" not in message:
            return
        seconds, nbytes = float(message["seconds"]), int(message["bytes"])
        row = self.writer.known.rows.get(message["entry"])
        saved = 0.0 if row is None else max(0.0, row.seconds - seconds)
        self._bytes_read += nbytes
        self._plugin.total.reads(str(message["function"]), saved)
        self.store.bandwidth.learn(str(message["format"]), nbytes, seconds)
        self._hits.append(message["entry"])

    def fail(self, kind: str, detail: str, worker: str = "", entry: str = "") -> None:
        """Count what could not be read or written, and say so once."""
        self.failures += 1
        where = f" on {worker}" if worker else ""
        remedy = REMEDIES[kind]
        if kind not in self._said:
            self._said.add(kind)
            logger.warning(
                "stratum's store %s: %s%s (%s). Results are right, and computed where "
                "they cannot be read. What to do: %s. This is said once.",
                self.store.url,
                HAPPENED.get(kind, f"an entry is {kind}"),
                where,
                detail,
                remedy,
            )
        self._scheduler.log_event(
            "stratum",
            {
                "action": "store-failure",
                "entry": entry,
                "kind": kind,
                "detail": detail,
                "on": worker,
            },
        )
        if entry:
            self._bad.add(entry)
            if kind not in _STAYS:
                asyncio.get_running_loop().create_task(self._remove(entry))

    async def _remove(self, entry: str) -> None:
        await self.run(self.store.remove, [entry])
        self.writer.known.forget(entry)
        self._bad.discard(entry)

    def remember(self) -> None:
        """Let the index know what was of use. Not in the event loop."""
        hits = [self._hits.popleft() for _ in range(len(self._hits))]
        if hits:
            self.store.catalog.hit(hits)

    def forget(self, key: Key) -> None:
        """Know that a task is gone."""
        self.recipes.drop(key)
        self.writer.forget(key)


def _opened(say: Callable[[str], None], chosen: Options) -> tuple[Store, int]:
    store = Store(chosen, create=True, say=say)
    return store, store.size()


def _pickled(recipe: Any, name: str) -> bytes:
    import cloudpickle

    return bytes(
        cloudpickle.dumps(recipe.packed(name), protocol=pickle.HIGHEST_PROTOCOL)
    )
