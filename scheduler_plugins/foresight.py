"""What can be told of a graph before it runs: what will never come again, who looks."""

from __future__ import annotations

from types import FunctionType
from typing import Any, NamedTuple

from stratum_dask.graph import Key, Task
from stratum_dask.optimizations import Role, Submission
from stratum_dask.optimizations.flow import Flow
from stratum_dask.optimizations.verdict import Effect
from stratum_dask.optimizations.wrapping import Wrapper
from stratum_dask.scheduler_plugins.functions import innermost
from stratum_dask.scheduler_plugins.registry import Registry

__all__ = ["Foresight", "foresee"]


class Foresight(NamedTuple):
    """What retention has to know of a graph.

    Attributes
    ----------
    passing
        Tasks whose fingerprints no other submission will ever have.
    harmless
        Tasks of libraries' functions that are known to write into nothing, and to
        return something new.
    """

    passing: frozenset[Key] = frozenset()
    harmless: frozenset[Key] = frozenset()


def foresee(submission: Submission, registry: Registry) -> Foresight:
    """Look at a graph on its way to the scheduler, rewritten.

    Parameters
    ----------
    submission
        The graph.
    registry
        What lives.
    """
    passing = frozenset(_passing(submission, registry))
    # A graph is large, and has few functions: each is asked about once.
    fresh = {
        id(func)
        for func in submission.encoder.functions()
        if _is_fresh(submission, func, registry)
    }
    harmless: frozenset[Key] = frozenset()
    if fresh:
        graph = submission.tasks
        flow = Flow(submission, graph)
        harmless = frozenset(
            key
            for key, node in graph.items()
            if type(node) is Task
            and id(innermost(node.func)) in fresh
            and node._dependencies
            and flow.effect(key) is Effect.FRESH
        )
    return Foresight(passing, harmless)


def _is_fresh(submission: Submission, func: Any, registry: Registry) -> bool:
    """Whether a function writes into nothing and returns something new.

    What else is known of it is told to the registry.
    """
    judge = submission.encoder.judge
    if (
        not isinstance(func, Wrapper)
        and judge.function(func).verdict.role is Role.MERGE
    ):
        looks = submission.looker.only_looks(func)
        quiet = type(func) is FunctionType and not judge.evidence(func).writes
        if looks or quiet:
            registry.functions.learn(func, looks=looks, quiet=quiet)
    fresh = type(func) is not FunctionType and submission.encoder.effect(func)
    return fresh is Effect.FRESH


def _passing(submission: Submission, registry: Registry) -> set[Key]:
    """They would be kept for nobody.

    What is refused or volatile has a fingerprint of its own each time, and so has all
    that is made of it.
    """
    graph = submission.tasks
    found = submission.verdicts.keys() & graph.keys()
    outside: set[Key] = set()
    if graph is not submission.original or len(graph) < len(submission.fingerprints):
        outside = submission.fingerprints.keys() - graph.keys()
    outside -= submission.replaced.keys()  # nothing is made of these any more
    outside |= set(submission.live.values())
    found |= {
        key
        for key in outside
        if key in registry.passing or registry.fingerprint(key) is None
    }
    if not found:
        return set()
    users: dict[Key, list[Key]] = {}
    for key, node in graph.items():
        for need in node.dependencies:
            users.setdefault(need, []).append(key)
    stack = list(found)
    while stack:
        new = [key for key in users.get(stack.pop(), ()) if key not in found]
        found.update(new)
        stack += new
    return found & graph.keys()
