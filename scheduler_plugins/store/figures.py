"""What a store tells others about itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["StoreFigures"]


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """The state of a store; hits and below are since the scheduler started."""

    url: str
    entries: int
    """How many results there are."""
    bytes: int
    """What their files take."""
    hits: int
    """Tasks that read a result instead of computing it."""
    bytes_read: int
    """What these results take in memory."""
    written: int
    """Results that were written."""
    bytes_written: int
    """What their files took."""
    seconds_saved: float
    """What the hits, and all that went into them, had taken, less the reading."""
    failures: int
    """Entries that could not be read or written."""
