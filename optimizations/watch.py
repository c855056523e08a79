"""Notice when a task writes into what others of its pipeline read later."""

from __future__ import annotations

import pickle
from typing import Any

from dask.utils import funcname

from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.private import Isolated, privates
from stratum_dask.optimizations.verdict import Refused

__all__ = ["InputWritten", "Watched"]


class InputWritten(Exception):
    """A task wrote into an input that its own pipeline reads again later.

    With the input shared among pipelines, the later reader would have missed the
    write. The seam that catches this runs the graph again as plain Dask would.
    """


class Watched(Isolated):
    """An isolated function that tells when it has written into its inputs."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._may_look(args, kwargs):
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
        before = [_content(handle) for handle in watched]
        result = self.func(*given, **kwargs)
        for handle, content in zip(watched, before, strict=True):
            # What has no content that we can read is taken for written.
            if content is None or content != _content(handle):
                raise InputWritten(
                    f"{funcname(self.func)} wrote into an input that another task of "
                    "its program reads afterwards (let it work on a copy)"
                )
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
