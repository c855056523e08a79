"""What can be told of a graph before it runs: what will never come again, who looks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from stratum_dask.graph import Key, Task
from stratum_dask.optimizations import Role, Submission
from stratum_dask.optimizations.private import Isolated
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
    """

    passing: frozenset[Key] = frozenset()
    looks: frozenset[Key] = frozenset()


def foresee(submission: Submission, registry: Registry) -> Foresight:
    """Look at a graph on its way to the scheduler, rewritten.

    Parameters
    ----------
    submission
        The graph.
    registry
        What lives.
    """
    return Foresight(
        frozenset(_passing(submission, registry)), frozenset(_looks(submission))
    )


def _looks(submission: Submission) -> Iterator[Key]:
    known: dict[int, bool] = {}
    judge, looker = submission.encoder.judge, submission.looker
    for key, node in submission.tasks.items():
        if type(node) is not Task or not node._dependencies:
            continue
        func = node.func
        looks = known.get(id(func))
        if looks is None:
            if isinstance(func, Isolated):
                looks = func.looks
            elif judge.function(func).verdict.role is Role.MERGE:
                looks = looker.only_looks(func)
            else:
                looks = False
            known[id(func)] = looks
        if looks:
            yield key


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
