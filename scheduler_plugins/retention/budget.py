"""How much may be kept, and which workers need their memory for something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.config
from distributed.metrics import time

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import WorkerState

__all__ = ["Pressure", "budget_of"]

_BEFORE = 0.9
"""Give way at this part of what a worker begins to spill at."""
_CALM = 30.0
"""After so many seconds half of a peak is forgotten."""


def budget_of(scheduler: Scheduler, wanted: float) -> int:
    """How many bytes may be kept.

    Parameters
    ----------
    wanted
        A float is a fraction of the memory of all workers; those without a limit
        count nothing. An int is bytes.
    """
    if isinstance(wanted, int):
        return wanted
    return int(wanted * sum(ws.memory_limit or 0 for ws in scheduler.workers.values()))


class Pressure:
    """Finds workers that run short of memory.

    What is not managed by Dask counts, too: the interpreter, libraries, and what tasks
    hold while they run. The last comes and goes, so what was there at the worst lately
    is left free.
    """

    def __init__(self) -> None:
        self._peaks: dict[str, tuple[float, float]] = {}

    def short(self, scheduler: Scheduler) -> dict[WorkerState, int]:
        """Worker -> how many bytes it needs back, for those that need any."""
        high = _BEFORE * _first_step()
        found: dict[WorkerState, int] = {}
        for address in self._peaks.keys() - scheduler.workers.keys():
            del self._peaks[address]
        for ws in scheduler.workers.values():
            if ws.memory_limit:
                over = self._used(ws) - high * ws.memory_limit
                if over > 0:
                    found[ws] = int(over) + 1
        return found

    def _used(self, ws: WorkerState) -> float:
        metrics = ws.metrics
        spilled = metrics.get("spilled_bytes", {}).get("memory", 0)
        # As the worker saw it: what has been freed since is in both or in neither.
        managed = metrics.get("managed_bytes", 0) - spilled
        unmanaged = max(0.0, metrics.get("memory", 0) - managed)
        now = time()
        peak, at = self._peaks.get(ws.address, (0.0, now))
        peak = max(unmanaged, peak * 0.5 ** ((now - at) / _CALM))
        self._peaks[ws.address] = peak, now
        return float(max(0, ws.nbytes - spilled) + peak)


def _first_step() -> float:
    """The part of its memory at which a worker first does something about it."""
    steps = (
        dask.config.get(f"distributed.worker.memory.{name}", False)
        for name in ("target", "spill", "pause")
    )
    return min((float(s) for s in steps if s), default=1.0)
