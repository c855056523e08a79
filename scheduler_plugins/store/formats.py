"""Values as frames of bytes, and back: only where what is read is what was written.

Each value is read back before it is written. It is stored if its type and its
fingerprint, which is equal only for values that no program can tell apart, are those
of the original; a frame must be packed into memory in the same way besides.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from stratum_dask.optimizations import Refused
from stratum_dask.scheduler_plugins.store import (
    format_array,
    format_arrow,
    format_pickle,
    format_plain,
)
from stratum_dask.scheduler_plugins.store.comparing import fingerprint, layouts
from stratum_dask.scheduler_plugins.store.problems import EntryError, NotStored

__all__ = ["Encoded", "decode", "encode"]


class Encoded(NamedTuple):
    """A value as it is written."""

    format: str
    """plain, array, arrow or pickle."""
    meta: dict[str, Any]
    frames: list[memoryview]
    value: str
    """Fingerprint of the value."""


def encode(obj: Any, *, pickles: bool) -> Encoded:
    """Encode a value so that it comes back as it is.

    Parameters
    ----------
    obj
        Anything.
    pickles
        Whether a pickle may be made of what no other format has.

    Raises
    ------
    NotStored
        Why the value is not stored.

    Examples
    --------
    >>> encode([1, 2.5], pickles=False).format, encode({1, 2}, pickles=True).format
    ('plain', 'pickle')
    >>> encode({1, 2}, pickles=False)
    Traceback (most recent call last):
    ...
    stratum_dask.scheduler_plugins.store.problems.NotStored: a set needs a pickle, ...
    """
    kind, tried, why = type(obj).__name__, "", ""
    if getattr(type(obj), "__stratum_recipe__", False):
        raise NotStored("it stands for what each reader makes anew")
    for found in _attempts(obj, pickles):
        tried = found.format
        try:
            value = fingerprint(tried, obj)
            copied = [bytearray(frame) for frame in found.frames]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                again = decode(tried, found.meta, copied, pickles=pickles)
            if _is_same(tried, obj, value, again):
                return found._replace(value=value)
        except Refused as e:
            why = e.reason
        except EntryError as e:
            why = str(e)
    if why:
        raise NotStored(f"a {kind} cannot be compared: {why}")
    if tried == "pickle":
        raise NotStored(f"a {kind} does not come back from a pickle as it was")
    if pickles:
        raise NotStored(f"a {kind} cannot be pickled")
    raise NotStored(
        f"a {kind} needs a pickle, which stratum.store.pickle does not allow here"
    )


def _attempts(obj: Any, pickles: bool) -> Iterator[Encoded]:
    if (text := format_plain.encode(obj)) is not None:
        yield Encoded("plain", {}, [memoryview(text)], "")
    if (array := format_array.encode(obj)) is not None:
        yield Encoded("array", array[0], [array[1]], "")
    if (arrow := format_arrow.encode(obj)) is not None:
        yield Encoded("arrow", arrow[0], [arrow[1]], "")
    if pickles:
        try:
            frames = format_pickle.encode(obj)
        except Exception:  # noqa: BLE001 any class may say anything
            return
        yield Encoded("pickle", {}, frames, "")


def _is_same(name: str, obj: Any, value: str, again: Any) -> bool:
    if type(again) is not type(obj) and name != "pickle":
        return False
    # Of a class that is in a pickle the fingerprint says that it is the same one.
    return fingerprint(name, again) == value and layouts(again) == layouts(obj)


def decode(
    name: str, meta: dict[str, Any], frames: Sequence[bytearray], *, pickles: bool
) -> Any:
    """What `encode` was given.

    Raises
    ------
    EntryError
        It cannot be read, or must not be.
    """
    if name == "pickle" and not pickles:
        raise EntryError("untrusted", "it is a pickle, which others may have put there")
    try:
        if name == "plain":
            return format_plain.decode(frames[0])
        if name == "array":
            return format_array.decode(meta, frames[0])
        if name == "arrow":
            return format_arrow.decode(meta, frames[0])
        if name == "pickle":
            return format_pickle.decode(frames)
    except Exception as e:  # noqa: BLE001 what a class does when it is made is not known
        raise EntryError("unreadable", f"{type(e).__name__}: {e}") from None
    raise EntryError("foreign", f"a format called {name!r}")
