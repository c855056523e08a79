"""What lives under a key of a graph, and is not for anybody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stratum_dask.graph import Key, Task
from stratum_dask.optimizations import Role, Submission, Verdict
from stratum_dask.scheduler_plugins.registry import Registry

__all__ = ["leave_alone"]

_THERE = Verdict(
    Role.REFUSE,
    "the scheduler has something under its key that may be other work, or may have "
    "been written into",
)
_GIVEN = Verdict(
    Role.REFUSE,
    "it writes into data that was sent to the cluster as it is",
    "let the task work on a copy",
)


def leave_alone(
    submission: Submission, registry: Registry, tasks: Mapping[Key, object]
) -> None:
    """Set such keys apart, and who writes into what nobody here has made.

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
    graph, fingerprints = submission.tasks, submission.fingerprints
    alone = {
        key
        for key in graph.keys() & tasks.keys()
        if key in registry.exposed or registry.fingerprint(key) != fingerprints[key]
    }
    _set_apart(submission, alone, _THERE)
    if len(fingerprints) > len(graph):
        unknown = {
            key
            for key in fingerprints.keys() - graph.keys()
            if registry.fingerprint(key) is None
        }
        _set_apart(submission, set(_writing(submission, unknown)), _GIVEN)


def _writing(submission: Submission, inputs: set[Key]) -> Iterator[Key]:
    """The tasks that write into one of some inputs."""
    judge = submission.encoder.judge
    for key, node in submission.tasks.items():
        if inputs.isdisjoint(node.dependencies) or not isinstance(node, Task):
            continue
        if judge.evidence(node.func).writes:
            yield key


def _set_apart(submission: Submission, alone: set[Key], why: Verdict) -> None:
    if alone:
        works = {submission.fingerprints[key] for key in alone}
        if sum(f in works for f in submission.fingerprints.values()) > len(works):
            submission.set_apart(alone)
            submission.verdicts.update(dict.fromkeys(alone, why))
