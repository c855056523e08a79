"""What a running cluster can tell about itself, with our package there or not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from dask import config as dask_config

__all__ = ["cluster_facts"]


def cluster_facts(address: str, timeout: float) -> dict[str, Any]:
    """Return the facts of the scheduler at ``address`` and of its workers.

    Where it could not be asked, the only fact besides its address is ``error``.
    """
    from distributed import Client
    from distributed.comm.addressing import get_address_host

    ask = _question()
    try:
        # a client that is made with a bad address lingers, and complains at exit
        get_address_host(address)
        # off, because a client that has stratum on would activate it on the scheduler
        with (
            dask_config.set({"stratum.enabled": False}),
            warnings.catch_warnings(),
        ):
            # told in our own words, with what to do about it
            warnings.simplefilter("ignore")
            with Client(address, timeout=timeout, set_as_default=False) as client:
                return {
                    "address": address,
                    "scheduler": client.run_on_scheduler(ask),
                    "workers": _by_worker(client.run(ask, on_error="return")),
                }
    # a bad address, refused, timed out, or a scheduler that forbids to be asked
    except Exception as error:  # noqa: BLE001
        return {"address": address, "error": f"{type(error).__name__}: {error}"}


def _by_worker(answers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        worker: {"error": repr(answer)} if isinstance(answer, Exception) else answer
        for worker, answer in answers.items()
    }


def _question() -> Callable[..., dict[str, Any]]:
    """Return a function that travels by value: the other side may lack our package."""

    def facts(dask_scheduler: Any = None) -> dict[str, Any]:
        import importlib.metadata
        import importlib.util
        import platform

        import dask

        def version(name: str) -> str | None:
            try:
                return importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                return None

        return {
            "python": platform.python_version(),
            "versions": {
                name: version(name) for name in ("dask", "distributed", "stratum-dask")
            },
            "importable": importlib.util.find_spec("stratum_dask") is not None,
            "enabled": dask.config.get("stratum.enabled", None),
        } | ({"active": "stratum" in dask_scheduler.plugins} if dask_scheduler else {})

    return facts
