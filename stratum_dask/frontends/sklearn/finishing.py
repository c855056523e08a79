"""The last task of a lazy search: scikit-learn's own code, with the results at hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sklearn
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from stratum_dask.frontends.sklearn import private
from stratum_dask.frontends.sklearn.calls import read
from stratum_dask.frontends.sklearn.cloning import apart, late, own
from stratum_dask.frontends.sklearn.evaluate import told
from stratum_dask.frontends.sklearn.work import INSIDE, Done, Failed, task, value
from stratum_dask.optimizations.purity.declared import pure
from stratum_dask.optimizations.purity.effects import declare
from stratum_dask.optimizations.verdict import Effect

__all__ = [
    "call_whole",
    "checked",
    "finish_call",
    "finish_search",
    "fit_whole",
    "fold",
    "splits",
]


@task
def checked(X: Any, y: Any, which: int) -> Any:
    """The data as scikit-learn makes it, before it cuts it into folds."""
    return Done(indexable(value(X), value(y))[which])


@task
def splits(cv: Any, X: Any, y: Any, classifier: bool) -> Any:
    """All splits of the data."""
    target = value(y)
    made = check_cv(clone(cv, safe=False), target, classifier=classifier)
    return Done(list(made.split(value(X), target)))


@task
def fold(made: Any, number: int, which: int) -> Any:
    """The rows of one split: 0 for those to fit to, 1 for those to test with."""
    return Done(made.value[number][which])


def _finishing(func: Any) -> Any:
    declare(func, Effect.ALIAS)
    return pure(func)


@contextlib.contextmanager
def _inside(config: dict[str, Any]) -> Iterator[None]:
    token = INSIDE.set(True)
    try:
        with sklearn.config_context(**config):
            yield
    finally:
        INSIDE.reset(token)


class _Replaying(private.Parallel):
    """Has the results of the calls that it will be given."""

    results: Sequence[Sequence[Any]]

    def __call__(self, iterable: Iterable[Any]) -> Any:
        raw, calls = read(iterable)
        again = super().__call__
        return told(
            calls, self.results, lambda rest: list(again(own(raw[i] for i in rest)))
        )


def _parallel(counts: Sequence[int], results: Sequence[Any]) -> Callable[..., Any]:
    found = iter(results)
    each = [[next(found) for _ in range(n)] for n in counts]

    def parallel(**options: Any) -> Any:
        made = _Replaying(n_jobs=1)
        made.results = each
        return made

    return parallel


@_finishing
def finish_search(
    config: dict[str, Any],
    search: Any,
    X: Any,
    y: Any,
    params: Any,
    candidates: Sequence[Any],
    cv: Any,
    counts: Sequence[int],
    *results: Any,
) -> Any:
    """The fitted search."""
    made = apart(search)
    rows = value(cv)
    with _inside(config):
        if isinstance(rows, Failed) or len(rows) * len(candidates) != len(counts):
            return _fitted(made, value(X), value(y), value(params))
        parallel = _parallel(counts, results)
        names = {"Parallel": parallel, "clone": late}
        fit = private.rebound(private.search_fit, names)
        made.cv = rows
        made._run_search = lambda evaluate: evaluate(list(candidates))
        try:
            fit(made, value(X), value(y), **value(params))
        finally:
            del made._run_search
            made.cv = clone(search.cv, safe=False)
    return made


@_finishing
def fit_whole(config: dict[str, Any], search: Any, X: Any, y: Any, params: Any) -> Any:
    """The fitted search, all of it in this task."""
    with _inside(config):
        return _fitted(apart(search), value(X), value(y), value(params))


def _fitted(search: Any, X: Any, y: Any, params: Any) -> Any:
    return search.fit(X, **params) if y is None else search.fit(X, y, **params)


@_finishing
def finish_call(
    config: dict[str, Any],
    name: str,
    estimator: Any,
    X: Any,
    y: Any,
    options: Any,
    cv: Any,
    counts: Sequence[int],
    *results: Any,
) -> Any:
    """What a function of scikit-learn returns."""
    original = getattr(private.validation, name)
    rows = value(cv)
    given = dict(value(options))
    with _inside(config):
        if isinstance(rows, Failed) or len(rows) != len(counts):
            return original(apart(estimator), value(X), value(y), **given)
        given["cv"] = rows
        names = {"Parallel": _parallel(counts, results), "clone": late}
        run = private.rebound(original, names)
        return run(estimator, value(X), value(y), **given)


@_finishing
def call_whole(
    config: dict[str, Any], name: str, estimator: Any, X: Any, y: Any, options: Any
) -> Any:
    """The same, all of it in this task."""
    with _inside(config):
        original = getattr(private.validation, name)
        return original(apart(estimator), value(X), value(y), **value(options))
