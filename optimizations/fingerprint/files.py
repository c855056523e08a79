"""The files a known reader is given, and their versions."""

from __future__ import annotations

import functools
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stratum_dask.optimizations.fingerprint.mounts import Elsewhere, seen_everywhere
from stratum_dask.optimizations.fingerprint.remote import remote_version
from stratum_dask.optimizations.purity.pathtexts import PATHS
from stratum_dask.optimizations.purity.readers import path_parameter, place_parameters

__all__ = ["encode_paths", "encode_read", "file_version"]

_ELSEWHERE = "it is on a disk of this host, and workers run on others"
_PATTERN = frozenset("*?[")
_TICK = 20_000_000
"""Nanoseconds: twice the longest step of the clocks of Linux's file systems."""
_SECONDS = 2_000_000_000
"""The same where it goes in whole seconds: FAT's are two."""


def file_version(
    path: object, elsewhere: Elsewhere = Elsewhere.NO
) -> tuple[object, ...] | None:
    """Return what changes when the file does, or None if that can't be seen.

    Size and both clocks and the inode of a local file, since the modification
    time alone can be set back. What an object store tells of a remote one, if fsspec
    is in use already. Folders have no version, nor has a file that is empty (as
    those of ``/proc`` seem) or was changed only a moment ago, or a pattern that may
    mean several. If it is read ``elsewhere``, a relative path has none, and on other
    hosts they have to share the file system.

    Examples
    --------
    >>> import tempfile, os
    >>> file_version(tempfile.gettempdir()) is None
    True
    >>> file_version(os.__file__)[0]
    'file'
    """
    # A class of the user's may say something else to whoever reads.
    if type(path) is not str and type(path) not in PATHS:
        return None
    name = os.fspath(path)  # type: ignore[call-overload]
    if not _PATTERN.isdisjoint(name) or "::" in name:
        return None
    if name.startswith("file://") and "%" not in name:
        name = name.removeprefix("file://")
    elif "://" in name:
        return remote_version(name)
    if elsewhere and not os.path.isabs(name):
        return None
    try:
        real = os.path.realpath(os.path.expanduser(name))
        hosts = elsewhere is Elsewhere.HOSTS
        found = _stat_of_all(real) if hosts else os.stat(real)
        asked = os.path.abspath(os.path.expanduser(name))
        way = _way(asked) + (_way(real) if real != asked else [])
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or not found.st_size or _fresh(found):
        return None
    times = found.st_mtime_ns, found.st_ctime_ns
    return "file", real, found.st_size, *times, found.st_ino, *way


def _way(path: str) -> list[tuple[int, int]]:
    """What changes when something on the way to a file does, even if that comes back.

    A link that is made anew is another one. A folder that is renamed stays the same
    one, but of its clocks only that of changes goes on; both do when something in it
    is made or removed, which is no matter.
    """
    found = []
    while (above := os.path.dirname(path)) != path:
        here = os.lstat(path)
        renamed = here.st_ctime_ns != here.st_mtime_ns  # or its rights were changed
        if stat.S_ISLNK(here.st_mode) or (stat.S_ISDIR(here.st_mode) and renamed):
            found.append((here.st_ino, here.st_ctime_ns))
        path = above
    return found


def _stat_of_all(path: str) -> os.stat_result:
    """The state of a file that other hosts see too; others are not found."""
    if not seen_everywhere(path):
        raise OSError(_ELSEWHERE)
    # Network file systems ask their server when a file is opened, and may answer
    # from memory otherwise.
    with open(path, "rb") as file:
        return os.fstat(file.fileno())


def _fresh(found: os.stat_result) -> bool:
    """Whether the next change of a file may come before its clock goes on.

    The clock of a file system goes in steps: it may be changed twice in one (git
    knows such files as racy).
    """
    last = max(found.st_mtime_ns, found.st_ctime_ns)
    step = _TICK if last % 1_000_000_000 else _SECONDS
    return time.time_ns() - last < step


