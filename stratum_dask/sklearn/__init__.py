"""scikit-learn's searches and cross-validations, with every equal step done once.

Changing the import is the whole port:

>>> from sklearn.datasets import load_iris
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from stratum_dask.sklearn import GridSearchCV
>>> X, y = load_iris(return_X_y=True)
>>> model = make_pipeline(StandardScaler(), LogisticRegression())
>>> GridSearchCV(model, {"logisticregression__C": [0.1, 1.0]}).fit(X, y).best_params_
{'logisticregression__C': 1.0}

Names, signatures and results are scikit-learn's. `lazy` has forms that return
Delayed objects, `patch` is for code that one cannot edit, `count_tasks` tells what
was saved.
"""

from __future__ import annotations

import warnings

from stratum_dask.errors import StratumWarning

try:
    from stratum_dask.frontends.sklearn import lazy
    from stratum_dask.frontends.sklearn.counting import count_tasks
    from stratum_dask.frontends.sklearn.patching import patch
    from stratum_dask.frontends.sklearn.search import (
        GridSearchCV,
        HalvingGridSearchCV,
        HalvingRandomSearchCV,
        RandomizedSearchCV,
    )
    from stratum_dask.frontends.sklearn.validation import (
        cross_val_predict,
        cross_val_score,
        cross_validate,
    )
except (ImportError, AttributeError, LookupError) as problem:
    import importlib.util

    if importlib.util.find_spec("sklearn") is None:
        raise
    from stratum_dask.frontends.apart import (
        GridSearchCV,
        HalvingGridSearchCV,
        HalvingRandomSearchCV,
        RandomizedSearchCV,
        count_tasks,
        cross_val_predict,
        cross_val_score,
        cross_validate,
        patch,
    )
    from stratum_dask.frontends.apart import lazy as lazy  # type: ignore[no-redef]

    warnings.warn(
        f"stratum does not fit this version of scikit-learn and steps aside: "
        f"{type(problem).__name__}: {problem}. The searches of stratum_dask.sklearn "
        "are scikit-learn's own.",
        StratumWarning,
        stacklevel=2,
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
