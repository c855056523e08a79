"""Find who looks at what a task may have written into, after that task."""

from __future__ import annotations

from stratum_dask.graph import Key
from stratum_dask.optimizations.flow import Flow
from stratum_dask.optimizations.submission import Submission
from stratum_dask.optimizations.verdict import Effect

__all__ = ["Late"]


class Late:
    """Which consumers have somebody after them who looks at what they received.

    Threads share objects: where a task writes into its input and another one,
    ordered after it, reads that input (or an object that may look into it), plain
    Dask shows the second one what the first has written. A private handle would
    hide it, so such a consumer is watched while it runs.

    The question is about pipelines as they were, so it is asked of the graph
    before the merge, for every task that the consumer stands for.
    """

    def __init__(self, submission: Submission) -> None:
        self._flow = Flow(submission, submission.unmerged or submission.tasks)
        self._stays = {**submission.replaced, **submission.copies}
        self._stands_for: dict[Key, list[Key]] = {}
        for key, target in self._stays.items():
            self._stands_for.setdefault(target, []).append(key)

    def read(self, consumer: Key) -> set[Key]:
        """The inputs of ``consumer`` that somebody reads after it."""
        return {
            self._stays.get(need, need)
            for key in (consumer, *self._stands_for.get(consumer, ()))
            for need in set(self._flow.inputs(key))
            if self._read_after(key, need)
        }

    def _read_after(self, key: Key, need: Key) -> bool:
        flow = self._flow
        above = flow.reach([need], flow.handed_on)
        if above is None or not above.isdisjoint(flow.outputs):
            return True
        others = {u for k in above for u in flow.users(k)} - above - {key}
        if not others:
            return False
        below = flow.reach([key], flow.users)
        if below is None:
            return True

        # Who else takes one of these objects may hand on a view of it. What the
        # user's functions make of such a view is not followed: they would look at
        # it at the very time when `key` writes, which promises nothing to anybody.
        first = [k for k in others - below if flow.effect(k) is not Effect.FRESH]

        def handing_on(key: Key) -> list[Key]:
            return [
                k
                for k in flow.users(key)
                if k not in below and flow.effect(k) is Effect.ALIAS
            ]

        views = flow.reach(first, handing_on)
        if views is None or not views.isdisjoint(flow.outputs):
            return True
        seen = above | views
        return any(d in seen for k in below - {key} for d in flow.inputs(k))
