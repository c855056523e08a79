"""Say what the rules would do to collections, before they run."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from dask.base import collections_to_expr, get_annotations, unpack_collections
from dask.core import flatten

from stratum_dask.config import settings
from stratum_dask.graph import Graph, Key, as_graph, cull
from stratum_dask.namesakes import REMEDY, Twin, as_data, twins
from stratum_dask.optimizations import Rule, Submission, configured, optimize
from stratum_dask.seams.annotations import roles
from stratum_dask.tally import Tally, tally

__all__ = ["Explanation", "explain"]

_LINES = 20
"""Kinds of difference that are told; `Explanation.twins` has all."""
_COLUMNS = ("function", "tasks", "reason", "what to do")


class Explanation:
    """What the rules do to the graph of some collections.

    Prints as text, shows as HTML in a notebook, and has `to_dict`.

    Attributes
    ----------
    before, after
        The two graphs.
    counts
        What was merged, and what was refused and why.
    steps
        Name of each rule, and the number of nodes in the graph after it.
    twins
        Each task that was not merged although a twin by name exists: which one, why
        not, and what changes it. Worked out when it is asked for.
    """

    def __init__(self, submission: Submission, steps: list[tuple[str, int]]) -> None:
        self.before: Graph = submission.original
        self.after: Graph = submission.tasks
        self.counts: Tally = tally(submission)
        self.steps = steps
        self._submission = submission

    @functools.cached_property
    def twins(self) -> list[Twin]:
        return twins(self._submission)

    def _apart(self) -> Counter[tuple[str, str, str]]:
        """Function, reason and remedy -> tasks that are other work than their twin."""
        found: Counter[tuple[str, str, str]] = Counter()
        told: dict[frozenset[Key], tuple[str, str, str]] = {}
        for twin in self.twins:
            if not twin.refused:
                # What sets a pair apart is told once.
                pair, line = frozenset((twin.task, twin.twin)), twin[-2:]
                found[told.setdefault(pair, (twin.function, *line))] += 1
        return found

    @property
    def tasks_before(self) -> int:
        """Tasks in the collections."""
        return self.counts.asked

    @property
    def tasks_after(self) -> int:
        """Tasks that would run."""
        return self.counts.run

    def to_dict(self) -> dict[str, Any]:
        """Everything but the graphs, as plain data for JSON."""
        return {
            "tasks_before": self.tasks_before,
            "tasks_after": self.tasks_after,
            "merged": dict(self.counts.merged.most_common()),
            "refused": [
                {**refusal._asdict(), "tasks": n}
                for refusal, n in self.counts.refused.most_common()
            ],
            "twins": [as_data(twin) for twin in self.twins],
            "isolated": self.counts.isolated,
            "rules": [{"rule": name, "nodes": n} for name, n in self.steps],
        }

    def visualize(self, filename: str | Path = "stratum", format: str = "svg") -> Any:
        """Draw the graphs before and after with Dask's own graph drawing.

        Parameters
        ----------
        filename
            Where to write, without an ending: ``NAME-before.svg`` and
            ``NAME-after.svg`` are made.
        format
            Any format that graphviz knows.

        Returns
        -------
        tuple
            What Dask returns for each of the two: a display object of IPython, or
            None outside of it.

        Raises
        ------
        RuntimeError
            Graphviz is not installed.
        """
        from dask.dot import dot_graph

        return tuple(
            dot_graph(graph, filename=f"{filename}-{when}", format=format)
            for when, graph in (("before", self.before), ("after", self.after))
        )

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        before, after = self.tasks_before, self.tasks_after
        saved = f" ({before / after:.2f}x fewer)" if 0 < after < before else ""
        yield f"{before:,} tasks before, {after:,} after{saved}"
        if self.counts.merged:
            yield "merged, by function:"
            for name, n in self.counts.merged.most_common():
                yield f"  {n:>8,}  {name}"
        else:
            yield "nothing to merge"
        if self.counts.isolated:
            yield f"private handles on shared results: {self.counts.isolated:,} tasks"
        if self.counts.refused:
            yield "refused:"
            for refusal, n in self.counts.refused.most_common():
                yield f"  {n:>8,}  {refusal.function} {refusal.role}: {refusal.reason}"
                yield f"            {refusal.remedy or REMEDY}"
        if apart := self._apart():
            yield "the same name, but other work:"
            for (name, reason, remedy), n in apart.most_common(_LINES):
                yield f"  {n:>8,}  {name}: {reason}"
                if remedy:
                    yield f"            {remedy}"
            if len(apart) > _LINES:
                yield f"            and {len(apart) - _LINES:,} more; see .twins"

    def _repr_html_(self) -> str:
        isolated = self.counts.isolated
        shares = bool(isolated)
        merged = "".join(
            f"<tr><td style='text-align:left'>{escape(name)}</td><td>{n:,}</td></tr>"
            for name, n in self.counts.merged.most_common()
        )
        refused = "".join(
            _row(r.function, n, f"{r.role}: {r.reason}", r.remedy or REMEDY)
            for r, n in self.counts.refused.most_common()
        )
        apart = "".join(
            _row(name, n, reason, remedy)
            for (name, reason, remedy), n in self._apart().most_common(_LINES)
        )
        return (
            "<div><p><b>stratum</b>: "
            f"{self.tasks_before:,} tasks before, {self.tasks_after:,} after</p>"
            + _table("merged", ("function", "tasks"), merged)
            + (f"<p>private handles on shared results: {isolated:,} tasks</p>" * shares)
            + _table("refused", _COLUMNS, refused)
            + _table("the same name, but other work", _COLUMNS, apart)
            + "</div>"
        )


def _row(function: str, n: int, reason: str, remedy: str) -> str:
    cells = (function, f"{n:,}", reason, remedy)
    return (
        "<tr>"
        + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
    )


def _table(title: str, columns: tuple[str, ...], rows: str) -> str:
    if not rows:
        return f"<p>{title}: nothing</p>"
    head = "".join(f"<th style='text-align:left'>{c}</th>" for c in columns)
    return f"<p>{title}</p><table><thead><tr>{head}</tr></thead>{rows}</table>"


def explain(
    *collections: Any,
    traverse: bool = True,
    optimize_graph: bool = True,
    visualize: str | Path | None = None,
) -> Explanation:
    """Say what the plugin would do to ``collections``, without running anything.

    Works whether the plugin is switched on or not. What already lives on a cluster
    is not looked at: there, more may be merged.

    Parameters
    ----------
    *collections
        Dask collections, also inside lists, tuples and dicts, as `dask.compute`
        takes them.
    traverse, optimize_graph
        As in `dask.compute`.
    visualize
        Also draw the graphs before and after: see `Explanation.visualize`.

    Returns
    -------
    Explanation

    Raises
    ------
    RuleError
        A rule failed. (A computation would go on without the rules.)
    AnnotationError
        A value of ``dask.annotate(stratum=...)`` that means nothing.

    Examples
    --------
    >>> import dask
    >>> a, b = dask.delayed(abs)(-1), dask.delayed(abs)(-1)
    >>> explain(a, b)
    2 tasks before, 1 after (2.00x fewer)
    merged, by function:
             1  abs
    """
    from dask._expr import FinalizeCompute

    found, _ = unpack_collections(*collections, traverse=traverse)
    chosen = settings()
    rules = configured(chosen.rules)
    graph: Graph = {}
    outputs: frozenset[Any] = frozenset()
    said = None
    if found:
        expr = FinalizeCompute(collections_to_expr(found, optimize_graph)).optimize()
        outputs = frozenset(flatten(expr.__dask_keys__()))
        graph = cull(as_graph(expr.__dask_graph__()), outputs)
        said = roles(expr, get_annotations())
    submission = Submission(
        graph,
        outputs,
        by_reference=True,
        renames_outputs=True,
        said=said,
        algorithm=chosen.fingerprint,
    )
    steps: list[tuple[str, int]] = []

    def observe(rule: Rule, before: Graph, after: Graph) -> None:
        steps.append((rule.name, len(after)))

    optimize(submission, rules, check=chosen.check_invariants, observe=observe)
    explanation = Explanation(submission, steps)
    if visualize is not None:
        explanation.visualize(visualize)
    return explanation
