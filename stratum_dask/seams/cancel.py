"""Cancel what a user cancels, and nothing that only a merge has tied to it.

Dask cancels what depends on a cancelled key, too. After a merge that may be the
work of another pipeline or another client, which in plain Dask had a task of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from stratum_dask.graph import Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

__all__ = ["KEEPER", "PIN", "cancel"]

logger = logging.getLogger("distributed.scheduler")  # whose work is done here

PIN = "stratum-inflight-"
"""Begins the names of the clients that keep what a graph on its way will use."""
KEEPER = "stratum-retention"
"""The name of the client that wants what is kept after all others have let go."""


def cancel(
    scheduler: Scheduler,
    borrows: Callable[[Key, Key], bool],
    keys: Collection[Key],
    client: str,
    force: bool = False,
    **message: Any,
) -> None:
    """Do what ``Scheduler.stimulus_cancel`` does, but spare what was merged.

    Parameters
    ----------
    borrows
        Whether a task depends on a key only because of a merge.
    keys, client, force, **message
        As in Dask.
    """
    asking = scheduler.clients.get(client)
    if asking is None:
        return
    logger.info("Client %s requests to cancel %d keys", client, len(keys))
    scheduler.log_event(
        client, {"action": "cancel", "count": len(keys), "force": force}
    )
    keeper = scheduler.clients.get(KEEPER)
    doomed: dict[Key, TaskState] = {}
    stack = list(keys)
    while stack:
        key = stack.pop()
        ts = scheduler.tasks.get(key)
        if ts is None or key in doomed:
            continue
        wanting = (ts.who_wants or set()) - {keeper}
        only_kept = not wanting and bool(ts.who_wants)  # in plain Dask it were gone
        if force or (wanting <= {asking} and not only_kept):
            doomed[key] = ts
            logger.info("Scheduler cancels key %s.  Force=%s", key, force)
            stack.extend(d.key for d in ts.dependents if not borrows(d.key, key))
    wanted = [key for key, ts in doomed.items() if ts.who_wants]
    losing = {cs.client_key for key in wanted for cs in doomed[key].who_wants or ()}
    for name in losing:
        if name.startswith(PIN):  # somebody else's graph, which has its own future
            continue
        if name == KEEPER and not force:
            continue
        scheduler.client_releases_keys(keys=wanted, client=name)
    # It is gone for this client even where others still want it.
    scheduler.client_releases_keys(
        keys=[k for k in keys if k in scheduler.tasks], client=client
    )
    scheduler.report({"op": "cancelled-keys", "keys": wanted, **message})
