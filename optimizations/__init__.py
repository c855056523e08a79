"""The optimizer: an ordered tuple of rules, each from graph to graph.

Everything is imported when it is first used: a worker that unpickles a task which
isolates its arguments needs `stratum_dask.optimizations.private` and no more.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stratum_dask.optimizations.driver import Observer, optimize
    from stratum_dask.optimizations.optimizer import RULES, configured
    from stratum_dask.optimizations.rule import Rule
    from stratum_dask.optimizations.submission import Submission
    from stratum_dask.optimizations.verdict import Effect, Refused, Role, Verdict

_HOMES = {
    "RULES": "optimizer",
    "Effect": "verdict",
    "Observer": "driver",
    "Refused": "verdict",
    "Role": "verdict",
    "Rule": "rule",
    "Submission": "submission",
    "Verdict": "verdict",
    "configured": "optimizer",
    "optimize": "driver",
}

__all__ = [
    "RULES",
    "Effect",
    "Observer",
    "Refused",
    "Role",
    "Rule",
    "Submission",
    "Verdict",
    "configured",
    "optimize",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
