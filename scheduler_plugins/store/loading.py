"""A task that reads a stored result, and computes it where that fails.

It has the key and the fingerprint of the task it stands for, and no inputs. What it
would take to compute the result stays on the scheduler (`Recipes`); whoever cannot
read an entry says so there and gets it, sends it back as a graph of its own, which
the whole cluster works on, and hands the result on. So the user's task fails only
where plain Dask's would.
"""

from __future__ import annotations

import functools
import pickle
import time
from collections.abc import Callable
from typing import Any

from distributed import get_client, get_worker
from distributed.utils import sync

from stratum_dask.graph import identity
from stratum_dask.optimizations.portable import Found
from stratum_dask.optimizations.private import Isolated
from stratum_dask.optimizations.stored import Stored
from stratum_dask.scheduler_plugins.store.entries import Compression, Entries, Pickles
from stratum_dask.scheduler_plugins.store.problems import EntryError

__all__ = ["READ", "RECIPE", "Load"]

RECIPE = "stratum_store_recipe"
"""What the scheduler is asked for how to compute a result."""
READ = "store-read"

# For a worker on which this package is not installed; short, for it travels.
_STAND_IN = f"""
 def C(f,e,*_):
  def g():
   import copy,pickle,distributed as d
   w=d.get_worker()
   r=d.utils.sync(w.loop,w.scheduler.{RECIPE},fingerprint=f,entry=e,kind='unreadable',\
detail='stratum-dask is not installed on this worker',worker=w.address)
   return copy.deepcopy(d.get_client().get(*pickle.loads(r['recipe'])))
  return g"""
_FOUND = Found("Load", _STAND_IN, __name__)


class Load(Stored):
    """Read the entry of a result.

    Parameters
    ----------
    fingerprint
        What would be computed.
    entry
        Key of the entry.
    url, pickle, compression
        See `Entries`.
    """

    __slots__ = ("compression", "entry", "pickle", "url")

    def __init__(
        self,
        fingerprint: bytes,
        entry: str,
        url: str,
        pickle: Pickles,
        compression: Compression = "auto",
    ) -> None:
        super().__init__(fingerprint)
        self.entry = entry
        self.url = url
        self.pickle: Pickles = pickle
        self.compression: Compression = compression

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        parts = self.fingerprint, self.entry, self.url, self.pickle, self.compression
        return _FOUND, parts

    @property
    def __name__(self) -> str:
        return "load"

    def __call__(self) -> Any:
        started = time.perf_counter()
        try:
            entries = entries_at(self.url, self.pickle, self.compression)
            value, header = entries.read(self.entry)
        except EntryError as e:
            return self._compute(e.kind, str(e))
        except Exception as e:  # noqa: BLE001 file systems fail in ways of their own
            return self._compute("unreadable", f"{type(e).__name__}: {e}")
        get_worker().log_event(
            "stratum",
            {
                "action": READ,
                "entry": self.entry,
                "function": header.function,
                "format": header.format,
                "bytes": header.nbytes,
                "seconds": time.perf_counter() - started,
            },
        )
        return value

    def _compute(self, kind: str, detail: str) -> Any:
        worker = get_worker()
        reply = sync(
            worker.loop,
            getattr(worker.scheduler, RECIPE),
            fingerprint=self.fingerprint,
            entry=self.entry,
            kind=kind,
            detail=detail,
            worker=worker.address,
        )
        if not reply["recipe"]:
            raise RuntimeError(
                f"{kind}: {detail}; and the scheduler knows no task that reads it, so "
                "that nobody waits for this result"
            )
        graph, key = pickle.loads(reply["recipe"])
        # It may be the very object that another task has got from this worker.
        return Isolated(identity, (0,))(get_client().get(graph, key))


@functools.lru_cache(8)
def entries_at(url: str, pickle: Pickles, compression: Compression) -> Entries:
    """The entries at a URL, opened once in each process."""
    return Entries(url, pickle, compression)
