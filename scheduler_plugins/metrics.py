"""Prometheus metrics ``dask_stratum_*``, on the ``/metrics`` of every scheduler.

Dask registers its own collectors once for a process, and at each request points
them to the scheduler that was asked. Ours goes by what they point to, so each of
several schedulers in one process tells its own figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dask import config
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from stratum_dask.scheduler_plugins.figures import Figures, figures
from stratum_dask.seams.dashboard import scraped

if TYPE_CHECKING:
    from distributed import Scheduler

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["METRICS", "Metric", "attach"]


class Metric(NamedTuple):
    """One of the figures, as Prometheus knows it."""

    name: str
    """What follows ``dask_stratum_``; a counter's ends in ``_total``."""
    field: str
    """Where it stands in the figures; what is in a part is left out where that is off."""
    help: str


METRICS = (
    Metric("graphs_total", "graphs", "Graphs that were looked at"),
    Metric(
        "graphs_failed_total",
        "failures",
        "Graphs that ran as they came because something of stratum's failed",
    ),
    Metric("tasks_asked_total", "asked", "Tasks that the graphs contained"),
    Metric("tasks_run_total", "run", "Tasks that were left to run"),
    Metric("tasks_merged_total", "merged", "Tasks that another one stands for"),
    Metric(
        "tasks_isolated_total",
        "isolated",
        "Tasks that get private handles on shared results",
    ),
    Metric(
        "saved_seconds_total",
        "seconds_saved",
        "Measured run time of the tasks that need not run",
    ),
    Metric("known_tasks", "known", "Tasks on the scheduler whose work is known"),
    Metric("retained_results", "retention.results", "Results that are kept"),
    Metric("retained_bytes", "retention.bytes", "Size of the results that are kept"),
    Metric(
        "retention_budget_bytes",
        "retention.budget",
        "Size that the results that are kept may have",
    ),
    Metric(
        "retention_hits_total",
        "retention.hits",
        "Times that a result was asked for again while it was only kept by us",
    ),
    Metric(
        "retention_saved_seconds_total",
        "retention.seconds_saved",
        "Run time that these results would have cost",
    ),
    Metric("retention_evictions_total", "retention.evicted", "Results let go"),
    Metric("retention_evicted_bytes_total", "retention.evicted_bytes", "Size of these"),
    Metric("store_entries", "store.entries", "Results in the store"),
    Metric("store_bytes", "store.bytes", "Size of the store"),
    Metric("store_hits_total", "store.hits", "Results loaded instead of computed"),
    Metric(
        "store_saved_seconds_total",
        "store.seconds_saved",
        "Run time that these results would have cost",
    ),
    Metric("store_read_bytes_total", "store.bytes_read", "Bytes read from the store"),
    Metric("store_writes_total", "store.written", "Results written to the store"),
    Metric(
        "store_written_bytes_total", "store.bytes_written", "Bytes written to the store"
    ),
    Metric(
        "store_failures_total",
        "store.failures",
        "Reads and writes of the store that failed; the results were computed",
    ),
)


class _Collector:
    def __init__(self) -> None:
        self.plugins: dict[Scheduler, StratumPlugin] = {}

    def describe(self) -> list[Any]:
        return []  # so that registering asks for no figures

    def collect(self) -> Iterator[Any]:
        scheduler = scraped()
        plugin = self.plugins.get(scheduler) if scheduler is not None else None
        if plugin is None and scheduler is None:
            # Nobody has asked Dask's own page: another exporter of this process.
            plugin = next(reversed(self.plugins.values()), None)
        if plugin is not None:
            yield from _families(figures(plugin))


_collector = _Collector()


def attach(scheduler: Scheduler, plugin: StratumPlugin) -> Callable[[], None]:
    """Give the metrics of ``plugin``, until the function that is returned is called."""
    if not _collector.plugins:
        REGISTRY.register(_collector)
    _collector.plugins[scheduler] = plugin

    def close() -> None:
        if _collector.plugins.get(scheduler) is plugin:
            del _collector.plugins[scheduler]
            if not _collector.plugins:
                REGISTRY.unregister(_collector)

    return close


def _families(now: Figures) -> Iterator[Any]:
    namespace = config.get("distributed.dashboard.prometheus.namespace")
    prefix = "_".join(filter(None, [namespace, "stratum"]))
    for metric in METRICS:
        part, _, field = metric.field.rpartition(".")
        where = getattr(now, part) if part else now
        if where is not None:
            counts = metric.name.endswith("_total")
            family = CounterMetricFamily if counts else GaugeMetricFamily
            yield family(
                f"{prefix}_{metric.name}", metric.help, value=getattr(where, field)
            )
