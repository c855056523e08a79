"""What is known to write into nothing that it is given."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from stratum_dask.frontends.sklearn.builder import Ref
from stratum_dask.frontends.sklearn.careful import is_library, quiet
from stratum_dask.frontends.skrub import steps
from stratum_dask.optimizations.purity.places import installed, root_of
from stratum_dask.optimizations.purity.words import words

__all__ = ["WRITES", "functions", "is_quiet", "label", "spares"]

_QUIET = frozenset({"pandas", "numpy", "scipy", "sklearn", "skrub", "operator"})
WRITES = frozenset(
    words("""
    append extend insert add update pop popitem clear remove discard sort reverse
    setdefault fill put resize setflags partition itemset
    fit fit_transform fit_predict partial_fit set_params set_output
    """)
)
"""Methods that write into their object."""


def functions(made: Any) -> list[Any]:
    """What can be called in a value."""
    if type(made) is dict:
        return [f for v in made.values() for f in functions(v)]
    if type(made) in (list, tuple):
        return [f for v in made for f in functions(v)]
    return [made] if callable(made) and type(made) is not Ref else []


def is_quiet(func: Any) -> bool:
    """Whether a function is of a library that does not write into arguments."""
    root = root_of(getattr(func, "__module__", None) or "")
    return root in _QUIET and installed(root)


def spares(estimator: Any) -> bool:
    """Whether an estimator is known to write into nothing that it is given."""
    if estimator is None or isinstance(estimator, str):
        return True
    if isinstance(estimator, steps.Parameters):
        return False
    if is_library(type(estimator)):
        return quiet(estimator)
    root = root_of(type(estimator).__module__)
    if root != "skrub" or not installed("skrub"):
        return False
    inner = [v for v in estimator.get_params().values() if isinstance(v, BaseEstimator)]
    handed = functions(list(estimator.get_params(deep=False).values()))
    return all(map(spares, inner)) and all(map(is_quiet, handed))


def label(estimator: Any, mode: str) -> str:
    """What people see."""
    if isinstance(estimator, steps.Parameters):
        estimator = estimator.estimator
    if estimator is None or isinstance(estimator, str):
        return f"{mode}-passthrough"
    return f"{mode}-{type(estimator).__name__}"
