"""Whether other hosts see the same file under the same path."""

from __future__ import annotations

import enum
import functools
import os
import time

__all__ = ["Elsewhere", "seen_everywhere"]


class Elsewhere(enum.IntEnum):
    """Where those run who read the files, as seen from who looks at them."""

    NO = 0
    PROCESSES = 1
    """In other processes of this host, which may be in other folders."""
    HOSTS = 2
    """On other hosts, which may have other disks."""


_SHARED = frozenset(
    {
        *("afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs"),
        *("nfs4", "orangefs", "panfs", "smb3", "smbfs"),
        *("fuse.ceph", "fuse.glusterfs", "fuse.beegfs", "fuse.juicefs"),
    }
)
"""Types of file systems that several hosts mount."""

_SECONDS = 10
"""So long a table of what is mounted is believed."""


def seen_everywhere(path: str) -> bool:
    """Whether a file lies on a file system that several hosts share.

    Where that can't be told it does not.

    Examples
    --------
    >>> seen_everywhere("/proc/self/stat")
    False
    """
    mounts = _mounts(int(time.monotonic() / _SECONDS))
    folder = os.path.realpath(path)
    while True:
        kind = mounts.get(folder)
        if kind is not None:
            return kind in _SHARED
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above


@functools.lru_cache(maxsize=1)
def _mounts(_: int) -> dict[str, str]:
    try:
        import psutil  # where there are several hosts, distributed has brought it

        parts = psutil.disk_partitions(all=True)
    except (ImportError, OSError):
        return {}
    return {part.mountpoint: part.fstype.lower() for part in parts}
