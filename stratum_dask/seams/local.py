"""The seam into Dask's local schedulers: threads, synchronous, processes, executors.

All of them end in `dask.local.get_async`, which is wrapped. (A callback would be
the public way, but Dask runs a global callback for one of two overlapping
computations only.)

Put in while Dask is being imported, so this module needs nothing of Dask; what
does the work is imported by the first computation with the plugin on.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import wrapt

from stratum_dask.config import enabled
from stratum_dask.seams import processes

__all__ = ["install", "installed", "uninstall"]

_MODULES = ("dask.local", "dask.threaded", "dask.multiprocessing")

Get = Callable[..., Any]


def install() -> None:
    """Wrap ``get_async`` wherever Dask has it by now."""
    if not installed():
        original = sys.modules["dask.local"].get_async
        _replace(original, _wrap(original))
        wrapt.when_imported("dask.multiprocessing")(processes.install)


def uninstall() -> None:
    """Put Dask's own function back."""
    if installed():
        wrapper = sys.modules["dask.local"].get_async
        _replace(wrapper, wrapper.__stratum_original__)
        processes.uninstall()


def installed() -> bool:
    """Whether the wrapper is in place."""
    local = sys.modules.get("dask.local")
    return hasattr(getattr(local, "get_async", None), "__stratum_original__")


def _replace(old: Get, new: Get) -> None:
    for name in _MODULES:
        module = sys.modules.get(name)
        if module is not None and getattr(module, "get_async", None) is old:
            module.get_async = new  # type: ignore[attr-defined]


def _wrap(original: Get) -> Get:
    @functools.wraps(original)
    def get_async(
        submit: Any, num_workers: int, dsk: Any, result: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if not enabled():
            return original(submit, num_workers, dsk, result, *args, **kwargs)
        from stratum_dask.seams.local_run import run

        return run(
            functools.partial(original, submit, num_workers), dsk, result, args, kwargs
        )

    get_async.__stratum_original__ = original  # type: ignore[attr-defined]
    return get_async
