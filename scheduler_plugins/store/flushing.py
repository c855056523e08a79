"""Wait until a cluster has written what is worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratum_dask.scheduler_plugins.store.problems import StoreError

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["FLUSH", "flush"]

FLUSH = "stratum_store_flush"
"""What a scheduler is asked for."""


def flush(client: Client, timeout: float = 60.0) -> Any:
    """Have a cluster write all results that are worth it, and wait for that.

    A scheduler that is closed in order does so itself, for the seconds of
    ``stratum.store.flush``, and so does one whose workers are all retired, as those of
    a `LocalCluster` that closes. Call this where workers are stopped in other ways,
    or where writing takes longer.

    Parameters
    ----------
    client
        A client of the cluster.
    timeout
        Seconds to wait at most.

    Returns
    -------
    int
        How many results are left that could not be written in time; of an
        asynchronous client, an awaitable for it.

    Raises
    ------
    StoreError
        The scheduler has no store.

    Examples
    --------
    >>> import tempfile, dask
    >>> from distributed import Client
    >>> def run(folder):
    ...     options = {"stratum.enabled": True, "stratum.store.url": folder}
    ...     with dask.config.set(options), Client(processes=False, dashboard_address=None) as c:
    ...         return c.submit(sum, [1, 2]).result(), flush(c)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run(folder)
    (3, 0)
    """
    return client.sync(_flush, client, timeout)


async def _flush(client: Client, timeout: float) -> int:
    left = await getattr(client.scheduler, FLUSH)(timeout=timeout)
    if not isinstance(left, int):  # so Dask answers a request that it does not know
        raise StoreError(
            "this scheduler has no store. Set stratum.store.url where the scheduler "
            "runs, or in this process for a LocalCluster; `dask stratum doctor` tells "
            "whether it has the plugin."
        )
    return left
