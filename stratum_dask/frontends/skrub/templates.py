"""Values that are known only in part: which results they need, and where."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from stratum_dask.config import settings
from stratum_dask.errors import StratumWarning
from stratum_dask.frontends.sklearn.builder import Ref
from stratum_dask.frontends.skrub import private, steps

__all__ = [
    "SMALL",
    "NotUnderstood",
    "has_data",
    "left_to_skrub",
    "refs",
    "small",
    "template",
]

logger = logging.getLogger("stratum_dask")

SMALL = (type(None), bool, int, float, complex, str, bytes)
"""Types of values that a task has among its arguments."""


class NotUnderstood(Exception):
    """A part of a plan that only skrub itself can evaluate."""


def left_to_skrub(why: Exception) -> None:
    """Note why a plan, or a part of one, is not taken apart.

    What code of the user's or of skrub's raises they raise again. A mistake of ours
    is warned of, or raised with ``stratum.on-fail: raise``.
    """
    logger.debug("skrub evaluates a plan as a whole: %r", why, exc_info=why)
    if isinstance(why, NotUnderstood | private.SkrubError) or not _is_ours(why):
        return
    if settings().on_fail == "raise":
        raise why
    warnings.warn(
        f"{type(why).__name__}: {why}\nskrub evaluates this plan as a whole, without "
        "sharing. Please report this with the traceback that "
        "`stratum.on-fail: raise` gives.",
        StratumWarning,
        stacklevel=3,
    )


def _is_ours(why: Exception) -> bool:
    """Whether it was a line of this package that failed."""
    trace = why.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    home = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return home.startswith("stratum_dask.")


def refs(made: Any) -> bool:
    """Whether there is a result in a value."""
    kind = type(made)
    if kind is Ref or kind is steps.Parameters:
        return True
    if kind is dict:
        return any(map(refs, made.values()))
    if kind in (list, tuple, set, frozenset):
        return any(map(refs, made))
    if kind is slice:
        return any(map(refs, (made.start, made.stop, made.step)))
    return False


def template(made: Any, results: list[Ref]) -> Any:
    """``made`` with a `Slot` for each result, which is added to ``results``."""
    kind = type(made)
    if kind is Ref:
        if made not in results:
            results.append(made)
        return steps.Slot(results.index(made))
    if kind is dict:
        return {k: template(v, results) for k, v in made.items()}
    if kind in (list, tuple):
        return kind([template(v, results) for v in made])
    if kind is slice:
        return slice(
            *[template(v, results) for v in (made.start, made.stop, made.step)]
        )
    if kind is steps.Parameters:
        return steps.Parameters(made.estimator, template(made.given, results))
    return made


def small(fields: private.Fields) -> bool:
    """Whether all fields are small values, or functions."""
    return all(type(v) in SMALL or callable(v) for v in fields.values())


def has_data(made: Any) -> bool:
    """Whether a value is a table or an array."""
    return hasattr(made, "shape") or hasattr(made, "columns")
