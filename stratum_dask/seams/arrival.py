"""A client's expression on its way to a scheduler, rewritten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stratum_dask.graph import Graph, Key, as_graph, cull, needs_culling
from stratum_dask.optimizations import Role, Submission, Verdict
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.optimizations.purity import Declared
from stratum_dask.seams import annotations as annotated
from stratum_dask.seams.rewrite import finish, prepare

__all__ = ["SKIP", "Arrival"]

SKIP = "stratum-skip"
"""Annotation with which a client that switched the plugin off asks to be left alone."""

IMPURE = Verdict(
    Role.REFUSE,
    "it was submitted with pure=False",
    "leave pure=False out, where every call gives the same result",
)
_UUID = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-\d+)?$")


class Arrival:
    """Materialise an expression, and stand in for it once its graph is rewritten.

    A scheduler asks an expression for its graph and its annotations, no more.

    Parameters
    ----------
    expr
        What the client sends.
    keys
        The outputs.
    everywhere
        Annotations of all its tasks.
    external
        Fingerprint of a key outside the graph, where it is known.
    purity
        What the client declares, in addition to what this process does.
    elsewhere
        Where workers run.

    Attributes
    ----------
    submission
        The graph in the optimizer, or None where it runs as it came.
    done
        The same once the rules have run, or None where one failed.
    """

    def __init__(
        self,
        expr: Any,
        keys: Iterable[Key],
        everywhere: Mapping[str, Any] | None,
        external: Callable[[Key], bytes | None],
        purity: Mapping[str, Any] | None = None,
        elsewhere: Elsewhere = Elsewhere.NO,
    ) -> None:
        outputs = frozenset(keys)
        graph = as_graph(expr.__dask_graph__())
        self.graph: Graph = cull(graph, outputs) if needs_culling(expr) else graph
        self.annotations: annotated.ByType = {
            name: dict(values) for name, values in expr.__dask_annotations__().items()
        }
        self.done: Submission | None = None
        self.submission = prepare(
            self.graph,
            outputs,
            external=external,
            salt=annotated.salt(everywhere, self.annotations),
            refused=IMPURE if _impure(expr) else None,
            said=lambda: annotated.roles(expr, everywhere, self.annotations),
            declared=Declared.here(purity),
            elsewhere=elsewhere,
        )

    def rewrite(self) -> None:
        """Run the rules, now that it is known what lives."""
        if self.submission is not None and finish(self.submission):
            self.done = self.submission
            self.graph = self.submission.tasks
            self.annotations = annotated.carry(self.annotations, self.submission)

    @property
    def changed(self) -> bool:
        """Whether the rules found anything to do."""
        return self.done is not None and self.done.tasks is not self.done.original

    def __dask_graph__(self) -> Graph:
        return self.graph

    def __dask_annotations__(self) -> annotated.ByType:
        loaded = self.done.loaded if self.done is not None else ()
        return annotated.freed(self.annotations, loaded)


def _impure(expr: Any) -> bool:
    """Whether the user said ``pure=False`` (the default of delayed says nothing)."""
    if type(expr).__name__ == "_MapExpr":
        return not expr.pure
    if needs_culling(expr):
        graph = expr.operand("dsk")
        if len(graph) == 1:
            (key,) = graph
            return isinstance(key, str) and _UUID.search(key) is not None
    return False
