"""One computation on a local scheduler, with its graph rewritten."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import dask.local
from dask.base import get_annotations
from dask.core import flatten

from stratum_dask import reporting
from stratum_dask.errors import StratumWarning
from stratum_dask.graph import Graph, Key, Task, as_graph, cull, with_func
from stratum_dask.optimizations import Submission
from stratum_dask.optimizations.private import Uncopyable
from stratum_dask.optimizations.watch import InputWritten
from stratum_dask.seams import annotations as annotated
from stratum_dask.seams.apart import apart
from stratum_dask.seams.processes import given
from stratum_dask.seams.rewrite import rewrite

__all__ = ["run"]


def run(
    get: Callable[..., Any],
    dsk: Any,
    result: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Compute ``result`` from the rewritten ``dsk`` with Dask's own ``get``."""
    outputs = frozenset(flatten(result) if isinstance(result, list) else [result])
    if isinstance(dsk, Mapping):
        graph = cull(as_graph(dsk), outputs)
    else:  # an expression, which Dask has culled
        graph = as_graph(dsk.__dask_graph__())
    in_process = _by_reference(kwargs)
    source = given() if type(dsk) is dict else dsk
    submission = rewrite(
        graph,
        outputs,
        by_reference=in_process,
        renames_outputs=True,
        said=lambda: annotated.roles(source, get_annotations()),
    )
    if submission is None:
        return get(graph, result, *args, **kwargs)
    tasks = submission.tasks
    seconds: dict[Key, float] = {}
    if in_process:
        tasks = _timed(submission, seconds)
    try:
        found = get(tasks, _rename(result, submission.names()), *args, **kwargs)
        found = apart(found, result, submission)
    except (InputWritten, Uncopyable) as e:
        warnings.warn(
            f"{e}. The tasks of this computation could not be shared; they run again "
            "as plain Dask runs them.",
            StratumWarning,
            stacklevel=4,
        )
        return get(graph, result, *args, **kwargs)
    reporting.record(submission, seconds)
    return found


def _by_reference(kwargs: Mapping[str, Any]) -> bool:
    """Whether tasks get each other's very objects: nothing is pickled between."""
    return kwargs.get("dumps", dask.local.identity) is dask.local.identity


def _rename(result: Any, names: Mapping[Key, Key]) -> Any:
    if isinstance(result, list):
        return [_rename(r, names) for r in result]
    return names.get(result, result)


def _timed(submission: Submission, seconds: dict[Key, float]) -> Graph:
    """Measure the tasks that stand for several: their time is what was saved."""
    tasks = submission.tasks
    targets = set(submission.replaced.values()) | set(submission.copies.values())
    if not targets:
        return tasks
    tasks = dict(tasks)
    for key in targets:
        node = tasks.get(key)
        if isinstance(node, Task):
            tasks[key] = with_func(node, _Timed(node.func, key, seconds))
    return tasks


class _Timed:
    """Calls a function and notes how long it took. Never leaves this process."""

    def __init__(
        self, func: Callable[..., Any], key: Key, seconds: dict[Key, float]
    ) -> None:
        self.func = func
        self.key = key
        self.seconds = seconds
        functools.update_wrapper(self, func, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        result = self.func(*args, **kwargs)
        self.seconds[self.key] = time.perf_counter() - start
        return result
