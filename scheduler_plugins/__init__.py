"""What runs on the scheduler: ``dask scheduler --preload stratum_dask.scheduler_plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratum_dask.scheduler_plugins.plugin import StratumPlugin

if TYPE_CHECKING:
    from distributed import Scheduler

__all__ = ["StratumPlugin", "dask_setup"]


async def dask_setup(scheduler: Scheduler) -> None:
    """Called by Dask for each scheduler that preloads this module."""
    await scheduler.register_scheduler_plugin(StratumPlugin(), idempotent=True)
