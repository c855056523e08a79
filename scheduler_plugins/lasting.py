"""What is made of something that is its pipeline's own, and so will never come again."""

from __future__ import annotations

from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins.registry import Registry

__all__ = ["passing"]


def passing(submission: Submission, registry: Registry) -> set[Key]:
    """Find the tasks whose fingerprints no other submission will ever have.

    They would be kept for nobody: what is refused or volatile has a fingerprint of
    its own each time, and so has all that is made of it.

    Parameters
    ----------
    submission
        A graph on its way to the scheduler, rewritten.
    registry
        What lives.
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
