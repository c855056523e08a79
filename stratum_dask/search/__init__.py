"""One door for batches of candidates that agents hand in while others run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stratum_dask.search.candidate import Candidate
    from stratum_dask.search.errors import (
        CandidateError,
        CandidateMemoryError,
        CandidateTimeout,
        OverBudget,
        SearchError,
        SlotsStuck,
    )
    from stratum_dask.search.search import Search

_HOMES = {
    "Candidate": "candidate",
    "CandidateError": "errors",
    "CandidateMemoryError": "errors",
    "CandidateTimeout": "errors",
    "OverBudget": "errors",
    "Search": "search",
    "SearchError": "errors",
    "SlotsStuck": "errors",
}

__all__ = [
    "Candidate",
    "CandidateError",
    "CandidateMemoryError",
    "CandidateTimeout",
    "OverBudget",
    "Search",
    "SearchError",
    "SlotsStuck",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
