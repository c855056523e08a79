"""Hand out candidates as they end, to threads and to asyncio alike."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future

from stratum_dask.search.candidate import Candidate

__all__ = ["Stream"]


class Stream:
    """Every candidate that was handed in comes out once, when it has ended.

    Examples
    --------
    >>> stream = Stream()
    >>> stream.next().result() is None  # nothing is under way
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._ended: deque[Candidate] = deque()
        self._asking: deque[Future[Candidate | None]] = deque()

    def added(self) -> None:
        """One more was handed in."""
        with self._lock:
            self._open += 1

    def ended(self, candidate: Candidate) -> None:
        """One has ended."""
        with self._lock:
            self._open -= 1
            self._ended.append(candidate)
            self._serve()

    def next(self) -> Future[Candidate | None]:
        """The next one, or None where nothing is under way."""
        asked: Future[Candidate | None] = Future()
        with self._lock:
            self._asking.append(asked)
            self._serve()
        return asked

    def _serve(self) -> None:
        while self._asking and (self._ended or not self._open):
            asked = self._asking.popleft()
            if asked.set_running_or_notify_cancel():
                asked.set_result(self._ended.popleft() if self._ended else None)
