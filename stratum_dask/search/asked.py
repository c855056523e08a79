"""What agents hand in, as one Dask collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dask
from dask.base import is_dask_collection
from dask.delayed import Delayed, delayed
from dask.utils import funcname

from stratum_dask.search.errors import SearchError

__all__ = ["as_collection"]


def as_collection(
    what: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Any, str]:
    """The collection whose value is the candidate's, and a name for people.

    Parameters
    ----------
    what
        A Dask collection, a container of some, an estimator (``args`` are its data,
        ``kwargs`` are for cross-validation), a skrub plan, or a callable.
    args, kwargs
        For what is called.

    Examples
    --------
    >>> collection, name = as_collection(max, (1, 2), {})
    >>> collection.compute(scheduler="sync"), name
    (2, 'max')
    """
    if is_dask_collection(what):
        _nothing_more(what, args, kwargs)
        return what, _name(what)
    if type(what).__module__.partition(".")[0] == "skrub" and hasattr(what, "skb"):
        from stratum_dask.frontends.skrub.later import scored

        return scored(what, *args, **kwargs), "skrub plan"
    if isinstance(what, type):
        raise SearchError(
            f"{what.__qualname__} is a class, not a candidate: hand in an object of it"
        )
    if hasattr(what, "fit") and hasattr(what, "get_params"):
        return _validated(what, args, kwargs), type(what).__name__
    if isinstance(what, list | tuple | dict | set):
        _nothing_more(what, args, kwargs)
        return delayed(what), type(what).__name__
    if callable(what):
        return _called(what, args, kwargs), str(funcname(what))
    raise SearchError(
        f"{_short(what)} is no candidate; valid: a Dask collection (Delayed, Array, "
        "…) or a container of some, an estimator with its data "
        "(`add(estimator, X, y, cv=5)`), a skrub DataOp, a callable with its arguments"
    )


def _validated(
    estimator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Delayed:
    if not args and "X" not in kwargs:
        raise SearchError(
            f"{_short(estimator)} came without data: `add(estimator, X, y)` evaluates "
            "it by cross-validation, with cv=, scoring=, groups=, … for that"
        )
    from stratum_dask.sklearn import lazy

    return lazy.cross_val_score(estimator, *args, **kwargs)


def _called(
    call: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Delayed:
    found: Delayed = delayed(call, traverse=False)(*args, **kwargs)
    return found


def _nothing_more(what: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    if args or kwargs:
        raise SearchError(
            f"{_short(what)} is complete, so the arguments "
            f"{_short((args, dict(kwargs)))} mean nothing for it"
        )


def _name(collection: Any) -> str:
    key = getattr(collection, "key", None) or getattr(collection, "name", None)
    return str(dask.utils.key_split(key or type(collection).__name__))


def _short(what: Any) -> str:
    text = repr(what)
    return text if len(text) <= 80 else f"{text[:77]}..."
