"""One mode of the search in a process of its own, counted and measured."""

import contextlib
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, Self

import dask
import psutil
from agents import STEPS, kind, load
from dask.callbacks import Callback
from dask.utils import funcname, key_split

from stratum_dask.graph import function_of

__all__ = ["Mode", "Outcome", "Search", "SearchFailed", "run"]

LIBRARIES = ("pandas", "sklearn.ensemble", "sklearn.linear_model", "sklearn.metrics")

Watch = Callable[[int, float | None], None]
"""Is told how many steps have run, and the best score so far."""


class Mode(NamedTuple):
    """Which scheduler of Dask, and whether with the plugin."""

    scheduler: str
    plugin: bool

    @property
    def title(self) -> str:
        return f"{self.scheduler}, {'stratum' if self.plugin else 'plain'}"


class Search(NamedTuple):
    """What all modes have to do.

    Attributes
    ----------
    programs
        Name and source of every agent's program.
    folder
        Where the data is.
    every
        How many rows of the data there are for each one that is used.
    workers
        Threads, or processes of the cluster.
    """

    programs: list[tuple[str, str]]
    folder: str
    every: int
    workers: int


class Outcome(NamedTuple):
    """What came out of one mode, and what it took."""

    mode: Mode
    scores: list[float]
    ran: Counter[str]
    wall: float
    cpu: float
    peak: int


class SearchFailed(Exception):
    """A mode ended without an outcome."""


def run(mode: Mode, search: Search, watch: Watch) -> Outcome:
    """Run a mode in a fresh process, which leaves nothing behind.

    Fresh, so that its memory and its CPU time are those of this mode alone.
    """
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=serve, args=(mode, search, send))
    with _interrupts_ignored():  # by the new process, for good: it inherits this
        process.start()
    send.close()
    try:
        while True:
            message = receive.recv()
            if isinstance(message, Outcome):
                process.join(30)
                return message
            watch(*message)
    except EOFError:
        process.join(30)
        raise SearchFailed(
            f"{mode.title}: the process of this mode ended with status "
            f"{process.exitcode} and no scores; its last words are above"
        ) from None
    finally:
        with _interrupts_ignored():
            _end(process.pid)


def serve(mode: Mode, search: Search, send: Connection) -> None:
    """Run a mode and send what happens."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    builders = [load(name, source) for name, source in search.programs]
    count = _Count(send)
    go = {"threads": _on_threads, "cluster": _on_cluster}[mode.scheduler]
    # Here the plugin is switched on; nothing else tells one mode from another.
    with dask.config.set({"stratum.enabled": mode.plugin}):
        scores, meter = go(builders, search, count)
    ran = +count.ran
    send.send(Outcome(mode, scores, ran, meter.wall, meter.cpu, meter.peak))


def _on_threads(
    builders: list[Callable[..., Any]], search: Search, count: "_Count"
) -> tuple[list[float], "_Meter"]:
    class Done(Callback):
        def _posttask(
            self, key: Any, result: Any, dsk: Any, state: Any, worker: Any
        ) -> None:
            count.step(dsk[key])
            if key_split(key) == "score_mean":
                count.score(result)

    with _Meter() as meter, Done():
        count.tell()
        pipelines = [build(search.folder, search.every) for build in builders]
        scores = dask.compute(
            *pipelines, scheduler="threads", num_workers=search.workers
        )
    return list(scores), meter


def _on_cluster(
    builders: list[Callable[..., Any]], search: Search, count: "_Count"
) -> tuple[list[float], "_Meter"]:
    from distributed import Client, LocalCluster, SchedulerPlugin, as_completed

    class Done(SchedulerPlugin):
        def transition(
            self, key: Any, start: str, finish: str, *args: Any, **more: Any
        ) -> None:
            if (start, finish) == ("processing", "memory"):
                count.step(cluster.scheduler.tasks[key].run_spec)

    # Asked to end, close the cluster on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cluster = LocalCluster(
        n_workers=search.workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": ":0"},  # 8787 may be somebody's
        silence_logs=logging.ERROR,
    )
    with cluster, Client(cluster) as client:
        cluster.scheduler.add_plugin(Done())
        for library in LIBRARIES:  # as the other modes have them at the start
            client.run(importlib.import_module, library)
        with _Meter() as meter:
            count.tell()
            pipelines = [build(search.folder, search.every) for build in builders]
            futures = client.compute(pipelines)
            for _, score in as_completed(futures, with_results=True):
                count.score(score)
            scores = client.gather(futures)
    return scores, meter


class _Count:
    """Counts the agents' steps as Dask reports them done.

    From outside, because a step that counted itself would have a side effect.
    """

    def __init__(self, send: Connection) -> None:
        self.send = send
        self.ran: Counter[str] = Counter()
        self.best: float | None = None
        self.next = 0.0
        self.lock = threading.Lock()

    def step(self, task: Any) -> None:
        # The function's name, not the key's: a task that only hands on the result
        # of another may stand under the key of a step.
        name = funcname(function_of(task)) if hasattr(task, "func") else ""
        if kind(name) in STEPS:
            self.ran[kind(name)] += 1
            self.tell()

    def score(self, value: float) -> None:
        self.best = value if self.best is None else max(self.best, value)
        self.tell()

    def tell(self) -> None:
        with self.lock:
            if time.monotonic() >= self.next:
                self.next = time.monotonic() + 0.1
                self.send.send((self.ran.total(), self.best))


class _Meter:
    """Wall time, CPU time and peak memory of this process and those below it."""

    def __enter__(self) -> Self:
        me = psutil.Process()
        self.processes = [me, *me.children(recursive=True)]
        self.peak = 0
        self.stopped = threading.Event()
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()
        self.cpu = -self.cpu_now()
        self.wall = -time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += self.cpu_now()
        self.stopped.set()
        self.sampler.join()

    def cpu_now(self) -> float:
        times = [process.cpu_times() for process in self.processes]
        return sum(t.user + t.system for t in times)

    def sample(self) -> None:
        while not self.stopped.wait(0.1):
            held = sum(process.memory_info().rss for process in self.processes)
            self.peak = max(self.peak, held)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end_with_parent() -> None:
    """Do not run on for nobody, whatever ended the process that asked."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(pid: int | None) -> None:
    """End a process, and those below it, if they are still there."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        process.terminate()
        psutil.wait_procs([process], timeout=10)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=5)
