"""Which of the kept results go, so that the rest fits."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from stratum_dask.scheduler_plugins.retention.pins import Kept, size

if TYPE_CHECKING:
    from distributed.scheduler import TaskState, WorkerState

__all__ = ["victims"]


def victims(
    alone: Mapping[TaskState, Kept],
    score: Callable[[TaskState, Kept], float],
    budget: int,
    most: int,
    short: dict[WorkerState, int],
) -> Iterator[tuple[TaskState, float | None]]:
    """Yield what is worth least until the rest fits, with its score.

    The score is None where it did not decide: where a worker needs its memory.

    Parameters
    ----------
    alone
        Results that nobody else needs.
    score
        What one is worth; it rises when one that it is made of has been yielded. Only
        of those that seem to be worth least it is asked anew.
    budget, most
        Bytes, and number of task states, that may stay.
    short
        Worker -> bytes that it needs back.
    """
    excess = sum(map(size, alone)) - budget
    crowd = sum(one.states for one in alone.values()) - most
    if excess <= 0 and crowd <= 0 and not short:
        return
    tasks = list(alone)
    heap = [(one.score, i) for i, one in enumerate(alone.values())]
    heapq.heapify(heap)
    while heap and (excess > 0 or crowd > 0 or short):
        was, i = heapq.heappop(heap)
        ts = tasks[i]
        crowded = short.keys() & (ts.who_has or set())
        over = excess > 0 or crowd > 0
        if not over and not crowded:
            continue
        now = score(ts, alone[ts])
        if now > was and heap and now > heap[0][0]:
            heapq.heappush(heap, (now, i))
            continue
        excess -= size(ts)
        crowd -= alone[ts].states
        for ws in crowded:
            short[ws] -= ts.nbytes
            if short[ws] <= 0:
                del short[ws]
        yield ts, now if over else None
