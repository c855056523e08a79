"""How a slot is freed in which a task of a given-up candidate goes on running.

Python can't end a thread. A worker process that has a nanny is ended, and the nanny
starts another one; Dask computes again what was lost with it. On a worker without
one (a cluster inside this process, above all) the slot is written off: for Dask the
task secedes, as it could have by itself, so that another one may start, and the
thread is asked to stop by an exception, which it gets when it next runs Python code.

The one module of the search that touches what is private in a worker.
"""

from __future__ import annotations

import ctypes
import threading
import uuid
from typing import TYPE_CHECKING, Any

from distributed.worker_state_machine import SecedeEvent

if TYPE_CHECKING:
    from distributed import Nanny, Worker

__all__ = ["GivenUp", "end_process", "write_off"]

_SOON = 0.5


class GivenUp(BaseException):
    """Raised in a thread whose candidate was given up; no ``except Exception`` has it."""


async def end_process(worker: str, dask_worker: Nanny) -> None:
    """End a worker process by its nanny, which starts another one.

    Nothing is done where it has ended by itself meanwhile.
    """
    if dask_worker.worker_address != worker:
        return
    await dask_worker.kill(timeout=_SOON, reason="stratum-search: a stuck candidate")


def write_off(keys: list[Any], dask_worker: Worker) -> int:
    """Free the slots of ``keys``; return how many threads hang by now.

    Parameters
    ----------
    keys
        Tasks that run, and that nobody wants.
    dask_worker
        Given by `Client.run`.
    """
    hanging = _hanging(dask_worker)
    with dask_worker.active_threads_lock:
        running = {key: ident for ident, key in dask_worker.active_threads.items()}
    threads = {thread.ident: thread for thread in threading.enumerate()}
    for key in keys:
        thread = threads.get(running.get(key))
        if thread is not None and thread not in hanging:
            hanging.append(thread)
            _replace(dask_worker, thread)
            event = SecedeEvent(
                key=key, compute_duration=0.0, stimulus_id=f"stratum-{uuid.uuid4().hex}"
            )
            dask_worker.handle_stimulus(event)
        if thread is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(GivenUp)
            )
    return len(hanging)


def _hanging(worker: Worker) -> list[threading.Thread]:
    """Threads of ``worker`` that were written off and have not ended."""
    kept: list[threading.Thread] = worker.__dict__.setdefault("stratum_hanging", [])
    busy = set(worker.active_threads)
    kept[:] = [thread for thread in kept if thread.is_alive() and thread.ident in busy]
    return kept


def _replace(worker: Worker, thread: threading.Thread) -> None:
    """Let the pool start another thread in place of ``thread``."""
    pool: Any = worker.executors["default"]
    pool = getattr(pool, "inner", pool)
    pool._threads.discard(thread)
    pool._adjust_thread_count()
