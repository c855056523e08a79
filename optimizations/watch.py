"""Notice when a task writes into what others of its pipeline read later."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from dask.utils import funcname

from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.keeping import InputWritten, Kept, keeps
from stratum_dask.optimizations.private import Isolated, privates
from stratum_dask.optimizations.verdict import Refused

__all__ = ["InputWritten", "Watched"]


class Watched(Isolated):
    """An isolated function that tells what its program would miss.

    Parameters
    ----------
    func, which, looks
        See `Isolated`.
    late
        Whether somebody reads its inputs afterwards, so that it must not write.
    kept
        Is told if it hands on an input.
    """

    __slots__ = ("kept", "late")

    def __init__(
        self,
        func: Callable[..., Any],
        which: tuple[int | str, ...],
        looks: bool = False,
        late: bool = True,
        kept: tuple[Kept, ...] = (),
    ) -> None:
        super().__init__(func, which, looks=looks)
        self.late = late
        self.kept = kept

    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.which, self.looks, self.late, self.kept

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.kept and self._may_look(args, kwargs):
            return super().__call__(*args, **kwargs)
        given = list(args)
        shared = [kwargs[at] if isinstance(at, str) else args[at] for at in self.which]
        handles = privates(shared)
        for at, handle in zip(self.which, handles, strict=True):
            if isinstance(at, str):
                kwargs[at] = handle
            else:
                given[at] = handle
        watched = [h for h, o in zip(handles, shared, strict=True) if h is not o]
        before = [_content(handle) for handle in watched] if self.late else []
        result = self.func(*given, **kwargs)
        for handle, content in zip(watched, before, strict=self.late):
            # What has no content that we can read is taken for written.
            if content is None or content != _content(handle):
                raise InputWritten(
                    f"{funcname(self.func)} wrote into an input that another task of "
                    "its program reads afterwards (let it work on a copy)"
                )
        if self.kept and keeps(result, watched):
            for kept in self.kept:
                kept.by(id(self))
        return result


def _content(handle: object) -> bytes | None:
    try:
        return Encoder().value(handle)
    except (Refused, RecursionError):
        pass
    try:
        return pickle.dumps(handle, 5)
    except Exception:  # noqa: BLE001 whatever a pickle does
        return None
