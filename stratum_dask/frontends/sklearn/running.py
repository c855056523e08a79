"""Where the tasks of a search run, and with how many threads."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import dask
import dask.config
import dask.threaded
import joblib
from dask.base import get_scheduler
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.local import get_sync
from threadpoolctl import ThreadpoolController

from stratum_dask.frontends.sklearn.builder import Ref
from stratum_dask.frontends.sklearn.work import INSIDE
from stratum_dask.graph import Graph, Task, reference

__all__ = ["Place", "compute", "delayed_of", "place"]


class Place:
    """Where to compute.

    Parameters
    ----------
    jobs
        How many tasks at one time; None where Dask's configuration, or a client,
        decides.
    """

    def __init__(self, jobs: int | None) -> None:
        self.jobs = jobs

    @property
    def local(self) -> bool:
        """Whether ``n_jobs`` decides, and nobody has set a scheduler."""
        return self.jobs is not None

    @property
    def ordered(self) -> bool:
        """Whether it is all done by the thread that asks for it."""
        return self.jobs == 1


def place(n_jobs: int | None) -> Place:
    """Where a search with this ``n_jobs`` computes.

    A client, or a scheduler set in Dask's configuration, comes first. Otherwise as
    many threads as scikit-learn would use processes; None means one, as it does
    there, which is the thread that asks.

    Examples
    --------
    >>> place(2).jobs, place(None).ordered
    (2, True)
    """
    if INSIDE.get():
        return Place(1)
    if _chosen():
        return Place(None)
    return Place(joblib.effective_n_jobs(n_jobs))


def _chosen() -> bool:
    """Whether a scheduler is configured, or there is a client."""
    if "distributed" in sys.modules:
        return get_scheduler() is not None
    return dask.config.get("scheduler", None) is not None


def _gather(*results: Any) -> list[Any]:
    return list(results)


def delayed_of(graph: Graph, refs: list[Ref], dependencies: Any = ()) -> Delayed:
    """A Delayed of the list of these results."""
    key = f"gather-{dask.base.tokenize([str(r.key) for r in refs])}"
    layer = {**graph, key: Task(key, _gather, *[reference(r.key) for r in refs])}
    return Delayed(key, HighLevelGraph.from_collections(key, layer, dependencies))


def compute(delayed: Delayed, where: Place) -> Any:
    """Compute there."""
    if where.jobs is None:
        return delayed.compute()
    if where.jobs == 1:
        return delayed.compute(scheduler=get_sync)
    with _threads_of_libraries(where.jobs):
        return delayed.compute(scheduler=dask.threaded.get, num_workers=where.jobs)


@contextlib.contextmanager
def _threads_of_libraries(jobs: int) -> Iterator[None]:
    """Share the cores among the threads, as joblib does among its processes."""
    cores = os.cpu_count() or 1
    with ThreadpoolController().limit(limits=max(1, cores // jobs)):
        yield
