"""What can be told of a graph before it runs: what will never come again, who looks."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import NamedTuple

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
    looks, quiet = _users(submission)
    return Foresight(
        frozenset(_passing(submission, registry)),
        looks,
        quiet,
        frozenset(_harmless(submission)),
    )


def _harmless(submission: Submission) -> Iterator[Key]:
    graph, known = submission.tasks, submission.encoder.effect
    answers: dict[int, bool] = {}
    fresh: list[Key] = []
    for key, node in graph.items():
        if type(node) is not Task or not node._dependencies:
            continue
        func = node.func
        if type(func) is FunctionType:
            continue
        answer = answers.get(id(func))
        if answer is None:
            answer = answers[id(func)] = known(func) is Effect.FRESH
        if answer:
            fresh.append(key)
    if fresh:
        flow = Flow(submission, graph)
        yield from (key for key in fresh if flow.effect(key) is Effect.FRESH)


def _users(submission: Submission) -> tuple[frozenset[Key], frozenset[Key]]:
    """Which tasks only look, and which are not seen to write."""
    known: dict[int, tuple[bool, bool]] = {}
    all_looks: list[Key] = []
    all_quiet: list[Key] = []
    judge, looker = submission.encoder.judge, submission.looker
    for key, node in submission.tasks.items():
        if type(node) is not Task or not node._dependencies:
            continue
        func = node.func
        answers = known.get(id(func))
        if answers is None:
            looks = quiet = False
            if isinstance(func, Isolated):
                looks = func.looks
            elif judge.function(func).verdict.role is Role.MERGE:
                looks = looker.only_looks(func)
                if type(func) is FunctionType:
                    quiet = not judge.evidence(func).writes
            answers = known[id(func)] = looks, quiet
        if answers[0]:
            all_looks.append(key)
        elif answers[1]:
            all_quiet.append(key)
    return frozenset(all_looks), frozenset(all_quiet)


def _passing(submission: Submission, registry: Registry) -> set[Key]:
    """They would be kept for nobody.

    What is refused or volatile has a fingerprint of its own each time, and so has all
    that is made of it.
    """
    graph = submission.tasks
    found = submission.verdicts.keys() & graph.keys()
    outside = submission.fingerprints.keys() - graph.keys()
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
