"""Stand-ins: scikit-learn's own code runs with them where estimators were.

A `ColumnTransformer` that is fitted with a `Probe` in place of each transformer
tells which columns each would get. Fitted again with a `Past` in place of each, it
puts the results of other tasks together. So whatever a composite estimator checks,
computes or keeps is done by scikit-learn, of whatever version.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils import get_tags

from stratum_dask.frontends.sklearn.work import Missing, private

__all__ = ["Answers", "Bound", "Past", "Probe", "with_members"]


class _Standin:
    """What scikit-learn asks of any estimator that it is given."""

    def __sklearn_clone__(self) -> Any:
        return self

    def set_output(self, *, transform: Any = None) -> Any:
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}


class Probe(_Standin):
    """Notes what it is fitted to, or asked to transform.

    Parameters
    ----------
    like
        The estimator it stands for, of which it has the tags.
    """

    def __init__(self, like: Any) -> None:
        self.tags = get_tags(like)
        self.X: Any = Missing()
        self.y: Any = Missing()

    def __sklearn_tags__(self) -> Any:
        return self.tags

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Any:
        self.X, self.y = X, y
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        return self.fit(X, y).transform(X)

    def transform(self, X: Any) -> Any:
        self.X = X
        if X is None:
            return None
        shape = getattr(X, "shape", None)
        return np.empty((shape[0] if shape else len(X), 0))

    def predict(self, X: Any) -> Any:
        raise NotImplementedError


class Past(_Standin):
    """Has been fitted by another task.

    Parameters
    ----------
    fitted
        The fitted estimator, which answers whatever else it is asked.
    result
        What it made of the data.
    """

    def __init__(self, fitted: Any, result: Any = None) -> None:
        self.fitted = fitted
        self.result = result

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "fitted":
            raise AttributeError(name)
        return getattr(self.fitted, name)

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.fitted)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Any:
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        return self.transform(X)

    def transform(self, X: Any) -> Any:
        # Frames get other column names by those who put them together.
        return (
            copy.copy(self.result) if hasattr(self.result, "columns") else self.result
        )


class Bound(_Standin):
    """A fitted estimator with the data that it will be asked about."""

    def __init__(self, fitted: Any, X: Any) -> None:
        self.fitted = fitted
        self.X = X

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("fitted", "X"):
            raise AttributeError(name)
        found = getattr(self.fitted, name)
        if name not in _RESPONSES:
            return found
        return _named(name, lambda X: found(self.X))

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.fitted)

    def __sklearn_is_fitted__(self) -> bool:
        return True


_RESPONSES = frozenset(
    ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)


class Answers(_Standin):
    """A fitted estimator whose answers are known.

    Parameters
    ----------
    fitted
        The estimator.
    known
        Name of a method -> what it answered.
    copies
        Whether each answer is a copy, which may be written into.
    """

    def __init__(self, fitted: Any, known: Mapping[str, Any], copies: bool) -> None:
        self.fitted = fitted
        self.known = known
        self.copies = copies

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("fitted", "known", "copies"):
            raise AttributeError(name)
        if name in _RESPONSES:
            if name not in self.known:
                raise AttributeError(name)
            copied = private if self.copies else _same
            return _named(name, lambda X: copied(self.known[name]))
        return getattr(self.fitted, name)

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.fitted)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Any:
        return self

    def score(self, X: Any, *args: Any, **params: Any) -> Any:
        return type(self.fitted).score(self, X, *args, **params)


def _same(answer: Any) -> Any:
    return answer


def _named(name: str, method: Any) -> Any:
    method.__name__ = name
    return method


def with_members(estimator: Any, name: str, members: Any, **more: Any) -> Any:
    """A shallow copy of ``estimator`` whose parameter ``name`` is ``members``."""
    new = copy.copy(estimator)
    for key, val in list(vars(new).items()):
        if type(val) is dict:  # such as how set_output has set it
            setattr(new, key, dict(val))
    setattr(new, name, members)
    for key, val in more.items():
        setattr(new, key, val)
    return new
