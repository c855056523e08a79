"""Give private handles to those who might write into a shared result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from stratum_dask.graph import Graph, Key, Task, called, with_func
from stratum_dask.optimizations.fingerprint.same import references
from stratum_dask.optimizations.flow import Flow
from stratum_dask.optimizations.guarding import Guard
from stratum_dask.optimizations.keeping import Telling
from stratum_dask.optimizations.late import Late
from stratum_dask.optimizations.meeting import Relatives, Tells, meet_themselves
from stratum_dask.optimizations.private import Isolated, Opened, Shareable
from stratum_dask.optimizations.rule import Rule
from stratum_dask.optimizations.submission import Submission
from stratum_dask.optimizations.twins import MEET
from stratum_dask.optimizations.verdict import Effect, Role
from stratum_dask.optimizations.views import View, hand_out, views
from stratum_dask.optimizations.watch import Watched

__all__ = ["Isolate", "Touched", "places"]


class Isolate(Rule):
    """Let no pipeline see what another one writes into a shared result.

    Before a merge every pipeline had an object of its own. Where the pipelines
    that share a result go different ways after the merge

    >>> from stratum_dask.optimizations.merge import Merge
    >>> from stratum_dask.graph import as_graph
    >>> def add(x): x.append(1); return x
    >>> def count(x): return len(x)
    >>> graph = as_graph({"a": (list, "ab"), "b": (list, "ab"), "x": (add, "a"), "y": (count, "b")})
    >>> s = Submission(graph, frozenset({"x", "y"}))
    >>> s.tasks = Merge().apply(s)
    >>> s.tasks = Isolate().apply(s)

    every consumer that might write, or hand on a view, gets a private handle:

    >>> sorted(s.isolated.items())
    [('x', frozenset({'a'})), ('y', frozenset({'a'}))]

    Where they all go the same way there is one consumer, as there was in each of
    them, and nothing to protect.
    """

    name: ClassVar[str] = "isolate"

    def apply(self, submission: Submission) -> Graph | None:
        diverging = views(submission)
        shared = _shared(submission, diverging)
        if not shared:
            return None
        graph = submission.tasks
        flow = Flow(submission, graph)
        shared |= _written_elsewhere(submission, flow)
        touched = Touched(flow)
        if submission.by_reference:
            apart = Relatives(flow, {}).apart
            alone = {k: went for k, went in diverging.items() if apart(k)}
            writes = {c for k in alone for c in flow.users(k) if touched.by(c)}
            if (handed_out := hand_out(submission, alone, writes)) is not None:
                graph = handed_out
                flow = Flow(submission, graph)
                touched = Touched(flow)
            along = {
                need
                for key in shared
                for user in flow.users(key)
                if flow.effect(user) is Effect.ALIAS and touched.by(user)
                for need in flow.inputs(user)
            }
            met = meet_themselves(submission, flow, graph, shared | along)
            submission.held = met.held
            shared |= met.held.keys()
        held = submission.held
        wanted: dict[Key, set[Key]] = {}
        opened: dict[Key, set[Key]] = {}
        new = dict(graph)
        for key in shared:
            consumers = set(flow.users(key)).difference(submission.copies, held)
            writing = {c for c in consumers if touched.by(c)}
            submission.lookers |= consumers - writing
            for consumer in writing:
                wanted.setdefault(consumer, set()).add(key)
        relatives = Relatives(flow, wanted)
        for consumer, keys in wanted.items():
            wanted[consumer] = {*keys, *relatives.of(consumer, keys)}
        remade = _remade(shared & graph.keys(), flow)
        for key in remade:
            for consumer in set(flow.users(key)).difference(submission.copies):
                if key not in wanted.get(consumer, ()):
                    opened.setdefault(consumer, set()).add(key)
        submission.lookers -= wanted.keys()
        if not wanted and not opened:
            return None if graph is submission.tasks else graph
        late: dict[Key, tuple[set[Key], Guard | None]] = {}
        tells: dict[Key, Tells] = {}
        if submission.by_reference and wanted:
            late = _late(submission, flow, wanted)
            if not _happens_once(submission):
                tells = met.tells([guard for _, guard in late.values() if guard])
        submission.watched |= late.keys() | tells.keys()
        for consumer in wanted.keys() | opened.keys() | remade | tells.keys():
            node = called(consumer, new[consumer])
            func = node.func
            looks = consumer in wanted and _looks(submission, func)
            if consumer in tells:
                on, at, guards = tells[consumer]
                ways = [
                    (kept, places(node, set(kept.before(consumer)), flow.aliases))
                    for kept in on
                ]
                func = Telling(func, consumer, ways, at, guards)
            if consumer in opened:
                func = Opened(func, places(node, opened[consumer], flow.aliases))
            if consumer in late and consumer in remade:
                # It calls again with what it got, which it has not written into.
                func = Shareable(func)
            if consumer in wanted:
                keys = wanted[consumer]
                submission.isolated[consumer] = frozenset(keys)
                which = places(node, keys, flow.aliases)
                if consumer in late:
                    read, guard = late[consumer]
                    of = places(node, read, flow.aliases)
                    func = Watched(func, which, looks, of, guard)
                else:
                    func = Isolated(func, which, looks=looks)
            if consumer not in late and consumer in remade:
                # Outermost: what is called again takes new handles.
                func = Shareable(func)
            new[consumer] = with_func(node, func)
        return new


def _late(
    submission: Submission, flow: Flow, wanted: Mapping[Key, set[Key]]
) -> dict[Key, tuple[set[Key], Guard | None]]:
    """Those whose inputs somebody reads afterwards, and what they may hand on."""
    late = Late(submission)
    found: dict[Key, tuple[set[Key], Guard | None]] = {}
    for consumer, keys in wanted.items():
        if read := late.read(consumer) & keys:
            writers = flow.writers(consumer)
            found[consumer] = read, Guard(writers) if writers else None
    return found


def _happens_once(submission: Submission) -> bool:
    """Whether the graph must not run again."""
    return any(
        verdict.role is Role.REFUSE and verdict is not MEET
        for verdict in submission.verdicts.values()
    )


def _looks(submission: Submission, func: Callable[..., Any]) -> bool:
    """Whether a function only looks, and could be called again."""
    pure = submission.encoder.judge.function(func).verdict.role is Role.MERGE
    return pure and submission.looker.only_looks(func)


def _shared(
    submission: Submission, diverging: dict[Key, dict[View, list[Key]]]
) -> set[Key]:
    """Keys whose result stands for several objects that have gone different ways."""
    found = {*submission.copies.values(), *diverging}
    if submission.lent is not None:
        graph = submission.tasks
        known = submission.fingerprints.keys() - graph.keys()
        known -= submission.replaced.keys()  # nobody takes these any more
        known.update(submission.live.values())
        found.update(k for k in known if k not in graph and submission.lent(k))
        found.update(k for k in submission.outputs if submission.lent(k))
    return found


def _remade(shared: set[Key], flow: Flow) -> set[Key]:
    """Keys whose result each pipeline has to make anew where it cannot be copied.

    What a user's function returns may be gone once it was read: a generator, a file.
    Who hands on a part of that has to get it from a result that was made anew, too.
    """

    def part_of(key: Key) -> list[Key]:
        return flow.inputs(key) if flow.effect(key) is Effect.ALIAS else []

    found: set[Key] = set()
    for key in shared:
        region = flow.reach([key], part_of)
        if region is None:
            region = {key} if flow.effect(key) is Effect.WRITE else set()
        region = {k for k in region if flow.effect(k) is not Effect.FRESH}
        if region.isdisjoint(flow.outputs) and any(
            flow.effect(k) is Effect.WRITE for k in region
        ):
            found |= region
    return found


def _written_elsewhere(submission: Submission, flow: Flow) -> set[Key]:
    """Keys through which somebody could write into what copies are made of.

    A copy is taken as soon as there is something to copy. Who has the same object
    under another name must not write into it then.
    """
    found: set[Key] = set()
    copies = submission.copies
    for key in set(copies.values()):
        region = flow.reach([key], flow.handed_on)
        if region is None:
            return set(submission.tasks)
        for k in region:
            if any(u not in region and u not in copies for u in flow.users(k)):
                found.add(k)
    return found


def places(
    node: Task, keys: set[Key], aliases: Mapping[Key, Key]
) -> tuple[int | str, ...]:
    """The arguments of ``node`` through which the results of ``keys`` come in."""

    def meant(a: Any) -> bool:
        return any(aliases.get(d, d) in keys for d in references(a))

    positions = [i for i, a in enumerate(node.args) if meant(a)]
    return (*positions, *(name for name, a in node.kwargs.items() if meant(a)))


class Touched:
    """Which consumers may write into what they receive, or let others do so."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._known: dict[Key, bool] = {}

    def by(self, consumer: Key) -> bool:
        """Whether ``consumer`` needs private handles."""
        known = self._known.get(consumer)
        if known is None:
            known = self._known[consumer] = self._find(consumer)
        return known

    def _find(self, consumer: Key) -> bool:
        flow = self._flow
        effect = flow.effect(consumer)
        if effect is not Effect.ALIAS:
            return effect is Effect.WRITE
        # It only hands on a view: what matters is who looks at that.
        seen = {consumer}
        stack = [consumer]
        while stack:
            key = stack.pop()
            if key in flow.outputs or self._known.get(key, False):
                return True
            for user in flow.users(key):
                if user in seen:
                    continue
                seen.add(user)
                effect = flow.effect(user)
                if effect is Effect.WRITE:
                    return True
                if effect is Effect.ALIAS and self._known.get(user) is not False:
                    stack.append(user)
        self._known.update((k, False) for k in seen if k not in self._known)
        return False
