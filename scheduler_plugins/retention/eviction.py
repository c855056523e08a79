"""Which of the kept results go, so that the rest fits."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from stratum_dask.scheduler_plugins.retention.pins import size

if TYPE_CHECKING:
    from distributed.scheduler import TaskState, WorkerState

__all__ = ["victims"]


def victims(
    alone: Sequence[TaskState],
    score: Callable[[TaskState], float],
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
        What one is worth; it rises when one that it is made of has been yielded.
    budget, most
        Bytes, and number of results, that may stay.
    short
        Worker -> bytes that it needs back.
    """
    excess = sum(map(size, alone)) - budget
    crowd = len(alone) - most
    if excess <= 0 and crowd <= 0 and not short:
        return
    heap = [(score(ts), i) for i, ts in enumerate(alone)]
    heapq.heapify(heap)
    while heap and (excess > 0 or crowd > 0 or short):
        was, i = heapq.heappop(heap)
        ts = alone[i]
        crowded = short.keys() & (ts.who_has or set())
        over = excess > 0 or crowd > 0
        if not over and not crowded:
            continue
        now = score(ts)
        if now > was and heap and now > heap[0][0]:
            heapq.heappush(heap, (now, i))
            continue
        excess -= size(ts)
        crowd -= 1
        for ws in crowded:
            short[ws] -= ts.nbytes
            if short[ws] <= 0:
                del short[ws]
        yield ts, now if over else None
