"""Private handles on shared results: everybody gets an object of their own.

The handles are real copies by default, also of pandas objects: a shallow copy lets
``.array[...] =``, a flipped flag, and with it ``StandardScaler(copy=False)``, write
through to everybody. ``cow=True`` trades that for microseconds; it is for callers
who know that nobody who gets the handle *or a result made from it* writes beneath
pandas.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Sequence
from typing import Any

from stratum_dask.optimizations.copying import Memo

__all__ = ["Second", "private", "privates"]


class Second(Memo):
    """Makes what an equal task would have made: NaNs that are objects of their own.

    A NaN is equal to itself only where one asks ``is`` first, as a list does. The
    NaNs of :mod:`math` and :mod:`numpy` are the same ones for everybody.

    Examples
    --------
    >>> nan = float("nan")
    >>> one, other = Second().duplicate([nan, nan])
    >>> one is other, one is nan, Second().duplicate(math.nan) is math.nan
    (True, False, True)
    """

    def duplicate(self, obj: Any) -> Any:
        if type(obj) is not float or not math.isnan(obj) or _is_constant(obj):
            return super().duplicate(obj)
        if id(obj) not in self:
            self[id(obj)] = struct.unpack("<d", struct.pack("<d", obj))[0]
            self.alive.append(obj)
        return self[id(obj)]


def _is_constant(nan: float) -> bool:
    numpy = sys.modules.get("numpy")
    return any(nan is known for known in (math.nan, getattr(numpy, "nan", None)))


def private(obj: Any, *, cow: bool = False) -> Any:
    """Return one private handle on a shared object.

    Parameters
    ----------
    obj
        Anything. What nobody can write into comes back as it is.
    cow
        Trust pandas' copy-on-write where it is on: see the module's docstring.

    Raises
    ------
    Uncopyable
        When the object refuses to be copied (a generator, a lock, a connection).

    Examples
    --------
    >>> shared = {"a": [1]}
    >>> private(shared)["a"].append(2)
    >>> shared
    {'a': [1]}
    """
    return privates([obj], Memo(cow=cow))[0]


def privates(objs: Sequence[Any], memo: dict[int, Any] | None = None) -> list[Any]:
    """Return private handles on several objects that one task gets together.

    What was one object stays one, at any depth, and arrays that look into the same
    memory still do. A frame and an array made from it by pandas do so as well while
    the array covers at least half of the block it looks into.

    Parameters
    ----------
    objs
        The shared objects.
    memo
        Carries on from earlier handles, so that sharing among all of them is kept:
        a :class:`Memo`, or an empty dict that is handed in again.

    Examples
    --------
    >>> row = [0]
    >>> a, b = privates([row, [row]])
    >>> a.append(1)
    >>> b, row
    ([[0, 1]], [0])
    """
    if memo is None:
        act = Memo()
    elif isinstance(memo, Memo):
        act = memo
    else:
        act = memo.setdefault(0, Second())  # no object has the id 0
    act.foresee(objs)
    return [act.duplicate(obj) for obj in objs]
