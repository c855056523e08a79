"""What the tests of clusters share: what ran, a second client, and how to wait."""

import asyncio
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import make_dataclass

from dask import delayed
from dask.utils import key_split
from distributed import Client, SchedulerPlugin
from tornado.httpclient import AsyncHTTPClient

from stratum_dask.graph import identity
from stratum_dask.optimizations.merge import Merge
from stratum_dask.optimizations.private import Isolated


class Ran(SchedulerPlugin):
    """Counts tasks that ended, by the name of their key; our copies are not any."""

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.names = Counter()

    def transition(self, key, start, finish, *args, **kwargs):
        if start == "processing" and finish in ("memory", "erred"):
            func = getattr(self.scheduler.tasks[key].run_spec, "func", None)
            if not (isinstance(func, Isolated) and func.func is identity):
                self.names[key_split(key)] += 1


def another(s):
    return Client(s.address, asynchronous=True, set_as_default=False)


async def until(holds, seconds=15.0):
    """Wait for a state, and no longer than ``seconds``."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "this state never came"
        await asyncio.sleep(0.01)


async def fetch(scheduler, path):
    """What the web server of ``scheduler`` answers: status, text."""
    url = f"http://localhost:{scheduler.http_server.port}/{path}"
    answer = await AsyncHTTPClient().fetch(url, raise_error=False)
    return answer.code, answer.body.decode()


def load(n):
    return sum(range(n))


def half(x):
    return x / 2


def programs(n, size=300_000):
    """``n`` equal programs of two steps, `load` and `half`."""
    return [delayed(half)(delayed(load)(size)) for _ in range(n)]


def part(**figures):
    """A part of the plugin with these figures."""

    class Part:
        def figures(self):
            return make_dataclass("Figures", figures, frozen=True)(**figures)

    return Part()


KEPT = {
    "results": 2,
    "bytes": 100,
    "budget": 1_000,
    "hits": 3,
    "seconds_saved": 1.5,
    "evicted": 1,
    "evicted_bytes": 10,
}
STORED = {
    "url": "file:///store",
    "entries": 4,
    "bytes": 2_000,
    "hits": 5,
    "bytes_read": 300,
    "written": 6,
    "bytes_written": 700,
    "seconds_saved": 2.5,
    "failures": 1,
}


@contextmanager
def rewriting():
    """Hold the scheduler in the middle of its next rewrite.

    Yields what tells that it is there, and what lets it go on.
    """
    arrived, go, apply = threading.Event(), threading.Event(), Merge.apply

    def slow(self, submission):
        arrived.set()
        assert go.wait(30)
        return apply(self, submission)

    Merge.apply = slow
    try:
        yield arrived, go
    finally:
        go.set()
        Merge.apply = apply
