"""Plans, searches over their choices, and cross-validations, as Dask collections."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Generator, Mapping
from typing import Any

import sklearn
from dask.base import is_dask_collection
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph

from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.skrub import private, steps
from stratum_dask.frontends.skrub.lowering import Learned, Lowering
from stratum_dask.frontends.skrub.templates import left_to_skrub
from stratum_dask.graph import Task, reference

__all__ = ["check", "environment_of", "evaluated_both", "from_skrub"]


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
    check(data_op)
    found = private.environment_to_evaluate(data_op, environment)
    return _evaluated(
        data_op, private.with_subsampling(data_op, found, keep_subsampling)
    )


def check(data_op: Any) -> None:
    if not isinstance(data_op, private.DataOp):
        raise TypeError(
            f"from_skrub needs a skrub DataOp, not a {type(data_op).__name__}; a "
            "skrub learner has one as its attribute `data_op`"
        )


def environment_of(
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
        lower = Lowering(
            job.builder, "fit_transform", job.environment, Learned(), raises=True
        )
        last = reference(lower.data(lower(data_op)).key)
        task = Task(key, steps.result, config, last)
    except Exception as e:  # noqa: BLE001 skrub itself does it, or tells why not
        left_to_skrub(e)
        job = _Later(environment)
        names = {
            name: reference(job.builder.data(value).key)
            for name, value in job.environment.items()
        }
        whole = _Snapshot(drop_preview_data=True).run(data_op)
        task = Task(key, _whole, whole, list(names), *names.values())
    job.builder.graph[key] = task
    return job.delayed(key)


class _Snapshot(private.Cloner):
    """Clones a plan for later, as ``.skb.clone()``, but keeps what its nodes share.

    Two nodes that draw from one `RandomState` still do.
    """

    def run(self, data_op: Any) -> Any:
        self._memo: dict[int, Any] = {}
        return super().run(data_op)

    def handle_value(self, value: Any) -> Generator[Any, Any, Any]:
        if hasattr(value, "get_params"):
            return (yield from super().handle_value(value))
        return copy.deepcopy(value, self._memo)


def _whole(data_op: Any, names: list[Any], *values: Any) -> Any:
    """Evaluate a plan by skrub's own evaluator."""
    environment = dict(zip(names, values, strict=True))
    return private.evaluate(
        data_op, mode="fit_transform", environment=environment, clear=True
    )


def evaluated_both(X: Any, y: Any, environment: Mapping[Any, Any]) -> list[Delayed]:
    """X and y, which may have steps in common."""
    job = _Later(environment)
    config = sklearn.get_config()
    lower = Lowering(
        job.builder, "fit_transform", job.environment, Learned(), raises=True
    )
    keys = []
    for name, node in {"X": X, "y": y}.items():
        if node is not None:
            key = f"{name}-{uuid.uuid4()}"
            last = reference(lower.data(lower(node)).key)
            job.builder.graph[key] = Task(key, steps.result, config, last)
            keys.append(key)
    return [job.delayed(key) for key in keys]
