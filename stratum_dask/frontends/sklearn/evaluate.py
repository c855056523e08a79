"""The ``Parallel`` that scikit-learn's own code gets: fits in steps, each done once."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sklearn

from stratum_dask.config import settings
from stratum_dask.errors import StratumWarning
from stratum_dask.frontends.sklearn import (
    calibration,
    ensembles,
    outputs,
    pipelines,
    stacking,
)
from stratum_dask.frontends.sklearn.builder import Builder
from stratum_dask.frontends.sklearn.calls import (
    Call,
    Planned,
    Planner,
    failed,
    read,
    replay,
)
from stratum_dask.frontends.sklearn.careful import has_callbacks
from stratum_dask.frontends.sklearn.cloning import own
from stratum_dask.frontends.sklearn.counting import note
from stratum_dask.frontends.sklearn.private import Parallel
from stratum_dask.frontends.sklearn.running import compute, delayed_of, place

__all__ = ["Sharing", "plan_all", "told", "understood"]

# Imported for what they register.
_KINDS = (calibration, ensembles, outputs, pipelines, stacking)


class Sharing(Parallel):
    """Runs the calls that it is given as tasks of a Dask graph.

    Attributes
    ----------
    always
        Whether to use a graph even where nothing in it is shared, which is left
        to scikit-learn otherwise: its processes do that as well.
    """

    always = False
    _entered = _started = False

    def __enter__(self) -> Any:
        # What starts processes, or gets ready to, waits until they are needed.
        self._entered = True
        return self

    def __exit__(self, *how: object) -> None:
        self._entered = False
        if self._started:
            self._started = False
            super().__exit__(*how)

    def _left(self, raw: Iterable[Any]) -> Any:
        """Leave calls to scikit-learn."""
        if self._entered and not self._started:
            super().__enter__()
            self._started = True
        return super().__call__(list(own(raw)))

    def __call__(self, iterable: Iterable[Any]) -> Any:
        raw, calls = read(iterable)
        if not calls or not understood(calls):
            note(Counter(), Counter(), len(calls))
            return self._left(raw)
        where = place(self.n_jobs)
        try:
            builder, planned = plan_all(calls, where.ordered)
        except Exception as e:  # noqa: BLE001 the user's search goes on
            stepped_aside(e)
            return self._left(raw)
        if where.local and not self.always and not saves(builder):
            note(Counter(), Counter(), len(calls))
            return self._left(raw)
        note(builder.asked, builder.run)
        refs = [node for plan in planned for node in plan.nodes]
        found = iter(compute(delayed_of(builder.graph, refs), where) if refs else ())
        results = [[next(found) for _ in plan.nodes] for plan in planned]
        return told(
            calls,
            results,
            lambda rest: list(self._left(raw[i] for i in rest)),
        )


def understood(calls: Sequence[Call]) -> bool:
    """Whether these calls can be done in steps at all."""
    config = sklearn.get_config()
    if config.get("array_api_dispatch"):
        return False
    first = calls[0].given
    caller, estimator = first.get("caller"), first["estimator"]
    return not any(e is not None and has_callbacks(e) for e in (caller, estimator))


def stepped_aside(problem: Exception) -> None:
    """Warn that a search could not be planned, or raise with ``on-fail: raise``."""
    if settings().on_fail == "raise":
        raise problem
    warnings.warn(
        f"{type(problem).__name__}: {problem}\nThis search runs as scikit-learn runs "
        "it, without sharing. Please report this with the traceback that "
        "`stratum.on-fail: raise` gives.",
        StratumWarning,
        stacklevel=4,
    )


def saves(builder: Builder) -> bool:
    """Whether any fit is asked for more than once."""
    asked, run = builder.asked, builder.run
    return any(n > run[name] for name, n in asked.items() if name.startswith("fit"))


def plan_all(calls: Sequence[Call], ordered: bool) -> tuple[Builder, list[Planned]]:
    """Plan all calls in one graph."""
    builder = Builder(sklearn.get_config(), ordered)
    planner = Planner(builder)
    return builder, [planner.plan(call) for call in calls]


def told(
    calls: Sequence[Call], results: Sequence[Sequence[Any]], again: Any
) -> list[Any]:
    """What scikit-learn makes of it all; what has failed it does again by itself."""
    done: dict[int, Any] = {}
    if rest := [i for i, found in enumerate(results) if failed(found)]:
        drawn = np.random.get_state()
        done = dict(zip(rest, again(rest), strict=True))
        if all(results[i] for i in rest):
            # What those draw was drawn by their tasks, up to where they failed.
            np.random.set_state(drawn)
    return [
        done[i] if i in done else replay(call, found)
        for i, (call, found) in enumerate(zip(calls, results, strict=True))
    ]
