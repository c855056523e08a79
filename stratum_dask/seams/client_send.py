"""What the client's seam does once the plugin is on."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dask.base import annotate, get_annotations
from distributed import Client, Future, LocalCluster

from stratum_dask import reporting
from stratum_dask.config import settings
from stratum_dask.errors import StratumWarning
from stratum_dask.graph import Graph, Key
from stratum_dask.optimizations import Submission
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.seams import annotations as annotated
from stratum_dask.seams.arrival import SKIP, Arrival
from stratum_dask.seams.client import CLIENT, PLAIN, SCHEDULER
from stratum_dask.seams.hosts import elsewhere
from stratum_dask.seams.rewrite import failed

__all__ = ["connect", "has_actors", "rewritten"]

_actors: weakref.WeakKeyDictionary[Client, set[Key]] = weakref.WeakKeyDictionary()
_known: weakref.WeakKeyDictionary[Client, dict[bytes, Key]] = (
    weakref.WeakKeyDictionary()
)
_shared: weakref.WeakKeyDictionary[Client, set[Key]] = weakref.WeakKeyDictionary()


async def connect(client: Client) -> str:
    """Decide where the graphs of ``client`` are rewritten."""
    if settings().distributed == "client":
        return CLIENT
    from stratum_dask.scheduler_plugins import StratumPlugin

    try:
        await client.register_plugin(StratumPlugin())
    except Exception as e:  # noqa: BLE001 whatever the scheduler raised
        warnings.warn(
            f"stratum is switched on here, but the scheduler at "
            f"{_address(client)} can't load it ({type(e).__name__}: {e}). "
            "Its graphs run as plain Dask runs them. Install stratum-dask where the "
            "scheduler and the workers run, or set `stratum.distributed: client`.",
            StratumWarning,
            stacklevel=2,
        )
        return PLAIN
    return SCHEDULER


@contextmanager
def told(expr: Any) -> Iterator[None]:
    """Tell the scheduler what is declared here, or that it may not look.

    Raises
    ------
    AnnotationError
        A role that means nothing, with ``stratum.on-fail: raise``.
    """
    extra: dict[str, Any] = {}
    try:
        annotated.roles(expr, get_annotations())
    except Exception as e:  # noqa: BLE001 the user's computation goes on
        failed(e)
        extra[SKIP] = True
    else:
        declared = annotated.to_send()
        if declared is not None:
            extra[annotated.PURITY] = declared
    if not extra:
        yield
        return
    with annotate(**extra):
        yield


def has_actors(client: Client, keys: Iterable[Key]) -> None:
    """Remember actors: a call of one changes it, and is never merged."""
    _actors.setdefault(client, set()).update(keys)


def rewritten(
    client: Client,
    send: Callable[..., Any],
    expr: Any,
    keys: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[Key, Future[Any]]:
    """Rewrite a graph here, for a scheduler that knows nothing of it."""
    everywhere = {**get_annotations()}
    for name in ("workers", "resources", "allow_other_workers", "retries"):
        if kwargs.get(name):
            everywhere[name] = kwargs[name]
    known, shared = _known.setdefault(client, {}), _shared.setdefault(client, set())
    for fingerprint, key in list(known.items()):
        if key not in client.futures:
            del known[fingerprint]
            shared.discard(key)
    fingerprint_of = {key: fingerprint for fingerprint, key in known.items()}
    actors = _actors.get(client, set())
    met: list[Key] = []

    def external(key: Key) -> bytes | None:
        if key in actors:
            met.append(key)
        return fingerprint_of.get(key)

    # By its address a cluster behind a tunnel seems to be here.
    here = isinstance(client.cluster, LocalCluster)
    where = elsewhere(_address(client)) if here else Elsewhere.HOSTS
    arrival = Arrival(expr, keys, everywhere, external=external, elsewhere=where)
    if met:
        plain: dict[Key, Future[Any]] = send(expr, keys, *args, **kwargs)
        return plain
    submission = arrival.submission
    held: list[Future[Any]] = []
    if submission is not None:
        # A live result must not go away before the graph that uses it arrives.
        live = {
            f: k
            for f in submission.fingerprints.values()
            if (k := known.get(f)) is not None and k not in submission.tasks
        }
        held = [Future(k, client) for k in live.values()]
        # Who asks for retries waits for no task that was sent without them.
        retries = everywhere.get("retries") or arrival.annotations.get("retries")
        useful = ("finished",) if retries else ("pending", "finished")
        submission.live = {
            f: k
            for (f, k), future in zip(live.items(), held, strict=True)
            if future.status in useful
        }
        shared.update(submission.live.values())
        submission.lent = shared.__contains__
        arrival.rewrite()
    futures: dict[Key, Future[Any]]
    if not arrival.changed:
        futures = send(expr, keys, *args, **kwargs)
    else:
        kwargs["internal_priority"] = None
        futures = send(_expression(arrival), keys, *args, **kwargs)
    del held
    if arrival.done is not None:
        _learn(arrival.done, known, shared)
        reporting.record(arrival.done, {})
    return futures


def _learn(done: Submission, known: dict[bytes, Key], shared: set[Key]) -> None:
    """Know the outputs as results that later graphs of this client may use.

    Not those whose very object has gone to a task, which may write into it.
    """
    taken = {d for node in done.tasks.values() for d in node.dependencies}
    for fingerprint, key in list(known.items()):
        if key in taken and key not in shared:
            del known[fingerprint]
    unusable = taken | done.verdicts.keys() | done.copies.keys()
    for key in (done.outputs & done.tasks.keys()) - unusable:
        known.setdefault(done.fingerprints[key], key)


def _address(client: Client) -> str:
    return "?" if client.scheduler is None else str(client.scheduler.address)


def _expression(arrival: Arrival) -> Any:
    """The rewritten graph as something a plain scheduler takes."""
    from dask._expr import HLGExpr, LLGExpr
    from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

    graph, annotations = arrival.graph, arrival.annotations
    if not annotations:
        return LLGExpr(graph)
    layers: dict[str, Graph] = {}
    given: dict[str, dict[str, Any]] = {}
    for key, node in graph.items():
        own = {
            name: values[key] for name, values in annotations.items() if key in values
        }
        layer = f"stratum-{sorted((n, repr(v)) for n, v in own.items())}"
        layers.setdefault(layer, {})[key] = node
        given[layer] = own
    hlg = HighLevelGraph(
        {
            name: MaterializedLayer(tasks, annotations=given[name] or None)
            for name, tasks in layers.items()
        },
        {name: set() for name in layers},
    )
    assert arrival.submission is not None
    return HLGExpr(hlg, output_keys=list(arrival.submission.outputs))
