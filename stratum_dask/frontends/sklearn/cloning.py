"""Clones that a search asks for, and that nobody needs where it is done in steps.

scikit-learn clones the estimator of a search for each of its fits. Copying a whole
plan of steps takes longer than many a fit, and here a copy is only looked at: where a
fit is left to scikit-learn, its estimator is cloned then.

>>> from sklearn.linear_model import Ridge
>>> ridge = Ridge()
>>> LATE.add(Ridge)
>>> with reading():
...     late(ridge) is ridge
True
>>> late(ridge) is ridge, next(own([(None, (ridge, 1), {})]))[1][0] is ridge
(False, False)
>>> LATE.remove(Ridge)
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sklearn.base import clone

from stratum_dask.frontends.sklearn.careful import clones_itself

__all__ = ["LATE", "apart", "late", "own", "reading"]

LATE: set[type] = set()
"""Estimators of exactly these classes are cloned late; others may notice."""

_reading: ContextVar[bool] = ContextVar("reading", default=False)


@contextmanager
def reading() -> Iterator[None]:
    """Inside, calls are read, and none of them is done."""
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)


def late(estimator: Any, *, safe: bool = True) -> Any:
    """scikit-learn's ``clone``, but for what is cloned later, by `own`."""
    if type(estimator) in LATE and _reading.get():
        return estimator
    return clone(estimator, safe=safe)


def apart(estimator: Any) -> Any:
    """An estimator of its own for later, which is cloned no more than the first is."""
    return copy.copy(estimator) if clones_itself(estimator) else clone(estimator)


def own(raw: Iterable[Any]) -> Iterator[Any]:
    """Calls as joblib takes them, each with an estimator of its own."""
    for wrapper, args, kwargs in raw:
        if args and type(args[0]) in LATE:
            args = (clone(args[0]), *args[1:])
        yield wrapper, args, kwargs
