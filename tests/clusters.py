"""What the tests of clusters share: what ran, a second client, and how to wait."""

import asyncio
import threading
import time
from collections import Counter
from contextlib import contextmanager

from dask.utils import key_split
from distributed import Client, SchedulerPlugin

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
