"""What can become of a candidate besides its own errors."""

from __future__ import annotations

from stratum_dask.errors import StratumError

__all__ = [
    "CandidateError",
    "CandidateMemoryError",
    "CandidateTimeout",
    "OverBudget",
    "SearchError",
    "SlotsStuck",
]


class SearchError(StratumError):
    """Something that a search can't do, and what it can do instead."""


class CandidateError(SearchError):
    """Why a candidate has no value, where its own code raised nothing."""


class CandidateTimeout(CandidateError, TimeoutError):
    """A candidate's tasks ran longer than it was given."""


class CandidateMemoryError(CandidateError, MemoryError):
    """A candidate's tasks took more memory than it was given."""


class OverBudget(CandidateError):
    """The whole search has used up its seconds or its number of candidates."""


class SlotsStuck(CandidateError):
    """Too many threads hang in candidates that were given up."""
