"""What annotations mean for a merge, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission

__all__ = ["HARD", "carry", "salt"]

HARD = (
    "workers",
    "restrictions",
    "resources",
    "allow_other_workers",
    "loose_restrictions",
)
"""Annotations that say where a task may run: part of what sets tasks apart."""

_STRONGEST = ("priority", "retries")

ByType = dict[str, dict[Key, Any]]


def salt(
    everywhere: Mapping[str, Any] | None, by_type: Mapping[str, Mapping[Key, Any]]
) -> Callable[[Key], bytes | None] | None:
    """Bytes that set apart tasks which may not run in the same places."""
    wide = {n: v for n, v in (everywhere or {}).items() if n in HARD and v}
    narrow = {n: v for n, v in by_type.items() if n in HARD and v}
    if not wide and not narrow:
        return None

    def of(key: Key) -> bytes | None:
        found = {n: v(key) if callable(v) else v for n, v in wide.items()}
        found.update((n, v[key]) for n, v in narrow.items() if v.get(key) is not None)
        if not found:
            return None
        return repr(sorted((n, _plain(v)) for n, v in found.items())).encode()

    return of


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return sorted((str(k), _plain(v)) for k, v in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return sorted(str(v) for v in value)
    return repr(value)


def carry(by_type: ByType, submission: Submission) -> ByType:
    """Annotations of the rewritten graph: of merged tasks the strongest wins."""
    if not by_type:
        return by_type
    stands_for: dict[Key, list[Key]] = {}
    for gone, target in (*submission.replaced.items(), *submission.copies.items()):
        stands_for.setdefault(target, [target]).append(gone)
    result: ByType = {}
    for name, values in by_type.items():
        new = result[name] = dict(values)
        for part, whole in submission.split.items():
            if whole in values:
                new[part] = values[whole]
        for target, members in stands_for.items():
            found = [new[m] for m in members if m in new]
            if found:
                new[target] = max(found) if name in _STRONGEST else found[0]
    return result
