"""What an agent holds of a candidate that it has handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

__all__ = ["Candidate", "Cost"]

WAITING, SENT, DONE, FAILED = "waiting", "sent", "done", "failed"
TIMED_OUT, OUT_OF_MEMORY = "timed out", "out of memory"
CANCELLED, OVER_BUDGET = "cancelled", "over budget"


@dataclass(frozen=True, slots=True)
class Cost:
    """What the tasks of one candidate took, as far as it is known.

    Attributes
    ----------
    seconds
        Run time of the tasks that this candidate was the first to need.
    saved
        Run time of the tasks that others had paid for.
    memory
        Largest number of bytes by which the memory of a process grew while a task
        of this candidate ran in it, or that one of its results has.
    tasks, ran
        Tasks that it needs, and how many of them ran for it first.
    step
        Name of the task that failed, if one did.
    """

    seconds: float | None = None
    saved: float | None = None
    memory: int | None = None
    tasks: int | None = None
    ran: int | None = None
    step: str | None = None


class Candidate:
    """A candidate that was handed in: its value, its error, what it cost.

    ``result()`` waits, ``await candidate`` waits in asyncio.

    Attributes
    ----------
    name
        For people.
    status
        "waiting", "sent", and at last one of "done", "failed", "timed out",
        "out of memory", "cancelled", "over budget".
    value
        What it computed, or None.
    error
        The exception that ended it, or None.
    score
        Its value as one number; None where it is none.
    step
        Name of the step that failed, if one did.
    cost
        `Cost`: seconds, seconds saved, memory, tasks.
    """

    def __init__(
        self,
        number: int,
        name: str,
        priority: float,
        timeout: float | None,
        memory_limit: int | None,
        drop: Callable[[Candidate], None],
        pull: Callable[[Future[Any]], None] | None = None,
    ) -> None:
        self.number = number
        self.name = name
        self.priority = priority
        self.timeout = timeout
        self.memory_limit = memory_limit
        self.status = WAITING
        self.value: Any = None
        self.error: BaseException | None = None
        self.score: float | None = None
        self.cost = Cost()
        self.step: str | None = None
        self._future: Future[Any] = Future()
        self._drop = drop
        self._pull = pull

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the value; raise what went wrong.

        Parameters
        ----------
        timeout
            Seconds to wait before `TimeoutError`. The candidate goes on meanwhile.
        """
        self._wait()
        return self._future.result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end; return what went wrong, or None."""
        self._wait()
        try:
            return self._future.exception(timeout)
        except CancelledError as e:
            return e

    def cancel(self) -> bool:
        """Give it up, if it has not ended; never takes a shared step from others."""
        if self.done():
            return False
        self._drop(self)
        return True

    def add_done_callback(self, call: Callable[[Candidate], Any]) -> None:
        """Call ``call(candidate)`` at its end, from another thread."""
        self._future.add_done_callback(lambda _: call(self))

    def __await__(self) -> Generator[Any, None, Any]:
        self._wait()
        return asyncio.wrap_future(self._future).__await__()

    def __repr__(self) -> str:
        score = "" if self.score is None else f", score {self.score:.6g}"
        step = "" if self.step is None else f", in {self.step}"
        return f"<Candidate {self.name!r}: {self.status}{score}{step}>"

    def _wait(self) -> None:
        if self._pull is not None:
            self._pull(self._future)

    def end(
        self,
        status: str,
        value: Any = None,
        error: BaseException | None = None,
        score: float | None = None,
        cost: Cost | None = None,
    ) -> None:
        """Called once by the search."""
        self.status, self.value, self.error, self.score = status, value, error, score
        if cost is not None:
            self.cost = cost
            if error is not None:
                self.step = self.step or cost.step
        if error is None:
            self._future.set_result(value)
        else:
            self._future.set_exception(error)
