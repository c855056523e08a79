"""When two values are the same one, for somebody who is given either."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

from stratum_dask.optimizations import Refused
from stratum_dask.optimizations.fingerprint.sharing import Kind, Memory
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.scheduler_plugins.store.format_arrow import layout

__all__ = ["content", "fingerprint", "layouts", "strictly"]

_MOST = 40
"""Views into one piece of memory that are compared with each other."""
_WORK = 10_000
_DEEPEST = 4


class _Content(Encoder):
    """An encoder to which it is all one which arrays lie in one piece of memory.

    scikit-learn cuts ``coef_`` and ``intercept_`` out of one array; a pickle, and so
    every transfer between workers, makes two of them, without gaps. Arrays that overlap
    are another matter: what is written into one shows in the other.
    """

    def __init__(self) -> None:
        super().__init__()
        self._arrays: dict[int, Any] = {}
        self._dense: dict[int, Any] = {}
        self._met: dict[object, object] = {}

    def mention(self, memory: Memory) -> None:
        pass

    def alone(
        self,
        obj: object,
        encode: Callable[[Any, Any], bytes],
        mutable: bool = False,
    ) -> tuple[bytes, tuple[object, ...]]:
        place = id(obj), encode
        if place not in self._met:
            self._met[place] = obj
            return super().alone(obj, encode, mutable)
        # Once more, to compare: a compiled object may give other views of its memory.
        arrays, self._arrays = self._arrays, {}
        try:
            return super().alone(obj, encode, mutable)
        finally:
            self._arrays = arrays

    def nested(self, obj: object, kind: Kind) -> bytes:
        if type(obj).__module__ == "numpy" and hasattr(obj, "__array_interface__"):
            self._arrays[id(obj)] = obj
            obj = self._without_gaps(obj)
        return super().nested(obj, kind)

    def _without_gaps(self, array: Any) -> Any:
        import numpy as np

        if type(array) is not np.ndarray or array.dtype.hasobject:
            return array
        if array.flags.c_contiguous or array.flags.f_contiguous:
            return array
        if id(array) not in self._dense:
            dense = np.ascontiguousarray(array)
            dense.flags.writeable = array.flags.writeable
            self._dense[id(array)] = dense
        return self._dense[id(array)]

    def check(self) -> None:
        """Raise `Refused` where two arrays overlap."""
        import numpy as np

        owners: dict[int, list[Any]] = {}
        for array in self._arrays.values():
            if isinstance(array, np.ndarray):
                owner = array
                while isinstance(owner.base, np.ndarray):
                    owner = owner.base
                last = owner if owner.base is None else owner.base
                owners.setdefault(id(last), []).append(array)
        for arrays in owners.values():
            if len(arrays) > _MOST:
                raise Refused("many of its arrays look into one piece of memory")
            for one, other in combinations(arrays, 2):
                try:
                    shared = np.shares_memory(one, other, _WORK)  # type: ignore[arg-type]
                except np.exceptions.TooHardError:
                    shared = True
                if shared:
                    raise Refused("two of its arrays overlap in memory")


def strictly(obj: object) -> str:
    """What a value is, with what its parts share with each other.

    Raises
    ------
    Refused
        That cannot be told.
    """
    encoder = Encoder()
    return encoder.digest(encoder.value(obj)).hex()


def content(obj: object) -> str:
    """What a value is, wherever its arrays lie in memory.

    Raises
    ------
    Refused
        That cannot be told, or it matters where they lie.

    Examples
    --------
    >>> import numpy as np
    >>> both = np.arange(4.0)
    >>> content([both[:2], both[2:]]) == content([np.arange(2.0), np.arange(2.0, 4)])
    True
    >>> content([both, both[:2]])
    Traceback (most recent call last):
    ...
    stratum_dask.optimizations.verdict.Refused: two of its arrays overlap in memory
    """
    encoder = _Content()
    found = encoder.digest(encoder.value(obj)).hex()
    encoder.check()
    return found


def fingerprint(name: str, obj: object) -> str:
    """What a value in the format called ``name`` is."""
    return content(obj) if name == "pickle" else strictly(obj)


def layouts(obj: Any, depth: int = 0) -> list[Any]:
    """How the frames in ``obj`` are packed into memory, by which numpy adds."""
    if type(obj) in (list, tuple) and depth < _DEEPEST:
        return [layouts(each, depth + 1) for each in obj]
    if type(obj) is dict and depth < _DEEPEST:
        return [layouts(each, depth + 1) for each in obj.values()]
    return layout(obj)
