"""The seam into distributed's client.

Its main work is to see to it that the scheduler rewrites: it registers the scheduler
plugin where that is not loaded yet. For a scheduler that one cannot change
(``stratum.distributed: client``) it rewrites the graphs itself before they are sent.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stratum_dask.config import enabled, settings
from stratum_dask.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["install", "installed", "state", "uninstall"]

SCHEDULER, CLIENT, PLAIN = "scheduler", "client", "plain"

_states: weakref.WeakKeyDictionary[Client, str] = weakref.WeakKeyDictionary()


def install() -> None:
    """Wrap the two methods of `Client` through which everything goes."""
    Client = sys.modules["distributed.client"].Client
    if not installed():
        Client._start = _wrap_start(Client._start)
        Client._graph_to_futures = _wrap(Client._graph_to_futures)


def uninstall() -> None:
    """Put Dask's own methods back."""
    Client = sys.modules["distributed.client"].Client
    if installed():
        Client._start = Client._start.__stratum_original__
        Client._graph_to_futures = Client._graph_to_futures.__stratum_original__


def installed() -> bool:
    """Whether the wrappers are in place."""
    module = sys.modules.get("distributed.client")
    client = getattr(module, "Client", None)
    return hasattr(getattr(client, "_graph_to_futures", None), "__stratum_original__")


def state(client: Client) -> str | None:
    """Where the graphs of ``client`` are rewritten, if that is decided already."""
    return _states.get(client)


async def _decide(client: Client) -> None:
    from stratum_dask.seams import client_send

    _states[client] = await client_send.connect(client)


def _understood() -> bool:
    """Whether the configuration means something; the first compute tells if not."""
    try:
        settings()
    except ConfigError:
        return False
    return True


def _wrap_start(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def _start(self: Client, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        if _understood() and enabled() and self not in _states:
            _states[self] = PLAIN  # for what is sent meanwhile
            await _decide(self)
        return result

    _start.__stratum_original__ = original  # type: ignore[attr-defined]
    return _start


def _wrap(original: Callable[..., Any]) -> Callable[..., Any]:
    send: Callable[..., dict[Any, Future[Any]]] = original

    @functools.wraps(original)
    def _graph_to_futures(
        self: Client, expr: Any, keys: Any, *args: Any, **kwargs: Any
    ) -> dict[Any, Future[Any]]:
        if not enabled():
            if _states.get(self) == SCHEDULER:
                # This client had switched the plugin on, so now it means off. One
                # that never did leaves it to the scheduler.
                from dask.base import annotate

                from stratum_dask.seams.arrival import SKIP

                with annotate(**{SKIP: True}):
                    return send(self, expr, keys, *args, **kwargs)
            return send(self, expr, keys, *args, **kwargs)
        from stratum_dask.seams import client_send, rewrite

        rewrite.configuration()  # the scheduler could not tell what is wrong with it
        if self not in _states and settings().distributed == CLIENT:
            _states[self] = CLIENT
        if self not in _states:
            _states[self] = PLAIN
            if (
                self.asynchronous and self.loop is not None
            ):  # inside the event loop one can't wait for it
                self.loop.add_callback(_decide, self)
            else:
                self.sync(_decide, self)
        if _states[self] == CLIENT and kwargs.get("actors"):
            client_send.has_actors(self, keys)
        elif _states[self] == CLIENT:
            return client_send.rewritten(
                self, functools.partial(send, self), expr, keys, args, kwargs
            )
        if _states[self] == SCHEDULER:
            with client_send.told(expr):
                return send(self, expr, keys, *args, **kwargs)
        return send(self, expr, keys, *args, **kwargs)

    _graph_to_futures.__stratum_original__ = original  # type: ignore[attr-defined]
    return _graph_to_futures
