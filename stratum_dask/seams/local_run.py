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
from stratum_dask.graph import Graph, Key, Task, as_graph, cull, roots, with_func
from stratum_dask.optimizations import Submission
from stratum_dask.optimizations.private import Uncopyable, privates
from stratum_dask.optimizations.watch import InputWritten
from stratum_dask.seams import annotations as annotated
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
        found = _apart(found, result, submission)
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


def _apart(found: Any, result: Any, submission: Submission) -> Any:
    """Give every output an object of its own, as its pipeline had before.

    The copies are made here, after everything ran, and not by tasks: where a task
    has written into a result that is also an output, the user sees it written.
    """
    replaced = submission.names()
    aliases = roots(submission.unmerged)
    # What two keys of one task stand for is one object in plain Dask, too.
    task = {k: aliases.get(k, k) for k in submission.outputs}
    if not any(k in replaced for k in task.values()):
        return found
    rank: dict[Key, int] = {}
    taken: dict[Key, int] = {}
    for key in flatten(result) if isinstance(result, list) else [result]:
        if task[key] not in rank:
            target = replaced.get(task[key], task[key])
            rank[task[key]] = taken[target] = taken.get(target, -1) + 1
    # The first duplicates of all outputs belong together, and so on: what was one
    # object in two outputs of a pipeline stays one object.
    memos: dict[int, dict[int, Any]] = {}
    done: dict[Key, Any] = {}

    def copied(key: Any, value: Any) -> Any:
        if isinstance(key, list):
            return tuple(copied(k, v) for k, v in zip(key, value, strict=True))
        key = task[key]
        if not rank[key]:
            return value
        if key not in done:
            memo = memos.setdefault(rank[key], {})
            (done[key],) = privates([value], memo)
        return done[key]

    return copied(result, found)
