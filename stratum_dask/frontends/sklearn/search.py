"""Searches that are scikit-learn's, but for how their candidates are evaluated."""

from __future__ import annotations

import sklearn.experimental.enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV as _GridSearchCV
from sklearn.model_selection import HalvingGridSearchCV as _HalvingGridSearchCV
from sklearn.model_selection import HalvingRandomSearchCV as _HalvingRandomSearchCV
from sklearn.model_selection import RandomizedSearchCV as _RandomizedSearchCV

from stratum_dask.frontends.sklearn.cloning import late
from stratum_dask.frontends.sklearn.evaluate import Sharing
from stratum_dask.frontends.sklearn.private import (
    BaseSearchCV,
    rebound,
    search_fit,
)

__all__ = [
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "RandomizedSearchCV",
]


class SharingSearch(BaseSearchCV):
    """A search whose equal steps are done once."""

    fit = rebound(search_fit, {"Parallel": Sharing, "clone": late})


class GridSearchCV(_GridSearchCV, SharingSearch):
    __doc__ = _GridSearchCV.__doc__


class RandomizedSearchCV(_RandomizedSearchCV, SharingSearch):
    __doc__ = _RandomizedSearchCV.__doc__


class HalvingGridSearchCV(_HalvingGridSearchCV, SharingSearch):
    __doc__ = _HalvingGridSearchCV.__doc__


class HalvingRandomSearchCV(_HalvingRandomSearchCV, SharingSearch):
    __doc__ = _HalvingRandomSearchCV.__doc__
