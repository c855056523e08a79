"""Plans, searches over their choices, and cross-validations, as Dask collections."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping
from typing import Any

import pandas as pd
import sklearn
from dask.base import is_dask_collection
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph
from sklearn.model_selection import check_cv

from stratum_dask import sklearn as ours
from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.skrub import models, private, steps
from stratum_dask.frontends.skrub.lowering import Lowering
from stratum_dask.graph import Task, reference
from stratum_dask.optimizations.purity.declared import pure
from stratum_dask.optimizations.purity.effects import declare
from stratum_dask.optimizations.verdict import Effect
from stratum_dask.sklearn import lazy

__all__ = [
    "cross_validate",
    "from_skrub",
    "lazy_cross_validate",
    "lazy_fit",
    "make_grid_search",
    "make_randomized_search",
    "scored",
]

_KINDS = (models,)  # imported for what it registers


def from_skrub(
    data_op: Any,
    environment: Mapping[str, Any] | None = None,
    *,
    keep_subsampling: bool = False,
) -> Delayed:
    """Turn a skrub plan into a Dask collection whose tasks are the plan's steps.

    Nothing is computed here. With the plugin on, equal steps of several plans run
    once, also where the plans were built separately.

    Parameters
    ----------
    data_op
        A skrub DataOp.
    environment
        Values of the variables, some of which may be Dask collections. By default
        those that the variables were given.
    keep_subsampling
        As in ``data_op.skb.eval()``.

    Returns
    -------
    dask.delayed.Delayed
        Its value is that of ``data_op.skb.eval(environment)``.

    Examples
    --------
    >>> import skrub, stratum_dask
    >>> with skrub.config_context(eager_data_ops=False):
    ...     total = skrub.var("a", 1) + skrub.var("b", 2)
    >>> stratum_dask.from_skrub(total).compute()
    3
    >>> stratum_dask.from_skrub(total, {"a": 10, "b": 5}).compute()
    15
    """
    _check(data_op)
    environment = _environment(data_op, environment, keep_subsampling)
    return _evaluated(data_op, environment)


def _check(data_op: Any) -> None:
    if not isinstance(data_op, private.DataOp):
        raise TypeError(
            f"from_skrub needs a skrub DataOp, not a {type(data_op).__name__}; a "
            "skrub learner has one as its attribute `data_op`"
        )


def _environment(
    data_op: Any, environment: Mapping[str, Any] | None, keep_subsampling: bool
) -> dict[Any, Any]:
    found = private.environment_of(data_op, environment)
    made: dict[Any, Any] = private.with_subsampling(data_op, found, keep_subsampling)
    return made


class _Later:
    """Values that are Dask collections, as results in a graph."""

    def __init__(self, environment: Mapping[Any, Any]) -> None:
        self.builder = Builder(sklearn.get_config())
        self.needs: list[Any] = []
        self.environment = {k: self._value(v) for k, v in environment.items()}

    def _value(self, value: Any) -> Any:
        if not is_dask_collection(value):
            return value
        made = delayed(value)
        self.needs.append(made)
        return Ref(made.key)

    def delayed(self, key: str) -> Delayed:
        layers = HighLevelGraph.from_collections(key, self.builder.graph, self.needs)
        return Delayed(key, layers)


def _evaluated(data_op: Any, environment: Mapping[Any, Any]) -> Delayed:
    job = _Later(environment)
    key = f"plan-{uuid.uuid4()}"
    config = sklearn.get_config()
    try:
        lower = Lowering(job.builder, "fit_transform", job.environment, {}, raises=True)
        last = reference(lower.data(lower(data_op)).key)
        task = Task(key, steps.result, config, last)
    except Exception:  # noqa: BLE001 skrub itself evaluates it, or tells what is wrong
        job = _Later(environment)
        names = {
            name: reference(job.builder.data(value).key)
            for name, value in job.environment.items()
        }
        whole = data_op.skb.clone()
        task = Task(key, _whole, whole, list(names), *names.values())
    job.builder.graph[key] = task
    return job.delayed(key)


def _whole(data_op: Any, names: list[Any], *values: Any) -> Any:
    """Evaluate a plan by skrub's own evaluator."""
    environment = dict(zip(names, values, strict=True))
    return private.evaluate(
        data_op, mode="fit_transform", environment=environment, clear=True
    )


# -- searches ------------------------------------------------------------------


class _GridSearch(ours.GridSearchCV):
    def fit(self, *args: Any, **params: Any) -> Any:
        with private.cheap_clones():
            return super().fit(*args, **params)


class _RandomizedSearch(ours.RandomizedSearchCV):
    def fit(self, *args: Any, **params: Any) -> Any:
        with private.cheap_clones():
            return super().fit(*args, **params)


_PLAIN: dict[type, Any] = {
    _GridSearch: ours.GridSearchCV,
    _RandomizedSearch: ours.RandomizedSearchCV,
}


