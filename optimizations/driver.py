"""Run the rules over a graph, and check each as it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stratum_dask.errors import RuleError
from stratum_dask.graph import Graph
from stratum_dask.optimizations.invariants import broken
from stratum_dask.optimizations.rule import Rule
from stratum_dask.optimizations.submission import Submission

__all__ = ["Observer", "optimize"]

Observer = Callable[[Rule, Graph, Graph], None]
"""Called after each rule with the graph before and after it (the same object
where the rule changed nothing)."""


def optimize(
    submission: Submission,
    rules: Sequence[Rule],
    *,
    check: bool = False,
    observe: Observer | None = None,
) -> Graph:
    """Run ``rules`` in order and return the graph that is left.

    Parameters
    ----------
    submission
        The graph and what is asked of it; it remembers what the rules found.
    rules
        See `stratum_dask.optimizations.RULES`.
    check
        Check the invariants after every rule that changed something.
    observe
        Looks on, for printing a graph after each rule, say.

    Raises
    ------
    RuleError
        A rule failed, or broke an invariant. The error names it.
    """
    for rule in rules:
        before = submission.tasks
        try:
            after = rule.apply(submission)
            wrong = _wrong(submission, before, after) if check else None
        except Exception as e:
            raise RuleError(rule.name, f"{type(e).__name__}: {e}") from e
        if wrong is not None:
            raise RuleError(rule.name, wrong)
        after = before if after is None else after
        submission.tasks = after
        if observe is not None:
            observe(rule, before, after)
    return submission.tasks


def _wrong(submission: Submission, before: Graph, after: Graph | None) -> str | None:
    return None if after is None else broken(submission, before, after)
