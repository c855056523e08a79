"""A store on any file system that fsspec knows: object stores, HDFS, memory."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, BinaryIO

from stratum_dask.scheduler_plugins.store.files import SUFFIX, UNFINISHED, Found, is_key
from stratum_dask.scheduler_plugins.store.problems import EntryError, StoreError

__all__ = ["RemoteFiles"]

_AT_ONCE = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "adl", "az", "oci", "oss", "memory"}
)
"""Protocols of which an object appears as a whole once it is written."""
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


class RemoteFiles:
    """See `stratum_dask.scheduler_plugins.store.files.Files`."""

    local = False

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self.fs, self.root = fsspec.core.url_to_fs(url)
        except Exception as e:
            raise StoreError(
                f"fsspec cannot open {url}: {e}. Install what it asks for, and see "
                "that the URL is right; credentials come from where fsspec takes them."
            ) from e
        self.url = url
        names = self.fs.protocol
        self._at_once = not _AT_ONCE.isdisjoint(
            [names] if isinstance(names, str) else names
        )

    def path(self, key: str) -> str:
        """Where an entry lies."""
        return f"{self.root.rstrip('/')}/{key[:2]}/{key}{SUFFIX}"

    def write(self, key: str, pieces: Sequence[memoryview]) -> None:
        final = self.path(key)
        data = b"".join(pieces)
        if self._at_once:
            self.fs.pipe_file(final, data)
            return
        unfinished = f"{self.root.rstrip('/')}/{UNFINISHED}/{key}.{uuid.uuid4().hex}"
        try:
            self.fs.makedirs(self.fs._parent(unfinished), exist_ok=True)
            self.fs.makedirs(self.fs._parent(final), exist_ok=True)
            self.fs.pipe_file(unfinished, data)
            self.fs.mv(unfinished, final)
        except BaseException:
            with suppress(Exception):
                self.fs.rm_file(unfinished)
            raise

    def is_own(self, file: BinaryIO) -> bool:
        return False  # that cannot be seen

    def open(self, key: str) -> BinaryIO:
        try:
            return io.BytesIO(self.fs.cat_file(self.path(key)))
        except FileNotFoundError:
            raise EntryError("missing", f"{self.path(key)} is gone") from None
        except Exception as e:  # noqa: BLE001 file systems fail in ways of their own
            raise EntryError("denied", f"{self.path(key)}: {e!r}") from None

    def has(self, key: str) -> bool:
        self.fs.invalidate_cache()
        return bool(self.fs.exists(self.path(key)))

    def remove(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self.fs.rm_file(self.path(key))

    def listed(self) -> Iterator[Found]:
        self.fs.invalidate_cache()
        try:
            found = self.fs.find(self.root, detail=True)
        except FileNotFoundError:
            return
        for path, info in found.items():
            folder, _, name = path.rpartition("/")
            key = name.removesuffix(SUFFIX)
            if key != name and is_key(key) and folder.endswith(f"/{name[:2]}"):
                yield Found(key, int(info.get("size") or 0), _modified(info))

    def heads(self, keys: Iterable[str], size: int) -> Iterator[tuple[str, bytes]]:
        wanted = list(keys)
        if not wanted:
            return
        paths = [self.path(key) for key in wanted]
        ends: list[int] = [size] * len(paths)
        found: Any = self.fs.cat_ranges(
            paths, [0] * len(paths), ends, on_error="return"
        )
        for key, head in zip(wanted, found, strict=True):
            yield key, head if isinstance(head, bytes) else b""

    def why_not_private(self) -> str | None:
        return "who else can write there cannot be seen"


def _modified(info: dict[str, Any]) -> float:
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return 0.0
