"""What goes on on the scheduler for one search: costs, limits, who is to blame."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed.diagnostics.plugin import SchedulerPlugin

from stratum_dask.graph import Key, Task, function_of
from stratum_dask.search.candidate import Cost
from stratum_dask.search.ledger import Ledger
from stratum_dask.tally import name_of

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

__all__ = ["Overseer", "Seen", "look", "settle"]

_FRESH = 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the scheduler found.

    Attributes
    ----------
    late
        Output -> seconds, where it was given fewer.
    large
        Output -> bytes, where it was given fewer.
    stray
        (key, worker, address of its nanny or None) of tasks that run and that
        nobody wants any more.
    workers
        How many workers there are.
    """

    late: dict[Key, float]
    large: dict[Key, int]
    stray: list[tuple[Key, str, str | None]]
    workers: int


class Overseer(SchedulerPlugin):
    """Follows what one client sends. It changes nothing that others depend on.

    Parameters
    ----------
    name
        Of the search, also the topic of its events.
    client
        Id of the client that sends its candidates.
    """

    def __init__(self, name: str, client: str) -> None:
        self.name = name
        self.client = client
        self.ledger = Ledger()
        self.running: dict[Key, float] = {}
        """Task -> when it began, by this clock."""
        self.heard: dict[tuple[Key, str], float] = {}
        """Task and worker -> when that one last said that the task runs."""
        self.placed: dict[Key, str] = {}
        self.threads: dict[str, int] = {}
        self.lost: dict[str, Collection[Key]] = {}
        """Lost worker -> what may be to blame."""
        self.suspicion: dict[Key, int] = {}
        self.condemned: set[str] = set()
        """Workers that the search itself ends."""

    def __reduce__(self) -> Any:
        return Overseer, (self.name, self.client)

    async def start(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler

    def update_graph(
        self, scheduler: Scheduler, *, client: str, keys: Collection[Key], **kwargs: Any
    ) -> None:
        if client != self.client:
            return
        ledger, stack = self.ledger, list(keys)
        while stack:
            ts = scheduler.tasks.get(stack.pop())
            if ts is None or ts.key in ledger.needs:
                continue
            ledger.needs[ts.key] = tuple(d.key for d in ts.dependencies or ())
            stack.extend(ledger.needs[ts.key])
            if ts.state != "released":  # somebody else has asked for it before
                ledger.paid.add(ts.key)
                known = getattr(scheduler.plugins.get("stratum"), "registry", None)
                if known is not None and ts.key in known.seconds:
                    ledger.seconds[ts.key] = known.seconds[ts.key]

    def transition(
        self, key: Key, start: str, finish: str, *args: Any, **kwargs: Any
    ) -> None:
        if key not in self.ledger.needs:
            return
        ts = self.scheduler.tasks.get(key)
        if start == "processing":
            where = self.placed.pop(key, "")
            if ts is not None and ts.suspicious > self.suspicion.get(key, 0):
                self._suspect(ts, where)
            self.running.pop(key, None)
            self.heard.pop((key, where), None)
        if finish == "processing" and ts is not None and ts.processing_on is not None:
            where = ts.processing_on.address
            self.placed[key] = where
            self.threads[where] = ts.processing_on.nthreads
        elif finish in ("memory", "erred") and start == "processing":
            seconds = sum(
                s["stop"] - s["start"]
                for s in kwargs.get("startstops") or ()
                if s["action"] == "compute"
            )
            self.ledger.ran(key, seconds, kwargs.get("nbytes") or 0)
            self.ledger.failed.pop(key, None)
        if finish == "erred" and ts is not None:
            self.ledger.failed[key] = _step(ts.exception_blame or ts)

    def _suspect(self, ts: TaskState, worker: str) -> None:
        """Clear ``ts``, whose worker was lost, where another task is to blame.

        Dask suspects all that a lost worker had been sent, and gives a task up that
        was near too many deaths.
        """
        if worker in self.condemned or ts.key not in self._suspects(worker, ts):
            ts.suspicious = self.suspicion.get(ts.key, 0)
        else:
            self.suspicion[ts.key] = ts.suspicious

    def _suspects(self, worker: str, ts: TaskState) -> Collection[Key]:
        """What ran in a worker that was lost, as far as one can tell."""
        if worker not in self.lost:
            there = [key for key, where in self.placed.items() if where == worker]
            tasks = self.scheduler.tasks
            there = sorted([ts.key, *there], key=lambda k: tasks[k].priority or ())
            ran = {key for key, where in self.heard if where == worker}
            self.lost[worker] = ran or set(there[: self.threads.get(worker, 1)])
        return self.lost[worker]

    def remove_worker(self, scheduler: Scheduler, worker: str, **kwargs: Any) -> None:
        self.condemned.discard(worker)
        self.lost.pop(worker, None)
        self.threads.pop(worker, None)
        for heard in [h for h in self.heard if h[1] == worker]:
            del self.heard[heard]

    def log_event(self, topic: str, msg: Any) -> None:
        if topic != self.name:
            return
        now, (worker, told) = time.monotonic(), msg
        for key, seconds, nbytes in told:
            if key in self.ledger.needs:
                self.heard[key, worker] = now
                if self.placed.get(key) == worker:
                    self.running.setdefault(key, now - seconds)
                    self.ledger.grew(key, nbytes)

    def look(self, limits: Mapping[Key, tuple[float | None, int | None]]) -> Seen:
        """Find who is over the limits, and what runs for nobody."""
        late: dict[Key, float] = {}
        large: dict[Key, int] = {}
        for output, (seconds, nbytes) in limits.items():
            keys = self.ledger.below(output)
            if self.running.keys().isdisjoint(keys):
                continue
            took = self.ledger.busy(keys, self.running)
            if seconds is not None and took > seconds:
                late[output] = took
            grown = max(self.ledger.memory.get(key, 0) for key in keys)
            if nbytes is not None and grown > nbytes:
                large[output] = grown
        return Seen(late, large, list(self._strays()), len(self.scheduler.workers))

    def _strays(self) -> Iterable[tuple[Key, str, str | None]]:
        now, workers = time.monotonic(), self.scheduler.workers
        for (key, worker), heard in list(self.heard.items()):
            if now - heard > _FRESH or worker not in workers:
                del self.heard[key, worker]
            elif self.placed.get(key) != worker and worker not in self.condemned:
                yield key, worker, workers[worker].nanny


def _step(ts: TaskState) -> str:
    node = ts.run_spec
    if not isinstance(node, Task):
        return str(ts.prefix.name)
    func = function_of(node)
    return name_of(ts.key, node) if callable(func) else str(ts.prefix.name)


def settle(dask_scheduler: Any, name: str, outputs: list[Key]) -> list[Cost] | None:
    """What the candidates with these ``outputs`` have cost; runs on the scheduler."""
    plugin = dask_scheduler.plugins.get(name)
    return (
        None
        if plugin is None
        else [plugin.ledger.settle(output, plugin.running) for output in outputs]
    )


def look(dask_scheduler: Any, name: str, limits: dict[Key, Any]) -> Seen | None:
    """See `Overseer.look`; runs on the scheduler."""
    plugin = dask_scheduler.plugins.get(name)
    return None if plugin is None else plugin.look(limits)
