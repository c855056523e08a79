"""The results that are kept: a client of our own wants them, and Dask does the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratum_dask.graph import Key
from stratum_dask.seams.cancel import KEEPER

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

__all__ = ["Kept", "Pins", "size"]


@dataclass(slots=True)
class Kept:
    """A result that is kept."""

    fingerprint: bytes
    floor: float
    """What the floor of the policy was when it was last of use."""
    used: float
    """When that was."""
    states: int = 1
    """Of how many tasks the scheduler knows only for it, at most."""
    score: float = 0.0
    """What it was worth when that was looked at last."""


class Pins:
    """What is kept on one scheduler.

    Parameters
    ----------
    scheduler
        The scheduler.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._kept: dict[Key, Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def get(self, key: Key) -> Kept | None:
        """What is known of ``key``, if it is kept."""
        return self._kept.get(key)

    def all(self) -> Iterator[tuple[Key, TaskState | None, Kept]]:
        """Everything; no task where that was lost or taken from us."""
        ours, tasks = self._scheduler.clients.get(KEEPER), self._scheduler.tasks
        for key, one in self._kept.items():
            ts = tasks.get(key)
            if ts is not None and ts.state == "memory" and ours in (ts.who_wants or ()):
                yield key, ts, one
            else:
                yield key, None, one

    def alone(self) -> Iterator[tuple[TaskState, Kept]]:
        """What nobody else needs."""
        for _, ts, one in self.all():
            if ts is not None and self.is_alone(ts):
                yield ts, one

    def is_alone(self, ts: TaskState) -> bool:
        """Whether nobody but us needs a result that we keep."""
        return not ts.waiters and len(ts.who_wants or ()) <= 1

    def pin(self, found: dict[Key, Kept]) -> None:
        """Keep some results."""
        if found:
            self._kept.update(found)
            self._scheduler.client_desires_keys(list(found), KEEPER)

    def release(self, keys: Iterable[Key]) -> None:
        """Let go of some results."""
        known = [k for k in dict.fromkeys(keys) if self._kept.pop(k, None)]
        clients = self._scheduler.clients
        if known and KEEPER in clients:
            self._scheduler.client_releases_keys(known, KEEPER)
        if not self._kept:
            clients.pop(KEEPER, None)

    def release_all(self) -> None:
        """Let go of everything."""
        self.release(list(self._kept))

    def forget(self, key: Key) -> None:
        """A task is gone."""
        self._kept.pop(key, None)

    def forget_all(self) -> None:
        """All tasks are gone."""
        self._kept.clear()
        self._scheduler.clients.pop(KEEPER, None)


def size(ts: TaskState) -> int:
    """Bytes of a result on all workers that have it."""
    return int(ts.nbytes) * len(ts.who_has or ())
