"""Equal tasks that stay, each with objects of its own.

On schedulers that hand on results by reference, a task may have to do with the very
object that its program holds (see `lent`), or with two objects that must not become
one (see `twins`). What comes after such tasks may be merged all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from stratum_dask.graph import Alias, DataNode, Graph, Key
from stratum_dask.optimizations.lent import WRITES, Lent
from stratum_dask.optimizations.submission import Submission
from stratum_dask.optimizations.twins import meet
from stratum_dask.optimizations.verdict import Verdict

__all__ = ["Alone", "alone"]


class Alone(NamedTuple):
    """What takes no part in the merge."""

    keys: frozenset[Key]
    """Tasks that do not make room for others, and for which no other does."""
    wanted: frozenset[Key]
    """Those that do something, even if nobody asks for their result."""
    copied: dict[Key, Key]
    """Those that may be a copy of another result, and of which one."""
    originals: dict[Key, Key]
    """New keys of such results, and the task that says how to make them."""


def alone(submission: Submission, kept: Mapping[Key, Key]) -> Alone:
    """Find the tasks of a graph that stay.

    Parameters
    ----------
    submission
        The graph; results are handed on by reference.
    kept
        Tasks that could be merged, and with which one.
    """
    graph = submission.tasks
    lent = Lent(submission.encoder.judge, graph)
    found: dict[Key, Verdict] = {}
    if submission.encoder.holds_objects:
        found = lent.among(k for k, target in kept.items() if k != target)
    for key, verdict in found.items():
        for one in (key, kept[key]):
            if type(graph[one]) is not DataNode:
                submission.verdicts.setdefault(one, verdict)
    keys = {*found, *(kept[k] for k in found)}
    wanted = {k for k in keys if submission.verdicts.get(k) is WRITES}
    twins = meet(submission, lent)
    if twins is None:
        return Alone(frozenset(graph), frozenset(wanted), {}, {})
    below = _below(graph, lent, twins.copied | twins.made)
    made = twins.made | keys | below
    copied, originals = _copied(submission, twins.copied - made, made)
    keys |= twins.copied | made
    return Alone(frozenset(keys), frozenset(wanted), copied, originals)


def _below(graph: Graph, lent: Lent, twins: AbstractSet[Key]) -> set[Key]:
    """All that comes after some twins, where one of these tasks may write.

    Only the pipeline's own tasks write into its own twin, and only they say in
    which order that is read.
    """
    if not twins:
        return set()
    users: dict[Key, list[Key]] = {}
    for key, node in graph.items():
        for need in node._dependencies:
            users.setdefault(need, []).append(key)
    found: set[Key] = set()
    stack = list(twins)
    while stack:
        new = [k for k in users.get(stack.pop(), ()) if k not in found]
        found.update(new)
        stack += new
    return found if any(map(lent.changes, found)) else set()


def _copied(
    submission: Submission, copied: Iterable[Key], made: Iterable[Key]
) -> tuple[dict[Key, Key], dict[Key, Key]]:
    """What the copies are made of: a result that is there, or one for this alone.

    Not of each other: who has the original gets a copy, too.
    """
    fingerprints = submission.fingerprints
    groups: dict[bytes, list[Key]] = {}
    for key in copied:
        groups.setdefault(fingerprints[key], []).append(key)
    if not groups:
        return {}, {}
    staying = {*made, *(k for group in groups.values() for k in group)}
    there: dict[bytes, Key] = {}
    for key in submission.tasks:
        if type(submission.tasks[key]) is Alias or key in staying:
            continue
        if fingerprints[key] in groups:
            there.setdefault(fingerprints[key], key)
    found: dict[Key, Key] = {}
    originals: dict[Key, Key] = {}
    for fingerprint, group in groups.items():
        target = there.get(fingerprint)
        if target is None and len(group) > 1:
            target = f"twin-{fingerprint.hex()}"
            originals[target] = group[0]
            submission.fingerprints[target] = fingerprint
        if target is not None:
            found.update(dict.fromkeys(group, target))
    return found, originals
