"""The plots of the page."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from bokeh.models import (
    AdaptiveTicker,
    ColumnDataSource,
    FactorRange,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from stratum_dask.scheduler_plugins.dashboard.view import View
from stratum_dask.scheduler_plugins.figures import Figures, Saving
from stratum_dask.scheduler_plugins.history import Sample
from stratum_dask.wording import count, duration, shortened

__all__ = ["RetentionPlot", "SavingsPlot", "StorePlot", "TasksPlot"]

# Told apart by those who do not see all colours, on light and dark grounds.
_ASKED, _RUN, _SAVED = "#7f7f7f", "#0072b2", "#e69f00"
_BARS = 12
_LONGEST = 26
_ROOM = 1.7  # for the words behind the bars

_BY_1024 = {"base": 1024, "mantissas": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]}


class _Lines(View):
    """Figures over time."""

    lines: tuple[tuple[str, str, str], ...] = ()
    """Column of the source, words in the legend, colour."""
    area: tuple[str, str, str, str] | None = None
    """Lower column, upper column, words in the legend, colour."""
    bytes = False

    def body(self) -> Any:
        columns = [line[0] for line in self.lines]
        self._source = ColumnDataSource({name: [] for name in ["time", *columns]})
        tooltips = [("Time", "@time{%F %T}")]
        plot = figure(
            title=self.title,
            x_axis_type="datetime",
            tools="xpan,xwheel_zoom,xbox_zoom,reset",
            active_drag=None,
            active_scroll=None,
            sizing_mode="stretch_both",
            min_height=150,
        )
        if self.area is not None:
            low, high, words, colour = self.area
            plot.varea(
                "time",
                low,
                high,
                source=self._source,
                color=colour,
                alpha=0.35,
                legend_label=words,
            )
        for name, words, colour in self.lines:
            drawn = plot.line(
                "time",
                name,
                source=self._source,
                color=colour,
                line_width=2,
                legend_label=words,
            )
            form = "{0.0 b}" if self.bytes else "{0,0}"
            tooltips.append((words, f"@{name}{form}"))
        plot.add_tools(
            HoverTool(
                renderers=[drawn],
                tooltips=tooltips,
                formatters={"@time": "datetime"},
                mode="vline",
            )
        )
        plot.y_range.start = 0
        plot.yaxis.formatter = NumeralTickFormatter(
            format="0.[0] b" if self.bytes else "0,0"
        )
        if self.bytes:
            plot.yaxis.ticker = AdaptiveTicker(**_BY_1024)
        else:
            plot.yaxis.ticker.min_interval = 1
        plot.add_layout(plot.legend[0], "above")  # inside it would hide lines
        _dress(plot)
        return plot

    def draw(self, now: Figures, samples: Sequence[Sample]) -> None:
        data: dict[str, Any] = {"time": [_local(s.time) for s in samples]}
        for name, _, _ in self.lines:
            data[name] = np.array([getattr(s, name) for s in samples], dtype=float)
        self._source.data = data


class TasksPlot(_Lines):
    """What was asked for, and what of it ran."""

    title = "Tasks asked for and run, so far"
    name = "tasks"
    lines = (("asked", "asked for", _ASKED), ("run", "run", _RUN))
    area = ("run", "asked", "need not run", _SAVED)

    def nothing(self, now: Figures) -> str | None:
        if now.asked:
            return None
        return "Nothing to show yet: no tasks were asked for."


class RetentionPlot(_Lines):
    """The memory that kept results take."""

    title = "Results kept in memory"
    name = "retention"
    lines = (
        ("budget_bytes", "budget", _ASKED),
        ("retained_bytes", "kept", _RUN),
    )
    bytes = True

    def nothing(self, now: Figures) -> str | None:
        if now.retention is None:
            return (
                "Off: results go when the last client lets go of them. Set "
                "`stratum.retention.budget` in the scheduler's configuration to keep "
                "those that are likely to be asked for again."
            )
        if not now.retention.results and not now.retention.evicted:
            return "Nothing to show yet: no result was worth keeping so far."
        return None


class StorePlot(_Lines):
    """What went to the store and came back."""

    title = "Store traffic, so far"
    name = "store"
    lines = (
        ("bytes_written", "written", _SAVED),
        ("bytes_read", "read", _RUN),
    )
    bytes = True

    def nothing(self, now: Figures) -> str | None:
        if now.store is None:
            return (
                "Off: results do not outlive the cluster. Set `stratum.store.url` in "
                "the scheduler's configuration to a folder to keep them."
            )
        if not now.store.bytes_written and not now.store.bytes_read:
            return (
                f"Nothing to show yet: nothing was read or written ({now.store.url})."
            )
        return None


class SavingsPlot(View):
    """Which functions saved most."""

    title = "Biggest savings, by function"
    name = "savings"

    def body(self) -> Any:
        self._source = ColumnDataSource(
            {"function": [], "row": [], "length": [], "label": []}
        )
        plot = figure(
            title=self.title,
            y_range=FactorRange(),
            x_range=Range1d(0, 1),
            tools="",
            sizing_mode="stretch_both",
            min_height=150,
        )
        bars = plot.hbar(
            y="row", right="length", height=0.7, source=self._source, color=_SAVED
        )
        plot.text(
            x="length",
            y="row",
            text="label",
            source=self._source,
            x_offset=5,
            text_baseline="middle",
            text_font_size="11px",
        )
        plot.add_tools(
            HoverTool(
                renderers=[bars],
                tooltips=[("Function", "@function"), ("Need not run", "@label")],
            )
        )
        plot.grid.visible = False
        plot.xaxis.visible = False
        _dress(plot)
        return plot

    def nothing(self, now: Figures) -> str | None:
        if now.savings:
            return None
        return "Nothing to show yet: no task has met an equal one."

    def draw(self, now: Figures, samples: Sequence[Sample]) -> None:
        best = now.savings[:_BARS]
        timed = any(saving.seconds for saving in best)
        if not timed:
            best = tuple(sorted(best, key=lambda saving: -saving.tasks))
        lengths = [saving.seconds if timed else saving.tasks for saving in best]
        rows = _unique(shortened(saving.function, _LONGEST) for saving in best)
        self._source.data = {
            "function": [saving.function for saving in best],
            "row": rows,
            "length": lengths,
            "label": [_saved(saving, timed=timed) for saving in best],
        }
        plot = self._body
        plot.y_range.factors = rows[::-1]
        plot.x_range.end = max(lengths) * _ROOM


def _unique(names: Iterable[str]) -> list[str]:
    """``names`` with spaces behind those that came before: a plot takes each once."""
    found: dict[str, None] = {}
    for name in names:
        while name in found:
            name += " "
        found[name] = None
    return list(found)


def _saved(saving: Saving, *, timed: bool) -> str:
    tasks = count(saving.tasks, "task")
    return f"{duration(saving.seconds)} · {tasks}" if timed else tasks


def _local(time: float) -> float:
    """Milliseconds that Bokeh, which knows no time zones, shows as our local time."""
    there = datetime.datetime.fromtimestamp(time).astimezone()
    offset = there.utcoffset() or datetime.timedelta()
    return (time + offset.total_seconds()) * 1000


def _dress(plot: Any) -> None:
    """What all plots have in common."""
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.title.text_font_size = "13px"
    plot.outline_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.grid.grid_line_alpha = 0.4
    for legend in plot.legend:
        legend.orientation = "horizontal"
        legend.background_fill_alpha = 0
        legend.border_line_color = None
        legend.label_text_font_size = "11px"
        legend.padding = 0
        legend.margin = 0
        legend.spacing = 16
