"""What `stratum_dask.sklearn` offers where scikit-learn is not as it is known.

A scikit-learn whose insides have changed is used as it is: nothing is shared, and
no result changes.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

import dask
import sklearn.experimental.enable_halving_search_cv  # noqa: F401
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


def _fit(search: Any, X: Any, y: Any = None, **params: Any) -> Any:
    return dask.delayed(lambda s, *data: s.fit(*data, **params))(clone(search), X, y)


lazy = types.SimpleNamespace(
    fit=_fit,
    cross_validate=dask.delayed(cross_validate),
    cross_val_score=dask.delayed(cross_val_score),
    cross_val_predict=dask.delayed(cross_val_predict),
)
