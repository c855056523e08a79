"""Library functions that are random unless a parameter of theirs is a number."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.purity.contracts import Seed
from stratum_dask.optimizations.purity.evidence import Evidence
from stratum_dask.optimizations.purity.places import label, root_of

__all__ = ["seeded"]

_SEEDS = ("random_state", "rng", "seed", "random_seed", "qrng")
# Their estimators are in a table; many are random for some values only.
_KNOWN_CLASSES = frozenset({"sklearn"})
_SKIPPED = frozenset({"dask", "distributed", "builtins"})


def seeded(func: Any, found: Evidence) -> Evidence:
    """The evidence on a library's function, told of a seed that its signature has.

    Examples
    --------
    >>> from sklearn.feature_extraction.image import extract_patches_2d
    >>> from stratum_dask.optimizations.purity.evidence import PURE
    >>> seeded(extract_patches_2d, PURE).contract.param
    'random_state'
    >>> seeded(len, PURE) == PURE
    True
    """
    if found.verdict.role or found.contract is not None:
        return found
    home = root_of(str(getattr(func, "__module__", "") or ""))
    if home in _SKIPPED or (isinstance(func, type) and home in _KNOWN_CLASSES):
        return found
    try:
        at = _seed(func)
    except TypeError:  # it has no hash
        return found
    if at is None:
        return found
    contract = Seed(label(func), *at)
    return Evidence(contract.loose, contract, found.makes)


@functools.lru_cache(maxsize=4096)
def _seed(func: Callable[..., Any]) -> tuple[str, int | None] | None:
    """The parameter that makes it repeatable, and its position, if it may be None."""
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (ValueError, TypeError):
        return None
    for i, each in enumerate(parameters):
        if each.name in _SEEDS and each.default in (None, inspect.Parameter.empty):
            only = each.kind is inspect.Parameter.KEYWORD_ONLY
            return each.name, None if only else i
    return None
