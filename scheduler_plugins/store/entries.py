"""Write values to a store and read them back; what workers do."""

from __future__ import annotations

import time
from typing import Any, BinaryIO, Literal, NamedTuple

from stratum_dask.optimizations import Refused
from stratum_dask.scheduler_plugins.store import compression as codecs
from stratum_dask.scheduler_plugins.store import formats
from stratum_dask.scheduler_plugins.store.comparing import fingerprint
from stratum_dask.scheduler_plugins.store.container import (
    Header,
    pack,
    read,
    read_header,
)
from stratum_dask.scheduler_plugins.store.environment import differences, environment
from stratum_dask.scheduler_plugins.store.files import Files, files_at
from stratum_dask.scheduler_plugins.store.problems import EntryError

__all__ = ["Compression", "Entries", "Pickles", "Written"]

Pickles = Literal["private", "always", "never"]
Compression = Literal["auto", "none", "lz4", "zstd"]


class Written(NamedTuple):
    """One entry that was written."""

    header: Header
    size: int
    seconds: float


class Entries:
    """The entries of a store.

    Parameters
    ----------
    url
        Where they lie.
    pickle
        When pickles may be written and read: ``private``, only in a local folder
        into which nobody but this user can have put anything; ``always``; ``never``.
    compression
        ``auto`` is lz4 in a local folder and zstd elsewhere, where it pays.
    create
        Make the folder where it is missing.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     entries = Entries(folder, create=True)
    ...     _ = entries.write("ab" * 20, {"score": 0.5}, function="fit")
    ...     entries.read("ab" * 20)[0]
    {'score': 0.5}
    """

    def __init__(
        self,
        url: str,
        pickle: Pickles = "private",
        compression: Compression = "auto",
        *,
        create: bool = False,
    ) -> None:
        self.files: Files = files_at(url, create=create)
        self.pickle = pickle
        self.codec = _codec(compression, self.files.local)

    def why_no_pickles(self) -> str | None:
        """Why pickles are neither written nor read here, or None where they are."""
        if self.pickle == "always":
            return None
        if self.pickle == "never":
            return "stratum.store.pickle is never"
        return self.files.why_not_private()

    def write(self, key: str, value: Any, **facts: Any) -> Written:
        """Write a value, as a whole or not at all.

        Parameters
        ----------
        key
            Name of the entry.
        value
            What to write.
        **facts
            Other fields of the `Header`.

        Raises
        ------
        NotStored
            It would not come back as it is.
        OSError
            What the file system says.
        """
        started = time.perf_counter()
        encoded = formats.encode(value, pickles=self.why_no_pickles() is None)
        stored: list[memoryview] = []
        sizes: list[tuple[int, int, str]] = []
        for frame in encoded.frames:
            data, codec = frame.cast("B") if frame.nbytes else frame, ""
            if self.codec and codecs.pays(self.codec, data):
                codec = self.codec
                data = codecs.compress(codec, data)
            stored.append(data)
            sizes.append((data.nbytes, frame.nbytes, codec))
        header = Header(
            key,
            encoded.format,
            encoded.meta,
            sizes,
            value=encoded.value,
            environment=environment(),
            kind=f"{type(value).__module__}.{type(value).__qualname__}",
            created=time.time(),
            **facts,
        )
        pieces = pack(header, stored)
        self.files.write(key, pieces)
        size = sum(piece.nbytes for piece in pieces)
        return Written(header, size, time.perf_counter() - started)

    def read(self, key: str) -> tuple[Any, Header]:
        """The value of an entry, as an object that is nobody else's.

        Raises
        ------
        EntryError
            It cannot be used: it has to be computed.
        """
        try:
            with self.files.open(key) as file:
                header, frames = read(file)
                self._check(key, header, file)
        except (OSError, MemoryError) as e:
            raise EntryError("unreadable", f"{type(e).__name__}: {e}") from None
        pickles = header.format == "pickle"
        value = formats.decode(header.format, header.meta, frames, pickles=pickles)
        if pickles:
            # A class of the user's is in it by name, and may be another one by now.
            try:
                found = fingerprint("pickle", value)
            except Refused as e:
                raise EntryError("changed", e.reason) from None
            if found != header.value:
                raise EntryError("changed", f"a {header.kind} is not what it was")
        return value, header

    def examine(self, key: str) -> Header:
        """Check every byte of an entry without making its value.

        Raises
        ------
        EntryError
            What is wrong with it.
        """
        try:
            with self.files.open(key) as file:
                header, _ = read(file)
        except OSError as e:
            raise EntryError("unreadable", f"{type(e).__name__}: {e}") from None
        if header.key != key:
            raise EntryError("foreign", f"it says that it is {header.key}")
        return header

    def header(self, key: str) -> Header:
        """What an entry says of itself."""
        with self.files.open(key) as file:
            return read_header(file)

    def _check(self, key: str, header: Header, file: BinaryIO) -> None:
        if header.key != key:
            raise EntryError("foreign", f"it says that it is {header.key}")
        if header.environment != environment():
            found = differences(header.environment, environment())
            raise EntryError("environment", f"written and read here: {found}")
        if header.format == "pickle" and self.pickle != "always":
            why = self.why_no_pickles()
            if why is None and not self.files.is_own(file):
                why = "another user has written the file, or could have"
            if why is not None:
                raise EntryError("untrusted", f"it is a pickle, and {why}")


def _codec(wanted: Compression, local: bool) -> str:
    if wanted == "auto":
        wanted = "lz4" if local else "zstd"
    if wanted == "none" or not codecs.available():
        return ""
    return wanted
