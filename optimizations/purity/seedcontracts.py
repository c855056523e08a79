"""Contracts of what is random in ways of its own."""

from __future__ import annotations

from typing import NamedTuple

from stratum_dask.optimizations.purity.calls import MISSING, Call, Lit
from stratum_dask.optimizations.purity.contracts import Outcome, Seed
from stratum_dask.optimizations.verdict import MERGE, Verdict

__all__ = ["Either", "Resampled"]


class Either(NamedTuple):
    """Random unless one of several parameters is a number."""

    what: str
    params: tuple[str, ...]

    @property
    def loose(self) -> Verdict:
        return Seed(self.what, self.params[0]).loose

    def check(self, call: Call) -> Outcome:
        given = next((p for p in self.params if p in call.kwargs), self.params[0])
        return Seed(self.what, given).check(call)


class Resampled(NamedTuple):
    """``resample``: by time in pandas, by chance in ``scipy.stats.gaussian_kde``."""

    what: str

    @property
    def loose(self) -> Verdict:
        return MERGE

    def check(self, call: Call) -> Outcome:
        size = call.get("size", 0)
        counts = isinstance(size, Lit) and type(size.value) in (int, type(None))
        by_time = not {"rule", "on", "level"}.isdisjoint(call.kwargs)
        if not by_time and (size is MISSING or counts or "size" in call.kwargs):
            return Seed(self.what, "seed", 1).check(call)
        if "seed" in call.kwargs:
            return Seed(self.what, "seed", 1).check(call)
        return Outcome()
