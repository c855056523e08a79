"""The index of a local store: SQLite, shared by all processes of a machine.

It holds nothing that the files do not say themselves, but for what was used when. Lost
or corrupt it is made again; locked for too long it is done without for the moment.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, TypeVar

from stratum_dask.scheduler_plugins.store.catalog import Listing, Row, rows_of, worth
from stratum_dask.scheduler_plugins.store.files import LocalFiles, is_key

__all__ = ["NAME", "Index"]

NAME = "index.sqlite"
_VERSION = 1
_PATIENCE = 2.0
"""Seconds to wait for another process that writes."""
_AVOIDED = 10.0
"""Seconds without the index after it was locked for longer than that."""
_FRESH = 1.0
"""Seconds for which what other processes write need not be seen."""
_COLUMNS = [field.name for field in fields(Row)]
_TABLES = f"""
CREATE TABLE IF NOT EXISTS entries ({", ".join(_COLUMNS)}, PRIMARY KEY (key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
"""
_INSERT = (
    f"INSERT OR REPLACE INTO entries ({', '.join(_COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_HIT = "UPDATE entries SET hits = hits + 1, used = ?, priority = ? WHERE key = ?"
T = TypeVar("T")


class _Newer(sqlite3.DatabaseError):
    """A later version of this package made it: it is left as it is."""


class Index:
    """See `stratum_dask.scheduler_plugins.store.catalog.Catalog`.

    Parameters
    ----------
    files
        The folder.
    say
        Told, in one line, what was wrong with the index.
    """

    def __init__(self, files: LocalFiles, say: Callable[[str], None]) -> None:
        self._files = files
        self._say = say
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._instead: Listing | None = None
        self._seen: tuple[object, ...] = ()
        self._looked = self._avoided_until = float("-inf")
        self._rows: dict[str, Row] = {}
        self._do(lambda connection: None, None)
        self.reconcile()

    @property
    def path(self) -> Path:
        """The file."""
        return self._files.root / NAME

    def rows(self) -> Mapping[str, Row]:
        if self._instead is not None:
            return self._instead.rows()
        if time.monotonic() - self._looked > _FRESH:
            self._looked = time.monotonic()
            self._do(self._refresh, None)
        return self._rows

    def add(self, row: Row) -> None:
        self._rows[row.key] = row
        if self._instead is not None:
            self._instead.add(row)
        self._do(lambda c: c.execute(_INSERT, astuple(row)), None)

    def hit(self, keys: Collection[str]) -> None:
        now, clock = time.time(), self.fact("clock", 0.0)
        changes = [
            (now, worth(clock, row.hits + 1, row.seconds, row.size), row.key)
            for row in map(self._rows.get, keys)
            if row is not None
        ]
        self._do(lambda c: c.executemany(_HIT, changes), None)
        if self._instead is not None:
            self._instead.hit(keys)
        self._looked = float("-inf")

    def drop(self, keys: Collection[str]) -> None:
        for key in keys:
            self._rows.pop(key, None)
        if self._instead is not None:
            self._instead.drop(keys)
        gone = [(key,) for key in keys]
        self._do(
            lambda c: c.executemany("DELETE FROM entries WHERE key = ?", gone), None
        )

    def reconcile(self) -> None:
        if self._instead is not None:
            self._instead.reconcile()
            return
        self._do(self._refresh, None)
        listed = {found.key: found for found in self._files.listed()}
        self.drop([key for key in self._rows if key not in listed])
        new = [found for key, found in listed.items() if key not in self._rows]
        rows = list(rows_of(self._files, new, self.fact("clock", 0.0))) if new else []
        self._rows.update((row.key, row) for row in rows)
        values = list(map(astuple, rows))
        if values:
            self._do(lambda c: c.executemany(_INSERT, values), None)

    def clock(self, priority: float) -> None:
        self.remember("clock", max(priority, self.fact("clock", 0.0)))

    def fact(self, name: str, default: Any) -> Any:
        """Something that was remembered, here or by another process."""
        found = self._do(
            lambda c: c.execute(
                "SELECT value FROM facts WHERE name = ?", (name,)
            ).fetchone(),
            None,
        )
        return default if found is None else found[0]

    def remember(self, name: str, value: Any) -> None:
        """Remember a number or a string for whoever opens this store later."""
        self._do(
            lambda c: c.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value)
            ),
            None,
        )

    def close(self) -> None:
        with self._lock, suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    # -- inside ------------------------------------------------------------

    def _refresh(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        # total_changes: what this very connection has written
        seen = (connection, version, connection.total_changes)
        if seen != self._seen:
            found = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM entries")
            self._rows = {row[0]: Row(*row) for row in found if is_key(str(row[0]))}
            self._seen = seen

    def _do(self, act: Callable[[sqlite3.Connection], T], default: T) -> T:
        """Ask the index; where it cannot answer do without, and never fail."""
        if self._instead is not None or time.monotonic() < self._avoided_until:
            return default
        with self._lock:
            for attempt in range(2):
                try:
                    if self._connection is None:
                        self._connection = self._open()
                    elif not self.path.exists():
                        raise sqlite3.DatabaseError("its file is gone")
                    with self._connection:
                        return act(self._connection)
                except sqlite3.DatabaseError as e:
                    text = str(e)
                    if isinstance(e, sqlite3.OperationalError) and "lock" in text:
                        self._avoided_until = time.monotonic() + _AVOIDED
                        self._say(
                            f"the index {self.path} is locked by another process for "
                            f"more than {_PATIENCE:.0f} s; what this process would "
                            "have read from it is computed"
                        )
                        return default
                    if attempt or isinstance(e, _Newer) or not self._replace():
                        self._give_up(text)
                        return default
                    self._say(
                        f"the index {self.path} could not be used ({text}) and is "
                        "made anew from the files; when entries were used last is lost"
                    )
        return default

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_PATIENCE, check_same_thread=False
        )
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise _Newer(f"its version {version} is newer than this program")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_TABLES)
            connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM entries LIMIT 1")
        except BaseException:
            connection.close()
            raise
        self._seen = ()
        return connection

    def _replace(self) -> bool:
        """Put the index out of the way and fill another one. False where that fails."""
        self.close()
        aside = self.path.with_name(f"{NAME}.bad-{uuid.uuid4().hex[:8]}")
        try:
            with suppress(FileNotFoundError):
                os.replace(self.path, aside)
                if aside.is_file():
                    aside.unlink()
            for end in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.unlink(f"{self.path}{end}")
            self._connection = connection = self._open()
            rows = list(rows_of(self._files, self._files.listed(), 0.0))
            with connection:
                connection.executemany(_INSERT, list(map(astuple, rows)))
        except (OSError, sqlite3.Error):
            return False
        return True

    def _give_up(self, why: str) -> None:
        self.close()
        self._instead = Listing(self._files)
        self._say(
            f"no index can be kept at {self.path} ({why}); the store is used without "
            "one, which is slower"
        )
