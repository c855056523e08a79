"""Merge equal tasks: common subexpression elimination by fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from stratum_dask.graph import (
    Alias,
    DataNode,
    Graph,
    Key,
    Task,
    cull,
    identity,
    reference,
    rekey,
    roots,
)
from stratum_dask.optimizations.private import Isolated
from stratum_dask.optimizations.rule import Rule
from stratum_dask.optimizations.submission import Submission
from stratum_dask.optimizations.verdict import Effect

__all__ = ["Merge"]


class Merge(Rule):
    """Collapse equal tasks into one, under a key that the user knows.

    Two programs that made keys of their own for the same work

    >>> from stratum_dask.graph import as_graph
    >>> graph = as_graph(
    ...     {"a": (abs, -1), "b": (abs, -1), "x": (str, "a"), "y": (hex, "b")}
    ... )
    >>> s = Submission(graph, frozenset({"x", "y"}))
    >>> merged = Merge().apply(s)
    >>> list(merged), s.replaced
    (['a', 'x', 'y'], {'b': 'a'})

    share it afterwards. Of equal tasks one stays: one that lives on the scheduler
    already, else one whose result was asked for, else the first. Nothing else is
    renamed. An output that is merged away is handed out by the seam where that is
    possible; where it is not it becomes a copy of the other's result

    >>> s = Submission(graph, frozenset({"a", "b"}))
    >>> Merge().apply(s)["b"].func.__name__, s.copies
    ('identity', {'b': 'a'})

    What happens to the shared result afterwards is the `Isolate` rule's business.
    """

    name: ClassVar[str] = "merge"
    needs: ClassVar[tuple[str, ...]] = ("isolate",)

    def apply(self, submission: Submission) -> Graph | None:
        graph = submission.tasks
        kept = _kept(submission)
        if not kept:
            return None
        gone = {k: t for k, t in kept.items() if k != t}
        aliases = roots(graph)
        copies = _copies(submission, gone, aliases)
        for key in submission.outputs:
            # What an alias stands for cannot be handed out under two names.
            root = aliases.get(key, key)
            if root in gone and (root != key or not submission.renames_outputs):
                copies.add(root)
        submission.unmerged = graph
        submission.copies = {k: gone[k] for k in copies}
        submission.replaced = {k: t for k, t in gone.items() if k not in copies}
        replaced = submission.replaced
        new: Graph = {}
        for key, node in graph.items():
            if kept.get(key) == key:
                continue  # it lives under this very key
            if key in copies:
                new[key] = Task(key, Isolated(identity, (0,)), reference(kept[key]))
            elif key not in replaced:
                untouched = replaced.keys().isdisjoint(node.dependencies)
                new[key] = node if untouched else rekey(node, key, replaced)
        if submission.live:
            wanted = (submission.replaced.get(k, k) for k in submission.outputs)
            new = cull(new, wanted)
        return new


def _kept(submission: Submission) -> dict[Key, Key]:
    """Key of each task that need not run -> key of the one that stays.

    The two are one where the result lives outside the graph under the same key.
    """
    graph, outputs = submission.tasks, submission.outputs
    fingerprints, live = submission.fingerprints, submission.live
    if not live and len(set(fingerprints.values())) == len(fingerprints):
        return {}
    stays: dict[bytes, Key] = {}
    for key, node in graph.items():
        if type(node) is Alias:
            continue
        fingerprint = fingerprints[key]
        if (known := stays.get(fingerprint)) is None:
            stays[fingerprint] = live.get(fingerprint, key)
        elif key in outputs and known not in outputs and fingerprint not in live:
            stays[fingerprint] = key
    kept: dict[Key, Key] = {}
    for key, node in graph.items():
        if type(node) is not Alias:
            known = stays[fingerprints[key]]
            if known != key or live.get(fingerprints[key]) == key:
                kept[key] = known
    return kept


def _copies(
    submission: Submission, gone: Mapping[Key, Key], aliases: Mapping[Key, Key]
) -> set[Key]:
    """Merged keys that stay as copies: one task takes two equal results.

    Two equal results are two objects. A task that takes both and writes into one
    must not find the other one changed.
    """
    copies: set[Key] = set()
    for key, node in submission.tasks.items():
        dependencies = node._dependencies
        if len(dependencies) < 2 or key in gone:
            continue
        objects = {aliases.get(d, d) for d in dependencies} if aliases else dependencies
        if gone.keys().isdisjoint(objects):
            continue
        targets: dict[Key, Key] = {}
        for one in sorted(objects, key=lambda d: d in gone):
            target = gone.get(one, one)
            if targets.setdefault(target, one) != one and _writes(submission, node):
                copies.add(one)
    return copies


def _writes(submission: Submission, node: object) -> bool:
    if isinstance(node, Task):
        return submission.encoder.effect(node.func) is not Effect.FRESH
    return not isinstance(node, Alias | DataNode)
