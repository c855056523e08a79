"""Whether a whole cluster runs on this host, and so sees the files that we see."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from distributed.comm.addressing import get_address_host

from stratum_dask.optimizations.fingerprint.mounts import Elsewhere

__all__ = ["elsewhere", "on_one_host"]


def on_one_host(scheduler: str, workers: Iterable[str] = ()) -> bool:
    """Whether a scheduler here and all its workers share one host.

    Parameters
    ----------
    scheduler
        Its address, as the workers know it.
    workers
        Theirs; none where they are not known.

    Examples
    --------
    >>> on_one_host("tcp://127.0.0.1:8786"), on_one_host("tcp://10.0.0.1:8786")
    (True, False)
    >>> on_one_host("tcp://10.0.0.1:8786", ["tcp://10.0.0.1:1", "tcp://10.0.0.2:1"])
    False
    """
    if scheduler.startswith("inproc://"):
        return True
    try:
        host = get_address_host(scheduler)
        hosts = {get_address_host(worker) for worker in workers}
    except ValueError:  # an address of a kind that is not known
        return False
    # Nobody else could reach a scheduler at a loopback address.
    return _loops_back(host) or hosts == {host}


def elsewhere(scheduler: str, workers: Iterable[str] = ()) -> Elsewhere:
    """Where the workers of a scheduler run, seen from here.

    Examples
    --------
    >>> elsewhere("inproc://127.0.0.1/1/1").name, elsewhere("tcp://127.0.0.1:1").name
    ('NO', 'PROCESSES')
    """
    if scheduler.startswith("inproc://"):
        return Elsewhere.NO
    one = on_one_host(scheduler, workers)
    return Elsewhere.PROCESSES if one else Elsewhere.HOSTS


def _loops_back(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
