"""A live view of what a scheduler's plugin does, in a terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stratum_dask.asking import NoAnswerError, NoPluginError, ask, ask_once
from stratum_dask.report_text import totals
from stratum_dask.reporting import Report
from stratum_dask.tally import Reason
from stratum_dask.wording import because, count, duration, listed

__all__ = ["once", "show", "watch"]

# Lines that are no rows: the status, and above each table its names and a blank.
_OTHER_LINES = 7
_FEWEST = 2
_NAMES = 3


def show(report: Report, lines: int | None = None) -> Group:
    """Lay a report out for a terminal.

    Parameters
    ----------
    report
        What to show.
    lines
        How many there are; without, the tables are as long as in a report.
    """
    numbers = _table(show_header=False)
    numbers.add_column()
    numbers.add_column(justify="right", style="bold", no_wrap=True)
    numbers.add_column(style="dim", no_wrap=True, overflow="ellipsis", ratio=1)
    rows = list(totals(report))
    for row in rows:
        numbers.add_row(*row)
    refused = report.total.reasons()
    room = 20 if lines is None else max(lines - len(rows) - _OTHER_LINES, 2 * _FEWEST)
    few = min(len(refused), room // 2)
    savings = report.savings(room - few)
    parts: list[Any] = [numbers]
    if savings:
        parts += [Text(), _savings(savings)]
    if refused:
        parts += [Text(), _refused(refused[: room - len(savings)])]
    if not report.total.graphs:
        parts += [Text(), Text("Nothing to show yet: no client has computed anything.")]
    return Group(*parts)


def once(address: str, timeout: float, console: Console) -> None:
    """Show what holds now.

    Raises
    ------
    NoAnswerError, NoPluginError
        It could not be asked for.
    """
    report = ask_once(address, timeout)
    console.print(Group(_status(address), Text(), show(report)))


async def watch(
    address: str, timeout: float, interval: float, console: Console
) -> None:
    """Show what holds, again and again, until it is cancelled.

    A scheduler that goes away is waited for.

    Raises
    ------
    NoAnswerError, NoPluginError
        It could not be asked for the first time.
    """
    report = await ask(address, timeout)
    lost: float | None = None
    view: Any = None
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                try:
                    report, lost = await ask(address, timeout), None
                except (NoAnswerError, NoPluginError) as e:
                    lost = time.time() if lost is None else lost
                    status = _lost(e, lost)
                else:
                    status = _status(address)
                view = Group(status, Text(), show(report, console.height))
                live.update(view, refresh=True)
                await asyncio.sleep(interval if lost is None else 5 * interval)
    finally:
        if view is not None:
            console.print(view)  # stays when the live screen is gone


def _savings(savings: Sequence[tuple[str, int, float]]) -> Table:
    table = _table()
    table.add_column("biggest savings", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("tasks", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for function, tasks, seconds in savings:
        table.add_row(Text(function), count(tasks), duration(seconds))
    return table


def _refused(reasons: Sequence[Reason]) -> Table:
    table = _table()
    table.add_column("not merged", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("tasks", justify="right", no_wrap=True)
    table.add_column("such as", no_wrap=True, overflow="ellipsis", ratio=2)
    for role, reason, _, tasks, functions in reasons:
        why, names = Text(because(role, reason)), Text(listed(functions, _NAMES))
        table.add_row(why, count(tasks), names)
    return table


def _table(**options: Any) -> Table:
    padding = (0, 2, 0, 0)
    return Table(box=None, expand=True, padding=padding, header_style="bold", **options)


def _status(address: str) -> Text:
    return Text(f"stratum on {address}, {time.strftime('%H:%M:%S')}", style="dim")


def _lost(error: Exception, since: float) -> Text:
    clock = time.strftime("%H:%M:%S", time.localtime(since))
    return Text(
        f"no figures since {clock}, trying again (Ctrl-C ends): {error}",
        style="bold red",
        no_wrap=True,
        overflow="ellipsis",
    )
