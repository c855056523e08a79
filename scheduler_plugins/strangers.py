"""What lives under a key of a graph, and is not for anybody else."""

from __future__ import annotations

from collections.abc import Mapping

from stratum_dask.graph import Key
from stratum_dask.optimizations import Role, Submission, Verdict
from stratum_dask.scheduler_plugins.registry import Registry

__all__ = ["leave_alone"]

_THERE = Verdict(
    Role.REFUSE,
    "the scheduler has something under its key that may be other work, or may have "
    "been written into",
)


def leave_alone(
    submission: Submission, registry: Registry, tasks: Mapping[Key, object]
) -> None:
    """Set such keys apart.

    Dask goes by the key. What a scheduler has under it may be other work, or may
    have been written into: nothing equal may be merged with it, nor what is made of
    it with what is made of the other.

    Parameters
    ----------
    submission
        A graph that has just arrived.
    registry
        What lives, as far as it is known.
    tasks
        All that the scheduler has.
    """
    fingerprints = submission.fingerprints
    alone = {
        key
        for key in submission.tasks.keys() & tasks.keys()
        if key in registry.exposed or registry.fingerprint(key) != fingerprints[key]
    }
    if alone:
        works = {fingerprints[key] for key in alone}
        if sum(f in works for f in fingerprints.values()) > len(alone):
            submission.set_apart(alone)
            submission.verdicts.update(dict.fromkeys(alone, _THERE))
