"""How many tasks, and seconds of them, need not run on a scheduler."""

from __future__ import annotations

from collections.abc import Iterator

from stratum_dask.graph import Key, Task
from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.tally import Merge, Tally, merges, name_of, tally

__all__ = ["Savings"]


class Savings:
    """Counts what was merged, and its seconds as soon as they are known.

    Attributes
    ----------
    total
        All graphs so far.
    waiting
        Key that has not run yet -> functions of the tasks that it stands for.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.total = Tally()
        self.waiting: dict[Key, list[str]] = {}

    def count(self, submission: Submission) -> Tally:
        """Count one graph in, and return what became of it."""
        registry = self.registry
        merged = [*merges(submission), *_below(submission, registry)]
        counts = tally(submission, merged)
        for function, target in merged:
            seconds = registry.seconds.get(target)
            if seconds is not None:
                counts.save(function, seconds)
            elif target in registry.fingerprints:
                self.waiting.setdefault(target, []).append(function)
        self.total.add(counts)
        return counts

    def ran(self, key: Key, seconds: float) -> None:
        """Learn how long a task took, others of which wait for that."""
        for function in self.waiting.pop(key, ()):
            self.total.save(function, seconds)

    def drop(self, key: Key) -> None:
        """Forget a key that is gone."""
        self.waiting.pop(key, None)

    def clear(self) -> None:
        """Forget all keys; what was counted stays."""
        self.waiting.clear()


def _below(submission: Submission, registry: Registry) -> Iterator[Merge]:
    """Yield what only served tasks that live already, where it lives, too."""
    graph, before = submission.tasks, submission.unmerged
    gone = submission.replaced.keys() | submission.copies.keys()
    if not submission.live or len(before) == len(graph) + len(submission.replaced):
        return
    fingerprints = submission.fingerprints
    for key, node in before.items():
        if key not in graph and key not in gone and isinstance(node, Task):
            known = registry.find(fingerprints[key]) if key in fingerprints else ()
            if known:
                yield Merge(name_of(key, node), known[0])
