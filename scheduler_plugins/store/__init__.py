"""Results that outlive their cluster: files, an index, and when to use them.

Everything is imported when it is first used: workers need no more than what reads.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stratum_dask.scheduler_plugins.store.figures import StoreFigures
    from stratum_dask.scheduler_plugins.store.flushing import flush
    from stratum_dask.scheduler_plugins.store.service import StoreService

_HOMES = {"StoreFigures": "figures", "StoreService": "service", "flush": "flushing"}

__all__ = ["StoreFigures", "StoreService", "flush"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
