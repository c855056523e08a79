"""All candidates of a search as one table, best first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from stratum_dask.search.candidate import Candidate
from stratum_dask.search.errors import SearchError

__all__ = ["ranked", "table"]


def ranked(candidates: Iterable[Candidate], greater: bool) -> list[Candidate]:
    """Those with a score first, best first; NaN counts as none."""

    def rank(candidate: Candidate) -> tuple[bool, float, int]:
        score = candidate.score
        if score is None or math.isnan(score):
            return True, 0.0, candidate.number
        return False, -score if greater else score, candidate.number

    return sorted(candidates, key=rank)


def table(candidates: Iterable[Candidate], greater: bool) -> Any:
    """A pandas DataFrame with a row for each."""
    try:
        import pandas as pd
    except ImportError as e:
        raise SearchError(
            "a leaderboard is a pandas DataFrame: pip install pandas, or read "
            "`search.candidates`"
        ) from e
    rows = [
        {
            "name": each.name,
            "status": each.status,
            "score": math.nan if each.score is None else each.score,
            "seconds": each.cost.seconds,
            "seconds_saved": each.cost.saved,
            "memory": each.cost.memory,
            "tasks": each.cost.tasks,
            "tasks_run": each.cost.ran,
            "step": each.step,
            "error": None if each.error is None else _line(each.error),
        }
        for each in ranked(candidates, greater)
    ]
    columns = (
        *("name", "status", "score", "seconds", "seconds_saved", "memory"),
        *("tasks", "tasks_run", "step", "error"),
    )
    return pd.DataFrame(rows, columns=list(columns))


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text[:200]}" if text else name
