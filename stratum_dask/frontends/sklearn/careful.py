"""What is known of estimators and scorers: what may write, what can be taken apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from stratum_dask.frontends.sklearn.private import Scorer
from stratum_dask.optimizations.purity.known import rule
from stratum_dask.optimizations.purity.places import canonical, installed, root_of

__all__ = [
    "clones_itself",
    "folds_of",
    "has_callbacks",
    "is_known",
    "is_library",
    "number_of_splits",
    "only_predicts",
    "pairwise",
    "quiet",
    "quiet_scorer",
    "writes",
]


def is_library(obj: Any) -> bool:
    """Whether a class or function is scikit-learn's own."""
    module = getattr(obj, "__module__", None) or ""
    return root_of(module) == "sklearn" and installed("sklearn")


def is_known(cls: type) -> bool:
    """Whether a class is of a library that is known to do nothing but compute."""
    root = cls.__module__.partition(".")[0]
    return installed(root) and rule(canonical(cls)) is not None


def clones_itself(obj: Any) -> bool:
    """Whether code of somebody's own says what a clone is, of this or what is inside.

    It may be the same object again: fits must then come one after the other.

    Examples
    --------
    >>> from sklearn.frozen import FrozenEstimator
    >>> class Same(BaseEstimator):
    ...     def __sklearn_clone__(self):
    ...         return self
    >>> clones_itself({"one": FrozenEstimator(None)}), clones_itself([Same()])
    (False, True)
    """
    if isinstance(obj, (list, tuple, set, frozenset)):
        return any(map(clones_itself, obj))
    if isinstance(obj, dict):
        return any(map(clones_itself, obj.values()))
    if isinstance(obj, type):
        return False
    own = getattr(type(obj), "__sklearn_clone__", None)
    if own is not None and own is not _CLONE and not is_library(own):
        return True
    if not hasattr(obj, "get_params"):
        return False
    return any(map(clones_itself, obj.get_params(deep=False).values()))


_CLONE = getattr(BaseEstimator, "__sklearn_clone__", None)


def quiet(estimator: Any) -> bool:
    """Whether an estimator is known to write into nothing that it is given.

    scikit-learn's are, unless they are told to spare a copy. Those that call
    functions of somebody else are not known.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> quiet(StandardScaler()), quiet(StandardScaler(copy=False))
    (True, False)
    """
    if not is_library(type(estimator)):
        return False
    if type(estimator) is FunctionTransformer and estimator.func is None:
        return True
    return _quiet_parameters(estimator)


def _quiet_parameters(estimator: Any) -> bool:
    for name, param in estimator.get_params(deep=False).items():
        if name.startswith("copy") and param is False:
            return False
        if name.startswith("overwrite") and param is True:
            return False
        if not _quiet_parameter(param):
            return False
    return True


def _quiet_parameter(param: Any) -> bool:
    if isinstance(param, (list, tuple)):
        return all(map(_quiet_parameter, param))
    if isinstance(param, dict):
        return all(map(_quiet_parameter, param.values()))
    if isinstance(param, BaseEstimator):
        return quiet(param)
    return isinstance(param, type) or not callable(param) or is_library(param)


def quiet_scorer(scorer: Any) -> bool:
    """Whether a scorer of scikit-learn's calls nobody else's function."""
    return type(scorer) is Scorer and is_library(scorer._score_func)


def only_predicts(estimator: Any) -> bool:
    """Whether ``estimator.score`` needs no more than what it predicts."""
    own: Callable[..., Any] | None = getattr(type(estimator), "score", None)
    return own in (ClassifierMixin.score, RegressorMixin.score)


def writes(estimator: Any) -> bool:
    """Whether an estimator is told to write into what it is given.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> writes(make_pipeline(StandardScaler(copy=False)))
    True
    """
    return any(
        name.rpartition("__")[2] in _COPIES and value is False
        for name, value in estimator.get_params(deep=True).items()
    )


_COPIES = frozenset({"copy", "copy_X", "copy_x", "copy_X_train"})


def pairwise(estimator: Any) -> bool:
    """Whether a fold of its data has only some columns, too, or nobody knows."""
    try:
        return bool(get_tags(estimator).input_tags.pairwise)
    except Exception:  # noqa: BLE001 an estimator of somebody's own kind
        return True


def has_callbacks(estimator: Any) -> bool:
    """Whether scikit-learn has to call somebody while it fits."""
    if _callbacks(estimator):
        return True
    try:
        inner = estimator.get_params(deep=True).values()
    except Exception:  # noqa: BLE001 no estimator of scikit-learn's kind
        return False
    return any(map(_callbacks, inner))


def _callbacks(obj: Any) -> bool:
    # Not by getattr: a parameter may be an object that has any attribute.
    return bool(getattr(obj, "__dict__", {}).get("_skl_callbacks"))


def number_of_splits(cv: Any) -> int:
    """How many splits there will be; 0 where only the data can tell."""
    if cv is None:
        return 5
    if isinstance(cv, int):
        return cv
    if isinstance(cv, (list, tuple)):
        return len(cv)
    try:
        return int(cv.get_n_splits())
    except Exception:  # noqa: BLE001 it wants to see the data
        return 0


def folds_of(cv: Any) -> int:
    """How many folds an estimator makes by itself; 0 where that is not understood.

    A splitter of somebody's own may do anything when it is copied.

    Examples
    --------
    >>> from sklearn.model_selection import KFold, LeaveOneOut
    >>> folds_of(None), folds_of(KFold(3)), folds_of(LeaveOneOut()), folds_of("prefit")
    (5, 3, 0, 0)
    """
    if cv is None or isinstance(cv, (int, list, tuple)) or is_library(type(cv)):
        return number_of_splits(cv)
    return 0
