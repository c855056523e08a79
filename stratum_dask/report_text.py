"""How a report reads: as text, and as tables in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from stratum_dask.wording import (
    because,
    count,
    duration,
    listed,
    share,
    shortened,
    size,
)

if TYPE_CHECKING:
    from stratum_dask.reporting import Report
    from stratum_dask.tally import Reason

__all__ = ["as_html", "as_text", "totals"]

_MOST = 10
_NAMES = 4
_NUMBER = "text-align: right; white-space: nowrap"


def totals(report: Report) -> Iterator[tuple[str, str, str]]:
    """Yield what the report is about, the number, and a word on it."""
    total = report.total
    saved = total.asked - total.run
    yield "graphs", count(total.graphs), ""
    yield "tasks asked for", count(total.asked), ""
    yield "tasks run", count(total.run), f"{count(saved)} need not run"
    yield "merged", count(report.merged), "an equal task stands for them"
    if total.asked:
        yield "hit rate", share(saved / total.asked), "of the tasks asked for"
    yield "time saved", duration(report.seconds_saved), "of computing"
    if (kept := report.retention) is not None:
        yield (
            "kept in memory",
            size(kept["bytes"]),
            ", ".join(
                [
                    f"of {size(kept['budget'])}",
                    count(kept["results"], "result"),
                    count(kept["hits"], "hit"),
                    f"{count(kept['evicted'])} let go",
                ]
            ),
        )
    if (store := report.store) is not None:
        yield (
            "store",
            size(store["bytes"]),
            ", ".join(
                [
                    count(store["entries"], "result"),
                    f"{count(store['hits'])} loaded",
                    f"{count(store['written'])} written",
                    count(store["failures"], "failure"),
                ]
            ),
        )
    if report.failures:
        yield "failed", count(report.failures, "graph"), "ran as plain Dask runs them"


def as_text(report: Report) -> str:
    """Lay a report out for a terminal of 80 columns."""
    lines = [f"stratum report ({report.where})"]
    for name, number, about in totals(report):
        lines.append(f"  {name:<16} {number:>12}   {about}".rstrip())
    if savings := report.savings(_MOST):
        lines.append("biggest savings")
        for function, tasks, seconds in savings:
            lines.append(
                f"  {shortened(function, 40):<40} {count(tasks, 'task'):>14} "
                f"{duration(seconds):>12}"
            )
    if reasons := report.total.reasons()[:_MOST]:
        lines.append("not merged")
        for role, reason, remedy, tasks, functions in reasons:
            lines.append(f"  {count(tasks, 'task')}: {because(role, reason)}")
            lines.append(f"    {listed(functions, _NAMES)}")
            if remedy:
                lines.append(f"    to change that: {remedy}")
    return "\n".join(lines)


def as_html(report: Report) -> str:
    """Lay a report out for a notebook."""
    parts = [
        f"<p style='margin: 0 0 4px'><b>stratum report</b> ({_safe(report.where)})</p>",
        _table([], (tuple(map(_safe, row)) for row in totals(report))),
    ]
    if savings := report.savings(_MOST):
        rows = ((_safe(f), count(n), duration(s)) for f, n, s in savings)
        parts.append(_table(["Biggest savings", "Tasks", "Time"], rows))
    if reasons := report.total.reasons()[:_MOST]:
        rows = (
            (_safe(listed(each.functions, _NAMES)), count(each.tasks), _why(each))
            for each in reasons
        )
        parts.append(_table(["Not merged", "Tasks", "Reason"], rows))
    return f"<div>{''.join(parts)}</div>"


def _why(each: Reason) -> str:
    remedy = f"<br>To change that: {_safe(each.remedy)}" if each.remedy else ""
    return _safe(because(each.role, each.reason)) + remedy


def _table(heads: list[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Rows of a word, a number and another cell; notebooks style what is not said."""
    head = "".join(
        f"<th style='text-align: {'right' if i == 1 else 'left'}'>{head}</th>"
        for i, head in enumerate(heads)
    )
    body = "".join(
        f"<tr><td style='text-align: left'>{word}</td><td style='{_NUMBER}'>{number}</td>"
        f"<td style='text-align: left'>{rest}</td></tr>"
        for word, number, rest in rows
    )
    return (
        "<table style='margin: 0 0 8px'>"
        + (f"<thead><tr>{head}</tr></thead>" if heads else "")
        + f"<tbody>{body}</tbody></table>"
    )


def _safe(text: str) -> str:
    return html.escape(text)
