"""Searches that are scikit-learn's, but for how their candidates are evaluated."""

from __future__ import annotations

from typing import Any

from sklearn.model_selection import GridSearchCV as _GridSearchCV
from sklearn.model_selection import RandomizedSearchCV as _RandomizedSearchCV

from stratum_dask.frontends.sklearn.evaluate import Sharing
from stratum_dask.frontends.sklearn.private import (
    BaseSearchCV,
    halving,
    rebound,
    search_fit,
)

__all__ = [
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "RandomizedSearchCV",
]


class SharingSearch(BaseSearchCV):  # type: ignore[misc]
    """A search whose equal steps are done once."""

    fit = rebound(search_fit, {"Parallel": Sharing})


class GridSearchCV(_GridSearchCV, SharingSearch):  # type: ignore[misc]
    __doc__ = _GridSearchCV.__doc__


class RandomizedSearchCV(_RandomizedSearchCV, SharingSearch):  # type: ignore[misc]
    __doc__ = _RandomizedSearchCV.__doc__


class HalvingGridSearchCV(  # type: ignore[misc]
    halving("HalvingGridSearchCV"), SharingSearch
):
    __doc__ = halving("HalvingGridSearchCV").__doc__


class HalvingRandomSearchCV(  # type: ignore[misc]
    halving("HalvingRandomSearchCV"), SharingSearch
):
    __doc__ = halving("HalvingRandomSearchCV").__doc__
