"""A store with its catalog: what schedulers and the command line use."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from stratum_dask.scheduler_plugins.store.bandwidth import Bandwidth
from stratum_dask.scheduler_plugins.store.catalog import Catalog, Listing, Row, row_of
from stratum_dask.scheduler_plugins.store.container import Header
from stratum_dask.scheduler_plugins.store.entries import Entries
from stratum_dask.scheduler_plugins.store.files import LocalFiles
from stratum_dask.scheduler_plugins.store.index import Index
from stratum_dask.scheduler_plugins.store.options import Options
from stratum_dask.scheduler_plugins.store.problems import EntryError

__all__ = ["Bad", "Store"]

logger = logging.getLogger("stratum_dask")

_MARGIN = 0.9
"""How full a store is after entries had to go: not at the limit again at once."""


class Bad(NamedTuple):
    """An entry that cannot be used."""

    key: str
    kind: str
    detail: str
    removed: bool


class Store:
    """The entries of a store, and what is known of them.

    Parameters
    ----------
    options
        Where it is, and what may be in it.
    create
        Make the folder where it is missing.
    say
        Told, in one line, what somebody may have to mend.

    Examples
    --------
    >>> import tempfile
    >>> from stratum_dask.scheduler_plugins.store.options import options
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(options(folder), create=True)
    ...     store.put("ab" * 20, 0.5, seconds=3.0)
    ...     [(row.key[:4], row.seconds) for row in store.rows().values()], store.check()
    ...     store.close()
    ([('abab', 3.0)], [])
    """

    def __init__(
        self,
        options: Options,
        *,
        create: bool = False,
        say: Callable[[str], None] = logger.warning,
    ) -> None:
        assert options.url is not None
        self.options = options
        self.entries = Entries(
            options.url, options.pickle, options.compression, create=create
        )
        self.files = self.entries.files
        self.catalog: Catalog
        if isinstance(self.files, LocalFiles) and (create or self.files.root.is_dir()):
            if create:
                self.files.sweep()
            self.catalog = Index(self.files, say)
        else:
            self.catalog = Listing(self.files)
        self.bandwidth = Bandwidth(local=self.files.local)
        if isinstance(self.catalog, Index):
            with suppress(ValueError, TypeError, KeyError):
                self.bandwidth.load(json.loads(self.catalog.fact("bandwidth", "{}")))

    @property
    def url(self) -> str:
        """Where it is."""
        return self.files.url

    def rows(self) -> Mapping[str, Row]:
        """What there is, by key."""
        return self.catalog.rows()

    def size(self) -> int:
        """Bytes of all files."""
        return sum(row.size for row in list(self.rows().values()))

    def put(self, key: str, value: object, **facts: object) -> None:
        """Write a value and know it; see `Entries.write`."""
        written = self.entries.write(key, value, **facts)
        self.know(written.header, written.size)

    def know(self, header: Header, size: int) -> Row:
        """Know an entry that somebody has written, and make room for it."""
        clock = 0.0
        if isinstance(self.catalog, Index):
            clock = float(self.catalog.fact("clock", 0.0))
        row = row_of(header, size, clock)
        self.catalog.add(row)
        if self.size() > self.options.limit:
            self.prune(int(self.options.limit * _MARGIN), keep={header.key})
        return row

    def remove(self, keys: Collection[str]) -> None:
        """Remove entries, first from what is known, so that nobody comes for them."""
        self.catalog.drop(keys)
        for key in keys:
            with suppress(OSError, EntryError):
                self.files.remove(key)

    def prune(self, limit: int, keep: Collection[str] = ()) -> list[Row]:
        """Remove what is worth least until the rest fits into ``limit`` bytes."""
        size, going = self.size(), []
        for row in sorted(self.rows().values(), key=lambda row: row.priority):
            if size <= limit:
                break
            if row.key not in keep:
                going.append(row)
                size -= row.size
        if going:
            self.catalog.clock(going[-1].priority)
            self.remove([row.key for row in going])
        return going

    def tidy(self, limit: int, unused_for: float | None = None) -> list[Row]:
        """Remove what was not used for some seconds, and more until the rest fits.

        Who writes at this very moment is left alone.
        """
        self.catalog.reconcile()
        if isinstance(self.files, LocalFiles):
            self.files.sweep()
        old: list[Row] = []
        if unused_for is not None:
            since = time.time() - unused_for
            old = [row for row in self.rows().values() if row.used < since]
            self.remove([row.key for row in old])
        return [*old, *self.prune(limit)]

    def check(self, *, remove: bool = False) -> list[Bad]:
        """Read every byte of every entry; return those that cannot be used."""
        self.catalog.reconcile()
        return list(self._bad(remove))

    def _bad(self, remove: bool) -> Iterator[Bad]:
        for found in list(self.files.listed()):
            try:
                self.entries.examine(found.key)
            except EntryError as e:
                gone = remove and e.kind not in ("newer", "denied")
                if gone:
                    self.remove([found.key])
                yield Bad(found.key, e.kind, str(e), gone)

    def clear(self) -> int:
        """Remove all entries, and what writers have left; return how many entries."""
        keys = [found.key for found in self.files.listed()]
        self.remove(keys)
        if isinstance(self.files, LocalFiles):
            self.files.sweep(everything=True)
        return len(keys)

    def close(self) -> None:
        """Remember how fast it was, and let go of the index."""
        if isinstance(self.catalog, Index) and self.bandwidth.measured:
            self.catalog.remember("bandwidth", json.dumps(self.bandwidth.dump()))
        self.catalog.close()
