"""Which waiting candidates are sent next, and together with which."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from stratum_dask.errors import StratumWarning
from stratum_dask.search.candidate import Candidate

__all__ = ["Plan"]


class Plan:
    """The candidates that wait.

    Parameters
    ----------
    window
        Seconds to wait for others after the first one has come: what goes as one
        graph can be merged whole.
    in_flight
        How many may be under way at a time; None for no limit.
    order
        Gives the rank of a candidate, asked anew each time something is sent; higher
        goes first. Without it the priority is the rank.
    """

    def __init__(
        self,
        window: float,
        in_flight: int | None,
        order: Callable[[Candidate], float] | None,
    ) -> None:
        self.window = window
        self.in_flight = in_flight
        self.order = order
        self.waiting: list[Candidate] = []
        self.collections: dict[Candidate, Any] = {}
        self._opened = 0.0

    def add(self, candidate: Candidate) -> None:
        """Let ``candidate`` wait."""
        if not self.waiting:
            self._opened = time.monotonic()
        self.waiting.append(candidate)

    def forget(self, candidate: Candidate) -> None:
        """Let go of a candidate that has ended."""
        self.collections.pop(candidate, None)
        if candidate in self.waiting:
            self.waiting.remove(candidate)

    def rest(self) -> float:
        """Seconds until the window closes."""
        if not self.waiting:
            return float("inf")
        return max(0.0, self._opened + self.window - time.monotonic())

    def next(self, sent: int, flush: bool = False) -> list[Candidate]:
        """Take those that go as one graph: best first, all of one priority.

        Parameters
        ----------
        sent
            How many are under way.
        flush
            Whether the window is closed already, because no others will come.
        """
        room = len(self.waiting)
        if self.in_flight is not None:
            room = min(room, self.in_flight - sent)
        if room <= 0 or (self.rest() > 0 and not flush):
            return []
        best = sorted(self.waiting, key=self._rank, reverse=True)[:room]
        batch = [each for each in best if each.priority == best[0].priority]
        self.waiting = [each for each in self.waiting if each not in batch]
        return batch

    def _rank(self, candidate: Candidate) -> float:
        if self.order is not None:
            try:
                return float(self.order(candidate))
            except Exception as e:  # noqa: BLE001 the user's
                warnings.warn(
                    f"order({candidate!r}) raised {type(e).__name__}: {e}; the search "
                    "goes on in the order of the priorities",
                    StratumWarning,
                    stacklevel=2,
                )
                self.order = None
        return candidate.priority
