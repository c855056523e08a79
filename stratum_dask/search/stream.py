"""Hand out candidates as they end, to threads and to asyncio alike."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any

from stratum_dask.search.candidate import Candidate

__all__ = ["Stream"]


class Stream:
    """Every candidate that was handed in comes out once, when it has ended.

    Parameters
    ----------
    pull
        Called with the future of the next one before anybody waits for it.

    Examples
    --------
    >>> stream = Stream()
    >>> stream.next().result() is None  # nothing is under way
    True
    """

    def __init__(self, pull: Callable[[Any], None] = lambda _: None) -> None:
        self._pull = pull
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

    def __iter__(self) -> Iterator[Candidate]:
        while True:
            asked = self.next()
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
            asked = self.next()
            self._pull(asked)
            found = await asyncio.wrap_future(asked)
            if found is None:
                return
            yield found

    def _serve(self) -> None:
        while self._asking and (self._ended or not self._open):
            asked = self._asking.popleft()
            if asked.set_running_or_notify_cancel():
                asked.set_result(self._ended.popleft() if self._ended else None)
