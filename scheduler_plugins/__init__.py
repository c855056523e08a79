"""What runs on the scheduler: ``dask scheduler --preload stratum_dask.scheduler_plugins``.

The plugin is imported when it is first used: workers read what is stored, and need no
more of this package than that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Scheduler

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["StratumPlugin", "dask_setup"]


async def dask_setup(scheduler: Scheduler) -> None:
    """Called by Dask for each scheduler that preloads this module."""
    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

    await scheduler.register_scheduler_plugin(StratumPlugin(), idempotent=True)


def __getattr__(name: str) -> Any:
    if name != "StratumPlugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.plugin").StratumPlugin
