"""Keeps results of one scheduler after clients have let go of them."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_dask.scheduler_plugins.retention.figures import Candidate, RetentionFigures

__all__ = ["Retention"]


class Retention:
    """What one scheduler keeps."""

    def figures(self) -> RetentionFigures:
        """The state at this moment."""
        return RetentionFigures(0, 0, 0, 0, 0.0, 0, 0)

    def candidates(self) -> Iterator[Candidate]:
        """What is worth keeping, best first."""
        yield from ()
