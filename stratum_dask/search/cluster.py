"""Run candidates on a distributed scheduler, also one inside this process."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from distributed import Future

from stratum_dask.activation import enabled
from stratum_dask.config import settings
from stratum_dask.errors import StratumWarning
from stratum_dask.search.candidate import Candidate, Cost
from stratum_dask.search.overseer import Overseer, Seen, look, settle
from stratum_dask.search.places import connect
from stratum_dask.search.slots import end_process, write_off
from stratum_dask.search.watch import Watch

__all__ = ["ClusterEngine"]

Ended = Callable[[Candidate, Any, BaseException | None], None]


class ClusterEngine:
    """Sends graphs, follows their outputs, frees slots.

    Parameters
    ----------
    place
        See `places.resolve`.
    workers
        Threads or processes of a cluster of its own.
    ended
        Called with (candidate, value, error), from another thread.
    """

    def __init__(self, place: Any, workers: int | None, ended: Ended) -> None:
        self.name = f"stratum-search-{uuid.uuid4().hex[:12]}"
        self.ended = ended
        client, self.cluster = connect(place, workers)
        self.client: Any = client
        self.futures: dict[Candidate, Future[Any]] = {}
        self.keys: dict[Candidate, Any] = {}
        self.hanging = 0
        try:
            self._register()
        except BaseException:
            self.close()
            raise

    def _register(self) -> None:
        from stratum_dask.scheduler_plugins import StratumPlugin

        self.overseen = True
        try:
            if settings().distributed == "auto":
                self.client.register_plugin(StratumPlugin())
            self.client.register_plugin(
                Overseer(self.name, self.client.id), name=self.name
            )
            self.client.register_plugin(Watch(self.name), name=self.name)
        except Exception as e:  # noqa: BLE001 whatever the scheduler raised
            self.overseen = False
            warnings.warn(
                f"the scheduler at {self.client.scheduler.address} can't load "
                f"stratum-dask ({type(e).__name__}: {e}), so equal work of candidates "
                "is not merged, their costs are not known, and time-outs and memory "
                "limits are not enforced. Install stratum-dask where the scheduler "
                "and the workers run.",
                StratumWarning,
                stacklevel=2,
            )

    def send(
        self, candidates: Sequence[Candidate], collections: Sequence[Any], **given: Any
    ) -> None:
        """Send one graph for all ``collections`` of one kind.

        Dask gives the results of several kinds back in another order than it was asked
        for them (2026.8 does).
        """
        kinds: dict[type, list[tuple[Candidate, Any]]] = {}
        for pair in zip(candidates, collections, strict=True):
            kinds.setdefault(type(pair[1]), []).append(pair)
        for pairs in kinds.values():
            with self._plugin():
                alike = [collection for _, collection in pairs]
                futures = self.client.compute(alike, sync=False, **given)
            for (candidate, _), future in zip(pairs, futures, strict=True):
                self.futures[candidate] = future
                self.keys[candidate] = future.key
                asyncio.run_coroutine_threadsafe(
                    self._follow(candidate, future), self.client.loop.asyncio_loop
                )

    @contextlib.contextmanager
    def _plugin(self) -> Iterator[None]:
        """The plugin is on for what is sent here, whatever the program's own is."""
        if settings().distributed == "client":
            with enabled():
                yield
        elif self.overseen:  # the scheduler rewrites, told what is declared here
            from stratum_dask.seams.client_send import told

            with told(None):
                yield
        else:
            yield

    async def _follow(self, candidate: Candidate, future: Future[Any]) -> None:
        value, error = None, None
        try:
            value = await self.client.gather(future, asynchronous=True)
        except BaseException as e:  # noqa: BLE001 the candidate's own
            error = e
        if self.futures.get(candidate) is future:
            self.ended(candidate, value, error)
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            raise error

    def drop(self, candidate: Candidate) -> None:
        """Let go of what only this candidate needs. Nothing is taken from others."""
        future = self.futures.pop(candidate, None)
        if future is not None:
            future.release()

    def settle(self, candidates: Sequence[Candidate]) -> list[Cost]:
        """What ``candidates`` have cost, in the order in which they ended."""
        if self.overseen:
            keys = [self.keys[candidate] for candidate in candidates]
            costs = self.client.run_on_scheduler(settle, name=self.name, outputs=keys)
            if costs is not None:
                return list(costs)
        return [Cost()] * len(candidates)

    def look(self) -> Seen | None:
        """Who is over the limits, and what runs for nobody."""
        if not self.overseen:
            return None
        limits: dict[Any, tuple[float | None, int | None]] = {}
        for c in self.futures:
            if c.timeout is not None or c.memory_limit is not None:
                other = limits.get(self.keys[c], (None, None))
                limits[self.keys[c]] = (
                    _least(c.timeout, other[0]),
                    _least(c.memory_limit, other[1]),
                )
        seen: Seen | None = self.client.run_on_scheduler(
            look, name=self.name, limits=limits
        )
        return seen

    def free(self, strays: Sequence[tuple[Any, str, str | None]]) -> None:
        """Free the slots of tasks that run for nobody."""
        by_worker: dict[tuple[str, str | None], list[Any]] = {}
        for key, worker, nanny in strays:
            by_worker.setdefault((worker, nanny), []).append(key)
        for (worker, nanny), keys in by_worker.items():
            if nanny is not None:
                self.client.run_on_scheduler(_condemn, name=self.name, worker=worker)
                self.client.run(
                    end_process,
                    worker,
                    workers=[worker],
                    nanny=True,
                    wait=False,
                    on_error="ignore",
                )
            else:
                counts = self.client.run(
                    write_off, keys, workers=[worker], on_error="ignore"
                )
                self.hanging = max(self.hanging, *counts.values(), 0)

    def close(self) -> None:
        """Leave the scheduler as it was, and end a cluster of our own."""
        for candidate in list(self.futures):
            self.drop(candidate)
        with contextlib.suppress(Exception):  # the scheduler may be gone
            if self.overseen:
                self.client.unregister_worker_plugin(self.name)
                self.client.unregister_scheduler_plugin(self.name)
        with contextlib.suppress(Exception):
            self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def _least(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else min(one, other)


def _condemn(dask_scheduler: Any, name: str, worker: str) -> None:
    plugin = dask_scheduler.plugins.get(name)
    if plugin is not None:
        plugin.condemned.add(worker)
