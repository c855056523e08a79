"""Numbers as people read them: one way in the page, the terminal and the report."""

from __future__ import annotations

from collections.abc import Sequence

from dask.utils import format_bytes

__all__ = ["because", "count", "duration", "listed", "share", "shortened", "size"]


def because(role: str, reason: str) -> str:
    """Say why, below a heading that says "not merged" already.

    Examples
    --------
    >>> because("not merged", "reads the clock")
    'reads the clock'
    >>> because("not reused later", "reads a file")
    'not reused later: reads a file'
    """
    return reason if role == "not merged" else f"{role}: {reason}"


def count(n: int, what: str = "") -> str:
    """``n``, and of what, with an s unless it is one.

    Examples
    --------
    >>> count(1440), count(1, "task"), count(373, "task")
    ('1,440', '1 task', '373 tasks')
    """
    plural = "" if n == 1 or not what else "s"
    return f"{n:,} {what}{plural}".rstrip()


def duration(seconds: float) -> str:
    """A time, in the two largest units that say something.

    Examples
    --------
    >>> duration(0), duration(0.0123), duration(9.87), duration(83.4)
    ('0 s', '12 ms', '9.9 s', '1 min 23 s')
    >>> duration(7_500), duration(300_000)
    ('2 h 5 min', '3 d 11 h')
    """
    if seconds < 0.0005:
        return "0 s"
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24:,} d {hours % 24} h"


def listed(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many there are beside them.

    Examples
    --------
    >>> listed(["load", "fit"], 3), listed(["load", "fit", "score", "plot"], 2)
    ('load, fit', 'load, fit and 2 more')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def share(part: float) -> str:
    """A part of the whole, in percent; all and nothing only where that is exact.

    Examples
    --------
    >>> share(0.7412), share(0), share(0.00001), share(0.99999)
    ('74.1 %', '0.0 %', '< 0.1 %', '> 99.9 %')
    """
    if 0 < part < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= part < 1:
        return "> 99.9 %"
    return f"{100 * part:.1f} %"


def size(nbytes: int) -> str:
    """A number of bytes, as Dask writes it.

    Examples
    --------
    >>> size(0), size(123_456_789)
    ('0 B', '117.74 MiB')
    """
    return str(format_bytes(nbytes))


def shortened(text: str, most: int) -> str:
    """``text``, cut in the middle where it is longer than ``most`` characters.

    Examples
    --------
    >>> shortened("evaluate_with_cross_validation", 20), shortened("fit", 20)
    ('evaluate_w…alidation', 'fit')
    """
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[len(text) - (most - most // 2 - 1) :]}"
