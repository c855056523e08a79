"""Notice when a task writes into what others of its pipeline read later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dask.utils import funcname

from stratum_dask.optimizations.guarding import Guard, InputWritten, content
from stratum_dask.optimizations.keeping import keeps
from stratum_dask.optimizations.private import Isolated, privates

__all__ = ["InputWritten", "Watched"]


class Watched(Isolated):
    """An isolated function that tells when it has written into its inputs.

    Parameters
    ----------
    func, which, looks
        See `Isolated`.
    late
        Those of ``which`` that somebody reads afterwards.
    guard
        Watches what it hands on, if tasks after it may write into that.
    """

    __slots__ = ("guard", "late")

    def __init__(
        self,
        func: Callable[..., Any],
        which: tuple[int | str, ...],
        looks: bool = False,
        late: tuple[int | str, ...] | None = None,
        guard: Guard | None = None,
    ) -> None:
        super().__init__(func, which, looks=looks)
        self.late = which if late is None else late
        self.guard = guard

    def _parts(self) -> tuple[Any, ...]:
        return self.func, self.which, self.looks, self.late, self.guard

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.guard is None and self._may_look(args, kwargs):
            return super().__call__(*args, **kwargs)
        given = list(args)
        shared = [kwargs[at] if isinstance(at, str) else args[at] for at in self.which]
        handles = privates(shared)
        for at, handle in zip(self.which, handles, strict=True):
            if isinstance(at, str):
                kwargs[at] = handle
            else:
                given[at] = handle
        watched = [
            h
            for at, h, o in zip(self.which, handles, shared, strict=True)
            if h is not o and at in self.late
        ]
        before = [content(handle) for handle in watched]
        result = self.func(*given, **kwargs)
        for handle, was in zip(watched, before, strict=True):
            # What has no content that we can read is taken for written.
            if was is None or was != content(handle):
                raise InputWritten(
                    f"{funcname(self.func)} wrote into an input that another task of "
                    "its program reads afterwards (let it work on a copy)"
                )
        if self.guard is not None and keeps(result, watched):
            self.guard.hold(watched, before)
        return result
