"""One look at everything that the plugin knows about itself."""

from __future__ import annotations

import dataclasses
import heapq
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from stratum_dask.scheduler_plugins.history import Sample
from stratum_dask.tally import Reason

if TYPE_CHECKING:
    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["Figures", "Saving", "figures", "parts", "sample", "to_plain"]

_MOST = 20


class Saving(NamedTuple):
    """Tasks of one function that need not run."""

    function: str
    tasks: int
    seconds: float


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What was asked for and what was saved, up to one moment.

    Attributes
    ----------
    time
        When that was, in seconds since 1970.
    graphs, asked, run, merged, isolated
        Graphs that came, tasks in them, tasks that were left to run, tasks that
        another one stands for, and tasks that get private handles on shared results.
    failures
        Graphs that ran as they came because something of ours failed.
    known
        Tasks on the scheduler whose work is known.
    seconds_saved
        Run time of the tasks that need not run, and what the store saved.
    savings
        The functions that saved most, best first.
    refused
        The reasons for which most tasks were not merged.
    retention, store
        The figures of these parts; None where one is switched off.
    """

    time: float
    graphs: int
    asked: int
    run: int
    merged: int
    isolated: int
    failures: int
    known: int
    seconds_saved: float
    savings: tuple[Saving, ...]
    refused: tuple[Reason, ...]
    retention: Any
    store: Any

    @property
    def share_saved(self) -> float:
        """Of the tasks asked for, the share that need not run.

        Examples
        --------
        >>> from stratum_dask.scheduler_plugins import StratumPlugin
        >>> plugin = StratumPlugin()
        >>> plugin.total.asked, plugin.total.run = 8, 2
        >>> figures(plugin).share_saved
        0.75
        """
        return 1 - self.run / self.asked if self.asked else 0.0

    def state(self) -> Figures:
        """The same without the time: equal as long as nothing happens."""
        return dataclasses.replace(self, time=0.0)


def figures(plugin: StratumPlugin) -> Figures:
    """Take a snapshot of ``plugin``, in the scheduler's event loop."""
    total = plugin.total
    retention, store = parts(plugin)
    spared, seconds = total.merged + total.read, total.seconds
    best = heapq.nlargest(
        _MOST, spared, key=lambda function: (seconds.get(function, 0), spared[function])
    )
    return Figures(
        time=time.time(),
        graphs=total.graphs,
        asked=total.asked,
        run=total.run,
        merged=total.merged.total(),
        isolated=total.isolated,
        failures=plugin.failures,
        known=len(plugin.registry),
        seconds_saved=total.seconds_saved,
        savings=tuple(Saving(f, spared[f], seconds.get(f, 0.0)) for f in best),
        refused=tuple(total.reasons()[:_MOST]),
        retention=retention,
        store=store,
    )


def sample(plugin: StratumPlugin, retention: Any, store: Any) -> Sample:
    """Look at the few figures that are plotted over time.

    Parameters
    ----------
    plugin
        Whose figures.
    retention, store
        What `parts` has found.
    """
    total = plugin.total
    return Sample(
        time=time.time(),
        asked=total.asked,
        run=total.run,
        seconds_saved=total.seconds_saved,
        retained_bytes=0 if retention is None else retention.bytes,
        budget_bytes=0 if retention is None else retention.budget,
        bytes_read=0 if store is None else store.bytes_read,
        bytes_written=0 if store is None else store.bytes_written,
    )


def parts(plugin: StratumPlugin) -> tuple[Any, Any]:
    """Ask retention and store for their figures; None for one that is off."""
    return _part(plugin.retention), _part(plugin.store)


def to_plain(plugin: StratumPlugin) -> dict[str, Any]:
    """Everything as plain data, for another process."""
    now = figures(plugin)
    return {
        "time": now.time,
        "total": plugin.total.to_plain(),
        "failures": now.failures,
        "known": now.known,
        "retention": _plain(now.retention),
        "store": _plain(now.store),
    }


def _part(part: Any) -> Any:
    return None if part is None else part.figures()


def _plain(part: Any) -> dict[str, Any] | None:
    return None if part is None else dataclasses.asdict(part)
