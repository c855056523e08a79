"""The ``Parallel`` that scikit-learn's own code gets: fits in steps, each done once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sklearn

from stratum_dask.frontends.sklearn import ensembles, pipelines
from stratum_dask.frontends.sklearn.builder import Builder
from stratum_dask.frontends.sklearn.calls import Call, Planned, Planner, failed, read, replay
from stratum_dask.frontends.sklearn.careful import has_callbacks
from stratum_dask.frontends.sklearn.private import Parallel
from stratum_dask.frontends.sklearn.running import compute, delayed_of, place

__all__ = ["Sharing", "Tasks", "plan_all", "told"]

_KINDS = (ensembles, pipelines)  # imported for what they register


class Tasks(NamedTuple):
    """How many tasks a search has asked for, and how many were run."""

    asked: Counter[str]
    run: Counter[str]


class Sharing(Parallel):  # type: ignore[misc]
    """Runs the calls that it is given as tasks of a Dask graph.

    Attributes
    ----------
    always
        Whether to use a graph even where nothing in it is shared, which is left
        to scikit-learn otherwise: its processes do that as well.
    """

    always = False
    tasks: Tasks | None = None

    def __call__(self, iterable: Iterable[Any]) -> Any:
        raw, calls = read(iterable)
        if not calls or not understood(calls):
            return super().__call__(raw)
        where = place(self.n_jobs)
        builder, planned = plan_all(calls, where.ordered)
        tasks = Tasks(builder.asked, builder.run)
        if where.local and not self.always and not saves(tasks):
            return super().__call__(raw)
        refs = [node for plan in planned for node in plan.nodes]
        found = iter(compute(delayed_of(builder.graph, refs), where) if refs else ())
        results = [[next(found) for _ in plan.nodes] for plan in planned]
        self.tasks = tasks
        return told(calls, results, lambda rest: list(super(Sharing, self).__call__([raw[i] for i in rest])))


def understood(calls: Sequence[Call]) -> bool:
    """Whether these calls can be done in steps at all."""
    config = sklearn.get_config()
    if config.get("array_api_dispatch"):
        return False
    first = calls[0].given
    caller, estimator = first.get("caller"), first["estimator"]
    if any(e is not None and has_callbacks(e) for e in (caller, estimator)):
        return False
    return not _pairwise(estimator)


def _pairwise(estimator: Any) -> bool:
    """Whether rows of data are selected together with columns."""
    try:
        return bool(sklearn.utils.get_tags(estimator).input_tags.pairwise)
    except Exception:  # noqa: BLE001 an estimator of somebody's own kind
        return True


def saves(tasks: Tasks) -> bool:
    """Whether any fit is asked for more than once."""
    return any(n > tasks.run[k] for k, n in tasks.asked.items() if k.startswith("fit"))


def plan_all(calls: Sequence[Call], ordered: bool) -> tuple[Builder, list[Planned]]:
    """Plan all calls in one graph."""
    builder = Builder(sklearn.get_config(), ordered)
    planner = Planner(builder)
    return builder, [planner.plan(call) for call in calls]


def told(calls: Sequence[Call], results: Sequence[Sequence[Any]], again: Any) -> list[Any]:
    """What scikit-learn makes of it all; what has failed it does again by itself."""
    rest = [i for i, found in enumerate(results) if failed(found)]
    done = dict(zip(rest, again(rest), strict=True)) if rest else {}
    return [
        done[i] if i in done else replay(call, found)
        for i, (call, found) in enumerate(zip(calls, results, strict=True))
    ]
