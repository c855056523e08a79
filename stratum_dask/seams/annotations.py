"""What annotations mean for a merge, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import dask
from dask import _expr
from dask.highlevelgraph import HighLevelGraph, Layer

from stratum_dask.config import DEFAULTS
from stratum_dask.errors import AnnotationError, not_one_of
from stratum_dask.graph import Key
from stratum_dask.optimizations import Submission

__all__ = ["HARD", "PURITY", "ROLE", "carry", "freed", "roles", "salt", "to_send"]

ROLE = "stratum"
"""Annotation with which the user decides what may be done with a task."""

PURITY = "stratum-purity"
"""Annotation with which a client tells the scheduler its ``stratum.purity``."""

WORDS = ("impure", "pure", "batch")

HARD = (
    "workers",
    "restrictions",
    "resources",
    "allow_other_workers",
    "loose_restrictions",
)
"""Annotations that say where a task may run: part of what sets tasks apart."""

_STRONGEST = ("priority", "retries")

# What Dask puts where a task has no annotation and another one of its layer has.
_NONE = getattr(_expr, "_AnnotationsTombstone", ())

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


def freed(by_type: ByType, keys: Collection[Key]) -> ByType:
    """Let tasks run without the resources that were asked for them.

    Who reads a result needs none, and must not hold what computing it after all needs.
    """
    if not keys:
        return by_type
    none: dict[Key, Any] = {key: {} for key in keys}
    return {**by_type, "resources": {**by_type.get("resources", {}), **none}}


def roles(
    source: object,
    everywhere: Mapping[str, Any] | None,
    by_type: Mapping[str, Mapping[Key, Any]] | None = None,
) -> Callable[[Key], str | None] | None:
    """Which role the user gave to which task; None where none was given.

    Parameters
    ----------
    source
        An expression or a graph with layers, as it was before Dask optimized it:
        that may lose annotations of layers, and fuse their tasks.
    everywhere
        Annotations at the time of the computation, for all tasks of it.
    by_type
        Annotations that Dask has found itself.

    Raises
    ------
    AnnotationError
        A value that means nothing.
    """
    around = (everywhere or {}).get(ROLE)
    if not callable(around):
        around = _word(around)
    narrow: dict[Key, str] = {}
    parts = _layers(source)
    for layers in parts:
        for layer in layers.values():
            # A delayed graph has as many layers as tasks: mostly, this is all.
            if layer.annotations is not None and ROLE in layer.annotations:
                given = layer.annotations[ROLE]
                known = layer.is_materialized()
                for key in layer if known else layer.get_output_keys():
                    _put(narrow, key, given(key) if callable(given) else given)
    for key, given in ((by_type or {}).get(ROLE) or {}).items():
        _put(narrow, key, given)
    if around is None and not narrow:
        return None
    bare = {
        name
        for layers in parts
        for name, layer in layers.items()
        if layer.annotations is None or ROLE not in layer.annotations
    }

    def of(key: Key) -> str | None:
        wide = _word(around(key)) if callable(around) else around
        own = narrow.get(key)
        if wide is None or (own is not None and wide != "impure"):
            if own is None and (key[0] if isinstance(key, tuple) else key) in bare:
                return ""
            return own
        return wide

    return of


def _layers(source: object) -> list[Mapping[str, Layer]]:
    found: list[Mapping[str, Layer]] = []
    seen: set[int] = set()
    stack = [source]
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, HighLevelGraph):
            found.append(part.layers)
        elif isinstance(part, _expr.Expr):
            stack.extend(part.operands)
    return found


def _put(found: dict[Key, str], key: Key, value: object) -> None:
    word = _word(value)
    if word is not None and found.get(key) != "impure":
        found[key] = word


def _word(value: object) -> str | None:
    if value is None or isinstance(value, _NONE):
        return None
    if isinstance(value, str) and value in WORDS:
        return value
    what = f"value of dask.annotate({ROLE}=...)"
    raise not_one_of(what, value, WORDS, AnnotationError)


def to_send() -> dict[str, Any] | None:
    """What this process declares, for the scheduler; None where nothing is."""
    own = dask.config.get("stratum.purity", None) or {}
    return dict(own) if own != DEFAULTS["purity"] else None
