"""The main seam: a scheduler rewrites every graph that any client sends.

Dask materialises graphs on the scheduler, in the handler of ``update-graph``. The
handler of one scheduler instance is wrapped (extensions add handlers the same way);
it gets a stand-in for the client's expression whose graph is already rewritten.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from distributed.protocol.serialize import (
    Serialized,
    deserialize,
    register_serialization_family,
)
from distributed.utils import offload

from stratum_dask.errors import AnnotationError, ConfigError
from stratum_dask.graph import Key
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.seams.annotations import PURITY
from stratum_dask.seams.arrival import SKIP, Arrival
from stratum_dask.seams.cancel import PIN, cancel
from stratum_dask.seams.hosts import elsewhere
from stratum_dask.seams.retries import lend

if TYPE_CHECKING:
    from distributed import Scheduler

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["install", "uninstall"]

logger = logging.getLogger("stratum_dask")

_FAMILY = "stratum-dask"
_prepared: dict[str, Arrival] = {}


def install(scheduler: Scheduler, plugin: StratumPlugin) -> None:
    """Wrap the handlers of one scheduler, once.

    Dask starts a plugin twice that is registered before the scheduler has started,
    and tells nobody when a plugin is taken away.
    """
    uninstall(scheduler)
    original = scheduler.stream_handlers["update-graph"]
    register_serialization_family(_FAMILY, None, _load)
    # One graph at a time: what one submission finds alive must not change while
    # it is being rewritten.
    lock = asyncio.Lock()

    @functools.wraps(original)
    async def update_graph(**message: Any) -> None:
        if scheduler.plugins.get(plugin.name) is not plugin:
            await original(**message)  # it was unregistered
            return
        async with lock:
            await _update_graph(scheduler, plugin, original, message)

    _put(scheduler, "update-graph", update_graph)

    own_cancel = scheduler.stream_handlers["cancel-keys"]

    @functools.wraps(own_cancel)
    def cancel_keys(**message: Any) -> None:
        if scheduler.plugins.get(plugin.name) is not plugin:
            own_cancel(**message)
            return
        cancel(scheduler, plugin.borrows, **message)

    _put(scheduler, "cancel-keys", cancel_keys)

    own_release = scheduler.stream_handlers["client-releases-keys"]

    @functools.wraps(own_release)
    def client_releases_keys(*args: Any, **message: Any) -> None:
        if plugin.retention is not None:
            plugin.retention.keep()
        own_release(*args, **message)
        if plugin.retention is not None:
            plugin.retention.look()

    _put(scheduler, "client-releases-keys", client_releases_keys)


def uninstall(scheduler: Scheduler) -> None:
    """Put Dask's own handlers back."""
    handlers = scheduler.stream_handlers
    for name in ("update-graph", "cancel-keys", "client-releases-keys"):
        handlers[name] = getattr(handlers[name], "__stratum_original__", handlers[name])


def _put(scheduler: Scheduler, name: str, handler: Any) -> None:
    handler.__stratum_original__ = scheduler.stream_handlers[name]
    scheduler.stream_handlers[name] = handler


def _load(header: dict[str, Any], frames: list[Any]) -> Arrival:
    return _prepared.pop(header["token"])


async def _update_graph(
    scheduler: Scheduler,
    plugin: StratumPlugin,
    original: Callable[..., Any],
    message: dict[str, Any],
) -> None:
    around = message.get("annotations")
    if around and SKIP in around:
        message["annotations"] = {k: v for k, v in around.items() if k != SKIP}
        await _as_it_came(plugin, original, message)
        return
    purity = None
    if around and PURITY in around:
        purity = around[PURITY]
        message["annotations"] = {k: v for k, v in around.items() if k != PURITY}
    if message.get("actors"):
        await _as_it_came(plugin, original, message)
        return
    actors: list[Key] = []
    arrival: Arrival | None = None
    foreseen: Any = None
    pin, pinned = f"{PIN}{uuid.uuid4().hex}", []
    try:
        where = elsewhere(scheduler.address, scheduler.workers)
        arrival = await offload(
            _arrive, scheduler, message, plugin, actors, purity, where
        )
        if actors:  # what is called on them changes them
            arrival.submission = None
        # From here to the pin nothing may await: what lives now is still there
        # when the graph arrives.
        if arrival.submission is None:
            plugin.make_way(arrival.graph)
        else:
            pinned = plugin.choose(arrival.submission)
            if plugin.store is not None:
                plugin.store.settle(arrival.submission)
        if pinned:
            scheduler.client_desires_keys(pinned, pin)
            around = message.get("annotations")
            lend(scheduler, arrival.submission, around, arrival.annotations)
        foreseen = await offload(_rewrite, arrival, plugin)
        if arrival.submission is not None and arrival.done is None:
            plugin.failed("a rule failed: the scheduler has warned which, and why")
        token = uuid.uuid4().hex
        _prepared[token] = arrival
        message["expr_ser"] = Serialized({"serializer": _FAMILY, "token": token}, [])
        if arrival.changed:
            message["internal_priority"] = None
    except (ConfigError, AnnotationError) as e:
        arrival = None
        plugin.failed(f"{type(e).__name__}: {e}")
        plugin.say_once(
            f"{e}\nUntil that is mended, graphs run as plain Dask runs them."
        )
    except Exception as e:
        arrival = None
        plugin.failed(f"{type(e).__name__}: {e}")
        logger.warning(
            "stratum could not look at a graph; it runs as plain Dask would run it. "
            "Please report this with the traceback below.",
            exc_info=True,
        )
    if arrival is not None and arrival.done is not None:
        plugin.expect(arrival.done, foreseen)
        if plugin.store is not None and arrival.done.loaded:
            around = message.get("annotations")
            plugin.store.expect(arrival.done, around, arrival.annotations)
    try:
        await original(**message)
    finally:
        if pinned:
            scheduler.client_releases_keys(pinned, pin)
            scheduler.clients.pop(pin, None)
    if arrival is not None and arrival.done is not None:
        plugin.learn(arrival.done, foreseen)


async def _as_it_came(
    plugin: StratumPlugin, original: Callable[..., Any], message: dict[str, Any]
) -> None:
    """Let a graph through that is not looked at."""
    if plugin.retention:
        try:
            plugin.make_way(await offload(_keys, message["expr_ser"]))
        except Exception:
            # As much as a graph that cannot be read: Dask will tell.
            logger.debug("A graph was not looked at.", exc_info=True)
    await original(**message)


def _keys(sent: Serialized) -> list[Key]:
    return list(deserialize(sent.header, sent.frames).__dask_graph__())


def _rewrite(arrival: Arrival, plugin: StratumPlugin) -> Any:
    arrival.rewrite()
    return plugin.foresee(arrival.done) if arrival.done is not None else None


def _arrive(
    scheduler: Scheduler,
    message: dict[str, Any],
    plugin: StratumPlugin,
    actors: list[Key],
    purity: dict[str, Any] | None,
    where: Elsewhere,
) -> Arrival:
    def external(key: Key) -> bytes | None:
        ts = scheduler.tasks.get(key)
        if ts is not None and ts.actor:
            actors.append(key)
        return plugin.registry.fingerprint(key)

    sent = message["expr_ser"]
    arrival = Arrival(
        deserialize(sent.header, sent.frames),
        message["keys"],
        message.get("annotations"),
        external=external,
        purity=purity,
        elsewhere=where,
    )
    if (submission := arrival.submission) is not None:
        submission.lent = plugin.lent
        if plugin.store is not None:
            plugin.store.offer(submission)
    return arrival
