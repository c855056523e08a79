"""What the tasks of a search hand on, and how a function becomes such a task.

Tasks never raise: what fails hands on a `Failed`, and whoever asked for it lets
scikit-learn itself do that one fit again. So errors, their texts and their number
are scikit-learn's. Tasks never write into what they are given, either: what may be
written into is copied first, whether the plugin protects shared results or not.
"""

from __future__ import annotations

import contextvars
import copy
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import sklearn

from stratum_dask.optimizations.purity.declared import pure
from stratum_dask.optimizations.purity.effects import declare
from stratum_dask.optimizations.verdict import Effect

__all__ = [
    "INSIDE",
    "Done",
    "Failed",
    "Fitted",
    "Missing",
    "Timer",
    "joining",
    "private",
    "seconds",
    "task",
    "value",
]

INSIDE: contextvars.ContextVar[bool] = contextvars.ContextVar("INSIDE", default=False)
"""Whether this code runs inside of a task: a search in there computes right there."""


class Done(NamedTuple):
    """A result that is no estimator."""

    value: Any
    seconds: float = 0.0
    """What it took, with everything that had to be done for it."""
    fit_seconds: float = 0.0
    """Of a score or prediction: what fitting took."""


class Fitted(NamedTuple):
    """A fitted estimator."""

    estimator: Any
    value: Any = None
    """What became of the data that it was fitted to, if anybody needs it."""
    seconds: float = 0.0


class Failed(NamedTuple):
    """Something has failed."""

    why: str


class Missing(NamedTuple):
    """The part of a `ColumnTransformer` that no column was selected for."""


class Timer:
    """Measures the seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start


def value(part: Any) -> Any:
    """The data in a result."""
    return part.value if isinstance(part, (Done, Fitted)) else part


def seconds(part: Any) -> float:
    """What a result has cost."""
    return part.seconds if isinstance(part, (Done, Fitted)) else 0.0


def private(data: Any) -> Any:
    """A copy of ``data`` that may be written into."""
    if data is None or isinstance(data, (str, int, float)):
        return data
    kind = type(data)
    if kind.__module__ == "numpy" and data.dtype != object:
        return data.copy(order="K") if kind.__name__ == "ndarray" else data.copy()
    if kind.__module__.startswith("scipy.sparse"):
        return data.copy()
    return copy.deepcopy(data)


F = TypeVar("F", bound=Callable[..., Any])


def task(func: F) -> F:
    """Make ``func`` a task: with scikit-learn's configuration first, never raising.

    ``after`` is what had to be done before, where the order counts, and ``needs`` what
    must not have failed.
    """
    return _task(func, (Failed, Missing))


def joining(func: F) -> F:
    """Make ``func`` a task that copes with parts that are `Missing`."""
    return _task(func, (Failed,))


def _task(func: F, passed_on: tuple[type, ...]) -> F:
    @functools.wraps(func)
    def run(
        config: dict[str, Any], *args: Any, after: Any = None, needs: Any = ()
    ) -> Any:
        for part in args:
            if type(part) in passed_on:
                return part
        for part in needs:
            if type(part) is Failed:
                return part
        inside = INSIDE.set(True)
        try:
            with sklearn.config_context(**config):
                return func(*args)
        except Exception as e:  # noqa: BLE001 scikit-learn will raise it again
            return Failed(f"{type(e).__name__}: {e}")
        finally:
            INSIDE.reset(inside)

    made: Any = run
    declare(made, Effect.ALIAS)
    return cast(F, pure(made))
