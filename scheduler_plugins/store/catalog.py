"""What a store knows of its entries without opening them."""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from stratum_dask.scheduler_plugins.store.container import Header, read_header
from stratum_dask.scheduler_plugins.store.files import Files, Found
from stratum_dask.scheduler_plugins.store.problems import EntryError

__all__ = ["Catalog", "Listing", "Row", "row_of", "rows_of", "worth"]

_HEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class Row:
    """One entry, as the catalog knows it."""

    key: str
    size: int
    """Bytes of its file."""
    nbytes: int = 0
    """Bytes of its value in memory."""
    format: str = ""
    kind: str = ""
    function: str = ""
    seconds: float = 0.0
    own: float = 0.0
    created: float = 0.0
    used: float = 0.0
    hits: int = 0
    priority: float = 0.0


class Catalog(Protocol):
    """Knows the entries of a store."""

    def rows(self) -> Mapping[str, Row]:
        """What there is, by key; may be a moment old."""

    def add(self, row: Row) -> None:
        """Know an entry that was written."""

    def hit(self, keys: Collection[str]) -> None:
        """Know that entries were of use."""

    def drop(self, keys: Collection[str]) -> None:
        """Forget entries whose files are gone."""

    def reconcile(self) -> None:
        """Look at the files and put right what was believed of them."""

    def clock(self, priority: float) -> None:
        """Let what is written from now on outlive what had ``priority``."""

    def close(self) -> None:
        """Let go of what is open."""


def worth(clock: float, hits: int, seconds: float, size: int) -> float:
    """What an entry is worth keeping for: the lowest one goes first.

    GreedyDual-Size with frequency: seconds saved per byte, times how often it was of
    use, on top of the worth of what went last, so that what nobody asks for ages.

    Examples
    --------
    >>> worth(0, 0, 10, 1000) > worth(0, 0, 10, 2000) < worth(0, 1, 10, 2000)
    True
    """
    return clock + (hits + 1) * max(seconds, 1e-3) / max(size, 1)


def row_of(header: Header, size: int, clock: float = 0.0, used: float = 0.0) -> Row:
    """What the catalog says of an entry with this header."""
    return Row(
        header.key,
        size,
        header.nbytes,
        header.format,
        header.kind,
        header.function,
        header.seconds,
        header.own,
        header.created,
        used or header.created,
        0,
        worth(clock, 0, header.seconds, size),
    )


def rows_of(files: Files, found: Iterable[Found], clock: float) -> Iterator[Row]:
    """Read what some files say of themselves; those that cannot be read say nothing."""
    known = {each.key: each for each in found}
    for key, head in files.heads(known, _HEAD):
        try:
            header = _header(files, key, head)
        except (EntryError, OSError):
            header = None
        if header is not None and header.key == key:
            yield row_of(header, known[key].size, clock, known[key].modified)


def _header(files: Files, key: str, head: bytes) -> Header:
    try:
        return read_header(io.BytesIO(head))
    except EntryError as e:
        if len(head) < _HEAD or e.kind != "truncated":
            raise
    with files.open(key) as file:
        return read_header(file)


class Listing:
    """The catalog of a store that has no index: a listing, which is read again at times.

    Attributes
    ----------
    lasts
        Seconds for which a listing is believed.
    """

    def __init__(self, files: Files, lasts: float = 30.0) -> None:
        self._files = files
        self.lasts = lasts
        self._rows: dict[str, Row] = {}
        self._read = float("-inf")
        self._clock = 0.0

    def rows(self) -> Mapping[str, Row]:
        if time.monotonic() - self._read > self.lasts:
            self.reconcile()
        return self._rows

    def add(self, row: Row) -> None:
        self._rows[row.key] = row

    def hit(self, keys: Collection[str]) -> None:
        for row in [self._rows[key] for key in keys if key in self._rows]:
            worthy = worth(self._clock, row.hits + 1, row.seconds, row.size)
            self._rows[row.key] = replace(
                row, hits=row.hits + 1, used=time.time(), priority=worthy
            )

    def drop(self, keys: Collection[str]) -> None:
        for key in keys:
            self._rows.pop(key, None)

    def reconcile(self) -> None:
        listed = {found.key: found for found in self._files.listed()}
        for key in [key for key in self._rows if key not in listed]:
            del self._rows[key]
        new = [found for key, found in listed.items() if key not in self._rows]
        for row in rows_of(self._files, new, self._clock):
            self._rows[row.key] = row
        self._read = time.monotonic()

    def clock(self, priority: float) -> None:
        self._clock = max(self._clock, priority)

    def close(self) -> None:
        self._rows.clear()
