"""skrub's searches and cross-validations, with every equal step done once.

Names, options and results are skrub's; `lazy_fit` and `lazy_cross_validate` return
Delayed objects, so that many searches go in one submission.
"""

from __future__ import annotations

from stratum_dask.frontends.skrub.later import (
    cross_validate,
    lazy_cross_validate,
    lazy_fit,
)
from stratum_dask.frontends.skrub.plans import from_skrub
from stratum_dask.frontends.skrub.searches import (
    make_grid_search,
    make_randomized_search,
)

__all__ = [
    "cross_validate",
    "from_skrub",
    "lazy_cross_validate",
    "lazy_fit",
    "make_grid_search",
    "make_randomized_search",
]
