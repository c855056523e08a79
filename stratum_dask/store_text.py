"""A store in words and tables, for people at a terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dask.utils import format_bytes

if TYPE_CHECKING:
    from stratum_dask.scheduler_plugins.store.catalog import Row
    from stratum_dask.scheduler_plugins.store.store import Bad, Store

__all__ = ["ago", "checked", "cleared", "facts", "plain", "pruned", "table", "told"]

_STEPS = [("s", 60), ("min", 60), ("h", 24), ("days", 0)]
_LEFT = {"key", "function", "type", "format"}


def ago(seconds: float) -> str:
    """How long ago something was; clocks may differ.

    Examples
    --------
    >>> ago(5), ago(7200), ago(9e5), ago(-3)
    ('5 s', '2 h', '10 days', 'just now')
    """
    if seconds < 1:
        return "just now"
    for unit, size in _STEPS[:-1]:
        if seconds < size:
            return f"{seconds:.0f} {unit}"
        seconds /= size
    return f"{seconds:.0f} days"


def _took(seconds: float) -> str:
    """
    Examples
    --------
    >>> _took(0.25), _took(12.3), _took(600), _took(20000)
    ('0.25 s', '12.3 s', '10 min', '5.6 h')
    """
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plain(row: Row) -> dict[str, Any]:
    """One entry as plain data, with times that everybody reads alike."""
    found = asdict(row)
    for name in ("created", "used"):
        found[name] = datetime.fromtimestamp(found[name], UTC).isoformat("T", "seconds")
    return found


def table(rows: Sequence[Row], count: int) -> str:
    """The first entries of a list, one a line, and how many there are."""
    if not rows:
        return "the store is empty"
    now = time.time()
    lines = [
        {
            "key": row.key[:10],
            "function": row.function[:28],
            "type": row.kind.rpartition(".")[2][:24],
            "format": row.format,
            "file": format_bytes(row.size),
            "computing": _took(row.seconds),
            "hits": f"{row.hits:,}",
            "written": ago(now - row.created),
            "used": ago(now - row.used) if row.hits else "-",
        }
        for row in rows[:count]
    ]
    widths = {n: max(len(n), *(len(line[n]) for line in lines)) for n in lines[0]}

    def joined(line: dict[str, str]) -> str:
        cells = [
            text.ljust(widths[n]) if n in _LEFT else text.rjust(widths[n])
            for n, text in line.items()
        ]
        return "  ".join(cells).rstrip()

    text = [joined({n: n for n in widths}), *map(joined, lines)]
    size = format_bytes(sum(row.size for row in rows))
    more = f", {len(rows) - count:,} more than listed (-n)" if len(rows) > count else ""
    text.append(f"{len(rows):,} results, {size}{more}")
    return "\n".join(text)


def facts(store: Store) -> dict[str, Any]:
    """What a store is, as plain data."""
    rows = list(store.rows().values())
    size = sum(row.size for row in rows)
    why = store.entries.why_no_pickles()
    return {
        "url": store.url,
        "entries": len(rows),
        "bytes": size,
        "limit": store.options.limit,
        "formats": dict(Counter(row.format for row in rows).most_common()),
        "seconds": round(sum(row.own for row in rows), 3),
        "hits": sum(row.hits for row in rows),
        "pickles": why is None,
        "why_no_pickles": why,
        "compression": store.entries.codec or "none",
        "bytes_per_second": {
            kind: round(rate) for kind, rate in sorted(store.bandwidth.rates.items())
        },
    }


def told(found: dict[str, Any]) -> str:
    """The same in words."""
    full = found["bytes"] / found["limit"]
    size, limit = format_bytes(found["bytes"]), format_bytes(found["limit"])
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in found["formats"].items())
    pickles = "yes" if found["pickles"] else f"no: {found['why_no_pickles']}"
    speeds = found["bytes_per_second"].items()
    lines = {
        "store": found["url"],
        "results": f"{found['entries']:,}" + (f" ({kinds})" if kinds else ""),
        "size": f"{size} of {limit} ({full:.0%})",
        "computing": f"{_took(found['seconds'])} for all of them",
        "hits": f"{found['hits']:,}",
        "pickles": pickles,
        "compression": found["compression"],
        "reading": ", ".join(
            f"{kind} {format_bytes(speed)}/s" for kind, speed in speeds
        )
        or "nothing large was read or written yet",
    }
    return "\n".join(f"{name:<12} {text}" for name, text in lines.items())


def checked(bad: Sequence[Bad], left: int) -> str:
    """What a check has found."""
    if not bad:
        return f"all {left:,} results are as they were written"
    lines = [
        f"{each.key[:10]}  {each.kind:<10}  {each.detail}"
        + ("  (removed)" if each.removed else "")
        for each in bad
    ]
    lines.append(f"{len(bad):,} of {len(bad) + left:,} results cannot be used")
    if not any(each.removed for each in bad):
        lines.append(
            "They are not read. `dask stratum store verify --remove` removes them."
        )
    return "\n".join(lines)


def pruned(gone: Sequence[Row], store: Store) -> str:
    """What has been removed, and what is left."""
    size = format_bytes(sum(row.size for row in gone))
    left = f"{len(store.rows()):,} results, {format_bytes(store.size())}"
    return f"removed {len(gone):,} results, {size}; left are {left}"


def cleared(count: int, size: int, store: Store) -> str:
    """That everything is gone."""
    return f"removed all {count:,} results, {format_bytes(size)}, from {store.url}"
