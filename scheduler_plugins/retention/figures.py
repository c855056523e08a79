"""What retention tells others about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stratum_dask.graph import Key

__all__ = ["Candidate", "RetentionFigures"]


@dataclass(frozen=True, slots=True)
class RetentionFigures:
    """The state of retention at one moment; counts are since the scheduler started."""

    results: int
    """Results that are there only because they are kept."""
    bytes: int
    """Their bytes, on all workers."""
    budget: int
    """How many bytes they may have."""
    hits: int
    """Tasks that did not run because their results had been kept."""
    seconds_saved: float
    """What these tasks, and all that went into them and was gone, had taken."""
    evicted: int
    """Results that were let go to make room, for the budget or under pressure."""
    evicted_bytes: int
    """Their bytes."""


class Candidate(NamedTuple):
    """A result that is worth keeping, and how much."""

    key: Key
    fingerprint: bytes
    seconds_to_rebuild: float
    """To compute it again, with all that went into it and is gone."""
    nbytes: int
    score: float
    """Seconds that a kept byte is expected to save; only the order means something."""
