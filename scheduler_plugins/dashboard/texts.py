"""The parts of the page that are words and numbers."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

from stratum_dask.scheduler_plugins.dashboard.view import View, text
from stratum_dask.scheduler_plugins.figures import Figures
from stratum_dask.scheduler_plugins.history import Sample
from stratum_dask.wording import because, count, duration, listed, share, size

__all__ = ["RefusedTable", "Summary"]

_TILES = """
.tiles { display: flex; flex-wrap: wrap; gap: 6px 28px; padding: 6px 10px; }
.tiles div { white-space: nowrap; }
.tiles b { display: block; font-size: 22px; font-weight: 600; line-height: 1.25; }
.tiles i { font-style: normal; opacity: .7; font-size: 12px; }
"""
_TABLE = """
h2 { font-size: 13px; margin: 0; padding: 8px 10px 4px; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; opacity: .7; font-size: 12px; }
th, td { padding: 3px 10px; vertical-align: top; }
td { border-top: 1px solid rgba(128, 128, 128, .25); overflow-wrap: anywhere; }
td:nth-child(3) { width: 34%; }
.n { text-align: right; white-space: nowrap; }
i { font-style: normal; opacity: .7; display: block; }
"""


_NAMES = 4


class Summary(View):
    """The totals."""

    title = "Stratum: equal work runs once"
    name = "summary"

    def body(self) -> Any:
        return text(css=_TILES)

    def nothing(self, now: Figures) -> str | None:
        if now.graphs or now.failures:
            return None
        return (
            "Nothing to show yet: no client of this scheduler has computed anything "
            "since the plugin was loaded. It needs no change in your programs."
        )

    def draw(self, now: Figures, samples: Sequence[Sample]) -> None:
        tiles = "".join(
            f"<div>{label}<b>{html.escape(value)}</b><i>{html.escape(about)}</i></div>"
            for label, value, about in _tiles(now)
        )
        self._body.text = f"<div class='tiles'>{tiles}</div>"


class RefusedTable(View):
    """What was not merged, and what would allow it."""

    title = "Not merged, and why"
    name = "refused"

    def body(self) -> Any:
        return text(css=_TABLE)

    def nothing(self, now: Figures) -> str | None:
        if now.refused:
            return None
        return "Nothing to show yet: no task was refused."

    def draw(self, now: Figures, samples: Sequence[Sample]) -> None:
        rows = []
        for role, reason, remedy, tasks, functions in now.refused:
            why = html.escape(because(role, reason))
            todo = f"<i>To change that: {html.escape(remedy)}</i>" if remedy else ""
            names = html.escape(listed(functions, _NAMES))
            rows.append(
                f"<tr><td class='n'>{count(tasks)}</td><td>{why}{todo}</td>"
                f"<td>{names}</td></tr>"
            )
        self._body.text = (
            f"<h2>{self.title}</h2><table><tr><th class='n'>Tasks</th><th>Reason</th>"
            f"<th>Functions</th></tr>{''.join(rows)}</table>"
        )


def _tiles(now: Figures) -> Iterator[tuple[str, str, str]]:
    yield "Tasks asked for", count(now.asked), f"in {count(now.graphs, 'graph')}"
    yield "Tasks run", count(now.run), f"{count(now.asked - now.run)} need not run"
    yield "Hit rate", share(now.share_saved), "of the tasks asked for"
    yield (
        "Compute time saved",
        duration(now.seconds_saved),
        "as the equal tasks were measured",
    )
    if (kept := now.retention) is not None:
        yield (
            "Kept in memory",
            size(kept.bytes),
            f"of {size(kept.budget)}; {count(kept.hits, 'hit')}",
        )
    if (store := now.store) is not None:
        yield "Store", size(store.bytes), f"{count(store.hits, 'result')} loaded"
    if now.failures:
        yield "Failed", count(now.failures, "graph"), "ran as plain Dask runs them"
