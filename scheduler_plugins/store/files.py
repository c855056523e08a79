"""Where the entries of a store lie: a local folder, or anything that fsspec knows."""

from __future__ import annotations

import io
import os
import re
import stat
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from stratum_dask.scheduler_plugins.store.privacy import is_own_file, why_not_private
from stratum_dask.scheduler_plugins.store.problems import EntryError, StoreError

__all__ = ["SUFFIX", "UNFINISHED", "Files", "Found", "LocalFiles", "files_at", "is_key"]

SUFFIX = ".stratum"
UNFINISHED = "unfinished"
_STALE = 24 * 3600.0
"""Seconds after which an unfinished file is nobody's any more."""
# Not through a link, and not waiting for whoever writes into a pipe.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


class Found(NamedTuple):
    """One file of a store."""

    key: str
    size: int
    modified: float


def is_key(name: str) -> bool:
    """Whether ``name`` can be the key of an entry: nothing else becomes a path."""
    return re.fullmatch("[0-9a-f]{16,64}", name) is not None


class Files(Protocol):
    """The files of a store, by the key of their entry."""

    url: str
    local: bool

    def write(self, key: str, pieces: Sequence[memoryview]) -> None:
        """Put an entry there as a whole or not at all."""

    def open(self, key: str) -> BinaryIO:
        """Open an entry."""

    def is_own(self, file: BinaryIO) -> bool:
        """Whether nobody but this user can have written an open entry."""

    def has(self, key: str) -> bool:
        """Whether an entry is there."""

    def remove(self, key: str) -> None:
        """Remove an entry if it is there."""

    def listed(self) -> Iterator[Found]:
        """All entries."""

    def heads(self, keys: Iterable[str], size: int) -> Iterator[tuple[str, bytes]]:
        """The first bytes of some entries; of one that can't be read, none."""

    def why_not_private(self) -> str | None:
        """Why others may have put entries there, or None where they can't have."""


def files_at(url: str, *, create: bool = False) -> Files:
    """The files at a URL or path.

    Parameters
    ----------
    url
        A path, ``file://…``, or a URL of a file system that fsspec knows.
    create
        Make the folder where it is missing, private to this user.

    Raises
    ------
    StoreError
        It is no place for a store.
    """
    scheme, separator, _ = url.partition("://")
    if not separator and "::" not in url:
        return LocalFiles(Path(url), create=create)
    if scheme in ("file", "local"):
        path = urllib.parse.urlsplit(url)
        if path.netloc not in ("", "localhost"):
            raise StoreError(
                f"{url} names the host {path.netloc!r}. Write file:///the/whole/path"
            )
        return LocalFiles(Path(urllib.request.url2pathname(path.path)), create=create)
    from stratum_dask.scheduler_plugins.store.remote import RemoteFiles

    return RemoteFiles(url)


class LocalFiles:
    """A folder of this machine; see `Files`."""

    local = True

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self.root = Path(os.path.abspath(root.expanduser()))
        self.url = self.root.as_uri()
        try:
            if create:
                self._make()
        except OSError as e:
            raise StoreError(
                f"no store can be kept in {self.root}: {e.strerror}. Set "
                "stratum.store.url to a folder that this user can write to."
            ) from e
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(f"{self.root} is no folder; a store needs one")

    def _make(self) -> None:
        if not self.root.exists():
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self.root.mkdir(mode=0o700)
        (self.root / UNFINISHED).mkdir(mode=0o700, exist_ok=True)

    def is_store(self) -> bool:
        """Whether somebody has made a store here before."""
        return (self.root / UNFINISHED).is_dir()

    def path(self, key: str) -> Path:
        """Where an entry lies."""
        return self.root / key[:2] / f"{key}{SUFFIX}"

    def write(self, key: str, pieces: Sequence[memoryview]) -> None:
        final = self.path(key)
        # Its own name in a folder of its own: no listing and no reader meets it.
        if not self.is_store():  # somebody has removed it
            self._make()
        unfinished = self.root / UNFINISHED / f"{key}.{os.getpid()}.{uuid.uuid4().hex}"
        final.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            descriptor = os.open(
                unfinished,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0),
                0o600,
            )
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                for piece in pieces:
                    _write_all(file, piece)
                os.fsync(file.fileno())
            os.replace(unfinished, final)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def open(self, key: str) -> BinaryIO:
        try:
            descriptor = os.open(self.path(key), _FLAGS)
        except FileNotFoundError:
            raise EntryError("missing", f"{self.path(key)} is gone") from None
        except OSError as e:
            raise EntryError("denied", f"{self.path(key)}: {e.strerror}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise EntryError("denied", f"{self.path(key)} is no file")
        return os.fdopen(descriptor, "rb", buffering=0)

    def is_own(self, file: BinaryIO) -> bool:
        return is_own_file(file.fileno())

    def has(self, key: str) -> bool:
        return self.path(key).exists()

    def remove(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self.path(key).unlink()

    def listed(self) -> Iterator[Found]:
        for folder in _entries(self.root):
            if len(folder.name) == 2 and folder.is_dir(follow_symlinks=False):
                for item in _entries(Path(folder.path)):
                    key = item.name.removesuffix(SUFFIX)
                    if key != item.name and is_key(key):
                        with suppress(OSError):
                            found = item.stat(follow_symlinks=False)
                            yield Found(key, found.st_size, found.st_mtime)

    def heads(self, keys: Iterable[str], size: int) -> Iterator[tuple[str, bytes]]:
        for key in keys:
            try:
                with self.open(key) as file:
                    yield key, file.read(size)
            except (OSError, EntryError):
                yield key, b""

    def why_not_private(self) -> str | None:
        return why_not_private(self.root)

    def sweep(self, *, everything: bool = False) -> int:
        """Remove what writers that are gone have left; return how many files."""
        now, count = time.time(), 0
        for item in _entries(self.root / UNFINISHED):
            with suppress(OSError):
                # Clocks differ: far in the future is as wrong as far in the past.
                age = abs(now - item.stat(follow_symlinks=False).st_mtime)
                if everything or age > _STALE:
                    os.unlink(item.path)
                    count += 1
        return count


def _write_all(file: io.FileIO, piece: memoryview) -> None:
    rest = piece.cast("B") if piece.nbytes else piece
    while rest.nbytes:
        rest = rest[file.write(rest) :]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
