"""Who asks for retries has them, also of a task that others have sent before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission

if TYPE_CHECKING:
    from distributed import Scheduler

__all__ = ["lend"]


def lend(
    scheduler: Scheduler,
    submission: Submission | None,
    everywhere: Mapping[str, Any] | None,
    by_type: Mapping[str, Mapping[Key, Any]],
) -> None:
    """Give the live tasks that ``submission`` uses the retries that it asks for.

    Parameters
    ----------
    everywhere
        Annotations of all its tasks.
    by_type
        Annotations of single tasks.
    """
    wide = (everywhere or {}).get("retries")
    narrow = by_type.get("retries") or {}
    if submission is None or not submission.live or not (wide or narrow):
        return

    def asked(key: Key) -> int:
        value = wide(key) if callable(wide) else wide
        return max(value or 0, narrow.get(key) or 0)

    wanted: dict[bytes, int] = {}
    for key in submission.tasks:
        if retries := asked(key):
            parts = submission.inside().get(key, {}).values()
            for fingerprint in (submission.fingerprints[key], *parts):
                wanted[fingerprint] = max(wanted.get(fingerprint, 0), retries)
    for fingerprint, live in submission.live.items():
        ts = scheduler.tasks.get(live)
        if ts is not None:
            ts.retries = max(ts.retries, wanted.get(fingerprint, 0))
