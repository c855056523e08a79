"""What `stratum_dask.sklearn` offers where scikit-learn is not as it is known.

A scikit-learn whose insides have changed is used as it is: nothing is shared, and
no result changes.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import sklearn.experimental.enable_halving_search_cv  # noqa: F401
from dask.delayed import delayed
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)

__all__ = [
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "RandomizedSearchCV",
    "count_tasks",
    "cross_val_predict",
    "cross_val_score",
    "cross_validate",
    "lazy",
    "patch",
]


@contextlib.contextmanager
def patch() -> Iterator[None]:
    """Change nothing."""
    yield


@contextlib.contextmanager
def count_tasks() -> Iterator[Any]:
    """Count nothing: everything is left to scikit-learn."""
    yield types.SimpleNamespace(asked={}, run={}, left=0)


def _fit(search: Any, X: Any, y: Any = None, **params: Any) -> Any:
    return delayed(lambda s, *data: s.fit(*data, **params))(clone(search), X, y)


lazy: Any = types.SimpleNamespace(
    fit=_fit,
    cross_validate=delayed(cross_validate),
    cross_val_score=delayed(cross_val_score),
    cross_val_predict=delayed(cross_val_predict),
)
