"""Find out what a search will ask for, before it is computed."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import sklearn
from dask.base import is_dask_collection
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from stratum_dask.frontends.sklearn import finishing, private
from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.sklearn.calls import Call, Capture, Planner
from stratum_dask.frontends.sklearn.cloning import late
from stratum_dask.frontends.sklearn.counting import note
from stratum_dask.frontends.sklearn.search import SharingSearch
from stratum_dask.graph import Task, reference

__all__ = [
    "Job",
    "capture_fit",
    "evaluates_once",
    "no_rows",
    "splits_of",
    "standin_splits",
    "with_data",
]


capture_fit = private.rebound(private.search_fit, {"Parallel": Capture, "clone": late})


class Job:
    """Builds one Delayed."""

    def __init__(self, X: Any, y: Any) -> None:
        self.builder = Builder(sklearn.get_config())
        self.dependencies: list[Any] = []
        self.X, self.y = self._data(X), self._data(y)

    @property
    def known(self) -> bool:
        """Whether the data is there."""
        return not self.dependencies

    def _data(self, data: Any) -> Ref | None:
        if data is None:
            return None
        if is_dask_collection(data):
            made = delayed(data)
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
        note(self.builder.asked, self.builder.run)
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


def no_rows(options: dict[str, Any]) -> bool:
    return options.get("groups") is None and not options.get("params")


def evaluates_once(search: Any) -> bool:
    """Whether all candidates of a search are known before any is evaluated."""
    cls = type(search)
    known = (GridSearchCV._run_search, RandomizedSearchCV._run_search)
    fits = (private.search_fit, SharingSearch.fit)
    return cls._run_search in known and cls.fit in fits


def splits_of(calls: list[Call]) -> list[Any]:
    """The splits in calls that are ordered by candidates."""
    found = {id(c.given["train"]): (c.given["train"], c.given["test"]) for c in calls}
    return list(found.values())


def standin_splits(number: int) -> list[Any]:
    rows = np.arange(number)
    return [(np.delete(rows, i), rows[i : i + 1]) for i in range(number)]


def with_data(calls: list[Call], X: Ref, y: Ref | None, rows: Any) -> list[Call]:
    """The same calls, with the data to come and its folds."""
    found = []
    for number, call in enumerate(calls):
        train, test = rows[number % len(rows)]
        given = {**call.given, "X": X, "y": y, "train": train, "test": test}
        found.append(Call(call.function, given))
    return found
