"""What a worker does for a store: write a result that it holds, in the background.

The scheduler has seen to it that nobody writes into the result from here on. Only one
is written at a time in a process, and none while memory is short.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from stratum_dask.scheduler_plugins.store import compression as codecs
from stratum_dask.scheduler_plugins.store.entries import Compression, Pickles
from stratum_dask.scheduler_plugins.store.environment import environment
from stratum_dask.scheduler_plugins.store.loading import entries_at
from stratum_dask.scheduler_plugins.store.problems import NotStored

if TYPE_CHECKING:
    from distributed import Worker

    from stratum_dask.graph import Key

__all__ = ["WRITE", "install", "write"]

logger = logging.getLogger("stratum_dask")

WRITE = "stratum_store_write"
"""What a worker is asked for."""
_POOL = "stratum-store"
_COPIES = 3
"""So many times its size writing a result may take: encoded, read back, compressed."""
_FULL = {errno.ENOSPC, errno.EDQUOT}


async def install(dask_worker: Worker) -> dict[str, str]:
    """Let a worker write when it is asked to; return what its results depend on.

    Imports what writing needs: that is not a part of what the first write takes.
    """

    async def handle(**request: Any) -> dict[str, Any]:
        return await write(dask_worker, **request)

    if _POOL not in dask_worker.executors:  # a worker that closes shuts its own down
        dask_worker.executors[_POOL] = ThreadPoolExecutor(1, thread_name_prefix=_POOL)
    dask_worker.handlers[WRITE] = handle
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(dask_worker.executors[_POOL], codecs.available)
    return environment()


async def write(
    worker: Worker,
    key: Key,
    entry: str,
    url: str,
    pickle: Pickles,
    compression: Compression,
    **facts: Any,
) -> dict[str, Any]:
    """Write the result of ``key``; say what became of it, and never fail.

    Returns
    -------
    dict
        ``header``, ``size`` and ``seconds`` if it was written; ``refused``, why it
        never will be; ``later``, why it was not now; ``failed``, what is wrong.
    """
    # What was spilled is on a disk already, and memory is short.
    data = getattr(worker.data, "fast", worker.data)
    try:
        value = data[key]
    except KeyError:
        return {"later": "it is not in the memory of this worker"}
    if not _has_room(worker, worker.state.tasks[key].nbytes or 0):
        return {"later": "memory is short"}
    loop = asyncio.get_running_loop()
    act = functools.partial(_write, value, entry, url, pickle, compression, facts)
    del value
    return await loop.run_in_executor(worker.executors[_POOL], act)


def _has_room(worker: Worker, nbytes: int) -> bool:
    limit = worker.memory_manager.memory_limit
    target = worker.memory_manager.memory_target_fraction
    if not limit or not target:
        return True
    used: float = worker.monitor.get_process_memory()
    return used + _COPIES * nbytes < target * limit


def _write(
    value: Any,
    entry: str,
    url: str,
    pickle: Pickles,
    compression: Compression,
    facts: dict[str, Any],
) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        written = entries_at(url, pickle, compression).write(entry, value, **facts)
    except NotStored as e:
        return {"refused": str(e), "seconds": time.perf_counter() - start}
    except OSError as e:
        kind = "full" if e.errno in _FULL else "denied"
        return {"failed": kind, "detail": f"{e.strerror or e}: {url}"}
    except MemoryError:
        return {"later": "memory is short"}
    except Exception as e:
        logger.debug("stratum could not store a result", exc_info=True)
        return {"failed": "unwritable", "detail": f"{type(e).__name__}: {e}"}
    header = asdict(written.header)
    return {"header": header, "size": written.size, "seconds": written.seconds}
