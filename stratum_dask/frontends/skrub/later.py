"""Searches over the choices of plans, and cross-validations, as Delayed objects."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pandas as pd
from dask.base import is_dask_collection
from dask.delayed import Delayed, delayed
from sklearn.model_selection import check_cv

from stratum_dask.frontends.sklearn import validation
from stratum_dask.frontends.sklearn.private import rebound
from stratum_dask.frontends.sklearn.running import place
from stratum_dask.frontends.skrub import models, private
from stratum_dask.frontends.skrub.plans import (
    check,
    environment_of,
    evaluated_both,
    from_skrub,
)
from stratum_dask.frontends.skrub.searches import plain
from stratum_dask.frontends.skrub.templates import NotUnderstood, left_to_skrub
from stratum_dask.optimizations.purity.declared import pure
from stratum_dask.optimizations.purity.effects import declare
from stratum_dask.optimizations.verdict import Effect
from stratum_dask.sklearn import lazy

__all__ = ["cross_validate", "lazy_cross_validate", "lazy_fit", "scored"]

_KINDS = (models,)  # imported for what it registers


def lazy_fit(search: Any, environment: Mapping[str, Any]) -> Delayed:
    """``search.fit(environment)``, later: a Delayed of the fitted search.

    Parameters
    ----------
    search
        What `make_grid_search` or `make_randomized_search` has made, of this package
        or of skrub.
    environment
        Values of the variables, such as ``data_op.skb.get_data()``.

    Examples
    --------
    >>> import dask, skrub
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from stratum_dask.skrub import lazy_fit, make_grid_search
    >>> X, y = make_classification(random_state=0)
    >>> searches = []
    >>> for values in ([0.1, 1.0], [1.0, 10.0]):
    ...     C = skrub.choose_from(values, name="C")
    ...     plan = skrub.X().skb.apply(LogisticRegression(C=C), y=skrub.y())
    ...     search = make_grid_search(plan, cv=3)
    ...     searches.append(lazy_fit(search, {"X": X, "y": y}))
    >>> one, other = dask.compute(*searches)
    >>> len(one.results_), len(other.results_)
    (2, 2)
    """
    data_op, own = search.data_op, getattr(search, "search", None)
    environment = environment_of(data_op, environment, False)
    if own is None or any(map(is_dask_collection, environment.values())):
        return _later(_fit_whole, search, environment)
    shell = plain(own)
    shell.estimator = private.XyPipeline(data_op, private.SharedDict(environment))
    grid = shell.estimator.get_param_grid()
    setattr(shell, _grid_name(shell), grid)
    if shell.scoring is None and private.default_score is not None:
        shell.scoring = private.default_score
    try:
        with private.cheap_clones():
            X, y, shell.cv = _data(data_op, environment, own.cv)
    except Exception as e:  # noqa: BLE001 skrub itself does it, or tells why not
        left_to_skrub(e)
        return _later(_fit_whole, search, environment)
    with private.cheap_clones():
        fitted = lazy.fit(shell, X, y)
    made = copy.copy(search)
    made.search = plain(own)
    return _later(_finish_search, made, fitted)


def _finishing(func: Any) -> Any:
    declare(func, Effect.ALIAS)
    return pure(func)


def _later(func: Any, *args: Any) -> Delayed:
    made: Delayed = delayed(func)(*args)
    return made


def _grid_name(search: Any) -> str:
    return "param_grid" if hasattr(search, "param_grid") else "param_distributions"


def _data(
    data_op: Any, environment: Mapping[Any, Any], cv: Any
) -> tuple[Any, Any, Any]:
    """X and y to come, and how they are split."""
    whole = data_op.skb.clone()
    X, y = private.find_X(whole), private.find_y(whole)
    if X is None or (y is None and _wants_y(whole)):
        raise NotUnderstood("a plan without X or y")
    if cv is None and private.is_kind(X, "SplitX"):
        impl = X._skrub_impl
        if isinstance(impl.cv, private.DataOp) or impl.split_kwargs:
            raise NotUnderstood("splits that depend on data")
        cv = check_cv(impl.cv)
    made = evaluated_both(X, y, environment)
    return made[0], None if y is None else made[1], cv


def _wants_y(data_op: Any) -> bool:
    from skrub._data_ops._evaluation import find_first_apply

    first = find_first_apply(data_op)
    return first is not None and getattr(first._skrub_impl, "y", None) is not None


def _fit_whole(search: Any, environment: Mapping[str, Any]) -> Any:
    return copy.copy(search).fit(environment)


@_finishing
def _finish_search(search: Any, fitted: Any) -> Any:
    """What ``skrub.ParamSearch.fit`` does once the search of scikit-learn has."""
    made = copy.copy(search)
    made.refit_ = made.search.refit
    for name in private.FITTED:
        if hasattr(fitted, name):
            setattr(made, name, getattr(fitted, name))
    if hasattr(fitted, "best_estimator_"):
        made.best_learner_ = fitted.best_estimator_.__skrub_to_env_learner__()
    return made


def lazy_cross_validate(
    data_op: Any,
    environment: Mapping[str, Any] | None = None,
    *,
    keep_subsampling: bool = False,
    cv: Any = None,
    **options: Any,
) -> Delayed:
    """`cross_validate`, later: a Delayed of its DataFrame."""
    check(data_op)
    environment = environment_of(data_op, environment, keep_subsampling)
    given = dict(options)
    learners = bool(given.pop("return_learner", False))
    unusual = {"return_estimator", "return_indices", "params", "fit_params"} & set(
        given
    )
    collections = any(map(is_dask_collection, environment.values()))
    if not unusual and not collections:
        try:
            with private.cheap_clones():
                X, y, split = _data(data_op, environment, cv)
                learner = data_op.skb.make_learner()
                pipeline = learner.__skrub_to_Xy_pipeline__(environment)
                made = lazy.cross_validate(
                    pipeline, X, y, cv=split, return_estimator=learners, **given
                )
            return _later(_finish_validation, made)
        except Exception as e:  # noqa: BLE001 skrub itself does it, or tells why not
            left_to_skrub(e)
    options = {**options, "keep_subsampling": keep_subsampling}
    return _later(_validate_whole, data_op, environment, cv, options)


def _validate_whole(
    data_op: Any, environment: Any, cv: Any, options: dict[str, Any]
) -> Any:
    return data_op.skb.cross_validate(environment, cv=cv, **options)


@_finishing
def _finish_validation(found: dict[str, Any]) -> pd.DataFrame:
    made = dict(found)
    fitted = made.pop("estimator", None)
    if fitted is not None:
        made["learner"] = [each.__skrub_to_env_learner__() for each in fitted]
    return pd.DataFrame(made)


def cross_validate(
    data_op: Any, environment: Mapping[str, Any] | None = None, **options: Any
) -> pd.DataFrame:
    """`data_op.skb.cross_validate`, whose folds share their equal steps.

    Parameters
    ----------
    data_op
        A skrub DataOp.
    environment, **options
        As in skrub.

    Examples
    --------
    >>> import skrub
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from stratum_dask.skrub import cross_validate
    >>> X, y = make_classification(random_state=0)
    >>> plan = skrub.X(X).skb.apply(LogisticRegression(), y=skrub.y(y))
    >>> cross_validate(plan, cv=3)["test_score"].round(2).tolist()
    [0.88, 0.82, 0.79]
    """
    check(data_op)
    given = private.environment_of(data_op, environment)
    if any(map(is_dask_collection, given.values())) or not (
        place(options.get("n_jobs")).local
    ):
        return lazy_cross_validate(data_op, environment, **options).compute()
    with private.cheap_clones():
        return _validate(data_op.skb.make_learner(), given, **options)


_validate = rebound(
    private.cross_validate,
    {"model_selection": SimpleNamespace(cross_validate=validation.cross_validate)},
)


def scored(data_op: Any, environment: Any = None, **options: Any) -> Delayed:
    """A candidate: cross-validated where it has an X, else evaluated."""
    check(data_op)
    if private.find_X(data_op) is None:
        return from_skrub(data_op, environment, **options)
    return lazy_cross_validate(data_op, environment, **options)
