"""The lazy forms: Delayed objects, so that many searches go in one submission.

>>> import dask
>>> from sklearn.datasets import load_iris
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from stratum_dask.sklearn import GridSearchCV, lazy
>>> X, y = load_iris(return_X_y=True)
>>> model = make_pipeline(StandardScaler(), LogisticRegression())
>>> searches = [
...     lazy.fit(GridSearchCV(model, {"logisticregression__C": [c, 1.0]}), X, y)
...     for c in (0.1, 10.0)
... ]
>>> one, other = dask.compute(*searches)
>>> one.best_params_, other.best_params_
({'logisticregression__C': 1.0}, {'logisticregression__C': 10.0})

``X`` and ``y`` may be Delayed objects, or any other Dask collection.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from dask.delayed import Delayed
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring

from stratum_dask.frontends.sklearn import finishing, private
from stratum_dask.frontends.sklearn.calls import Call, Capture, captured
from stratum_dask.frontends.sklearn.capturing import (
    Job,
    capture_fit,
    evaluates_once,
    no_rows,
    splits_of,
    standin_splits,
    with_data,
)
from stratum_dask.frontends.sklearn.careful import number_of_splits
from stratum_dask.frontends.sklearn.cloning import apart, late
from stratum_dask.frontends.sklearn.evaluate import understood

__all__ = ["cross_val_predict", "cross_val_score", "cross_validate", "fit"]


def fit(search: Any, X: Any, y: Any = None, **params: Any) -> Delayed:
    """Fit a search later.

    Parameters
    ----------
    search
        A search, of this package or of scikit-learn.
    X, y
        The data, or Dask collections that will give it.
    **params
        As for ``search.fit``.

    Returns
    -------
    A Delayed of the fitted search. Its candidates are evaluated by tasks of their
    own; those of a successive halving, which depend on scores, by one task.

    Examples
    --------
    >>> import dask
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn.model_selection import GridSearchCV
    >>> data = dask.delayed(load_iris)(return_X_y=True)
    >>> search = GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]})
    >>> fit(search, data[0], data[1]).compute().best_params_
    {'max_depth': 3}
    """
    job = Job(X, y)
    shell = copy.copy(search)
    calls: list[Call] = []
    splits: Any = None
    if evaluates_once(search):
        if job.known:
            calls = captured(lambda: capture_fit(shell, X, y, **params))
            splits = splits_of(calls)
        elif not params and (number := number_of_splits(search.cv)):
            shell.cv = standin_splits(number)
            data = np.zeros((number, 1))
            target = None if job.y is None else np.zeros(number)
            calls = captured(lambda: capture_fit(shell, data, target))
            classifier = is_classifier(search.estimator)
            splits, rest = job.folds(search.cv, number, classifier)
            calls = with_data(calls, *rest)
    given = job.builder.data(params)
    if not calls or not understood(calls):
        return job.delayed(finishing.fit_whole, apart(search), job.X, job.y, given)
    counts, nodes = job.plan(calls)
    candidates = list(
        {id(c.given["parameters"]): c.given["parameters"] for c in calls}.values()
    )
    return job.delayed(
        finishing.finish_search,
        apart(search), job.X, job.y, given, candidates, splits, counts, *nodes,
    )  # fmt: skip


def cross_validate(estimator: Any, X: Any, y: Any = None, **options: Any) -> Delayed:
    """`sklearn.model_selection.cross_validate`, later: a Delayed of its dict.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_iris(return_X_y=True)
    >>> cross_validate(GaussianNB(), X, y, cv=3).compute()["test_score"].round(2)
    array([0.92, 0.94, 0.96])
    """
    return _call("cross_validate", estimator, X, y, options)


def cross_val_predict(estimator: Any, X: Any, y: Any = None, **options: Any) -> Delayed:
    """`sklearn.model_selection.cross_val_predict`, later: a Delayed of its array.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_iris(return_X_y=True)
    >>> cross_val_predict(GaussianNB(), X, y, cv=3).compute().shape
    (150,)
    """
    return _call("cross_val_predict", estimator, X, y, options)


def cross_val_score(
    estimator: Any, X: Any, y: Any = None, *, scoring: Any = None, **options: Any
) -> Delayed:
    """`sklearn.model_selection.cross_val_score`, later: a Delayed of its array.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_iris(return_X_y=True)
    >>> cross_val_score(GaussianNB(), X, y, cv=3).compute().round(2)
    array([0.92, 0.94, 0.96])
    """
    scorer = check_scoring(estimator, scoring=scoring)
    options["scoring"] = {"score": scorer}
    found: Any = cross_validate(estimator, X, y, **options)
    scores: Delayed = found["test_score"]
    return scores


def _call(
    name: str, estimator: Any, X: Any, y: Any, options: dict[str, Any]
) -> Delayed:
    job = Job(X, y)
    options = {k: v for k, v in options.items() if k not in ("n_jobs", "pre_dispatch")}
    cv = options.get("cv")
    original = getattr(private.validation, name)
    capture = private.rebound(original, {"Parallel": Capture, "clone": late})
    calls: list[Call] = []
    splits: Any = None
    if job.known:
        calls = captured(lambda: capture(estimator, X, y, **options))
        splits = splits_of(calls)
    elif (
        name == "cross_validate"
        and no_rows(options)
        and (number := number_of_splits(cv))
    ):
        data = np.zeros((number, 1))
        target = None if job.y is None else np.zeros(number)
        more = {**options, "cv": standin_splits(number)}
        calls = captured(lambda: capture(estimator, data, target, **more))
        splits, rest = job.folds(cv, number, is_classifier(estimator))
        calls = with_data(calls, *rest)
    given = job.builder.data(options)
    if not calls or not understood(calls):
        return job.delayed(
            finishing.call_whole, name, apart(estimator), job.X, job.y, given
        )
    counts, nodes = job.plan(calls)
    return job.delayed(
        finishing.finish_call,
        name, apart(estimator), job.X, job.y, given, splits, counts, *nodes,
    )  # fmt: skip