def make_grid_search(data_op: Any, *, fitted: bool = False, **options: Any) -> Any:
    """`data_op.skb.make_grid_search`, whose fits share their equal steps.

    Parameters
    ----------
    data_op
        A skrub DataOp with choices.
    fitted, **options
        As in skrub.

    Returns
    -------
    skrub.ParamSearch
        skrub's own, with the results of skrub's own.

    Examples
    --------
    >>> import skrub
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from stratum_dask.skrub import make_grid_search
    >>> X, y = make_classification(random_state=0)
    >>> model = LogisticRegression(C=skrub.choose_from([0.1, 1.0], name="C"))
    >>> plan = skrub.X(X).skb.apply(model, y=skrub.y(y))
    >>> make_grid_search(plan, fitted=True, cv=3).results_["C"].tolist()
    [0.1, 1.0]
    """
    return _sharing(data_op, "make_grid_search", _GridSearch, fitted, options)


def make_randomized_search(
    data_op: Any, *, fitted: bool = False, **options: Any
) -> Any:
    """`data_op.skb.make_randomized_search`, whose fits share their equal steps.

    Parameters
    ----------
    data_op
        A skrub DataOp with choices.
    fitted, **options
        As in skrub; with ``backend="optuna"`` skrub itself does the search.
    """
    return _sharing(
        data_op, "make_randomized_search", _RandomizedSearch, fitted, options
    )


def _sharing(
    data_op: Any, name: str, kind: Any, fitted: bool, options: dict[str, Any]
) -> Any:
    _check(data_op)
    kept = {"keep_subsampling": options.pop("keep_subsampling", False)}
    search = getattr(data_op.skb, name)(**options)
    own = getattr(search, "search", None)
    if own is not None:
        search.search = kind(**own.get_params(deep=False))
    if not fitted:
        return search
    return search.fit(_environment(data_op, None, **kept))


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
    [0.97, 0.97, 0.97]
    """
    found: pd.DataFrame = lazy_cross_validate(data_op, environment, **options).compute()
    return found


# -- later ---------------------------------------------------------------------


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
    environment = _environment(data_op, environment, False)
    if own is None or any(map(is_dask_collection, environment.values())):
        return _later(_fit_whole, search, environment)
    kind = _PLAIN.get(type(own), type(own))
    shell = kind(**own.get_params(deep=False))
    shell.estimator = private.XyPipeline(data_op, private.SharedDict(environment))
    grid = shell.estimator.get_param_grid()
    setattr(shell, _grid_name(shell), grid)
    if shell.scoring is None and private.default_score is not None:
        shell.scoring = private.default_score
    try:
        with private.cheap_clones():
            X, y, shell.cv = _data(data_op, environment, own.cv)
    except Exception:  # noqa: BLE001 skrub itself does it, or tells what is wrong
        return _later(_fit_whole, search, environment)
    with private.cheap_clones():
        fitted = lazy.fit(shell, X, y)
    made = copy.copy(search)
    made.search = kind(**own.get_params(deep=False))
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
        raise ValueError("a plan without X or y")
    if cv is None and private.is_kind(X, "SplitX"):
        impl = X._skrub_impl
        if isinstance(impl.cv, private.DataOp) or impl.split_kwargs:
            raise ValueError("splits that depend on data")
        cv = check_cv(impl.cv)
    made = _evaluated_both(X, y, environment)
    return made[0], None if y is None else made[1], cv


def _wants_y(data_op: Any) -> bool:
    from skrub._data_ops._evaluation import find_first_apply

    first = find_first_apply(data_op)
    return first is not None and getattr(first._skrub_impl, "y", None) is not None


def _evaluated_both(X: Any, y: Any, environment: Mapping[Any, Any]) -> list[Delayed]:
    """X and y, which may have steps in common."""
    job = _Later(environment)
    config = sklearn.get_config()
    lower = Lowering(job.builder, "fit_transform", job.environment, {}, raises=True)
    keys = []
    for name, node in {"X": X, "y": y}.items():
        if node is not None:
            key = f"{name}-{uuid.uuid4()}"
            last = reference(lower.data(lower(node)).key)
            job.builder.graph[key] = Task(key, steps.result, config, last)
            keys.append(key)
    return [job.delayed(key) for key in keys]


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
    _check(data_op)
    environment = _environment(data_op, environment, keep_subsampling)
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
        except Exception:  # noqa: BLE001, S110 skrub itself does it, or tells why not
            pass
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


def scored(data_op: Any, environment: Any = None, **options: Any) -> Delayed:
    """A candidate: cross-validated where it has an X, else evaluated."""
    _check(data_op)
    if private.find_X(data_op) is None:
        return from_skrub(data_op, environment, **options)
    return lazy_cross_validate(data_op, environment, **options)
