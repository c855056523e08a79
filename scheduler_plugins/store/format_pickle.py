"""Everything else: pickles of protocol 5, whose large buffers stay apart."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import cloudpickle

__all__ = ["decode", "encode"]


def encode(obj: Any) -> list[memoryview]:
    """The pickle and its buffers.

    Classes that cannot be imported by name travel inside it, as they do between
    the workers of a cluster.

    Raises
    ------
    Exception
        Whatever an object says that cannot be pickled.
    """
    buffers: list[pickle.PickleBuffer] = []
    raw = cloudpickle.dumps(obj, protocol=5, buffer_callback=buffers.append)
    return [memoryview(raw), *[buffer.raw() for buffer in buffers]]


def decode(frames: Sequence[bytearray]) -> Any:
    """What `encode` was given. This runs code that is in the pickle."""
    raw, *buffers = frames
    return pickle.loads(raw, buffers=buffers)
