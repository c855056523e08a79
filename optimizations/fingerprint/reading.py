"""Which files a call reads, as far as its arguments tell, and their versions."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

from stratum_dask.optimizations.fingerprint import files
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.purity.readers import path_parameter

__all__ = ["Reading", "reading", "versions"]


class Reading(enum.Enum):
    """How the files that a call reads are named in its arguments."""

    NOTHING = enum.auto()
    KNOWN = enum.auto()
    """It is a known reader."""
    INSIDE = enum.auto()
    """It is a user's function that hands its arguments on to one."""


def reading(func: Callable[..., Any], judge: Judge) -> Reading:
    """How the files that ``func`` reads are named in calls of it.

    Examples
    --------
    >>> import numpy as np
    >>> def read(path): return np.load(path)
    >>> reading(np.load, Judge()).name, reading(read, Judge()).name
    ('KNOWN', 'INSIDE')
    """
    if path_parameter(func):
        return Reading.KNOWN
    return Reading.INSIDE if judge.reads(func) else Reading.NOTHING


def versions(
    kind: Reading,
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    judge: Judge,
    elsewhere: Elsewhere = Elsewhere.NO,
) -> tuple[bytes, str]:
    """The versions of the files that a call reads, or why one can't be seen."""
    if kind is Reading.KNOWN:
        return files.encode_paths(func, args, kwargs, elsewhere)
    paths = judge.paths(func, args, kwargs)
    if paths is None:  # the judge has said so, and why
        return b"", ""
    return files.encode_read(paths, elsewhere)
