"""The seam into Dask's scheduler of processes: what it is given, before it optimizes.

That scheduler hands a plain graph on to `dask.local.get_async`, and by then the
annotations of the layers are lost. So what came in is remembered meanwhile.

Put in while Dask is being imported, so this module needs nothing of Dask.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from stratum_dask.config import enabled

__all__ = ["given", "install", "uninstall"]

Get = Callable[..., Any]

_given: ContextVar[Any] = ContextVar("stratum_given", default=None)


def given() -> Any:
    """The expression or graph that is being computed in processes, or None."""
    return _given.get()


def install(module: Any) -> None:
    """Wrap ``dask.multiprocessing.get``."""
    original = getattr(module, "get", None)
    if original is not None and not hasattr(original, "__stratum_original__"):
        _replace(module, original, _wrap(original))


def uninstall() -> None:
    """Put Dask's own function back."""
    module = sys.modules.get("dask.multiprocessing")
    wrapper: Any = getattr(module, "get", None)
    if hasattr(wrapper, "__stratum_original__"):
        _replace(module, wrapper, wrapper.__stratum_original__)


def _replace(module: Any, old: Get, new: Get) -> None:
    module.get = new
    named = getattr(sys.modules.get("dask.base"), "named_schedulers", {})
    for name, get in named.items():
        if get is old:
            named[name] = new


def _wrap(original: Get) -> Get:
    @functools.wraps(original)
    def get(dsk: Any, *args: Any, **kwargs: Any) -> Any:
        if not enabled():
            return original(dsk, *args, **kwargs)
        token = _given.set(dsk)
        try:
            return original(dsk, *args, **kwargs)
        finally:
            _given.reset(token)

    get.__stratum_original__ = original  # type: ignore[attr-defined]
    return get