def encode_paths(
    func: object,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    elsewhere: Elsewhere = Elsewhere.NO,
) -> tuple[bytes, str]:
    """Return the versions of the files that a known reader is given.

    Parameters
    ----------
    func
        The function of a task.
    args, kwargs
        What it is called with.
    elsewhere
        Whether other processes or hosts read them.

    Returns
    -------
    tuple
        The versions and an empty string; or no bytes and the reason why a
        version can't be seen: the result may then be shared inside one
        submission only. What is no reader, or reads from memory, has no
        versions and no reason.

    Examples
    --------
    >>> import numpy as np
    >>> encode_paths(np.load, ("missing.npy",), {})
    (b'', "the version of 'missing.npy' can't be seen: no such local file")
    >>> encode_paths(np.sum, ([1, 2],), {})
    (b'', '')
    """
    parameter = path_parameter(func)
    if not parameter:
        return b"", ""
    while isinstance(func, functools.partial):
        args, kwargs, func = func.args + args, {**func.keywords, **kwargs}, func.func
    if place := _place(func, args, kwargs):
        return b"", f"{place!r} tells in which place its path is one"
    given = args[0] if args else kwargs.get(parameter)
    versions: list[bytes] = []
    for path in _paths(given):
        if path is None:
            return b"", "the path it reads is computed by another task"
        version = file_version(path, elsewhere)
        if version is None:
            return b"", _unseen(path, elsewhere)
        versions.append(_encode(version))
    return b"".join(versions), ""


def encode_read(
    paths: Iterable[str | os.PathLike[str]], elsewhere: Elsewhere = Elsewhere.NO
) -> tuple[bytes, str]:
    """Return the versions of the files that a user's function reads.

    Parameters
    ----------
    paths
        The files, in any order.
    elsewhere
        Whether other processes or hosts read them.

    Returns
    -------
    tuple
        The paths and their versions, and an empty string; or no bytes and the
        reason why one of them can't be seen.

    Examples
    --------
    >>> encode_read(["missing.npy"])
    (b'', "the version of 'missing.npy' can't be seen: no such local file")
    """
    found: set[bytes] = set()
    for path in paths:
        version = file_version(path, elsewhere)
        if version is None:
            return b"", _unseen(path, elsewhere)
        # Which of them is read where is known by the path.
        found.add(_encode((os.fspath(path), *version)))
    return b"".join(sorted(found)), ""


def _place(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    for name, position in place_parameters(func):
        by_position = position is not None and args[position : position + 1]
        if (by_position[0] if by_position else kwargs.get(name)) is not None:
            return name
    return ""


def _encode(version: tuple[object, ...]) -> bytes:
    # repr quotes strings, so a tuple of plain values is told from any other
    text = repr(version).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(4, "little") + text


def _paths(given: object) -> Iterator[str | os.PathLike[str] | None]:
    """Yield the paths in an argument; None for one that is not known yet."""
    if isinstance(given, str | os.PathLike):
        yield given
    elif isinstance(given, list | tuple | set | frozenset):
        for item in given:
            yield from _paths(item)
    elif type(given).__module__.partition(".")[0] in ("dask", "distributed"):
        yield None


def _unseen(path: str | os.PathLike[str], elsewhere: Elsewhere) -> str:
    name = os.fspath(path)
    if not _PATTERN.isdisjoint(name):
        why = "it may stand for several files"
    elif "://" in name or "::" in name:
        why = "its file system tells no version, or it was changed only a moment ago"
        if "fsspec" not in sys.modules:
            why = "fsspec is not imported, which would tell"
    elif os.path.isdir(name):
        why = "it is a folder"
    elif elsewhere and not os.path.isabs(name):
        why = "it is relative to the folder in which a worker runs"
    elif os.path.exists(name) and not os.path.getsize(name):
        why = "it is empty"
    elif (
        elsewhere is Elsewhere.HOSTS
        and os.path.exists(name)
        and not seen_everywhere(name)
    ):
        why = _ELSEWHERE
    elif os.path.exists(name):
        why = "it was changed only a moment ago"
    else:
        why = "no such local file"
    return f"the version of {name!r} can't be seen: {why}"
