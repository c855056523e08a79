"""Notice writes into objects that another task of the same program reads later."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from stratum_dask.graph import Key
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.verdict import Refused

__all__ = ["Guard", "InputWritten", "content"]


class InputWritten(Exception):
    """A task wrote into an input that its own pipeline reads again later.

    With the input shared among pipelines, the later reader would have missed the
    write. The seam that catches this runs the graph again as plain Dask would.
    """


class Guard:
    """Objects that a task was given and handed on, and who might write into them.

    Parameters
    ----------
    writers
        The tasks that may.

    Examples
    --------
    >>> guard, items = Guard({"x"}), [1]
    >>> guard.hold([items], [content(items)])
    >>> items.append(2)
    >>> guard.check("append")
    Traceback (most recent call last):
    stratum_dask.optimizations.guarding.InputWritten: append wrote into an object that another task of its program reads, and got it from a third one (let it work on a copy)
    """

    def __init__(self, writers: AbstractSet[Key]) -> None:
        self.writers = writers
        self._left = len(writers)
        self._held: list[tuple[Any, bytes | None]] = []
        self._lock = threading.Lock()

    def hold(self, objects: Sequence[Any], contents: Sequence[bytes | None]) -> None:
        """Remember what some objects are now."""
        self._held = list(zip(objects, contents, strict=True))

    def check(self, name: str) -> None:
        """Raise if one has changed; let go of them after the last one who may."""
        for held, before in self._held:
            if before is None or before != content(held):
                raise InputWritten(
                    f"{name} wrote into an object that another task of its program "
                    "reads, and got it from a third one (let it work on a copy)"
                )
        with self._lock:
            self._left -= 1
            if not self._left:
                self._held = []


def content(value: object) -> bytes | None:
    """What an object is now, for comparing; None if it cannot be read."""
    try:
        return Encoder().value(value)
    except (Refused, RecursionError):
        pass
    try:
        return pickle.dumps(value, 5)
    except Exception:  # noqa: BLE001 whatever a pickle does
        return None
