"""The thread that sends what agents hand in and takes what comes back."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from dask.utils import format_bytes

from stratum_dask.search import candidate as states
from stratum_dask.search.candidate import Candidate, Cost
from stratum_dask.search.errors import (
    CandidateMemoryError,
    CandidateTimeout,
    OverBudget,
    SlotsStuck,
)
from stratum_dask.search.plan import Plan

if TYPE_CHECKING:
    from stratum_dask.search.cluster import ClusterEngine
    from stratum_dask.search.overseer import Seen

__all__ = ["Driver"]

_LOOK = 0.1
_GRACE = 0.5
"""Seconds that a task of a given-up candidate has to end by itself."""
_SUSPECT = 0.5
"""Seconds after a candidate was given up in which it is seen whether a task goes on."""
MAX_HANGING = 16
"""Threads of one process that may hang in given-up candidates."""

Finish = Callable[..., None]


class Driver:
    """Moves candidates from "waiting" to an end.

    Everything here runs in one thread of its own but `put`.

    Parameters
    ----------
    plan
        What to send next.
    start
        Makes the engine, in the thread; called with what is told of those that end.
    finish
        Called with (candidate, status, value, error, cost) at the end of each.
    seconds
        Budget of the whole search, from its first candidate on.
    """

    def __init__(
        self,
        plan: Plan,
        start: Callable[[Any], ClusterEngine],
        finish: Finish,
        seconds: float | None,
    ) -> None:
        self.plan = plan
        self.finish = finish
        self.inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.start = start
        self.engine: ClusterEngine
        self.over_with: BaseException | None = None
        """Why the thread takes nothing more."""
        self.lock = threading.Lock()
        self.sent: set[Candidate] = set()
        self.again: list[Candidate] = []
        """Candidates that are tried once more, alone."""
        self.alone: set[Candidate] = set()
        self.strays: dict[Any, float] = {}
        """What runs for nobody -> since when."""
        self.suspect_until = 0.0
        self.looked = 0.0
        self.seconds = seconds
        self.over: float | None = None
        self.closing = False
        self.thread = threading.Thread(
            target=self._run, name="stratum-search", daemon=True
        )
        self.thread.start()

    def put(self, what: str, about: Any = None) -> None:
        """Tell the thread: ("add" | "drop", candidate), ("ended", …), ("close", …)."""
        with self.lock:
            if self.over_with is None:
                self.inbox.put((what, about))
                return
        if what == "add":
            self._end(about, states.FAILED, error=self.over_with)

    def close(self, wait: bool) -> None:
        """End the thread and the engine; give up what has not ended, if not ``wait``."""
        self.put("close", wait)
        while self.thread.is_alive():  # so that Ctrl-C is heard
            self.thread.join(0.2)

    # -- in the thread ------------------------------------------------------

    def _run(self) -> None:
        why: BaseException = CancelledError("the search had ended")
        engine = None
        try:
            self.engine = engine = self.start(lambda *found: self.put("ended", found))
            if self.seconds is not None:
                self.over = time.monotonic() + self.seconds
            while not self.closing or self._outstanding() or self._suspects():
                self._take()
                self._send()
                self._watch()
        except BaseException as e:  # noqa: BLE001 nobody may wait for ever
            why = e
        with self.lock:
            self.over_with = why
        while not self.inbox.empty():
            what, about = self.inbox.get()
            if what == "add":
                self.plan.add(about)
        self.sent, sent = set(), self.sent
        for each in (*sent, *self.plan.waiting, *self.again):
            self._end(each, states.FAILED, error=why)
        if engine is not None:
            engine.close()

    def _outstanding(self) -> list[Candidate]:
        return [*self.sent, *self.plan.waiting, *self.again]

    def _suspects(self) -> bool:
        return bool(self.strays) or time.monotonic() < self.suspect_until

    def _take(self) -> None:
        """Wait for something to do, then take all that has come."""
        busy = self._outstanding() or self._suspects()
        timeout = min(_LOOK, self.plan.rest()) if busy else None
        ended: list[tuple[Candidate, Any, BaseException | None]] = []
        try:
            told = self.inbox.get(timeout=timeout)
            while True:
                self._hear(*told, ended)
                told = self.inbox.get_nowait()
        except queue.Empty:
            pass
        self._ended(ended)

    def _hear(self, what: str, about: Any, ended: list[Any]) -> None:
        if what == "add":
            self.plan.add(about)
        elif what == "drop":
            if not about.done():
                error = CancelledError(f"{about.name} was cancelled")
                self._end(about, states.CANCELLED, error=error)
        elif what == "ended":
            ended.append(about)
        else:
            self.closing = True
            if not about:
                self._give_up("the search was left", states.CANCELLED)

    def _ended(self, ended: Sequence[tuple[Candidate, Any, Any]]) -> None:
        mine = []
        for candidate, value, error in ended:
            if candidate not in self.sent:
                continue
            if _killed(error) and candidate not in self.alone:
                # Dask could not know whose fault it was: tried alone it shows.
                self.engine.drop(candidate)
                self.sent.discard(candidate)
                self.alone.add(candidate)
                self.again.append(candidate)
            else:
                mine.append((candidate, value, error))
        if not mine:
            return
        costs = self.engine.settle([each[0] for each in mine])
        for (candidate, value, error), cost in zip(mine, costs, strict=True):
            if error is None:
                self._end(candidate, states.DONE, value=value, cost=cost)
            else:
                self._end(candidate, states.FAILED, error=error, cost=cost)

    def _send(self) -> None:
        while batch := self.plan.next(len(self.sent), flush=self.closing):
            self._try(batch)
        if self.again and not self.sent and not self.plan.waiting:
            self._try([self.again.pop(0)])

    def _try(self, batch: list[Candidate]) -> None:
        """Send ``batch``; if that fails each alone, to find out whose fault it is."""
        self.sent.update(batch)
        try:
            collections = [self.plan.collections[each] for each in batch]
            self.engine.send(batch, collections, priority=batch[0].priority)
        except Exception as e:  # noqa: BLE001 the candidate's own
            if len(batch) > 1:
                for each in batch:
                    self._try([each])
            else:
                batch[0].step = "building its graph"
                self._end(batch[0], states.FAILED, error=e)
        else:
            for each in batch:
                each.status = states.SENT

    def _watch(self) -> None:
        now = time.monotonic()
        if self.over is not None and now > self.over:
            self._give_up("the search has used up its seconds", states.OVER_BUDGET)
        limited = any(c.timeout or c.memory_limit for c in self.sent)
        if now - self.looked < _LOOK or not (limited or self._suspects()):
            return
        self.looked = now
        seen = self.engine.look()
        if seen is None:
            self.strays.clear()
            return
        for candidate in list(self.sent):
            self._limit(candidate, seen)
        self._free(seen, now)

    def _limit(self, candidate: Candidate, seen: Seen) -> None:
        key = self.engine.keys[candidate]
        error: Exception | None = None
        seconds, nbytes = seen.late.get(key, 0.0), seen.large.get(key, 0)
        if candidate.timeout is not None and seconds > candidate.timeout:
            status = states.TIMED_OUT
            error = CandidateTimeout(
                f"{candidate.name}: its tasks have run for {seconds:.1f} s of the "
                f"{candidate.timeout:g} s that it was given"
            )
        elif candidate.memory_limit is not None and nbytes > candidate.memory_limit:
            status = states.OUT_OF_MEMORY
            error = CandidateMemoryError(
                f"{candidate.name}: {format_bytes(nbytes)} were taken while its tasks "
                f"ran, of the {format_bytes(candidate.memory_limit)} that it was given"
            )
        if error is not None:
            (cost,) = self.engine.settle([candidate])
            self._end(candidate, status, error=error, cost=cost)

    def _free(self, seen: Seen, now: float) -> None:
        """Free the slots of what goes on running though nobody wants it."""
        self.strays = {s: self.strays.get(s, now) for s in seen.stray}
        due = [s for s, since in self.strays.items() if now - since >= _GRACE]
        if due:
            self.engine.free(due)
            self.suspect_until = now + _SUSPECT
        if self.engine.hanging > MAX_HANGING:
            self._give_up(
                f"{self.engine.hanging} threads hang in candidates that were given "
                "up, and can't be ended. Use scheduler='processes', where they can",
                states.FAILED,
                SlotsStuck,
            )

    def _give_up(self, why: str, status: str, kind: Any = OverBudget) -> None:
        for each in self._outstanding():
            error = CancelledError(why) if status == states.CANCELLED else kind(why)
            self._end(each, status, error=error)

    def _end(
        self,
        candidate: Candidate,
        status: str,
        value: Any = None,
        error: BaseException | None = None,
        cost: Cost | None = None,
    ) -> None:
        if candidate in self.sent:
            self.sent.discard(candidate)
            self.engine.drop(candidate)
            if status != states.DONE:
                self.suspect_until = time.monotonic() + _SUSPECT
        self.plan.forget(candidate)
        if candidate in self.again:
            self.again.remove(candidate)
        self.finish(candidate, status, value, error, cost)


def _killed(error: BaseException | None) -> bool:
    return type(error).__name__ == "KilledWorker"
