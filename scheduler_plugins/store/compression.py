"""Compression where it pays: a piece of the data is tried first."""

from __future__ import annotations

from typing import Any

from stratum_dask.scheduler_plugins.store.problems import EntryError

__all__ = ["available", "compress", "decompress", "pays"]

_LEAST = 4096
"""Bytes that are not worth the attempt."""
_SAMPLE = 1 << 18
_GAIN = 0.8
"""So much of the data may be left, at most, for compression to pay."""


def available() -> bool:
    """Whether there is a codec: they come with pyarrow."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        return False
    return True


def pays(codec: str, data: memoryview) -> bool:
    """Whether a piece from the middle of ``data`` becomes clearly smaller.

    Examples
    --------
    >>> import os
    >>> pays("lz4", memoryview(bytes(100_000))), pays("lz4", memoryview(os.urandom(9999)))
    (True, False)
    """
    if data.nbytes < _LEAST:
        return False
    start = max(0, (data.nbytes - _SAMPLE) // 2)
    sample = data[start : start + _SAMPLE]
    return len(compress(codec, sample)) < _GAIN * sample.nbytes


def compress(codec: str, data: memoryview) -> memoryview:
    """``data`` in the form that `decompress` reads."""
    found = _codec(codec).compress(data)
    return memoryview(found)[: found.size]  # the buffer itself is longer


def decompress(codec: str, data: Any, size: int) -> bytearray:
    """What `compress` was given, as ``size`` bytes that may be written to.

    Raises
    ------
    EntryError
        No such codec here, or no such data.
    """
    import numpy as np
    import pyarrow as pa

    try:
        found = pa.Codec(codec).decompress(data, decompressed_size=size)
    except Exception as e:
        raise EntryError("corrupt", f"{codec} cannot read it: {e}") from e
    if len(found) != size:
        raise EntryError("corrupt", f"{len(found)} bytes where {size} were written")
    out = bytearray(size)
    np.frombuffer(out, np.uint8)[:] = np.frombuffer(found, np.uint8)
    return out


def _codec(name: str) -> Any:
    import pyarrow as pa

    return pa.Codec(name, compression_level=1) if name == "zstd" else pa.Codec(name)
