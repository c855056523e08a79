"""The candidates of a search, to look at: by name, as they end, best first."""

from __future__ import annotations

import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from stratum_dask.search.candidate import Candidate
from stratum_dask.search.leaderboard import ranked, table
from stratum_dask.search.stream import Stream

__all__ = ["Board"]


class Board:
    """What a search shows of its candidates.

    Parameters
    ----------
    greater
        Whether the best score is the highest.
    pull
        See `Stream`.

    Attributes
    ----------
    candidates
        Everything that was handed in, in that order.
    """

    def __init__(self, greater: bool, pull: Callable[[Any], None]) -> None:
        self._greater = greater
        self.candidates: list[Candidate] = []
        self._names: dict[str, Candidate] = {}
        self._stream = Stream(pull)
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[Candidate]:
        """Candidates as they end, until nothing is under way; each comes once."""
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[Candidate]:
        return aiter(self._stream)

    def __getitem__(self, name: str) -> Candidate:
        try:
            return self._names[name]
        except KeyError:
            known = ", ".join(map(repr, list(self._names)[:20])) or "none yet"
            raise KeyError(
                f"no candidate is called {name!r}; there are: {known}"
            ) from None

    def __len__(self) -> int:
        return len(self.candidates)

    @property
    def best(self) -> Candidate | None:
        """The candidate with the best score so far; None where none has one."""
        with self._lock:
            scored = [
                each
                for each in self.candidates
                if each.score is not None and not math.isnan(each.score)
            ]
        return ranked(scored, self._greater)[0] if scored else None

    def leaderboard(self) -> Any:
        """All candidates as a pandas DataFrame, best first.

        Columns: name, status, score, seconds, seconds_saved (what others had paid
        for), memory, tasks, tasks_run, step (that failed), error.
        """
        with self._lock:
            candidates = list(self.candidates)
        return table(candidates, self._greater)
