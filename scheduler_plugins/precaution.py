"""Copies ahead of time, where that is cheap, so that results can be kept.

A result whose very object went to a task that may write can be given to nobody
afterwards, and most tasks may write, for all that is known. So a task that takes long,
or gets what took long to make, is given private copies of its inputs where copying
takes next to no time and memory beside that, and where nobody counts on seeing what
it writes. Where somebody might, it gets the objects themselves, and only its result
is made an object of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratum_dask.scheduler_plugins.guard import Guard, copyable, is_atom
from stratum_dask.scheduler_plugins.registry import Registry

if TYPE_CHECKING:
    from distributed.scheduler import TaskState, WorkerState

__all__ = ["Precaution"]

SHARE = 0.03
"""Copies may take this part of the time of what they protect."""
_BYTES_PER_SECOND = 1e9
_OVERHEAD = 200e-6
"""Seconds that isolating costs at least: the wrapper, its pickle, its call."""
_MEMORY = 1 / 32
"""Copies may take this part of a worker's memory."""
_UNLIMITED = 64_000_000
_UNKNOWN = 0.5
"""Seconds that a task is taken to run of whose like none has ended, as Dask does."""
_TRIALS = 8
_MOST_USERS = 64
_RARELY = 32
"""One in so many functions that only look is given what it may not look at."""


class Precaution:
    """Decides who gets private copies although nobody shares with him yet.

    Parameters
    ----------
    registry, guard
        Know who gets what.
    min_seconds
        What takes less time is not kept, and needs no precaution.
    """

    def __init__(self, registry: Registry, guard: Guard, min_seconds: float) -> None:
        self._registry = registry
        self._guard = guard
        self._min_seconds = min_seconds
        self._tried: dict[str, int] = {}

    def made(self, ts: TaskState, worker: WorkerState | None) -> None:
        """Look after those who were waiting for ``ts`` and can run now.

        Called when a result has arrived, before Dask sends anybody on; it takes
        microseconds for each of a few.
        """
        if len(ts.dependents) > _MOST_USERS:
            return
        least, seconds = self._min_seconds, self._registry.seconds
        for user in ts.dependents:
            if user.waiting_on or user.state != "waiting":
                continue  # needs more than this, or was sent, or is not wanted
            if 0 <= user.prefix.duration_average < least:
                for need in user.dependencies:
                    if seconds.get(need.key, 0.0) >= least:
                        break
                else:
                    continue  # as nearly always, where tasks are small
            if user.key not in self._registry.harmless:
                limit = worker.memory_limit * _MEMORY if worker is not None else 0
                self._look_after(user, limit or _UNLIMITED)

    def _look_after(self, user: TaskState, limit: float) -> None:
        registry = self._registry
        needs = [d for d in user.dependencies if not is_atom(d)]
        if not needs:
            return
        expected = self._expected(user) if registry.reusable(user.key) else 0.0
        protects = expected
        for need in needs:
            seconds = registry.seconds.get(need.key, 0.0)
            if registry.reusable(need.key):
                protects = max(protects, seconds / len(need.dependents))
        if protects < self._min_seconds:
            return
        size = sum(need.nbytes for need in needs)
        looks = registry.functions.looks(user.run_spec)
        if looks:
            size //= _RARELY  # it gets the objects themselves, if they are plain data
        most = min(limit, (SHARE * protects - _OVERHEAD) * _BYTES_PER_SECOND)
        affordable = size <= most and all(map(copyable, needs))
        # Nobody counts on seeing what it writes if it writes nothing, as far as is seen.
        unseen = looks or registry.functions.quiet(user.run_spec)
        if affordable and (unseen or self._guard.is_unseen(user)):
            self._guard.isolate(user, {need.key for need in needs})
            return
        most = min(limit, (SHARE * expected - _OVERHEAD) * _BYTES_PER_SECOND)
        if expected >= self._min_seconds and most > 0:
            self._guard.let_own(user, int(most))

    def _expected(self, user: TaskState) -> float:
        """How long a task may take, by what tasks of its name took."""
        known: float = user.prefix.duration_average
        name = user.prefix.name
        if known >= 0:
            self._tried.pop(name, None)
            return known
        tried = self._tried[name] = self._tried.get(name, 0) + 1
        return _UNKNOWN if tried <= _TRIALS else 0.0

    def clear(self) -> None:
        """Forget what was tried."""
        self._tried.clear()
