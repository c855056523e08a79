"""Which keys are names of one object, so that a merge may not make it two, or two one."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from stratum_dask.graph import Alias, DataNode, Graph, Key, TaskRef, roots
from stratum_dask.optimizations.handing import handed_on
from stratum_dask.optimizations.submission import Submission

__all__ = ["come_apart", "doubles", "made_by", "names_met"]


def doubles(
    graph: Graph,
    users: Iterable[Key],
    gone: Mapping[Key, Key],
    aliases: Mapping[Key, Key],
) -> set[Key]:
    """Merged keys that stay as copies: one task takes two equal results.

    Two equal results are two objects. A task that takes both and writes into one
    must not find the other one changed, and one that compares them must not find
    them to be the same.
    """
    copies: set[Key] = set()
    for key in users:
        node = graph[key]
        objects = {aliases.get(d, d) for d in node.dependencies}
        if len({gone.get(d, d) for d in objects}) == len(objects) or not _tells(node):
            continue
        known: dict[Key, dict[Key, Key]] = {}
        for one in sorted(objects, key=lambda d: d in gone):
            names = known.setdefault(gone.get(one, one), {})
            names.setdefault(made_by(graph, aliases, one), one)
        for target, names in known.items():
            stays = target if target in names else next(iter(names))
            copies.update(
                maker if maker in gone else name
                for maker, name in names.items()
                if maker != stays
            )
    return copies


def made_by(graph: Graph, aliases: Mapping[Key, Key], key: Key) -> Key:
    """The task that made the object of ``key``: an identity hands on the very object."""
    while True:
        key = aliases.get(key, key)
        below = handed_on(graph.get(key))
        if type(below) is TaskRef:
            key = below.key
        elif type(below) is Alias:
            key = below.target
        else:  # a container of results is an object of its own
            return key


def come_apart(
    submission: Submission,
    users: Iterable[Key],
    gone: Mapping[Key, Key],
    copies: Container[Key],
    aliases: Mapping[Key, Key],
) -> set[bytes]:
    """Fingerprints of objects that a task got twice, and would get two copies of.

    One of its names was asked for and must stay, where others are merged away.
    """
    graph = submission.tasks
    if not submission.encoder.hands_on:  # each object has one name
        return set()

    def left(key: Key) -> Key:
        seen: set[Key] = set()
        while True:
            key = aliases.get(key, key)
            if key in copies or key in seen:  # what lives may stand for its own input
                return key
            seen.add(key)
            below = handed_on(graph.get(key))
            if key in gone:
                key = gone[key]
            elif type(below) is TaskRef:
                key = below.key
            elif type(below) is Alias:
                key = below.target
            else:
                return key

    found: set[bytes] = set()
    for key in users:
        objects: dict[Key, Key] = {}
        for name in graph[key].dependencies:
            maker = made_by(graph, aliases, name)
            if objects.setdefault(maker, left(name)) != left(name):
                found.add(submission.fingerprints[maker])
    return found


def names_met(submission: Submission) -> set[bytes]:
    """Work that is not merged: some task gets one object of it under two names.

    And one that is handed on was asked for, or one of the names is that of a fused
    task that only hands on what it takes, and has its fingerprint.
    """
    found: set[bytes] = set()
    if not submission.encoder.hands_on:  # each object has one name
        return found
    graph, works = submission.tasks, submission.fingerprints
    aliases = roots(graph)

    def hands_on(key: Key) -> bool:
        node = graph.get(key)
        return node is not None and any(
            works[d] == works[key] for d in node.dependencies
        )

    asked = {aliases.get(key, key) for key in submission.outputs}
    asked_for = {works[key] for key in asked if hands_on(key)}
    for node in graph.values():
        names = {aliases.get(d, d) for d in node.dependencies}
        if len(names) < 2:
            continue
        met: dict[bytes, list[Key]] = {}
        for name in names:
            met.setdefault(works[name], []).append(name)
        for work, keys in met.items():
            if len(keys) > 1 and any(
                hands_on(key) and (work in asked_for or handed_on(graph[key]) is None)
                for key in keys
            ):
                found.add(work)
    return found


def _tells(node: object) -> bool:
    """Whether ``node`` may see that two of its inputs became one object.

    Also one that only looks: it may ask whether the two are one object.
    """
    return not isinstance(node, Alias | DataNode)
