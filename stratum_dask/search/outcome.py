"""How what became of the candidates comes out of the door."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from stratum_dask.search.candidate import Candidate
from stratum_dask.search.leaderboard import ranked, table
from stratum_dask.search.places import INLINE
from stratum_dask.search.stream import Stream

__all__ = ["Outcome"]


class Outcome:
    """The side of a search where results come out."""

    candidates: list[Candidate]
    _names: dict[str, Candidate]
    _stream: Stream
    _lock: threading.RLock
    _driver: Any
    _place: Any
    _greater: bool

    def __iter__(self) -> Iterator[Candidate]:
        """Candidates as they end, until nothing is under way; each comes once."""
        while True:
            asked = self._stream.next()
            self._pull(asked)
            try:
                found = asked.result()
            finally:
                asked.cancel()  # Ctrl-C: the next one is for somebody else
            if found is None:
                return
            yield found

    async def __aiter__(self) -> AsyncIterator[Candidate]:
        while True:
            asked = self._stream.next()
            self._pull(asked)
            found = await asyncio.wrap_future(asked)
            if found is None:
                return
            yield found

    def _pull(self, asked: Any) -> None:
        if self._place == INLINE and self._driver is not None:
            self._driver.pull(asked)

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
