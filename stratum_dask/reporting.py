"""What the plugin did in this process so far."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import Any

from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission
from stratum_dask.tally import Tally, merges, tally

__all__ = ["Report", "record", "report", "reset"]

_lock = threading.Lock()


def _total_there(dask_scheduler: Any) -> dict[str, Any] | None:
    plugin = dask_scheduler.plugins.get("stratum")
    return None if plugin is None else plugin.total.to_plain()


_total = Tally()


class Report:
    """What was asked for, what ran, what was saved.

    Attributes
    ----------
    tasks, ran, merged
        Tasks that the programs contained, that were left to run, and that needed
        not run because an equal one did.
    seconds_saved
        Sum of the measured run times of the tasks that stood for others, once for
        each of those others. Where run times are not known (tasks in another
        process without a distributed scheduler) it counts nothing.
    """

    def __init__(self, total: Tally, where: str) -> None:
        self.total = total
        self.where = where
        self.tasks = total.asked
        self.ran = total.run
        self.merged = sum(total.merged.values())
        self.seconds_saved = total.seconds_saved

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain data for JSON."""
        total = self.total
        return {
            "where": self.where,
            "graphs": total.graphs,
            "tasks": total.asked,
            "ran": total.run,
            "merged": self.merged,
            "seconds_saved": round(total.seconds_saved, 6),
            "merged_by_function": dict(total.merged.most_common()),
            "refused": [
                {**refusal._asdict(), "tasks": n}
                for refusal, n in total.refused.most_common()
            ],
            "isolated": total.isolated,
        }

    def __repr__(self) -> str:
        total = self.total
        lines = [
            f"stratum report ({self.where})",
            f"  graphs         {total.graphs:>10,}",
            f"  tasks asked    {total.asked:>10,}",
            f"  tasks left     {total.run:>10,}",
            f"  merged         {self.merged:>10,}",
            f"  seconds saved  {total.seconds_saved:>10,.2f}",
        ]
        for name, n in total.merged.most_common(10):
            lines.append(f"    {name:<28} {n:>8,} merged")
        for refusal, n in total.refused.most_common(10):
            lines.append(
                f"    {refusal.function:<28} {n:>8,} {refusal.role}: {refusal.reason}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def record(submission: Submission, seconds: Mapping[Key, float]) -> None:
    """Count a computation that this process rewrote."""
    merged = list(merges(submission))
    counts = tally(submission, merged)
    for merge in merged:
        counts.save(merge.function, seconds.get(merge.target, 0.0))
    with _lock:
        _total.add(counts)


def report() -> Report:
    """What the plugin did so far.

    With a distributed client that sends its graphs to a scheduler with the plugin
    this is what happened on that scheduler, to the graphs of all its clients;
    otherwise what happened in this process.

    Returns
    -------
    Report
        Prints as text, shows as HTML in a notebook, and has ``to_dict()``.

    Examples
    --------
    >>> import dask, stratum_dask
    >>> with dask.config.set({"stratum.enabled": True}):
    ...     dask.compute(*[dask.delayed(abs)(-1) for _ in range(3)], scheduler="sync")
    (1, 1, 1)
    >>> stratum_dask.report().merged >= 2
    True
    """
    remote = _scheduler_total()
    if remote is not None:
        return remote
    with _lock:
        total = Tally()
        total.add(_total)
    return Report(total, "this process")


def _scheduler_total() -> Report | None:
    """The report of the scheduler of the current client, if it has the plugin."""
    module = sys.modules.get("distributed.client")
    client = None if module is None else module._get_global_client()
    if client is None or client.asynchronous:
        return None
    plain = client.run_on_scheduler(_total_there)
    if plain is None:
        return None
    return Report(Tally.from_plain(plain), f"scheduler {client.scheduler.address}")


def reset() -> None:
    """Start counting anew in this process."""
    global _total
    with _lock:
        _total = Tally()
