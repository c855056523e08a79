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
({'logisticregression__C': 1.0}, {'logisticregression__C': 1.0})

``X`` and ``y`` may be Delayed objects, or any other Dask collection.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import dask
import numpy as np
import sklearn
from dask.base import is_dask_collection
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from stratum_dask.frontends.sklearn import finishing, private
from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.sklearn.calls import Call, Planner, read
from stratum_dask.frontends.sklearn.evaluate import understood
from stratum_dask.frontends.sklearn.search import SharingSearch
from stratum_dask.graph import Task, reference

__all__ = ["cross_val_predict", "cross_val_score", "cross_validate", "fit"]


class _CapturedError(Exception):
    """Carries the calls out of scikit-learn's code."""

    def __init__(self, calls: list[Call]) -> None:
        super().__init__()
        self.calls = calls


class _Capture(private.Parallel):  # type: ignore[misc]
    def __call__(self, iterable: Iterable[Any]) -> Any:
        raise _CapturedError(read(iterable)[1])


def _captured(run: Callable[[], Any]) -> list[Call]:
    try:
        run()
    except _CapturedError as found:
        return found.calls
    return []


_capture_fit = private.rebound(private.search_fit, {"Parallel": _Capture})


class _Lazy:
    """Builds one Delayed."""

    def __init__(self, X: Any, y: Any) -> None:
        self.builder = Builder(sklearn.get_config())
        self.dependencies: list[Delayed] = []
        self.X, self.y = self._data(X), self._data(y)

    @property
    def known(self) -> bool:
        """Whether the data is there."""
        return not self.dependencies

    def _data(self, data: Any) -> Ref | None:
        if data is None:
            return None
        if is_dask_collection(data):
            made = dask.delayed(data)
            self.dependencies.append(made)
            return Ref(made.key)
        return self.builder.data(data)

    def plan(self, calls: list[Call]) -> tuple[list[int], list[Ref]]:
        planner = Planner(self.builder)
        planned = [planner.plan(call).nodes for call in calls]
        return [len(p) for p in planned], [node for p in planned for node in p]

    def delayed(self, func: Any, *args: Any) -> Delayed:
        """The Delayed of a last task: what it gives is somebody's own."""
        key = f"{func.__name__}-{uuid.uuid4().hex}"
        values = [reference(a.key) if isinstance(a, Ref) else a for a in args]
        config = sklearn.get_config()
        graph = {**self.builder.graph, key: Task(key, func, config, *values)}
        layers = HighLevelGraph.from_collections(key, graph, self.dependencies)
        return Delayed(key, layers)

    def folds(self, cv: Any, number: int, classifier: bool) -> tuple[Ref, Any]:
        """The splits of data that is not there yet, and its folds."""
        call, b = self.builder.call, self.builder
        assert self.X is not None
        X = call(finishing.checked, self.X, self.y, 0)
        y = None if self.y is None else call(finishing.checked, self.X, self.y, 1)
        made = call(finishing.splits, b.literal(cv), X, y, classifier)
        rows = [
            [call(finishing.fold, made, i, which) for which in (0, 1)]
            for i in range(number)
        ]
        return made, (X, y, rows)


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
    job = _Lazy(X, y)
    shell = copy.copy(search)
    calls: list[Call] = []
    splits: Any = None
    if _evaluates_once(search):
        if job.known:
            calls = _captured(lambda: _capture_fit(shell, X, y, **params))
            splits = _splits(calls)
        elif not params and (number := _number_of_splits(search.cv)):
            shell.cv = _standin_splits(number)
            data = np.zeros((number, 1))
            target = None if job.y is None else np.zeros(number)
            calls = _captured(lambda: _capture_fit(shell, data, target))
            classifier = is_classifier(search.estimator)
            splits, rest = job.folds(search.cv, number, classifier)
            calls = _with_data(calls, *rest)
    given = job.builder.data(params)
    if not calls or not understood(calls):
        return job.delayed(finishing.fit_whole, clone(search), job.X, job.y, given)
    counts, nodes = job.plan(calls)
    candidates = list({id(c.given["parameters"]): c.given["parameters"] for c in calls}.values())
    return job.delayed(
        finishing.finish_search,
        clone(search), job.X, job.y, given, candidates, splits, counts, *nodes,
    )  # fmt: skip


def cross_validate(estimator: Any, X: Any, y: Any = None, **options: Any) -> Delayed:
    """`sklearn.model_selection.cross_validate`, later: a Delayed of its dict.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_iris(return_X_y=True)
    >>> cross_validate(GaussianNB(), X, y, cv=3).compute()["test_score"].round(2)
    array([0.92, 0.94, 0.98])
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
    array([0.92, 0.94, 0.98])
    """
    scorer = check_scoring(estimator, scoring=scoring)
    options["scoring"] = {"score": scorer}
    return cross_validate(estimator, X, y, **options)["test_score"]


def _call(
    name: str, estimator: Any, X: Any, y: Any, options: dict[str, Any]
) -> Delayed:
    job = _Lazy(X, y)
    options = {k: v for k, v in options.items() if k not in ("n_jobs", "pre_dispatch")}
    cv = options.get("cv")
    original = getattr(private.validation, name)
    capture = private.rebound(original, {"Parallel": _Capture})
    calls: list[Call] = []
    splits: Any = None
    if job.known:
        calls = _captured(lambda: capture(estimator, X, y, **options))
        splits = _splits(calls)
    elif name == "cross_validate" and _no_rows(options) and (number := _number_of_splits(cv)):
        data = np.zeros((number, 1))
        target = None if job.y is None else np.zeros(number)
        more = {**options, "cv": _standin_splits(number)}
        calls = _captured(lambda: capture(estimator, data, target, **more))
        splits, rest = job.folds(cv, number, is_classifier(estimator))
        calls = _with_data(calls, *rest)
    given = job.builder.data(options)
    if not calls or not understood(calls):
        return job.delayed(
            finishing.call_whole, name, clone(estimator), job.X, job.y, given
        )
    counts, nodes = job.plan(calls)
    return job.delayed(
        finishing.finish_call,
        name, clone(estimator), job.X, job.y, given, splits, counts, *nodes,
    )  # fmt: skip


def _no_rows(options: dict[str, Any]) -> bool:
    return options.get("groups") is None and not options.get("params")


def _evaluates_once(search: Any) -> bool:
    """Whether all candidates of a search are known before any is evaluated."""
    cls = type(search)
    known = (GridSearchCV._run_search, RandomizedSearchCV._run_search)
    fits = (private.search_fit, SharingSearch.fit)
    return cls._run_search in known and cls.fit in fits


def _splits(calls: list[Call]) -> list[Any]:
    """The splits in calls that are ordered by candidates."""
    found = {id(c.given["train"]): (c.given["train"], c.given["test"]) for c in calls}
    return list(found.values())


def _number_of_splits(cv: Any) -> int:
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


def _standin_splits(number: int) -> list[Any]:
    rows = np.arange(number)
    return [(np.delete(rows, i), rows[i : i + 1]) for i in range(number)]


def _with_data(calls: list[Call], X: Ref, y: Ref | None, rows: Any) -> list[Call]:
    """The same calls, with the data to come and its folds."""
    found = []
    for number, call in enumerate(calls):
        train, test = rows[number % len(rows)]
        given = {**call.given, "X": X, "y": y, "train": train, "test": test}
        found.append(Call(call.function, given))
    return found
