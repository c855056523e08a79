"""One number for what a candidate computed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["score_of"]


def score_of(value: Any) -> float | None:
    """The mean of what looks like scores; None where nothing does.

    Numbers are themselves, sequences and arrays of numbers count by their mean, of
    what `cross_validate` returns the test scores do, of a fitted search its best.

    Examples
    --------
    >>> score_of(0.5), score_of([0.25, 0.75]), score_of({"test_score": [1.0, 3.0]})
    (0.5, 0.5, 2.0)
    >>> score_of("a result"), score_of(True)
    (None, None)
    """
    if isinstance(value, bool) or value is None or isinstance(value, str | bytes):
        return None
    if isinstance(value, numbers.Real):
        return float(value)
    best = getattr(value, "best_score_", None)
    if best is not None:
        return score_of(best)
    if isinstance(value, Mapping):
        return score_of(value.get("test_score"))
    if hasattr(value, "columns"):  # a frame, maybe of cross_validate
        return score_of(value["test_score"]) if "test_score" in value else None
    if getattr(value, "ndim", None) == 0:
        return score_of(value.item())
    if isinstance(value, Sequence) or getattr(value, "ndim", None) == 1:
        found = [score_of(each) for each in value]
        if found and all(each is not None for each in found):
            return math.fsum(f for f in found if f is not None) / len(found)
    return None
