"""Where a search runs: which scheduler is meant, and one of its own where none is."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import dask
from dask.system import CPU_COUNT

from stratum_dask.search.errors import SearchError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["INLINE", "connect", "resolve"]

INLINE = "sync"
_WORDS = {
    "threads": "threads",
    "threading": "threads",
    "processes": "processes",
    "multiprocessing": "processes",
    "sync": INLINE,
    "synchronous": INLINE,
    "single-threaded": INLINE,
}


def resolve(scheduler: Any) -> Any:
    """What ``scheduler=`` means: a word of ours, an address, a client or a cluster.

    Examples
    --------
    >>> resolve("synchronous"), resolve("tcp://127.0.0.1:8786")
    ('sync', 'tcp://127.0.0.1:8786')
    >>> with dask.config.set(scheduler="processes"):
    ...     resolve(None)
    'processes'
    """
    if scheduler is None:
        module = sys.modules.get("distributed.client")
        client = None if module is None else module._get_global_client()
        if client is not None:
            return client
        scheduler = dask.config.get("scheduler", None) or "threads"
        if not isinstance(scheduler, str) or scheduler not in _WORDS:
            scheduler = "threads"
    if not isinstance(scheduler, str):
        if hasattr(scheduler, "scheduler_address") or hasattr(scheduler, "scheduler"):
            return scheduler
    elif scheduler.lower() in _WORDS:
        return _WORDS[scheduler.lower()]
    elif ":" in scheduler:
        return scheduler
    raise SearchError(
        f"scheduler={scheduler!r} is no place to run a search; valid: 'threads', "
        "'processes', 'sync', the address of a scheduler ('tcp://host:8786'), a "
        "distributed Client or a cluster such as LocalCluster"
    )


def _own_cluster(**options: Any) -> Any:
    from distributed import LocalCluster, SpecCluster

    class OwnCluster(LocalCluster):
        def _update_worker_status(self, op: str, msg: Any) -> None:
            # Not what SpecCluster does besides: give up a worker, and whatever it
            # runs by then, that was lost twice or takes long to start anew.
            above: Any = super(SpecCluster, self)
            above._update_worker_status(op, msg)

    made: Any = OwnCluster
    return made(**options)


def connect(place: Any, workers: int | None) -> tuple[Client, Any]:
    """A client of the search's own, and the cluster that it has to close, or None."""
    from distributed import Client

    cluster = None
    if place in ("threads", "processes"):
        workers = workers or dask.config.get("num_workers", None) or CPU_COUNT or 1
        counts = (
            {"n_workers": 1, "threads_per_worker": workers, "memory_limit": 0}
            if place == "threads"
            else {"n_workers": workers, "threads_per_worker": 1}
        )
        # Who has killed a worker twice is not tried a third time; no worker gets more
        # tasks than it has threads, so that it is known who ran in one that died.
        own = {
            "distributed.scheduler.allowed-failures": 1,
            "distributed.scheduler.worker-saturation": 1.0,
        }
        with dask.config.set(own):
            cluster = place = _own_cluster(
                processes=place == "processes",
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                **counts,
            )
    address = security = None
    if isinstance(place, str):
        address = place
    elif hasattr(place, "scheduler_address"):  # a cluster
        address, security = place.scheduler_address, place.security
    else:  # a client
        address, security = place.scheduler.address, place.security
    try:
        client = Client(address, security=security, set_as_default=False)
    except OSError as e:
        raise SearchError(
            f"there is no scheduler at {address}: {e}. Start one (`dask scheduler`), "
            "or leave scheduler= out to run on threads of this process."
        ) from e
    return client, cluster
