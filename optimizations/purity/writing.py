"""Whether a task writes into an object of the user's that it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stratum_dask.optimizations.purity.evidence import Evidence
from stratum_dask.optimizations.purity.known import MUTATORS
from stratum_dask.optimizations.purity.members import changes_itself
from stratum_dask.optimizations.purity.outer import is_fixed, usual
from stratum_dask.optimizations.purity.reach import Judging

__all__ = ["may_ask", "written"]


def may_ask(found: Evidence) -> bool:
    """Whether a function calls methods that only classes of the user's may have."""
    return any(name in MUTATORS or not usual(name) for _, name in found.asks)


def written(
    judge: Judging, found: Evidence, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str:
    """What kind of object a call writes into, nothing where it is not seen to."""
    for param, value in _given(found, args, kwargs):
        if type(value).__module__ == "dask._task_spec" or is_fixed(value):
            continue
        asked = [name for first, name in found.asks if first == param]
        if param in found.writes or any(
            changes_itself(judge, value, name) for name in asked
        ):
            return f"a {type(value).__name__}"
    return ""


def _given(
    found: Evidence, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    yield from zip(found.params, args, strict=False)
    yield from kwargs.items()
