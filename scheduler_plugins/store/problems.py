"""What can be wrong with one entry of a store: never a user's failure, always a word."""

from __future__ import annotations

from stratum_dask.errors import StratumError

__all__ = ["HAPPENED", "REMEDIES", "EntryError", "NotStored", "StoreError"]


class StoreError(StratumError):
    """A store cannot be used at all: what is wrong with it, and what to do."""


class NotStored(StratumError):
    """A value that is not written, since what is read would not surely be the same."""


class EntryError(StratumError):
    """An entry that cannot be used; its value is computed instead.

    Parameters
    ----------
    kind
        One of `REMEDIES`.
    detail
        What was found, in one line.

    Examples
    --------
    >>> error = EntryError("newer", "format version 9; this one reads up to 1")
    >>> error.kind, str(error)
    ('newer', 'format version 9; this one reads up to 1')
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return EntryError, (self.kind, str(self))


REMEDIES: dict[str, str] = {
    "missing": "somebody removed it; nothing has to be done",
    "truncated": "it is removed; if this goes on, check the disk",
    "corrupt": "it is removed; if this goes on, check the disk",
    "foreign": "it is no entry of a store; keep other files elsewhere",
    "newer": "update stratum-dask here, or give each version a store of its own",
    "denied": "give this user the right to read it, or a store of its own",
    "environment": "let all workers have the libraries that the scheduler has",
    "untrusted": "`chmod 700` the folder, owned by this user, or set "
    "stratum.store.pickle: always if you trust all who can write there",
    "changed": "a class that it holds has changed since; it is removed",
    "unreadable": "it is removed; a library that made it may be missing",
    "full": "free some space, or lower stratum.store.limit",
    "unwritable": "see that the folder can be written to",
    "absent": "install stratum-dask on all workers",
    "mixed": "let all workers have the libraries that the scheduler has",
    "elsewhere": "name a folder, or a URL, that the scheduler and all workers share",
}
"""Kind of failure -> what a person can do about it."""

HAPPENED: dict[str, str] = {
    "full": "the disk is full, and nothing is written for a minute",
    "denied": "a file may not be read or written",
    "unwritable": "a result could not be written, and nothing is for a minute",
    "absent": "a worker cannot write",
    "mixed": "workers have other libraries than the scheduler, so nothing is written",
    "elsewhere": "what a worker has written is not where the scheduler looks",
    "unreadable": "an entry cannot be read",
    "environment": "an entry is of another environment than the worker's",
}
