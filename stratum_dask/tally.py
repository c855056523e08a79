"""Count what the rules did to one graph, in words that people know."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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

__all__ = ["Refusal", "Tally", "name_of", "tally"]

NAMED_BY_KEY = "stratum_named_by_key"
"""Attribute of a function that does whatever its tasks' keys are called after."""


class Refusal(NamedTuple):
    """Tasks that were not merged, or not for longer than one submission."""

    function: str
    role: str
    reason: str
    remedy: str


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

    def add(self, other: Tally) -> None:
        """Count ``other`` in."""
        self.graphs += other.graphs
        self.asked += other.asked
        self.run += other.run
        self.merged.update(other.merged)
        self.refused.update(other.refused)
        self.isolated += other.isolated
        self.seconds_saved += other.seconds_saved

    def to_plain(self) -> dict[str, Any]:
        """Plain data, for another process."""
        return {
            **vars(self),
            "merged": dict(self.merged),
            "refused": [(tuple(refusal), n) for refusal, n in self.refused.items()],
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Tally:
        """What `to_plain` was made of."""
        refused = Counter({Refusal(*refusal): n for refusal, n in plain["refused"]})
        merged = Counter(plain["merged"])
        return cls(**{**plain, "merged": merged, "refused": refused})


def tally(submission: Submission) -> Tally:
    """Count what happened to the graph of ``submission``."""
    original = submission.original
    counts = Tally(graphs=1, asked=_tasks(original), run=_tasks(submission.tasks))
    counts.run -= len(submission.copies)  # a copy runs nothing of the user's
    counts.isolated = len(submission.isolated)
    before = submission.unmerged
    functions: dict[int, str] = {}  # their names cost more than the counting
    for key in (*submission.replaced, *submission.copies):
        node = before.get(key)
        if isinstance(node, Task):
            func = function_of(node)
            name = functions.get(id(func))
            if name is None:
                name = name_of(key, node)
                if subgraph(node) is None and not hasattr(func, NAMED_BY_KEY):
                    functions[id(func)] = name
            counts.merged[name] += 1
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
