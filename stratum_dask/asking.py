"""Ask a scheduler what its plugin did, from the command line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dask import config as dask_config

from stratum_dask.errors import StratumError

if TYPE_CHECKING:
    from stratum_dask.reporting import Report

__all__ = ["NoAnswerError", "NoPluginError", "address_of", "ask", "ask_once"]


class NoAnswerError(StratumError):
    """No scheduler answers at an address."""


class NoPluginError(StratumError):
    """A scheduler answers, and has no plugin."""


def address_of(given: str | None) -> str:
    """Return the address of the scheduler that is meant.

    Raises
    ------
    StratumError
        None was given, and Dask's configuration names none.
    """
    address = given or dask_config.get("scheduler-address", None)
    if not address:
        raise StratumError(
            "which scheduler? Give its address with --scheduler, or set "
            "DASK_SCHEDULER_ADDRESS. It is what a client prints, such as "
            "tcp://127.0.0.1:8786"
        )
    return str(address)


async def ask(address: str, timeout: float) -> Report:
    """Return the report of the scheduler at ``address``.

    Raises
    ------
    NoAnswerError
        Nothing answers there, or no scheduler, within ``timeout`` seconds.
    NoPluginError
        The scheduler has no plugin that could tell.
    """
    from distributed.core import rpc
    from distributed.security import Security

    from stratum_dask.reporting import Report

    try:
        async with asyncio.timeout(timeout):
            security = Security().get_connection_args("client")
            async with rpc(address, timeout=timeout, connection_args=security) as there:
                plain: dict[str, Any] | None = await there.stratum_figures()
    # a bad address, refused, timed out, lost, not a scheduler, another protocol
    except Exception as e:
        why = f"{type(e).__name__}: {e}"
        if isinstance(e, TimeoutError):
            why = f"nothing for {timeout:g} seconds"
        raise NoAnswerError(f"no scheduler answers at {address} ({why})") from e
    if plain is None:
        raise NoPluginError(
            f"the server at {address} answers, but has no stratum plugin. Start it with "
            "`dask scheduler --preload stratum_dask.scheduler_plugins`, or register the "
            "plugin: client.register_plugin(stratum_dask.scheduler_plugins."
            f"StratumPlugin()). `dask stratum doctor --scheduler {address}` tells more."
        )
    return Report.of_scheduler(plain, address)


def ask_once(address: str, timeout: float) -> Report:
    """Like `ask`, where nothing else is to be done meanwhile."""
    return asyncio.run(ask(address, timeout))
