"""What can be told of a graph before it runs: what will never come again, who looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any, NamedTuple

from stratum_dask.graph import Key, Task
from stratum_dask.optimizations import Role, Submission
from stratum_dask.optimizations.flow import Flow
from stratum_dask.optimizations.private import Isolated
from stratum_dask.optimizations.verdict import Effect
from stratum_dask.scheduler_plugins.registry import Registry

__all__ = ["Foresight", "foresee"]


class Foresight(NamedTuple):
    """What retention has to know of a graph.

    Attributes
    ----------
    passing
        Tasks whose fingerprints no other submission will ever have.
    looks
        Tasks whose functions only look, as their code shows.
    quiet
        Other tasks whose functions are not seen to write into what they are given.
    harmless
        Tasks of libraries' functions that are known to write into nothing, and to
        return something new.
    """

    passing: frozenset[Key] = frozenset()
    looks: frozenset[Key] = frozenset()
    quiet: frozenset[Key] = frozenset()
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
    taking = {
        key: node.func
        for key, node in submission.tasks.items()
        if type(node) is Task and node._dependencies
    }
    kinds: dict[str, set[int]] = {"looks": set(), "quiet": set(), "fresh": set()}
    for name, func in {id(func): func for func in taking.values()}.items():
        for kind in _kinds(submission, func):
            kinds[kind].add(name)
    looks, quiet, fresh = (_those(taking, kind) for kind in kinds.values())
    if fresh:
        flow = Flow(submission, submission.tasks)
        fresh = frozenset(k for k in fresh if flow.effect(k) is Effect.FRESH)
    return Foresight(passing, looks, quiet, fresh)


def _those(taking: Mapping[Key, Any], functions: set[int]) -> frozenset[Key]:
    """The tasks that call one of ``functions``."""
    if not functions:
        return frozenset()
    return frozenset(key for key, func in taking.items() if id(func) in functions)


def _kinds(submission: Submission, func: Any) -> Iterator[str]:
    """What is known of a function that takes results of others."""
    judge = submission.encoder.judge
    if isinstance(func, Isolated):
        if func.looks:
            yield "looks"
    elif judge.function(func).verdict.role is Role.MERGE:
        if submission.looker.only_looks(func):
            yield "looks"
        elif type(func) is FunctionType and not judge.evidence(func).writes:
            yield "quiet"
    known = type(func) is not FunctionType and submission.encoder.effect(func)
    if known is Effect.FRESH:
        yield "fresh"


def _passing(submission: Submission, registry: Registry) -> set[Key]:
    """They would be kept for nobody.

    What is refused or volatile has a fingerprint of its own each time, and so has all
    that is made of it.
    """
    graph = submission.tasks
    found = submission.verdicts.keys() & graph.keys()
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
