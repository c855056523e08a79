"""How to compute what is read from a store, should that fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from stratum_dask.graph import Graph, Key, cull, rekey
from stratum_dask.optimizations import Submission
from stratum_dask.optimizations.stored import Stored

if TYPE_CHECKING:
    from distributed.scheduler import TaskState

__all__ = ["Recipe", "Recipes"]

_FARTHEST = 10_000
"""Tasks outside a graph that are followed; beyond, nothing is read instead of them."""


class Recipe(NamedTuple):
    """One task, and the graph in which it is."""

    key: Key
    graph: Graph
    everywhere: Mapping[str, Any]
    """Annotations of all tasks."""
    by_type: Mapping[str, Mapping[Key, Any]]
    """Annotation -> key -> value."""

    def packed(self, name: str) -> tuple[HighLevelGraph, str]:
        """A graph that computes the task, and the key of its result.

        All keys are new: what a key of the user's holds by now is the user's.
        """
        graph = cull(self.graph, {self.key})
        names = {key: f"{name}-{i}" for i, key in enumerate(graph)}
        parts: dict[str, Graph] = {}
        noted: dict[str, dict[str, Any]] = {}
        for key, node in graph.items():
            notes = {
                kind: value(key) if callable(value) else value
                for kind, value in self.everywhere.items()
            }
            notes.update(
                (kind, values[key])
                for kind, values in self.by_type.items()
                if values.get(key) is not None
            )
            mark = repr(sorted((kind, repr(value)) for kind, value in notes.items()))
            noted[mark] = notes
            new = names[key]
            parts.setdefault(mark, {})[new] = rekey(node, new, dict(names))
        layers = {
            f"{name}-layer-{i}": MaterializedLayer(
                part, annotations=noted[mark] or None
            )
            for i, (mark, part) in enumerate(parts.items())
        }
        return HighLevelGraph(layers, {each: set() for each in layers}), names[self.key]


class Recipes:
    """The recipes of all that is, or was, read and still lives.

    Examples
    --------
    >>> recipes = Recipes()
    >>> recipes.drop("x"), len(recipes)
    (None, 0)
    """

    def __init__(self) -> None:
        self._by_work: dict[bytes, Recipe] = {}
        self._users: dict[Key, bytes] = {}
        self._alive: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._by_work)

    def add(
        self,
        submission: Submission,
        everywhere: Mapping[str, Any] | None,
        by_type: Mapping[str, Mapping[Key, Any]],
    ) -> None:
        """Know what a submission reads."""
        for key, work in submission.loaded.items():
            self.drop(key)
            self._users[key] = work
            self._alive[work] = self._alive.get(work, 0) + 1
            self._by_work[work] = Recipe(
                key, submission.remade, everywhere or {}, by_type
            )

    def find(self, work: bytes) -> Recipe | None:
        """How to compute what has this fingerprint."""
        return self._by_work.get(work)

    def users(self, work: bytes) -> list[Key]:
        """The tasks that read what has this fingerprint."""
        return [key for key, of in self._users.items() if of == work]

    def drop(self, key: Key) -> None:
        """Forget what a key needed."""
        work = self._users.pop(key, None)
        if work is not None:
            self._alive[work] -= 1
            if not self._alive[work]:
                del self._alive[work], self._by_work[work]

    def keep(self, tasks: Mapping[Key, object]) -> None:
        """Forget what has not become a task."""
        for key in [key for key in self._users if key not in tasks]:
            self.drop(key)

    def clear(self) -> None:
        """Forget everything."""
        for known in (self._by_work, self._users, self._alive):
            known.clear()

    def beyond(
        self, keys: Iterable[Key], tasks: Mapping[Key, TaskState]
    ) -> tuple[Graph, frozenset[Key]]:
        """How to make again what a graph takes from outside, and what cannot be.

        Data that was sent to the cluster is there once, and so is an actor.
        """
        found: Graph = {}
        lost: set[Key] = set()
        stack = list(keys)
        while stack:
            key = stack.pop()
            if key in found or key in lost:
                continue
            ts = tasks.get(key)
            if ts is None or ts.run_spec is None or ts.actor:
                lost.add(key)
                continue
            if len(found) > _FARTHEST:
                lost.add(key)
                continue
            func = getattr(ts.run_spec, "func", None)
            if isinstance(func, Stored):
                recipe = self._by_work.get(func.fingerprint)
                if recipe is None or recipe.key != key:
                    lost.add(key)
                    continue
                found.update(cull(recipe.graph, {key}))
                continue
            found[key] = ts.run_spec
            stack.extend(dependency.key for dependency in ts.dependencies)
        return found, frozenset(lost)
