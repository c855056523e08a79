"""Count what the rules did to one graph, in words that people know."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from dask.utils import funcname, key_split

from stratum_dask.graph import (
    Alias,
    DataNode,
    Graph,
    GraphNode,
    Key,
    Task,
    function_of,
    subgraph,
)
from stratum_dask.optimizations import Role, Submission

__all__ = [
    "OTHERS",
    "Merge",
    "Reason",
    "Refusal",
    "Tally",
    "merges",
    "name_of",
    "tally",
]

OTHERS = "(others)"
"""Stands for the functions and refusals that were met least, where there are many."""
_MOST = 1_000
_T = TypeVar("_T")

NAMED_BY_KEY = "stratum_named_by_key"
"""Attribute of a function that does whatever its tasks' keys are called after."""


class Refusal(NamedTuple):
    """Tasks that were not merged, or not for longer than one submission."""

    function: str
    role: str
    reason: str
    remedy: str


class Reason(NamedTuple):
    """One reason why tasks were not merged, and which."""

    role: str
    reason: str
    remedy: str
    tasks: int
    functions: tuple[str, ...]
    """Most tasks first."""


class Merge(NamedTuple):
    """A task that need not run, and a key that has the same result."""

    function: str
    target: Key


@dataclass
class Tally:
    """What became of the tasks of one or more graphs."""

    graphs: int = 0
    asked: int = 0
    """Tasks that the programs contain."""
    run: int = 0
    """Tasks that are left to run."""
    merged: Counter[str] = field(default_factory=Counter)
    """Function -> tasks of it that need not run."""
    refused: Counter[Refusal] = field(default_factory=Counter)
    isolated: int = 0
    """Tasks that get private handles on shared results."""
    seconds_saved: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    """Function -> its share of ``seconds_saved``."""
    retained: int = 0
    """Tasks that did not run because a scheduler had kept their results."""
    retention_seconds: float = 0.0
    """What of the seconds saved is due to these."""
    stored: int = 0
    """Tasks that read their results from a store."""
    store_seconds: float = 0.0
    """What of the seconds saved is due to these."""
    read: Counter[str] = field(default_factory=Counter)
    """Function -> tasks of it whose results were read from a store."""

    def add(self, other: Tally) -> None:
        """Count ``other`` in, and stay small however many functions there are."""
        self.graphs += other.graphs
        self.asked += other.asked
        self.run += other.run
        self.merged.update(other.merged)
        self.refused.update(other.refused)
        self.isolated += other.isolated
        self.retained += other.retained
        self.retention_seconds += other.retention_seconds
        self.stored += other.stored
        self.store_seconds += other.store_seconds
        self.read.update(other.read)
        for function, seconds in other.seconds.items():
            self.save(function, seconds)
        if max(len(self.merged), len(self.read)) > 2 * _MOST:
            self._forget_functions()
        if len(self.refused) > 2 * _MOST:
            self._forget_refusals()

    def save(self, function: str, seconds: float) -> None:
        """Count the run time of a task of ``function`` that need not run."""
        self.seconds_saved += seconds
        self.seconds[function] = self.seconds.get(function, 0.0) + seconds

    def reads(self, function: str, seconds: float) -> None:
        """Count a result that was read from a store, and the seconds that saved."""
        self.stored += 1
        self.store_seconds += seconds
        self.read[function] += 1
        self.save(function, seconds)

    def reasons(self) -> list[Reason]:
        """What was refused by reason, most tasks first."""
        found: dict[tuple[str, str, str], Counter[str]] = {}
        for (function, *why), n in self.refused.items():
            role, reason, remedy = why
            found.setdefault((role, reason, remedy), Counter())[function] += n
        reasons = [
            Reason(*why, tasks.total(), tuple(f for f, _ in tasks.most_common()))
            for why, tasks in found.items()
        ]
        return sorted(reasons, key=lambda each: -each.tasks)

    def _forget_functions(self) -> None:
        worth = self.seconds
        kept = {f for f, _ in self.merged.most_common(_MOST // 2)}
        kept.update(f for f, _ in self.read.most_common(_MOST // 2))
        kept.update(heapq.nlargest(_MOST // 2, worth, key=worth.__getitem__))
        self.merged = _lumped(self.merged, kept, OTHERS)
        self.read = _lumped(self.read, kept, OTHERS)
        seconds = {f: s for f, s in worth.items() if f in kept}
        rest = sum(worth.values()) - sum(seconds.values())
        seconds[OTHERS] = seconds.get(OTHERS, 0.0) + rest
        self.seconds = seconds

    def _forget_refusals(self) -> None:
        kept = {r for r, _ in self.refused.most_common(_MOST)}
        rest = Refusal(OTHERS, "not merged", "for various reasons", "")
        self.refused = _lumped(self.refused, kept, rest)

    def to_plain(self) -> dict[str, Any]:
        """Plain data, for another process."""
        return {
            **vars(self),
            "merged": dict(self.merged),
            "read": dict(self.read),
            "refused": [(tuple(refusal), n) for refusal, n in self.refused.items()],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Tally:
        """What `to_plain` was made of."""
        refused = Counter({Refusal(*refusal): n for refusal, n in plain["refused"]})
        merged = Counter(plain["merged"])
        read = Counter(plain["read"])
        return cls(**{**plain, "merged": merged, "refused": refused, "read": read})


def merges(submission: Submission) -> Iterator[Merge]:
    """Yield the tasks of ``submission`` that another one stands for."""
    before = submission.unmerged
    functions: dict[int, str] = {}  # their names cost more than the counting
    known = functions.get
    for merged in (submission.replaced, submission.copies):
        for key, target in merged.items():
            node = before.get(key)
            if isinstance(node, Task):
                name = known(id(node.func))
                if name is None:
                    name = name_of(key, node)
                    func = function_of(node)
                    named = subgraph(node) is None and not hasattr(func, NAMED_BY_KEY)
                    if named and func is node.func:
                        functions[id(func)] = name
                yield Merge(name, target)


def tally(submission: Submission, merged: Iterable[Merge] | None = None) -> Tally:
    """Count what happened to the graph of ``submission``.

    Parameters
    ----------
    submission
        A graph that was rewritten.
    merged
        Which of its tasks need not run, if not what `merges` finds.
    """
    original = submission.original
    counts = Tally(graphs=1, asked=_tasks(original), run=_tasks(submission.tasks))
    counts.run -= len(submission.copies)  # a copy runs nothing of the user's
    counts.run -= len(submission.loaded)  # nor does what reads a stored result
    counts.isolated = len(submission.isolated)
    merged = merges(submission) if merged is None else merged
    counts.merged.update(merge.function for merge in merged)
    for key, verdict in submission.verdicts.items():
        if key in original:
            role = "not reused later" if verdict.role is Role.BATCH else "not merged"
            refusal = Refusal(
                name_of(key, original[key]), role, verdict.reason, verdict.remedy
            )
            counts.refused[refusal] += 1
    return counts


def name_of(key: Key, node: GraphNode) -> str:
    """The function's name; of a fused task, the name people see in the dashboard."""
    if isinstance(node, Task) and subgraph(node) is None:
        func = function_of(node)
        if not hasattr(func, NAMED_BY_KEY):
            return str(funcname(func))
    return str(key_split(key))


def _tasks(graph: Graph) -> int:
    kinds = Counter(map(type, graph.values()))
    return len(graph) - kinds[Alias] - kinds[DataNode]


def _lumped(counts: Counter[_T], kept: set[_T], rest: _T) -> Counter[_T]:
    """``counts`` of what is ``kept``, and all others as ``rest``."""
    left = Counter({each: n for each, n in counts.items() if each in kept})
    left[rest] += counts.total() - left.total()
    return left
