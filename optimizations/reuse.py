"""Get results from elsewhere where that is cheaper than to compute them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from stratum_dask.graph import Graph, Key, Task, cull
from stratum_dask.optimizations.rule import Rule
from stratum_dask.optimizations.stored import Offer
from stratum_dask.optimizations.submission import Submission

__all__ = ["Reuse"]

_MOST_STEPS = 200_000
"""Steps that a graph may cost when one looks for what is below its tasks."""


class Reuse(Rule):
    """Replace tasks whose results are stored, and drop what only they needed.

    A store has the result of the second of three steps

    >>> from stratum_dask.graph import as_graph
    >>> from stratum_dask.optimizations.stored import Offer, Stored
    >>> def load(n): return list(range(n))
    >>> graph = as_graph({"a": (load, 9), "b": (sorted, "a"), "c": (sum, "b")})
    >>> s = Submission(graph, frozenset({"c"}))
    >>> stored = s.fingerprints["b"]
    >>> s.stored = {stored: Offer(Stored(stored), load=0.1, seconds=5.0, own=1.0)}

    which is read under its own key, and the first step does not run:

    >>> reused = Reuse().apply(s)
    >>> list(reused), type(reused["b"].func).__name__, s.loaded == {"b": stored}
    (['b', 'c'], 'Stored', True)

    Where reading would take longer than computing, nothing happens:

    >>> s = Submission(graph, frozenset({"c"}))
    >>> s.stored = {stored: Offer(Stored(stored), load=6.0, seconds=5.0, own=1.0)}
    >>> Reuse().apply(s) is None
    True

    What it takes to compute a result here is found from the leaves up, as Helix and
    the Collab optimizer do: a task costs its own seconds and what its inputs cost,
    each of which is computed or read, whichever is cheaper; what lives costs nothing.
    From the outputs down, the first results that are cheaper to read are read.
    """

    name: ClassVar[str] = "reuse"

    def apply(self, submission: Submission) -> Graph | None:
        if not submission.stored:
            return None
        graph = submission.tasks
        fingerprints, stored = submission.fingerprints, submission.stored
        lost = _lost(submission)
        offers = {
            key: stored[fingerprints[key]]
            for key, node in graph.items()
            if fingerprints[key] in stored
            and isinstance(node, Task)
            and key not in submission.copies
            and key not in submission.verdicts
            and key not in lost
        }
        if not offers:
            return None
        chosen = _chosen(submission, offers)
        if not chosen:
            return None
        before = {**submission.beyond, **(submission.unmerged or graph)}
        submission.remade = cull(before, chosen)
        submission.loaded = {key: fingerprints[key] for key in chosen}
        new = dict(graph)
        for key in chosen:
            new[key] = Task(key, offers[key].get)
        return cull(new, set(map(submission.home, submission.outputs)))


def _lost(submission: Submission) -> set[Key]:
    """The tasks that cannot be computed again should their results not be there."""
    lost = set(submission.only_here)
    if lost:
        graph = {**submission.beyond, **(submission.unmerged or submission.tasks)}
        for key in _inputs_first(graph, list(graph)):
            if not lost.isdisjoint(graph[key].dependencies):
                lost.add(key)
    return lost


def _inputs_first(graph: Graph, stack: list[Key]) -> Iterator[Key]:
    """What leads to some keys: each task after those that it depends on."""
    done: set[Key] = set()
    while stack:
        key = stack[-1]
        if key in done or key not in graph:
            stack.pop()
            continue
        missing = [d for d in graph[key].dependencies if d in graph and d not in done]
        if missing:
            stack += missing
        else:
            done.add(stack.pop())
            yield key


def _chosen(submission: Submission, offers: dict[Key, Offer]) -> list[Key]:
    graph = submission.tasks
    wanted = [submission.home(key) for key in submission.outputs]
    lives = {key: fingerprint for fingerprint, key in submission.live.items()}
    fingerprints, stored = {**lives, **submission.fingerprints}, submission.stored

    def known(key: Key) -> Offer | None:
        return stored.get(fingerprints.get(key, b""))

    steps = _MOST_STEPS
    compute: dict[Key, float] = {}
    costs: dict[Key, float] = {}
    for key in _inputs_first(graph, [k for k in wanted if k in graph]):
        needs = graph[key].dependencies
        below = sum(costs.get(need, 0.0) for need in needs)
        offer = known(key)
        seconds = below if offer is None else below + offer.own
        if key in offers:
            if steps > 0:
                least, looked = _at_least(graph, key, offers, known, costs)
                seconds, steps = max(seconds, least), steps - looked
            compute[key] = seconds
            seconds = min(seconds, offers[key].load)
        costs[key] = seconds
    chosen: list[Key] = []
    seen: set[Key] = set()
    stack = list(wanted)
    while stack:
        key = stack.pop()
        if key in seen or key not in graph:
            continue
        seen.add(key)
        if key in offers and offers[key].load < compute[key]:
            chosen.append(key)
        else:
            stack.extend(graph[key].dependencies)
    return chosen


def _at_least(
    graph: Graph,
    key: Key,
    offers: dict[Key, Offer],
    known: Callable[[Key], Offer | None],
    costs: dict[Key, float],
) -> tuple[float, int]:
    """What a task costs by what it took with all its inputs, and how far one looked.

    Of most tasks in between nobody knows what they took. What is there already, or is
    read, took its part of the whole, if that is known of all of it.
    """
    rest, paid, looked = offers[key].seconds, 0.0, 0
    stack, seen = list(graph[key].dependencies), {key}
    while stack:
        below = stack.pop()
        if below in seen:
            continue
        seen.add(below)
        looked += 1
        offer = known(below)
        if below not in graph or below in offers:
            if offer is None:
                return 0.0, looked
            rest -= offer.seconds
            paid += costs.get(below, 0.0)
        else:
            stack.extend(graph[below].dependencies)
    return max(rest, 0.0) + paid, looked
