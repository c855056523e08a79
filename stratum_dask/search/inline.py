"""Run candidates in the thread that asks for them: for debuggers and small things."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any

import psutil
from dask.base import get_annotations, optimize
from dask.core import flatten
from dask.utils import format_bytes

from stratum_dask.errors import StratumWarning
from stratum_dask.graph import Graph, Key, Task, as_graph, cull
from stratum_dask.optimizations.private import Uncopyable, privates
from stratum_dask.optimizations.watch import InputWritten
from stratum_dask.seams import annotations as annotated
from stratum_dask.seams.rewrite import rewrite
from stratum_dask.search import candidate as states
from stratum_dask.search.candidate import Candidate
from stratum_dask.search.errors import (
    CandidateMemoryError,
    CandidateTimeout,
    OverBudget,
)
from stratum_dask.search.ledger import Ledger
from stratum_dask.search.plan import Plan
from stratum_dask.tally import name_of

__all__ = ["InlineDriver"]


class InlineDriver:
    """Runs what waits whenever somebody waits for it.

    Nothing can be interrupted here: a limit is looked at after each task.

    Parameters
    ----------
    plan, finish, seconds
        As for `driver.Driver`.
    """

    def __init__(
        self, plan: Plan, finish: Callable[..., None], seconds: float | None
    ) -> None:
        self.plan = plan
        self.finish = finish
        self.ledger = Ledger()
        self.over = None if seconds is None else time.monotonic() + seconds

    def put(self, what: str, candidate: Candidate) -> None:
        """See `driver.Driver.put`."""
        if what == "add":
            self.plan.add(candidate)
        else:
            error = CancelledError(f"{candidate.name} was cancelled")
            self._end(candidate, states.CANCELLED, error=error)

    def pull(self, future: Future[Any]) -> None:
        """Run batches until ``future`` is done."""
        while not future.done() and (batch := self.plan.next(0, flush=True)):
            try:
                self._run(batch)
            except BaseException:  # Ctrl-C: what has not ended waits again
                self.plan.waiting += [each for each in batch if not each.done()]
                raise

    def close(self, wait: bool) -> None:
        """Run what still waits, or give it up."""
        while wait and (batch := self.plan.next(0, flush=True)):
            self._run(batch)
        for each in list(self.plan.waiting):
            error = CancelledError("the search was left")
            self._end(each, states.CANCELLED, error=error)

    def _run(self, batch: Sequence[Candidate]) -> None:
        pairs = []
        for each in batch:
            try:
                (optimized,) = optimize(self.plan.collections[each])
                pairs.append((each, optimized, dict(optimized.__dask_graph__())))
            except Exception as e:  # noqa: BLE001 the candidate's own
                each.step = "building its graph"
                self._end(each, states.FAILED, error=e)
        graph: dict[Key, Any] = {}
        for _, _, own in pairs:
            graph.update(own)
        outputs = {
            key
            for _, collection, _ in pairs
            for key in _keys(collection.__dask_keys__())
        }
        if not outputs:
            return
        run = _Run(as_graph(graph), frozenset(outputs), self.ledger)
        for each, collection, _ in pairs:
            if not each.done():
                self._one(run, each, collection)

    def _one(self, run: _Run, candidate: Candidate, collection: Any) -> None:
        keys = collection.__dask_keys__()
        self.ledger.needs[candidate.number] = tuple(map(run.name, _keys(keys)))
        value, error, status = None, None, states.DONE
        try:
            self._check_budget()
            try:
                found = _nested(keys, lambda key: self._get(run, key, candidate))
            except (InputWritten, Uncopyable) as e:
                run.as_it_came(e)
                self.ledger.needs[candidate.number] = tuple(_keys(keys))
                found = _nested(keys, lambda key: self._get(run, key, candidate))
            finalize, extra = collection.__dask_postcompute__()
            value = finalize(found, *extra)
        except KeyboardInterrupt:
            raise
        except BaseException as e:  # noqa: BLE001 the candidate's own
            error, status = e, _STATUS.get(type(e), states.FAILED)
            if run.failed is not None:
                self.ledger.failed[candidate.number] = run.failed
        cost = self.ledger.settle(candidate.number)
        cost = replace(cost, tasks=(cost.tasks or 1) - 1)  # itself is none
        self._end(candidate, status, value=value, error=error, cost=cost)

    def _get(self, run: _Run, key: Key, candidate: Candidate) -> Any:
        def check() -> None:
            self._check_budget()
            self._check_limits(candidate)

        return run.get(key, check)

    def _check_budget(self) -> None:
        if self.over is not None and time.monotonic() > self.over:
            raise OverBudget("the search has used up its seconds")

    def _check_limits(self, candidate: Candidate) -> None:
        keys = self.ledger.below(candidate.number)
        if candidate.timeout is not None:
            took = self.ledger.busy(keys, {})
            if took > candidate.timeout:
                raise CandidateTimeout(
                    f"{candidate.name}: its tasks have run for {took:.1f} s of the "
                    f"{candidate.timeout:g} s that it was given"
                )
        if candidate.memory_limit is not None:
            grown = max((self.ledger.memory.get(key, 0) for key in keys), default=0)
            if grown > candidate.memory_limit:
                raise CandidateMemoryError(
                    f"{candidate.name}: {format_bytes(grown)} were taken while its "
                    f"tasks ran, of the {format_bytes(candidate.memory_limit)} that it "
                    "was given"
                )

    def _end(self, candidate: Candidate, status: str, **found: Any) -> None:
        self.plan.forget(candidate)
        self.finish(
            candidate,
            status,
            found.get("value"),
            found.get("error"),
            found.get("cost"),
        )


_STATUS: dict[type[BaseException], str] = {
    CandidateTimeout: states.TIMED_OUT,
    CandidateMemoryError: states.OUT_OF_MEMORY,
    OverBudget: states.OVER_BUDGET,
}


class _Run:
    """One graph, rewritten, of which tasks run when they are asked for."""

    def __init__(self, graph: Graph, outputs: frozenset[Key], ledger: Ledger) -> None:
        self.original = cull(graph, outputs)
        self.ledger = ledger
        self.results: dict[Key, Any] = {}
        self.errors: dict[Key, tuple[BaseException, str]] = {}
        self.given: set[Key] = set()
        self.failed: str | None = None
        self.process = psutil.Process()
        done = rewrite(
            self.original,
            outputs,
            by_reference=True,
            renames_outputs=True,
            said=lambda: annotated.roles(graph, get_annotations()),
        )
        self.tasks = self.original if done is None else done.tasks
        self.names = {} if done is None else done.names()
        self.held = {} if done is None else done.held
        self._learn(outputs)

    def _learn(self, outputs: frozenset[Key]) -> None:
        self.ledger.needs.update(
            (key, tuple(node.dependencies)) for key, node in self.tasks.items()
        )
        self.users: dict[Key, int] = dict.fromkeys(self.tasks, 0)
        for node in self.tasks.values():
            for key in node.dependencies:
                self.users[key] = self.users.get(key, 0) + 1
        for key in outputs:  # results that are handed out stay until the end
            self.users[self.name(key)] = self.users.get(self.name(key), 0) + 1
        self.outputs = outputs

    def name(self, key: Key) -> Key:
        """The key that has the result of ``key``."""
        return self.names.get(key, key)

    def as_it_came(self, why: Exception) -> None:
        """From here on, run the graph as plain Dask does."""
        warnings.warn(
            f"{why}. The tasks of this computation could not be shared; they run again "
            "as plain Dask runs them.",
            StratumWarning,
            stacklevel=4,
        )
        self.tasks, self.names, self.held = self.original, {}, {}
        self.results.clear()
        self.errors.clear()
        self._learn(self.outputs)

    def get(self, output: Key, check: Callable[[], None]) -> Any:
        """The result of ``output``, one's own."""
        key = self.name(output)
        self.failed = None
        stack = [key]
        while stack:
            top = stack[-1]
            if top in self.results:
                stack.pop()
                continue
            if top in self.errors:
                error, self.failed = self.errors[top]
                raise error
            needs = self.tasks[top].dependencies
            missing = [each for each in needs if each not in self.results]
            if missing:
                stack += missing
            else:
                self._execute(top)
                check()
        value = self.results[key]
        objects = {key, *self.held.get(key, ())}
        shared = output in self.names or key in self.held
        if shared and not self.given.isdisjoint(objects):
            (value,) = privates([value], {})
        self.given |= objects
        return value

    def _execute(self, key: Key) -> None:
        node = self.tasks[key]
        start, before = time.perf_counter(), self.process.memory_info().rss
        try:
            self.results[key] = node(
                {each: self.results[each] for each in node.dependencies}
            )
        except (KeyboardInterrupt, InputWritten, Uncopyable):
            raise
        except BaseException as e:
            step = name_of(key, node) if isinstance(node, Task) else str(key)
            self.errors[key] = e, step
            self.failed = step
            raise
        finally:
            grown = self.process.memory_info().rss - before
            self.ledger.ran(key, time.perf_counter() - start, max(0, grown))
        for each in node.dependencies:
            self.users[each] -= 1
            if not self.users[each]:
                del self.results[each]


def _keys(keys: Any) -> list[Key]:
    return list(flatten(keys)) if isinstance(keys, list) else [keys]


def _nested(keys: Any, get: Callable[[Key], Any]) -> Any:
    if isinstance(keys, list):
        return [_nested(each, get) for each in keys]
    return get(keys)
