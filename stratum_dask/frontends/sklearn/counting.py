"""Count what searches ask for, and what is run for it."""

from __future__ import annotations

import contextlib
import contextvars
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Tasks", "count_tasks", "note"]


@dataclass
class Tasks:
    """How many tasks were asked for, and how many are run.

    Attributes
    ----------
    asked, run
        Function -> number of tasks. Each search is counted by itself: what equal
        searches share in one submission is told by `stratum_dask.report`.
    left
        Fits that were left to scikit-learn as they are: there was nothing to share.
    """

    asked: Counter[str] = field(default_factory=Counter)
    run: Counter[str] = field(default_factory=Counter)
    left: int = 0


_counting: contextvars.ContextVar[tuple[Tasks, ...]] = contextvars.ContextVar(
    "counting", default=()
)


@contextlib.contextmanager
def count_tasks() -> Iterator[Tasks]:
    """Count the tasks of the searches that are fitted, or built, in a block.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from stratum_dask.sklearn import GridSearchCV
    >>> model = make_pipeline(StandardScaler(), LogisticRegression())
    >>> search = GridSearchCV(model, {"logisticregression__C": [0.1, 1, 10]}, cv=3)
    >>> with count_tasks() as tasks:
    ...     search = search.fit(*load_iris(return_X_y=True))
    >>> tasks.asked["fit_transform"], tasks.run["fit_transform"]
    (9, 3)
    """
    found = Tasks()
    token = _counting.set((*_counting.get(), found))
    try:
        yield found
    finally:
        _counting.reset(token)


def note(asked: Counter[str], run: Counter[str], left: int = 0) -> None:
    """Count these."""
    for found in _counting.get():
        found.asked.update(asked)
        found.run.update(run)
        found.left += left
