"""Who else could have put a file into a folder: pickles run code when they are read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

__all__ = ["is_own_file", "why_not_private"]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def why_not_private(folder: Path) -> str | None:
    """Why others may have put files into ``folder``, or None where they can't have.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:  # made with mode 0700
    ...     why_not_private(Path(folder)) is None
    True
    """
    if not hasattr(os, "geteuid"):
        return "this system does not tell who owns a folder"
    try:
        found = folder.stat()
    except OSError as e:
        return f"it cannot be looked at: {e.strerror}"
    if found.st_uid != os.geteuid():
        return f"it belongs to the user {found.st_uid}, not to {os.geteuid()}"
    if found.st_mode & _OTHERS:
        return f"its mode is {stat.S_IMODE(found.st_mode):04o}, not 0700"
    return None


def is_own_file(descriptor: int) -> bool:
    """Whether an open file belongs to this user and nobody else can write to it."""
    if not hasattr(os, "geteuid"):
        return False
    found = os.fstat(descriptor)
    others = stat.S_IWGRP | stat.S_IWOTH
    return found.st_uid == os.geteuid() and not found.st_mode & others
