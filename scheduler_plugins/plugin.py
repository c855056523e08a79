"""The scheduler plugin: merges what all clients of a scheduler send."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from distributed.diagnostics.plugin import SchedulerPlugin

from stratum_dask.graph import Alias, Key, Task, with_func
from stratum_dask.optimizations import Submission
from stratum_dask.optimizations.isolate import places
from stratum_dask.optimizations.private import Isolated
from stratum_dask.scheduler_plugins.observer import Observer
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.scheduler_plugins.savings import Savings
from stratum_dask.scheduler_plugins.strangers import leave_alone
from stratum_dask.seams import scheduler as seam

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

__all__ = ["StratumPlugin"]

logger = logging.getLogger("stratum_dask")

_LARGE = 8_000_000
_LIBRARIES = frozenset({"numpy", "pandas", "pyarrow", "scipy", "sklearn"})
_BUILTINS = frozenset(
    [
        "NoneType",
        "bool",
        "int",
        "float",
        "complex",
        "str",
        "bytes",
        "tuple",
        "list",
        "dict",
        "set",
        "frozenset",
    ]
)
# States of a task that no worker has got yet.
_NOT_SENT = ("released", "waiting", "queued", "no-worker")


class StratumPlugin(SchedulerPlugin):
    """Merge equal tasks of all clients of one scheduler.

    Register it with ``Client.register_plugin(StratumPlugin())``, or start the
    scheduler with ``--preload stratum_dask.scheduler_plugins``.

    Attributes
    ----------
    registry
        What lives, by fingerprint.
    total
        What was asked for and what was merged so far.
    """

    name = "stratum"
    idempotent = True

    def __init__(self) -> None:
        self.registry = Registry()
        self.savings = Savings(self.registry)
        self.total = self.savings.total
        self.failures = 0
        self.retention: Any = None
        self.store: Any = None
        self.observer: Observer | None = None
        self._scheduler: Scheduler | None = None
        self._said: set[str] = set()

    def __reduce__(self) -> Any:
        return StratumPlugin, ()

    async def start(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        seam.install(scheduler, self)
        self.observer = Observer(scheduler, self)
        self.observer.start()

    async def close(self) -> None:
        if self.observer is not None:
            self.observer.close()
        if self._scheduler is not None:
            seam.uninstall(self._scheduler)

    # -- what the seam asks ------------------------------------------------

    def choose(self, submission: Submission | None) -> list[Key]:
        """Let ``submission`` use what lives; return the keys to keep meanwhile.

        Runs in the event loop. Goes down from the outputs and stops where a
        result lives: what is below it need not live, and is not needed.
        """
        if submission is None or self._scheduler is None:
            return []
        graph, tasks = submission.tasks, self._scheduler.tasks
        leave_alone(submission, self.registry, tasks)
        fingerprints, inside = submission.fingerprints, submission.inside()
        if graph.keys().isdisjoint(tasks) and not self.registry.knows_any(
            itertools.chain(
                fingerprints.values(), *(i.values() for i in inside.values())
            )
        ):
            return []
        chosen: dict[bytes, Key] = {}
        seen: set[Key] = set()
        stack = list(submission.outputs)
        while stack:
            key = stack.pop()
            if key in seen or key not in graph:
                continue
            seen.add(key)
            here = tasks.get(key)
            if here is not None and here.run_spec is not None:
                # Dask itself goes by the key, and so do we: the task under this
                # key is not touched, whatever it computes.
                chosen[fingerprints[key]] = key
                continue
            if (lives := self._offer(fingerprints[key])) is not None:
                chosen[fingerprints[key]] = lives
                continue
            for fingerprint in inside.get(key, {}).values():
                if (lives := self._offer(fingerprint)) is not None:
                    chosen[fingerprint] = lives
            stack.extend(graph[key].dependencies)
        submission.live = chosen
        return list(chosen.values())

    def lent(self, key: Key) -> bool:
        """Whether the consumers of ``key`` get private handles on its result.

        They do where it is shared already, and where that costs little and fails
        never, so that others may be given the result later. Elsewhere they get the
        object itself, as in plain Dask, and nobody else is given it afterwards.
        """
        if key in self.registry.shared:
            return True
        assert self._scheduler is not None
        ts = self._scheduler.tasks.get(key)
        if ts is None or self.registry.fingerprint(key) is None:
            return False
        return ts.state == "memory" and ts.nbytes <= _LARGE and _copied(ts)

    def expect(self, submission: Submission) -> None:
        """Know which tasks are harmless before Dask sends the first of them."""
        assert self._scheduler is not None
        tasks = self._scheduler.tasks
        for kind in (submission.isolated, submission.lookers, submission.copies):
            self.registry.harmless.update(k for k in kind if k not in tasks)

    def learn(self, submission: Submission) -> None:
        """Remember what a submission has put on the scheduler."""
        assert self._scheduler is not None
        registry, tasks = self.registry, self._scheduler.tasks
        fingerprints, verdicts = submission.fingerprints, submission.verdicts
        graph = submission.tasks
        known = registry.fingerprints
        there = graph.keys() <= tasks.keys() and graph.keys() <= fingerprints.keys()
        if there and known.keys().isdisjoint(graph):
            new: Collection[Key] = graph  # as nearly always
        else:
            new = [
                k for k in graph if k in tasks and k not in known and k in fingerprints
            ]
        registry.add(
            new,
            fingerprints,
            [k for k in new if isinstance(graph[k], Task) and k not in verdicts],
        )
        for kind in (submission.isolated, submission.lookers, submission.copies):
            registry.harmless.difference_update(k for k in kind if k not in tasks)
        self._learn_edges(submission, new)
        counts = self.savings.count(submission)
        if self.observer is not None:
            self.observer.graph(counts)

    def say_once(self, message: str) -> None:
        """Log what whoever runs the scheduler has to mend, and not once a graph."""
        if message not in self._said:
            self._said.add(message)
            logger.warning(message)

    def failed(self, what: str) -> None:
        """Count a graph that runs as it came, because something of ours failed."""
        self.failures += 1
        if self.observer is not None:
            self.observer.failure(what)

    def borrows(self, task: Key, dependency: Key) -> bool:
        """Whether ``task`` would outlive ``dependency`` had nothing been merged."""
        registry = self.registry
        return task in registry.merged or dependency in registry.borrowed.get(task, ())

    # -- inside ------------------------------------------------------------

    def _learn_edges(self, submission: Submission, new: Iterable[Key]) -> None:
        assert self._scheduler is not None
        registry, before = self.registry, submission.original
        targets = {*submission.replaced.values(), *submission.copies.values()}
        registry.merged |= targets & self._scheduler.tasks.keys()
        if not targets:
            return
        for key in new:
            needs = submission.tasks[key].dependencies
            if targets.isdisjoint(needs):
                continue
            own = before.get(submission.split.get(key, key))
            if own is not None and (left := (needs - own.dependencies) & targets):
                registry.borrowed[key] = frozenset(left)

    def _offer(self, fingerprint: bytes) -> Key | None:
        """A live key for ``fingerprint`` that nobody writes into from here on."""
        for key in self.registry.find(fingerprint):
            if self._lives(key):
                return key
        return None

    def _lives(self, key: Key) -> bool:
        """Whether ``key`` may be used; if so, isolates those who use it already."""
        assert self._scheduler is not None
        ts = self._scheduler.tasks.get(key)
        if (
            ts is None
            or ts.run_spec is None
            or ts.actor
            or key in self.registry.exposed
        ):
            return False
        if ts.state in ("released", "erred") or ts.exception_blame is not None:
            return False
        if ts.state == "memory" and not _copied(ts):
            return False
        users = [u for u in ts.dependents if u.key not in self.registry.harmless]
        if any(u.state not in _NOT_SENT for u in users):
            return False  # one may be writing already
        for user in users:
            if isinstance(user.run_spec, Task):  # not sent yet: change it here
                where = places(user.run_spec, {key}, {})
                user.run_spec = with_func(
                    user.run_spec, Isolated(user.run_spec.func, where)
                )
        self.registry.shared.add(key)
        return True

    # -- what Dask tells ---------------------------------------------------

    def transition(
        self,
        key: Key,
        start: str,
        finish: str,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        registry = self.registry
        if finish == "processing":
            if key not in registry.harmless and self._scheduler is not None:
                self._expose(self._scheduler.tasks[key])
        elif finish == "memory" and start == "processing":
            if key in registry.fingerprints:
                seconds = sum(
                    s["stop"] - s["start"]
                    for s in kwargs.get("startstops") or ()
                    if s["action"] == "compute"
                )
                registry.seconds[key] = seconds
                self.savings.ran(key, seconds)
        elif finish == "forgotten":
            registry.drop(key)
            self.savings.drop(key)

    def _expose(self, ts: TaskState) -> None:
        """Remember that ``ts`` gets the very objects it depends on."""
        for dependency in ts.dependencies:
            if dependency.key in self.registry.fingerprints:
                self.registry.exposed.add(dependency.key)
            if type(dependency.run_spec) is Alias:  # the object of another key
                self._expose(dependency)

    def restart(self, scheduler: Scheduler) -> None:
        self.registry.clear()
        self.savings.clear()


def _copied(ts: TaskState) -> bool:
    """Whether a result is of a kind that can always be copied."""
    library, dot, _ = (ts.type or "").partition(".")
    return library in (_LIBRARIES if dot else _BUILTINS)
