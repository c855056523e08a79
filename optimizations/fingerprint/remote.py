"""Versions of files that are reached through fsspec."""

from __future__ import annotations

import datetime
import sys
import time
from typing import Any

__all__ = ["remote_version"]

_UNIQUE = ("version_id", "VersionId", "generation")
"""Never given again, once the file has another."""
_TIMES = ("LastModified", "last_modified", "updated")
"""Set by the store itself (S3, Azure, Google). What servers of plain files tell
(SFTP, SMB, HTTP) is the time of the file, which an older file brings back with it."""
_CONTENT = ("ETag", "etag", "md5Hash")
"""Where these are hashes they come again, if the old content does."""
_SETTLED = 60.0
"""Seconds: times go in whole ones, and the server's clock may differ from ours."""


def remote_version(url: str) -> tuple[object, ...] | None:
    """Return what changes when a file does, and never comes again; None if unseen.

    Asks its file system, if fsspec is in use already, and nothing that it has
    listed before. Wanted is a version, a generation, or the time of writing if that
    lies back some while. What can come again with an old content tells nothing of
    what was read in between.

    Examples
    --------
    >>> remote_version("nowhere://file.csv") is None
    True
    """
    fsspec = sys.modules.get("fsspec")
    # What is in memory may be written into, and nothing tells.
    if fsspec is None or url.startswith("memory:"):
        return None
    # File systems fail in ways of their own; unseen is a full answer.
    try:
        fs, path = fsspec.core.url_to_fs(url)
        fs.invalidate_cache(path)
        info = fs.info(path)
        if info.get("type") == "directory":
            return None
        seen = {name: info[name] for name in _UNIQUE if _tells(info.get(name))}
        times = {name: info[name] for name in _TIMES if _tells(info.get(name))}
        if not seen and not (times and all(map(_lies_back, times.values()))):
            return None
        seen |= times
        seen |= {name: info[name] for name in _CONTENT if _tells(info.get(name))}
        said = [(name, str(value)) for name, value in seen.items()]
        return "url", url, info.get("size"), *said
    except Exception:  # noqa: BLE001
        return None


def _tells(value: object) -> bool:
    # S3 gives every version of a file this one where it keeps only the last
    return value not in (None, "", "null")


def _lies_back(moment: Any) -> bool:
    """Whether a time is long enough ago for the next change to have another."""
    if isinstance(moment, str):
        moment = datetime.datetime.fromisoformat(moment)
    if moment.tzinfo is None:  # of which zone is not told
        return False
    return bool(abs(time.time() - moment.timestamp()) > _SETTLED)
