"""The optimizer itself: which rules there are, and in which order they run."""

from __future__ import annotations

from stratum_dask.optimizations.isolate import Isolate
from stratum_dask.optimizations.merge import Merge
from stratum_dask.optimizations.reuse import Reuse
from stratum_dask.optimizations.rule import Rule, available, chosen
from stratum_dask.optimizations.unfuse import Unfuse

__all__ = ["RULES", "configured"]

RULES: tuple[type[Rule], ...] = (Unfuse, Merge, Reuse, Isolate)
"""The optimizer: what happens to a graph, in this order."""


def configured(names: tuple[str, ...]) -> list[Rule]:
    """The rules that the configuration names, in its order."""
    return chosen(names, available(RULES))
