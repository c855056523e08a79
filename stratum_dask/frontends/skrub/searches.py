"""skrub's searches, whose fits share their equal steps."""

from __future__ import annotations

from typing import Any

from stratum_dask import sklearn as ours
from stratum_dask.frontends.skrub import models, private
from stratum_dask.frontends.skrub.plans import check, environment_of

__all__ = ["make_grid_search", "make_randomized_search", "plain"]

_KINDS = (models,)  # imported for what it registers


class _GridSearch(ours.GridSearchCV):
    def fit(self, *args: Any, **params: Any) -> Any:
        with private.cheap_clones():
            return super().fit(*args, **params)


class _RandomizedSearch(ours.RandomizedSearchCV):
    def fit(self, *args: Any, **params: Any) -> Any:
        with private.cheap_clones():
            return super().fit(*args, **params)


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
    check(data_op)
    kept = {"keep_subsampling": options.pop("keep_subsampling", False)}
    search = getattr(data_op.skb, name)(**options)
    own = getattr(search, "search", None)
    if own is not None:
        search.search = kind(**own.get_params(deep=False))
    if not fitted:
        return search
    return search.fit(environment_of(data_op, None, **kept))


_PLAIN: dict[type, Any] = {
    _GridSearch: ours.GridSearchCV,
    _RandomizedSearch: ours.RandomizedSearchCV,
}


def plain(search: Any) -> Any:
    """A search of scikit-learn, or of `stratum_dask.sklearn`, with these options."""
    kind = _PLAIN.get(type(search), type(search))
    return kind(**search.get_params(deep=False))
