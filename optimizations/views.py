"""Give each pipeline one object of its own where threads pass objects on."""

from __future__ import annotations

from collections import Counter

from stratum_dask.graph import (
    Alias,
    Graph,
    Key,
    Task,
    identity,
    reference,
    rekey,
    roots,
)
from stratum_dask.optimizations.private import Isolated
from stratum_dask.optimizations.submission import Submission

__all__ = ["View", "hand_out", "views"]

View = frozenset[Key | None]
"""What becomes of one object: the tasks it goes into, as they are after the merge,
and None where it goes to the user."""


def views(submission: Submission) -> dict[Key, dict[View, list[Key]]]:
    """Merged key -> each way that its objects went, and the keys that went it.

    Only of those that went different ways. Where all went the same way there is one
    consumer of each kind, as there was in every pipeline.
    """
    before, replaced = submission.unmerged, submission.replaced
    if not replaced:
        return {}
    targets = set(replaced.values())
    merged = replaced.keys() | targets
    aliases = roots(before)
    stays = {**replaced, **submission.copies} if submission.copies else replaced
    # Nearly all objects have one consumer: a set for each would cost more than
    # all the rest. Keys are no sets, so the two can't be taken for each other.
    went: dict[Key, Key | set[Key | None] | None] = {}
    there = {*submission.live.values()}.union(submission.tasks)
    many = 2 * len(merged) > len(before)  # then it is quicker not to ask for each
    for key, node in before.items():
        if not (needs := node._dependencies) or (aliases and type(node) is Alias):
            continue
        consumer = stays.get(key, key)
        if consumer not in there:  # nobody needs it any more
            continue
        for need in needs:
            if aliases:
                need = aliases.get(need, need)
            if many or need in merged:
                known = went.setdefault(need, consumer)
                if known is not consumer:
                    if isinstance(known, set):
                        known.add(consumer)
                    elif known != consumer:
                        went[need] = {known, consumer}
    for key in submission.outputs:
        key = aliases.get(key, key)
        if key in merged:
            went[key] = {*_way(went.get(key)), None}
    way = went.get
    diverging = targets - before.keys()
    diverging.update(t for k, t in replaced.items() if way(k) != way(t))
    if not diverging:
        return {}
    found: dict[Key, dict[View, list[Key]]] = {t: {} for t in diverging}
    for key, target in (*((t, t) for t in diverging), *replaced.items()):
        if target in found and key in before:
            found[target].setdefault(_way(went.get(key)), []).append(key)
    return found


def _way(known: Key | set[Key | None] | None) -> View:
    if known is None:
        return frozenset()
    return frozenset(known) if isinstance(known, set) else frozenset((known,))


def hand_out(
    submission: Submission,
    diverging: dict[Key, dict[View, list[Key]]],
    writes: set[Key],
) -> Graph | None:
    """Put a private copy in front of the consumers of one pipeline.

    They get the same copy, by reference, as they had the same object before, so
    whatever one of them writes the others see or do not see as in plain Dask. This
    needs consumers that belong to one way only; where a merged task belongs to
    several, each consumer gets a handle for itself.
    """
    graph = submission.tasks
    digest = submission.encoder.encoder.digest
    aliases = roots(graph)
    renames: dict[Key, dict[Key, Key]] = {}
    new: Graph = {}
    for target, ways in diverging.items():
        if target not in graph:
            continue
        shares = Counter(c for way in ways for c in way if c is not None)
        for way, keys in ways.items():
            consumers = {c for c in way if c is not None}
            if len(way) < 2 or consumers.isdisjoint(writes):
                continue
            if any(shares[c] > 1 for c in consumers):
                continue
            own = repr((target, keys[0])).encode("utf-8", "surrogatepass")
            handle = f"private-{digest(submission.fingerprints[target] + own).hex()}"
            new[handle] = Task(handle, Isolated(identity, (0,)), reference(target))
            submission.copies[handle] = target
            for consumer in consumers:
                names = renames.setdefault(consumer, {})
                names.update(
                    (d, handle)
                    for d in graph[consumer]._dependencies
                    if aliases.get(d, d) == target
                )
            if None in way:
                submission.handed_out.update((k, handle) for k in keys)
    if not new:
        return None
    return {
        key: rekey(node, key, renames[key]) if key in renames else node
        for key, node in graph.items()
    } | new
