"""What may be kept at all, and what it is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stratum_dask.graph import Key
from stratum_dask.scheduler_plugins.guard import Guard, copyable
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.scheduler_plugins.retention.lineage import rebuild
from stratum_dask.scheduler_plugins.retention.pins import Kept, Pins
from stratum_dask.scheduler_plugins.retention.policy import OVERHEAD, Policy

if TYPE_CHECKING:
    from distributed.scheduler import TaskState

__all__ = ["Worth"]


class Worth:
    """Judges results of one scheduler.

    Parameters
    ----------
    registry, guard
        What tasks compute, how long they took, and who has their results.
    pins
        What is kept already.
    policy
        How a result is scored.

    Attributes
    ----------
    going
        Keys that are kept, but will be let go now.
    """

    def __init__(
        self, registry: Registry, guard: Guard, pins: Pins, policy: Policy
    ) -> None:
        self._registry = registry
        self._guard = guard
        self._pins = pins
        self._policy = policy
        self.going: set[Key] = set()

    def may_keep(
        self, ts: TaskState, min_seconds: float, known: dict[Key, bool]
    ) -> bool:
        """Whether a result that has just been made may be kept.

        Only what may be merged at all, can be asked for again, is what its function
        returned, and can be copied for those who will get it.
        """
        registry = self._registry
        return (
            ts.state == "memory"
            and not ts.actor
            and ts.run_spec is not None
            and copyable(ts)
            and registry.reusable(ts.key)
            and ts.key not in registry.passing
            and self.seconds(ts) >= min_seconds
            and self._guard.is_intact(ts, known)
        )

    def is_same(self, ts: TaskState, fingerprints: Mapping[Key, bytes] | None) -> bool:
        """Whether the task under a key is what a graph has under it."""
        if fingerprints is None:
            return False
        known = self._registry.fingerprint(ts.key)
        if known is None or known != fingerprints.get(ts.key):
            return False
        return ts.state != "memory" or self._guard.is_intact(ts)

    def seconds(self, ts: TaskState, score: float = math.inf) -> float:
        """To compute a result again, once all that is worth less than a score is gone."""

        def stays(dependency: TaskState) -> bool:
            one = self._pins.get(dependency.key)
            if one is None or dependency.key in self.going:
                return False
            return one.score > score

        return rebuild(ts, self._registry.seconds, stays)

    def states(self, ts: TaskState) -> int:
        """Of how many tasks the scheduler will know only for a result."""
        counted: set[Key] = set()
        rebuild(ts, self._registry.seconds, lambda dependency: False, counted)
        return len(counted)

    def saved(self, ts: TaskState, counted: set[Key]) -> float:
        """Seconds that a result saves now, but for those that were counted before."""
        return rebuild(ts, self._registry.seconds, self._there_anyway, counted)

    def score(self, ts: TaskState, one: Kept) -> float:
        """What a kept result is worth, as of now."""
        nbytes = ts.nbytes + OVERHEAD * (one.states - 1)
        one.score = self._policy.score(
            one.fingerprint, one.floor, nbytes, lambda score: self.seconds(ts, score)
        )
        return one.score

    def _there_anyway(self, ts: TaskState) -> bool:
        """Whether a result were there if nothing were kept."""
        if ts.state != "memory":
            return False
        return ts.key not in self._pins or not self._pins.is_alone(ts)
