"""The only module that reaches for private names of scikit-learn.

scikit-learn has no public place where somebody else could evaluate the candidates
of a search. All of them go through one call of ``Parallel`` in its own code, so
that code runs here with another ``Parallel`` in its globals (`rebound`), and
everything else of a search or a cross-validation stays scikit-learn's.
"""

from __future__ import annotations

import copy
import inspect
import types
from collections.abc import Mapping
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import _scorer
from sklearn.model_selection import _search, _validation
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils.metadata_routing import _routing_enabled as routing_enabled
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import _check_method_params as check_method_params

__all__ = [
    "BaseSearchCV",
    "MultimetricScorer",
    "Parallel",
    "PassthroughScorer",
    "Scorer",
    "calibrated_fit",
    "check_method_params",
    "classifier_of",
    "cross_val_predict",
    "final_of",
    "fit_and_predict",
    "fit_and_score",
    "function_of",
    "rebound",
    "routing_enabled",
    "safe_indexing",
    "search_fit",
    "validate",
    "validation",
]

BaseSearchCV: Any = _search.BaseSearchCV
Scorer: Any = _scorer._Scorer
MultimetricScorer: Any = _scorer._MultimetricScorer
PassthroughScorer: Any = _scorer._PassthroughScorer
fit_and_score: Any = _validation._fit_and_score
fit_and_predict: Any = _validation._fit_and_predict
calibrated_fit: Any = CalibratedClassifierCV.fit
cross_val_predict: Any = _validation.cross_val_predict
search_fit: Any = BaseSearchCV.fit
validation: Any = _validation


def function_of(wrapper: Any) -> Any:
    """The function that ``sklearn.utils.parallel.delayed`` has wrapped."""
    return wrapper.function


def final_of(stack: Any) -> Any:
    """The final estimator of a stack before it is fitted, its default among them.

    Raises
    ------
    ValueError
        If it is of the wrong kind.
    """
    shell = copy.copy(stack)
    shell._validate_final_estimator()
    return shell.final_estimator_


def classifier_of(calibrated: Any) -> Any:
    """The classifier that a `CalibratedClassifierCV` fits, or its default."""
    return calibrated._get_estimator()


def validate(estimator: Any) -> None:
    """Raise what its ``fit`` raises of parameters that it does not know."""
    estimator._validate_params()


def rebound(func: Any, names: Mapping[str, Any]) -> Any:
    """A copy of ``func`` that finds ``names`` among its globals.

    Also where it is wrapped by decorators, which are copied around it.

    Raises
    ------
    LookupError
        If it uses no global of one of these names.

    Examples
    --------
    >>> import shutil
    >>> which = rebound(shutil.which, {"os": None})
    >>> which.__name__, which is shutil.which
    ('which', False)
    >>> rebound(shutil.which, {"Parallel": None})
    Traceback (most recent call last):
    ...
    LookupError: which does not use the name 'Parallel'
    """
    inner = inspect.unwrap(func)
    used = set(_names(inner.__code__))
    for name in names:
        if name not in used:
            raise LookupError(f"{inner.__name__} does not use the name {name!r}")
    new = _copied(inner, {**inner.__globals__, **names}, {})
    chain = [func]
    while hasattr(chain[-1], "__wrapped__"):
        chain.append(chain[-1].__wrapped__)
    for old, around in zip(chain[:0:-1], chain[-2::-1], strict=True):
        wrapper = _copied(around, around.__globals__, {id(old): new})
        wrapper.__wrapped__ = new
        new = wrapper
    return new


def _names(code: types.CodeType) -> list[str]:
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return [*code.co_names, *(name for c in inner for name in _names(c))]


def _copied(func: Any, names: dict[str, Any], swap: Mapping[int, Any]) -> Any:
    cells = tuple(
        types.CellType(swap[id(c.cell_contents)]) if _held(c, swap) else c
        for c in func.__closure__ or ()
    )
    new = types.FunctionType(
        func.__code__, names, func.__name__, func.__defaults__, cells or None
    )
    new.__kwdefaults__ = func.__kwdefaults__
    new.__qualname__ = func.__qualname__
    new.__doc__ = func.__doc__
    new.__dict__.update(func.__dict__)
    new.__module__ = func.__module__
    return new


def _held(cell: Any, swap: Mapping[int, Any]) -> bool:
    try:
        return id(cell.cell_contents) in swap
    except ValueError:  # an empty cell
        return False
