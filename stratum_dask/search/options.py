"""Options of a search, checked."""

from __future__ import annotations

from dask.utils import parse_bytes, parse_timedelta

from stratum_dask.search.errors import SearchError

__all__ = ["nbytes", "positive", "seconds"]


def seconds(name: str, value: float | str | None) -> float | None:
    """Seconds, also such as 5 min; None stays None."""
    try:
        found = None if value is None else float(parse_timedelta(value))
    except (ValueError, KeyError, TypeError):
        found = -1.0
    if found is not None and not found >= 0:
        raise SearchError(
            f"{name}={value!r} is no time; valid: 30, 0.5, '30s', '5 minutes'"
        )
    return found


def nbytes(name: str, value: int | str | None) -> int | None:
    """Bytes, also such as 2 GiB; None stays None."""
    try:
        found = None if value is None else int(parse_bytes(value))
    except (ValueError, KeyError, TypeError):
        found = 0
    if found is not None and found <= 0:
        raise SearchError(f"{name}={value!r} is no size; valid: 2_000_000, '2 GiB'")
    return found


def positive(name: str, value: int | None) -> int | None:
    """A whole number from 1 on, or None."""
    if value is not None and (not isinstance(value, int) or value < 1):
        raise SearchError(f"{name}={value!r} is no number; valid: 1, 2, 3, …, or None")
    return value
