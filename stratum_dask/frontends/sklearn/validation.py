"""Cross-validation that is scikit-learn's, but for how the folds are evaluated."""

from __future__ import annotations

from typing import Any

from stratum_dask.frontends.sklearn import private
from stratum_dask.frontends.sklearn.cloning import late
from stratum_dask.frontends.sklearn.evaluate import Sharing

__all__ = ["cross_val_predict", "cross_val_score", "cross_validate"]


def _ours(func: Any, **names: Any) -> Any:
    new = private.rebound(func, names)
    new.__module__ = __name__
    return new


cross_validate = _ours(private.validation.cross_validate, Parallel=Sharing, clone=late)
cross_val_predict = _ours(
    private.validation.cross_val_predict, Parallel=Sharing, clone=late
)
cross_val_score = _ours(
    private.validation.cross_val_score, cross_validate=cross_validate
)
