"""Asks workers to write: those that have this package and the same libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from distributed.protocol.pickle import dumps
from distributed.protocol.serialize import Serialize, deserialize

from stratum_dask.scheduler_plugins.store.environment import differences, environment
from stratum_dask.scheduler_plugins.store.writing import WRITE, install

if TYPE_CHECKING:
    from distributed import Scheduler

__all__ = ["Workers"]


class Workers:
    """The workers of one scheduler, as far as they can write.

    Parameters
    ----------
    scheduler
        The scheduler.
    fail
        Told the kind of what is wrong, in one line what it is, and where.

    Attributes
    ----------
    mixed
        Whether one was seen that has other libraries. What it has computed may be in
        any result by now, so that nothing is written any more.
    """

    def __init__(
        self, scheduler: Scheduler, fail: Callable[[str, str, str], None]
    ) -> None:
        self._scheduler = scheduler
        self._fail = fail
        self._can: dict[str, bool] = {}
        self.mixed = False

    def may(self, worker: str) -> bool:
        """Whether it makes sense to ask a worker."""
        return self._can.get(worker, True)

    async def write(self, worker: str, **request: Any) -> dict[str, Any]:
        """Have a worker write; say what became of it, nothing if it cannot."""
        known = self._can.get(worker)
        if known is None:
            known = self._can[worker] = await self._install(worker)
            for gone in self._can.keys() - self._scheduler.workers.keys():
                del self._can[gone]
        if not known or self.mixed:
            return {}
        ask = getattr(self._scheduler.rpc(worker), WRITE)
        found: dict[str, Any] = await ask(**request)
        return found

    async def _install(self, worker: str) -> bool:
        reply = await self._scheduler.rpc(worker).run(function=dumps(install))
        if reply.get("status") != "OK":
            self._fail(
                "absent", "it does not know this version of stratum-dask", worker
            )
            return False
        sent = reply["result"]  # which a scheduler does not read unasked
        if isinstance(sent, Serialize):  # a worker in this process: as it is
            theirs = sent.data
        else:
            theirs = deserialize(sent.header, sent.frames)
        if differs := differences(environment(), theirs):
            self.mixed = True
            self._fail("mixed", differs, worker)
        return not self.mixed
