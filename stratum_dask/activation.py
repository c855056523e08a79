"""Switching on and off, without a line of the user's code or with one.

Dask calls `register` through the documented entry point group ``dask.sizeof``
whenever it is imported. At that moment Dask itself is half imported, so the seams
are put in when the modules they belong to appear. Off, which is the default, a seam
costs one look at the configuration.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask.config
import wrapt

from stratum_dask.config import enabled as _enabled
from stratum_dask.errors import StratumWarning

__all__ = ["disable", "enable", "enabled", "installed", "register"]

PRELOAD = "stratum_dask.scheduler_plugins"
_SEAMS = {
    "dask.local": "stratum_dask.seams.local",
    "distributed.client": "stratum_dask.seams.client",
}
# Imported after all of `dask.local`, even where that one has led to us.
_LATER = "dask.delayed"
_registered = False


def register(sizeof: Any = None) -> None:
    """Prepare the seams; called by Dask through its ``dask.sizeof`` entry point."""
    global _registered
    if _registered:
        return
    _registered = True
    for module, seam in _SEAMS.items():
        wrapt.when_imported(module)(functools.partial(_install, seam))
    if _enabled():
        _preload()


def _install(seam: str, module: Any) -> None:
    if module.__name__ == "dask.local" and not hasattr(module, "get_async"):
        # Dask 2025 asks for its plugins in the middle of this very import.
        wrapt.when_imported(_LATER)(functools.partial(_install, seam))
        return
    try:
        __import__(seam)
        sys.modules[seam].install()
    except Exception as e:  # noqa: BLE001 `import dask` must go on
        warnings.warn(
            f"stratum does not fit this version of Dask and steps aside: "
            f"{type(e).__name__}: {e}. Your program runs as if it were not "
            "installed. `dask stratum doctor` tells which versions fit.",
            StratumWarning,
            stacklevel=2,
        )


def _preload() -> None:
    """Let every scheduler that this process starts load the plugin.

    Written to the configuration itself and not to its defaults, over which
    distributed's own would win.
    """
    names = dask.config.get("distributed.scheduler.preload", None) or []
    names = [names] if isinstance(names, str) else list(names)
    if PRELOAD not in names:
        dask.config.set({"distributed.scheduler.preload": [*names, PRELOAD]})


def installed() -> dict[str, bool]:
    """Which seams are in place in this process."""
    found = {}
    for module, seam in _SEAMS.items():
        loaded = sys.modules.get(seam)
        found[module] = loaded is not None and bool(loaded.installed())
    return found


def enable() -> None:
    """Switch the plugin on for this process.

    The same as ``dask.config.set({"stratum.enabled": True})``.

    Examples
    --------
    >>> import stratum_dask
    >>> stratum_dask.enable()
    >>> stratum_dask.disable()
    """
    register()
    dask.config.set({"stratum.enabled": True})


def disable() -> None:
    """Switch the plugin off for this process."""
    dask.config.set({"stratum.enabled": False})


@contextmanager
def enabled(on: bool = True) -> Iterator[None]:
    """Switch the plugin on, or off, inside a ``with`` block.

    Examples
    --------
    >>> import dask, stratum_dask
    >>> with stratum_dask.enabled():
    ...     dask.compute(dask.delayed(abs)(-1))
    (1,)
    """
    register()
    with dask.config.set({"stratum.enabled": on}):
        yield
