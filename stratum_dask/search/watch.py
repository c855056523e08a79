"""What goes on in one worker: how long its tasks run, and the memory they take."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

import psutil
from distributed.diagnostics.plugin import WorkerPlugin
from tornado.ioloop import PeriodicCallback

from stratum_dask.search.errors import CandidateError

if TYPE_CHECKING:
    from distributed import Worker

__all__ = ["Watch"]

_EVERY = 0.05
_RUNS = ("executing", "long-running")
_GOES_ON = ("long-running", "cancelled", "resumed")
# A task that is released while it runs goes on: nobody can stop it.


class Watch(WorkerPlugin):
    """Tell the scheduler of tasks that run for longer than a moment.

    What ends at once costs nothing. It is told as an event of the topic of the
    search: the worker, and ``[(key, seconds it runs, bytes its process grew), ...]``.

    Parameters
    ----------
    name
        Of the search.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def setup(self, worker: Worker) -> None:
        self.worker = worker
        self.began: dict[Any, tuple[float, int]] = {}
        self.peak: dict[Any, int] = {}
        self.process = psutil.Process()
        threads = worker.executors["default"]
        if not isinstance(threads, GuardedThreadPoolExecutor):
            # It stays when the search has ended: others may be under way.
            worker.executors["default"] = GuardedThreadPoolExecutor(threads)
        self.timer = PeriodicCallback(self.tell, _EVERY * 1000)
        self.timer.start()

    def teardown(self, worker: Worker) -> None:
        self.timer.stop()

    def transition(self, key: Any, start: str, finish: str, **kwargs: Any) -> None:
        if finish == "executing":
            rss = self.process.memory_info().rss
            self.began.setdefault(key, (time.monotonic(), rss))
        elif finish not in _GOES_ON and not (start in _RUNS and finish == "released"):
            self.began.pop(key, None)
            self.peak.pop(key, None)

    def tell(self) -> None:
        """Send what is worth it; called all the time."""
        if not self.began:
            return
        now, rss = time.monotonic(), self.process.memory_info().rss
        told = []
        for key, (start, before) in self.began.items():
            if now - start >= _EVERY:
                self.peak[key] = max(self.peak.get(key, 0), rss - before)
                told.append((key, now - start, self.peak[key]))
        if told:
            self.worker.log_event(self.name, (self.worker.address, told))


class GuardedThreadPoolExecutor(Executor):
    """The worker's threads, for tasks that call ``sys.exit``.

    Dask lets that exception end the worker, and with it the work of others. The
    name is one by which Dask knows that its tasks run in threads of this process.
    """

    def __init__(self, inner: Executor) -> None:
        self.inner = inner

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self.inner.submit(_guarded, fn, *args, **kwargs)

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        self.inner.shutdown(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _guarded(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    try:
        return fn(*args, **kwargs)
    except (SystemExit, KeyboardInterrupt) as e:
        raise CandidateError(
            f"a step raised {type(e).__name__}({', '.join(map(repr, e.args))}), which "
            "would have ended the worker; let it return or raise an Exception"
        ) from e
