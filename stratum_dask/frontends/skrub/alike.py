"""Estimators of which every copy is alike, whoever makes it, and how often.

skrub clones an estimator of a plan for each fit. The values of its parameters are
handed on as they are, but for lists, tuples, sets and dicts: an array, a
`RandomState` or an object of somebody's own is then one in all clones, and what one
fit does to it another sees. In steps there are more copies. Whoever could notice
(it copies itself in its own way, or holds what may be written into) is left to
skrub as a whole.

>>> import numpy as np
>>> from sklearn.linear_model import SGDClassifier
>>> alike(SGDClassifier(random_state=0))
True
>>> alike(SGDClassifier(random_state=np.random.RandomState(0)))
False
"""

from __future__ import annotations

import datetime
import enum
import functools
import pathlib
import re
import types
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from stratum_dask.frontends.sklearn.builder import Ref
from stratum_dask.frontends.sklearn.careful import is_known
from stratum_dask.frontends.skrub import private, steps
from stratum_dask.frontends.skrub.templates import SMALL, NotUnderstood
from stratum_dask.optimizations.purity.places import installed, root_of
from stratum_dask.optimizations.purity.words import words

__all__ = ["UnlikeError", "alike", "own_inside"]


class UnlikeError(NotUnderstood):
    """An estimator that only skrub itself may clone, and fit where it stands."""


_HOOKS = words(
    """
    __copy__ __deepcopy__ __reduce__ __reduce_ex__ __getstate__ __setstate__
    __getnewargs__ __getnewargs_ex__ __new__ __sklearn_clone__ get_params set_params
    """
)
"""Methods by which a class decides what its copies are."""

_LIBRARIES = frozenset({"sklearn", "skrub"})
_DATA = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy"})
_FIXED = (
    *(np.generic, np.dtype, np.ufunc, type, range, type(Ellipsis)),
    *(types.FunctionType, types.BuiltinFunctionType, types.ModuleType),
    *(datetime.date, datetime.timedelta, enum.Enum, pathlib.PurePath, re.Pattern),
)
_LATER = (private.DataOp, private.BaseChoice, private.ChoiceMatch)
"""What stands for a value, which is looked at by itself."""


def alike(estimator: Any) -> bool:
    """Whether nobody could tell how often an estimator was copied, or by whom."""
    if not isinstance(estimator, BaseEstimator | steps.Parameters):
        return estimator is None or isinstance(estimator, str)
    if isinstance(estimator, steps.Parameters):
        estimator = estimator.estimator
    cls: Any = type(estimator)
    own = not _of_library(cls)
    if own and not _copied_as_usual(cls):
        return False
    params = estimator.get_params(deep=False).values()
    return all(_stays(param, own) for param in params)


def _stays(value: Any, own: bool) -> bool:
    """Whether a parameter stays as it is, or is made anew for each fit.

    Parameters
    ----------
    own
        Whether code of somebody's own has it, which may write into it.
    """
    kind = type(value)
    if kind in SMALL or kind is Ref or isinstance(value, _FIXED + _LATER):
        return True
    if isinstance(value, BaseEstimator | steps.Parameters):
        return alike(value)
    if kind is dict:
        return all(_stays(v, own) for v in (*value, *value.values()))
    if kind in (list, tuple, set, frozenset):
        return all(_stays(v, own) for v in value)
    if kind is slice:
        return all(_stays(v, own) for v in (value.start, value.stop, value.step))
    if kind is functools.partial:
        return _stays((value.func, value.args, value.keywords), own)
    root = root_of(kind.__module__)
    if root in _DATA and installed(root):
        return not own and not kind.__module__.startswith("numpy.random")
    if root in _LIBRARIES and installed(root):
        return all(_stays(v, own) for v in getattr(value, "__dict__", {}).values())
    return False


@functools.cache
def _of_library(cls: type) -> bool:
    root = root_of(cls.__module__)
    return (root in _LIBRARIES and installed(root)) or is_known(cls)


@functools.cache
def _copied_as_usual(cls: type) -> bool:
    """Whether no class of somebody's own says how it is copied."""
    for name in _HOOKS:
        home = next((c for c in cls.__mro__ if name in vars(c)), object)
        if home is not object and not _of_library(home):
            return False
    return True


def own_inside(estimator: Any) -> bool:
    """Whether there is an estimator in it whose methods may write into it."""
    if isinstance(estimator, steps.Parameters):
        estimator = estimator.estimator
    if not isinstance(estimator, BaseEstimator):
        return estimator is not None and not isinstance(estimator, str)
    inside = estimator.get_params(deep=True).values()
    found = [estimator, *(v for v in inside if isinstance(v, BaseEstimator))]
    kinds: set[Any] = set(map(type, found))
    return not all(map(_of_library, kinds))
