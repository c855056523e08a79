"""Has what is worth it written before a cluster closes its workers.

A `LocalCluster`, and every other cluster that starts workers itself, asks its
scheduler to retire them all, closes them, and tells the scheduler last that it is
over. Only the first of these comes while there still is something to write.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Scheduler

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["install", "uninstall"]

_RETIRE = "retire_workers"


def install(
    scheduler: Scheduler, plugin: StratumPlugin, before: Callable[[], Awaitable[Any]]
) -> None:
    """Await ``before`` when all workers of ``scheduler`` are to be retired."""
    uninstall(scheduler)
    own = scheduler.handlers.get(_RETIRE)
    if own is None:  # then `flush` is left
        return

    @functools.wraps(own)
    async def retire_workers(*args: Any, **request: Any) -> Any:
        on = scheduler.plugins.get(plugin.name) is plugin
        if on and _all(scheduler, request.get("workers"), request.get("names")):
            await before()
        return await own(*args, **request)

    retire_workers.__stratum_original__ = own  # type: ignore[attr-defined]
    scheduler.handlers[_RETIRE] = retire_workers


def uninstall(scheduler: Scheduler) -> None:
    """Put Dask's own handler back."""
    if (handler := scheduler.handlers.get(_RETIRE)) is not None:
        own = getattr(handler, "__stratum_original__", handler)
        scheduler.handlers[_RETIRE] = own


def _all(scheduler: Scheduler, workers: Any, names: Any) -> bool:
    """Whether no worker will be left.

    Examples
    --------
    >>> from types import SimpleNamespace as N
    >>> s = N(workers={"tcp://a:1": N(name=0), "tcp://b:1": N(name=1)})
    >>> _all(s, ["tcp://a:1", 1], None), _all(s, ["tcp://a:1"], None), _all(s, None, [0])
    (True, False, False)
    """
    # Clusters give the names that they have given, for addresses.
    gone = {str(w) for w in (*(workers or ()), *(names or ()))}
    return bool(gone) and all(
        at in gone or str(ws.name) in gone for at, ws in scheduler.workers.items()
    )
