"""One entry as bytes: magic, version, header, frames, and a checksum over each part.

::

    magic 8 | version 4 | size of header 4 | size of all 8 | checksum 16 | header | frames

The checksum stands for everything before it and the header; the header has the one
of the frames. All numbers are little-endian. Nothing is believed that was not checked.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

import xxhash

from stratum_dask.scheduler_plugins.store.compression import decompress
from stratum_dask.scheduler_plugins.store.problems import EntryError

__all__ = ["MAGIC", "VERSION", "Header", "pack", "read", "read_header"]

MAGIC = b"\x93STRATUM"
VERSION = 1
_FIXED = struct.Struct("<8sIIQ")
_START = _FIXED.size + 16
_LARGEST_HEADER = 1 << 26
_STEP = 1 << 22


@dataclass
class Header:
    """What an entry says of itself.

    Attributes
    ----------
    key
        Name of the entry: see `stratum_dask.scheduler_plugins.store.names`.
    format
        Which of the formats its value is in, and what that format has to know.
    meta
        What the format needs besides the frames.
    frames
        Of each: bytes in the file, bytes in memory, codec (empty: none).
    payload
        Checksum of all frames as they are in the file.
    value
        Fingerprint of the value.
    environment
        Versions of what made it.
    kind
        Type of the value, for people.
    function
        Name of the task, for people.
    seconds
        How long it takes to compute again, with what it is made of.
    own
        How long its task alone took.
    created
        Seconds since 1970 when it was written, by the clock of who wrote it.
    """

    key: str
    format: str
    meta: dict[str, Any] = field(default_factory=dict)
    frames: list[tuple[int, int, str]] = field(default_factory=list)
    payload: str = ""
    value: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    function: str = ""
    seconds: float = 0.0
    own: float = 0.0
    created: float = 0.0

    def __post_init__(self) -> None:
        # JSON and messages have lists, of whatever somebody has put there.
        self.frames = [(int(a), int(b), str(c)) for a, b, c in self.frames]

    @property
    def nbytes(self) -> int:
        """Bytes of the value in memory."""
        return sum(size for _, size, _ in self.frames)


def pack(header: Header, frames: Sequence[memoryview]) -> list[memoryview]:
    """The bytes of an entry, piece by piece; fills in the checksum of the frames.

    Examples
    --------
    >>> import io
    >>> pieces = pack(Header("k", "plain", frames=[(2, 2, "")]), [memoryview(b"ab")])
    >>> header, frames = read(io.BytesIO(b"".join(pieces)))
    >>> header.key, bytes(frames[0])
    ('k', b'ab')
    """
    checksum = xxhash.xxh3_128()
    for frame in frames:
        checksum.update(frame)
    header.payload = checksum.hexdigest()
    raw = json.dumps(asdict(header), separators=(",", ":")).encode()
    size = _START + len(raw) + sum(frame.nbytes for frame in frames)
    fixed = _FIXED.pack(MAGIC, VERSION, len(raw), size)
    start = fixed + xxhash.xxh3_128_digest(fixed + raw) + raw
    return [memoryview(start), *frames]


def read_header(file: BinaryIO) -> Header:
    """The header of an entry; ``file`` is left where the frames begin.

    Raises
    ------
    EntryError
        It is no entry, or not one that can be used.
    """
    start = file.read(_START)
    if not start.startswith(MAGIC[: len(start)]) or not start:
        raise EntryError("foreign" if start else "truncated", "it does not begin so")
    if len(start) < _START:
        raise EntryError("truncated", f"it ends after {len(start)} bytes")
    _, version, length, size = _FIXED.unpack(start[: _FIXED.size])
    if version > VERSION:
        # Later versions keep this much: a flipped bit is no later version.
        checksum, raw = start[_FIXED.size :], file.read(min(length, _LARGEST_HEADER))
        if xxhash.xxh3_128_digest(start[: _FIXED.size] + raw) != checksum:
            raise EntryError("corrupt", "its header does not fit its checksum")
        raise EntryError(
            "newer", f"format version {version}; this one reads up to {VERSION}"
        )
    if not _START + length <= size or length > _LARGEST_HEADER:
        raise EntryError("corrupt", "its sizes contradict each other")
    raw = file.read(length)
    if len(raw) < length:
        raise EntryError("truncated", "it ends inside its header")
    if xxhash.xxh3_128_digest(start[: _FIXED.size] + raw) != start[_FIXED.size :]:
        raise EntryError("corrupt", "its header does not fit its checksum")
    try:
        header = Header(**json.loads(raw))
    except (ValueError, TypeError) as e:
        raise EntryError("foreign", f"its header means nothing here: {e}") from e
    if _START + length + sum(n for n, _, _ in header.frames) != size:
        raise EntryError("corrupt", "its sizes contradict each other")
    return header


def read(file: BinaryIO) -> tuple[Header, list[bytearray]]:
    """The header and the frames of an entry, checked.

    Raises
    ------
    EntryError
        Any byte is not what it was when the entry was written.
    """
    header = read_header(file)
    checksum = xxhash.xxh3_128()
    stored = [_frame(file, n, checksum) for n, _, _ in header.frames]
    if file.read(1):
        raise EntryError("corrupt", "it goes on after its end")
    if checksum.hexdigest() != header.payload:
        raise EntryError("corrupt", "its content does not fit its checksum")
    frames = [
        decompress(codec, data, size) if codec else data
        for data, (_, size, codec) in zip(stored, header.frames, strict=True)
    ]
    return header, frames


def _frame(file: BinaryIO, size: int, checksum: Any) -> bytearray:
    """One frame in memory of its own, which whoever gets it may write to."""
    try:
        data = bytearray(size)
    except MemoryError as e:
        raise EntryError("unreadable", f"there is no memory for {size} bytes") from e
    into = memoryview(data)
    done = 0
    readinto = getattr(file, "readinto", None)
    while done < size:
        part = into[done : done + _STEP]
        if readinto is None:
            got = file.read(len(part))
            part[: len(got)] = got
            count = len(got)
        else:
            count = readinto(part)
        if not count:
            raise EntryError("truncated", f"{size - done} bytes are missing")
        checksum.update(part[:count])
        done += count
    return data
