"""What the event loop knows of a store without asking disk or index."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from stratum_dask.scheduler_plugins.store.catalog import Row

__all__ = ["Known"]

_MOST = 100_000


class Known:
    """The entries as they were a moment ago, and what will not become one.

    Attributes
    ----------
    rows
        Key -> entry.
    entries, bytes
        How many there are, and what their files take.
    written, bytes_written
        What was written since the scheduler started.

    Examples
    --------
    >>> known = Known()
    >>> known.seen({"a": Row("a", size=10)}, 10)
    >>> known.skip("b", 60.0, now=0.0)
    >>> known.entries, known.has("a", 1.0), known.has("b", 59.0), known.has("b", 61.0)
    (1, True, True, False)
    """

    def __init__(self) -> None:
        self.rows: Mapping[str, Row] = {}
        self.entries = self.bytes = 0
        self.written = self.bytes_written = 0
        self._skipped: OrderedDict[str, float] = OrderedDict()

    def seen(self, rows: Mapping[str, Row], size: int) -> None:
        """Take in what there is."""
        self.rows = rows
        self.entries, self.bytes = len(rows), size

    def wrote(self, row: Row) -> None:
        """Count an entry that was written."""
        self.rows = {**self.rows, row.key: row}
        self.entries, self.bytes = len(self.rows), self.bytes + row.size
        self.written += 1
        self.bytes_written += row.size

    def forget(self, entry: str) -> None:
        """Know that an entry cannot be used."""
        if entry in self.rows:
            self.rows = {key: row for key, row in self.rows.items() if key != entry}

    def skip(self, entry: str, seconds: float, now: float) -> None:
        """Do not try to write an entry for some time."""
        self._skipped[entry] = now + seconds
        self._skipped.move_to_end(entry)
        if len(self._skipped) > _MOST:
            self._skipped.popitem(last=False)

    def has(self, entry: str, now: float) -> bool:
        """Whether nothing is to be done for an entry."""
        if entry in self.rows:
            return True
        until = self._skipped.get(entry)
        if until is not None and until <= now:
            del self._skipped[entry]
            until = None
        return until is not None
