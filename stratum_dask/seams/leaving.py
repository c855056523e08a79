"""Tells the plugin of workers that leave, before Dask looks at what they have.

Dask has a hook for afterwards. By then it has decided what to compute again: all that
a client wants, and retention is a client. A worker whose results nobody can take over
would not be retired at all.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from distributed.core import Status

if TYPE_CHECKING:
    from distributed import Scheduler

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["install", "uninstall"]

logger = logging.getLogger("stratum_dask")

_METHODS = ("remove_worker", "handle_worker_status_change")
_UNREGISTER = "unregister"
"""The message of a worker that leaves, which has the first of these for a handler."""


def install(scheduler: Scheduler, plugin: StratumPlugin) -> None:
    """Wrap two methods of one scheduler, once."""
    uninstall(scheduler)
    remove, change = (getattr(scheduler, name) for name in _METHODS)

    def tell(workers: set[Any]) -> None:
        if scheduler.plugins.get(plugin.name) is not plugin:
            return
        try:
            plugin.leave(workers)
        except Exception:
            logger.warning(
                "stratum could not let go of what a worker has that leaves; please "
                "report this with the traceback below.",
                exc_info=True,
            )

    @functools.wraps(remove)
    async def remove_worker(address: str, **options: Any) -> Any:
        ws = scheduler.workers.get(scheduler.coerce_address(address))
        if ws is not None:
            tell({ws})
        return await remove(address, **options)

    @functools.wraps(change)
    def handle_worker_status_change(*args: Any, **options: Any) -> None:
        change(*args, **options)
        if not scheduler.running:  # nobody can take over what they have
            closing = Status.closing_gracefully
            gone = {ws for ws in scheduler.workers.values() if ws.status == closing}
            if gone:
                tell(gone)

    for name, method in zip(
        _METHODS, (remove_worker, handle_worker_status_change), strict=True
    ):
        method.__stratum_original__ = getattr(scheduler, name)  # type: ignore[attr-defined]
        setattr(scheduler, name, method)
    scheduler.handlers[_UNREGISTER] = remove_worker


def uninstall(scheduler: Scheduler) -> None:
    """Put Dask's own methods back."""
    for name in _METHODS:
        if hasattr(vars(scheduler).get(name), "__stratum_original__"):
            delattr(scheduler, name)
    handler = scheduler.handlers[_UNREGISTER]
    scheduler.handlers[_UNREGISTER] = getattr(handler, "__stratum_original__", handler)
