"""What the plugin tells through ``Client.get_events("stratum")``.

At most one event for each graph, and a few a second beside them.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from stratum_dask.tally import Tally

if TYPE_CHECKING:
    from distributed import Scheduler

__all__ = ["TOPIC", "Events"]

TOPIC = "stratum"
_MOST = 10
# What each part tells about itself, as it grows.
_GROWING = {
    "retention": ("hits", "seconds_saved", "evicted", "evicted_bytes"),
    "store": (
        "hits",
        "seconds_saved",
        "bytes_read",
        "written",
        "bytes_written",
        "failures",
    ),
}


class Events:
    """Tells one scheduler's clients what happens.

    Parameters
    ----------
    scheduler
        Whose event log is written to.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._told: dict[str, dict[str, float]] = {}

    def graph(self, number: int, counts: Tally) -> None:
        """Tell what became of a graph.

        Parameters
        ----------
        number
            Which graph of this scheduler it was, from 1.
        counts
            What happened to it.
        """
        merged, refused = counts.merged, counts.refused
        best = heapq.nlargest(_MOST, merged, key=merged.__getitem__)
        self._tell(
            "graph",
            graph=number,
            asked=counts.asked,
            run=counts.run,
            merged=merged.total(),
            merged_by_function={function: merged[function] for function in best},
            isolated=counts.isolated,
            refused=refused.total(),
            refused_most=[
                {**refusal._asdict(), "tasks": n}
                for refusal, n in heapq.nlargest(
                    _MOST, refused.items(), key=lambda item: item[1]
                )
            ],
            seconds_saved=counts.seconds_saved,
        )

    def failure(self, what: str) -> None:
        """Tell that a graph runs as it came, because something of ours failed."""
        self._tell("failure", what=what)

    def changed(self, part: str, figures: Any) -> None:
        """Tell how much the figures of ``part`` have grown, if they have.

        Parameters
        ----------
        part
            ``retention`` or ``store``.
        figures
            Its figures now, or None where it is off.
        """
        if figures is None:
            return
        now = {name: getattr(figures, name) for name in _GROWING[part]}
        before = self._told.get(part) or dict.fromkeys(now, 0)
        if now != before:
            self._told[part] = now
            grown = {name: now[name] - before[name] for name in now}
            self._tell(part, **grown, bytes=figures.bytes)

    def _tell(self, action: str, **fields: Any) -> None:
        self._scheduler.log_event(TOPIC, {"action": action, **fields})
