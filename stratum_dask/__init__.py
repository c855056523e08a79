"""Run equal work once: a plugin for existing Dask projects.

Everything is imported when it is first used, because Dask imports this package
while it is being imported itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# First of all: importing Dask calls our entry point, which needs this package whole.
import dask  # noqa: F401

if TYPE_CHECKING:
    from stratum_dask.activation import disable, enable, enabled
    from stratum_dask.errors import (
        AnnotationError,
        ConfigError,
        RuleError,
        StratumError,
        StratumWarning,
    )
    from stratum_dask.explanation import Explanation, explain
    from stratum_dask.frontends.skrub.plans import from_skrub
    from stratum_dask.optimizations.purity.declared import batch, impure, pure
    from stratum_dask.reporting import Report, report
    from stratum_dask.search.search import Search

__version__ = "0.1.0"

_HOMES = {
    "disable": "activation",
    "enable": "activation",
    "enabled": "activation",
    "AnnotationError": "errors",
    "ConfigError": "errors",
    "RuleError": "errors",
    "StratumError": "errors",
    "StratumWarning": "errors",
    "Explanation": "explanation",
    "explain": "explanation",
    "from_skrub": "frontends.skrub.plans",
    "batch": "optimizations.purity.declared",
    "impure": "optimizations.purity.declared",
    "pure": "optimizations.purity.declared",
    "Report": "reporting",
    "report": "reporting",
    "Search": "search.search",
}

__all__ = [
    "AnnotationError",
    "ConfigError",
    "Explanation",
    "Report",
    "RuleError",
    "Search",
    "StratumError",
    "StratumWarning",
    "batch",
    "disable",
    "enable",
    "enabled",
    "explain",
    "from_skrub",
    "impure",
    "pure",
    "report",
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
