"""What the plugin did in this process so far."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission
from stratum_dask.tally import Tally, merges, tally

__all__ = ["Report", "record", "report", "reset"]

_lock = threading.Lock()


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
        process without a distributed scheduler) it counts nothing. What a store
        saved, less the reading, is part of it.
    failures
        Graphs that ran as they came because something of ours failed.
    retention, store
        Figures of these parts of a scheduler; None where one is off.
    """

    def __init__(
        self,
        total: Tally,
        where: str,
        *,
        failures: int = 0,
        retention: Mapping[str, Any] | None = None,
        store: Mapping[str, Any] | None = None,
    ) -> None:
        self.total = total
        self.where = where
        self.failures = failures
        self.retention = retention
        self.store = store
        self.tasks = total.asked
        self.ran = total.run
        self.merged = sum(total.merged.values())
        self.seconds_saved = total.seconds_saved

    @classmethod
    def of_scheduler(cls, plain: Mapping[str, Any], address: str) -> Report:
        """Make a report of what a scheduler has answered."""
        return cls(
            Tally.from_plain(plain["total"]),
            f"scheduler {address}",
            failures=plain["failures"],
            retention=plain["retention"],
            store=plain["store"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain data for JSON."""
        total = self.total
        seconds = sorted(total.seconds.items(), key=lambda item: -item[1])
        return {
            "where": self.where,
            "graphs": total.graphs,
            "graphs_failed": self.failures,
            "tasks": total.asked,
            "ran": total.run,
            "merged": self.merged,
            "seconds_saved": round(self.seconds_saved, 6),
            "retained": total.retained,
            "retention_seconds_saved": round(total.retention_seconds, 6),
            "stored": total.stored,
            "store_seconds_saved": round(total.store_seconds, 6),
            "merged_by_function": dict(total.merged.most_common()),
            "seconds_saved_by_function": {f: round(s, 6) for f, s in seconds},
            "refused": [
                {**refusal._asdict(), "tasks": n}
                for refusal, n in total.refused.most_common()
            ],
            "isolated": total.isolated,
            "retention": None if self.retention is None else dict(self.retention),
            "store": None if self.store is None else dict(self.store),
        }

    def savings(self, most: int) -> list[tuple[str, int, float]]:
        """The functions that saved most, with tasks and seconds, best first."""
        seconds, merged = self.total.seconds, self.total.merged
        best = sorted(merged, key=lambda f: (-seconds.get(f, 0.0), -merged[f]))
        return [(f, merged[f], seconds.get(f, 0.0)) for f in best[:most]]

    def __repr__(self) -> str:
        from stratum_dask.report_text import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from stratum_dask.report_text import as_html

        return as_html(self)


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
    plain = client.run_on_scheduler(_question())
    if plain is None:
        return None
    return Report.of_scheduler(plain, client.scheduler.address)


def _question() -> Callable[..., dict[str, Any] | None]:
    """Return a function that travels by value: the other side may lack our package."""

    def figures(dask_scheduler: Any) -> dict[str, Any] | None:
        handler = dask_scheduler.handlers.get("stratum_figures")
        return None if handler is None else handler()

    return figures


def reset() -> None:
    """Start counting anew in this process."""
    global _total
    with _lock:
        _total = Tally()
