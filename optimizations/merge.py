"""Merge equal tasks: common subexpression elimination by fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from stratum_dask.graph import (
    Alias,
    Graph,
    Key,
    Task,
    cull,
    identity,
    reference,
    rekey,
    roots,
)
from stratum_dask.optimizations.alone import alone
from stratum_dask.optimizations.objects import consist, direct, doubles, spelled_out
from stratum_dask.optimizations.private import Isolated
from stratum_dask.optimizations.rule import Rule
from stratum_dask.optimizations.submission import Submission

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
        before = submission.tasks
        graph = submission.tasks = direct(submission)
        kept = _kept(submission)
        if not kept:
            submission.tasks = before
            return None
        ours = None
        if submission.by_reference:
            ours = alone(submission, kept)
            if ours.keys:
                kept = _kept(submission, ours.keys)
        gone = {k: t for k, t in kept.items() if k != t}
        lives = kept.keys() - gone.keys()
        aliases = roots(graph)
        new, users = _left(graph, gone, aliases)
        copies = doubles(graph, users, gone, aliases)
        if ours is not None and ours.copied:
            gone.update((k, kept.get(t, t)) for k, t in ours.copied.items())
            copies.update(ours.copied)
        asked = {aliases.get(key, key) for key in submission.outputs}
        own = consist(submission, gone, copies, asked)
        for key in own:
            new[key] = graph[key]
            users.append(key)
        named: dict[Key, Key] = {}
        if submission.renames_outputs:
            named = {k: aliases[k] for k in submission.outputs & aliases.keys()}
        else:
            copies |= asked & gone.keys()
        submission.unmerged = graph
        submission.named = named
        submission.copies = {k: gone[k] for k in copies}
        submission.replaced = {k: t for k, t in gone.items() if k not in copies}
        replaced = submission.replaced
        for key in lives | named.keys():
            del new[key]  # it lives under this very key, or is handed out by another
        for key in copies:
            new[key] = Task(key, Isolated(identity, (0,)), reference(gone[key]))
        for key in users:
            if key in new and key not in copies:
                new[key] = rekey(graph[key], key, replaced)
        if ours is not None:
            for key, source in ours.originals.items():
                new[key] = rekey(graph[source], key, replaced)
        if graph is not before and not submission.by_reference:
            new = spelled_out(new, before)
        if submission.live or own or (ours is not None and ours.keys):
            wanted = set(map(submission.home, submission.outputs))
            if ours is not None:
                wanted |= ours.wanted
            new = cull(new, wanted)
        return new


def _kept(
    submission: Submission, alone: frozenset[Key] = frozenset()
) -> dict[Key, Key]:
    """Key of each task that need not run -> key of the one that stays.

    The two are one where the result lives outside the graph under the same key.
    """
    graph, outputs = submission.tasks, submission.outputs
    fingerprints, live = submission.fingerprints, submission.live
    if not live and submission.unique and graph is submission.original:
        return {}
    asked = [
        key
        for key in graph
        if key in outputs and type(graph[key]) is not Alias and key not in alone
    ]
    if not live and not alone and not any(type(n) is Alias for n in graph.values()):
        # The same as below, in steps that Python does quickly.
        works = list(map(fingerprints.__getitem__, graph))
        first = dict(zip(reversed(works), reversed(graph), strict=True))
        first.update((fingerprints[key], key) for key in reversed(asked))
        pairs = zip(graph, map(first.__getitem__, works), strict=True)
        return {k: target for k, target in pairs if k is not target}
    stays: dict[bytes, Key] = dict(live)
    for key in asked:
        stays.setdefault(fingerprints[key], key)
    stay = stays.setdefault
    kept: dict[Key, Key] = {}
    for key, node in graph.items():
        if type(node) is Alias:
            if live.get(fingerprints[key]) == key:
                kept[key] = key  # what it stands for may be merged with it
        elif key not in alone:
            known = stay(fingerprints[key], key)
            if known != key or live.get(fingerprints[key]) == key:
                kept[key] = known
    return kept


def _left(
    graph: Graph, gone: Mapping[Key, Key], aliases: Mapping[Key, Key]
) -> tuple[Graph, list[Key]]:
    """The tasks that stay, and which of them take a result of one that does not."""
    other_names = {key for key, root in aliases.items() if root in gone}
    untouched = (gone.keys() | other_names if other_names else gone.keys()).isdisjoint
    left: Graph = {}
    users: list[Key] = []
    for key, node in graph.items():
        if key not in gone:
            left[key] = node
            if (needs := node._dependencies) and not untouched(needs):
                users.append(key)
    return left, users
