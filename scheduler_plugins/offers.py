"""What lives on a scheduler, and may be used by the graph that has just arrived."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins.guard import Guard, copyable
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.scheduler_plugins.strangers import leave_alone

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

__all__ = ["Offers"]

_LARGE = 8_000_000


class Offers:
    """Lets submissions use what lives.

    Parameters
    ----------
    scheduler
        Where it lives.
    registry, guard
        What it is, and who has it.
    """

    def __init__(self, scheduler: Scheduler, registry: Registry, guard: Guard) -> None:
        self._scheduler = scheduler
        self._registry = registry
        self._guard = guard

    def choose(self, submission: Submission) -> list[Key]:
        """Let ``submission`` use what lives; return the keys to keep meanwhile.

        Goes down from the outputs and stops where a result lives: what is below it
        need not live, and is not needed.
        """
        graph, tasks = submission.tasks, self._scheduler.tasks
        leave_alone(submission, self._registry, tasks)
        fingerprints, inside = submission.fingerprints, submission.inside()
        if graph.keys().isdisjoint(tasks) and not self._registry.knows_any(
            itertools.chain(
                fingerprints.values(), *(i.values() for i in inside.values())
            )
        ):
            return []
        offer = self._offer({})
        chosen: dict[bytes, Key] = {}
        seen: set[Key] = set()
        stack = list(submission.outputs)
        while stack:
            key = stack.pop()
            if key in seen or key not in graph:
                continue
            seen.add(key)
            here = tasks.get(key)
            if here is not None and here.run_spec is not None:
                # Dask itself goes by the key, and so do we: the task under this
                # key is not touched, whatever it computes.
                chosen[fingerprints[key]] = key
                continue
            if (lives := offer(fingerprints[key])) is not None:
                chosen[fingerprints[key]] = lives
                continue
            for fingerprint in inside.get(key, {}).values():
                if (lives := offer(fingerprint)) is not None:
                    chosen[fingerprint] = lives
            stack.extend(graph[key].dependencies)
        submission.live = chosen
        return list(chosen.values())

    def lent(self, key: Key) -> bool:
        """Whether the consumers of ``key`` get private handles on its result.

        They do where it is shared already, and where that costs little and fails
        never, so that others may be given the result later. Elsewhere they get the
        object itself, as in plain Dask, and nobody else is given it afterwards.
        """
        if key in self._registry.shared:
            return True
        ts = self._scheduler.tasks.get(key)
        if ts is None or self._registry.fingerprint(key) is None:
            return False
        return ts.state == "memory" and ts.nbytes <= _LARGE and copyable(ts)

    def _offer(self, known: dict[Key, bool]) -> Callable[[bytes], Key | None]:
        """Find a live key for a fingerprint that nobody writes into from here on."""

        def offer(fingerprint: bytes) -> Key | None:
            for key in self._registry.find(fingerprint):
                ts = self._scheduler.tasks.get(key)
                if ts is None or not _is_useful(ts):
                    continue
                if self._guard.keep_intact(ts, known):
                    return key
            return None

        return offer


def _is_useful(ts: TaskState) -> bool:
    if ts.run_spec is None or ts.actor:
        return False
    if ts.state in ("released", "erred") or ts.exception_blame is not None:
        return False
    return ts.state != "memory" or copyable(ts)
