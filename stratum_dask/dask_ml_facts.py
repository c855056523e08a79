"""What of dask-ml does not work with the libraries beside it, whoever uses it.

None of it is stratum's doing: it fails in the same way without the plugin. Tried with
dask-ml 2025.1.0, the newest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from packaging.version import Version

__all__ = ["Broken", "broken"]

LAST = "2025.1.0"
"""The newest dask-ml that was tried."""


class Broken(NamedTuple):
    """A part of dask-ml, with the library whose newer versions break it."""

    what: str
    library: str
    since: str
    instead: str


_BROKEN = (
    Broken(
        "model_selection.IncrementalSearchCV, HyperbandSearchCV and their kind",
        "distributed",
        "2025.4.0",
        "a successive halving of stratum_dask.sklearn",
    ),
    Broken("metrics.r2_score", "dask", "2025.4.0", "sklearn.metrics.r2_score"),
    Broken("metrics.log_loss", "scikit-learn", "1.5", "sklearn.metrics.log_loss"),
    Broken(
        "preprocessing.RobustScaler of dataframes",
        "numpy",
        "2.0",
        "the same of an array: frame.to_dask_array(lengths=True)",
    ),
    Broken(
        "compose.ColumnTransformer of dataframes",
        "dask",
        "2025.4.0",
        "sklearn.compose.ColumnTransformer in stratum_dask.sklearn",
    ),
)


def broken(versions: Mapping[str, str | None]) -> list[Broken]:
    """What does not work with these versions.

    Parameters
    ----------
    versions
        Distribution -> its version, None where it is not installed.

    Examples
    --------
    >>> [b.what for b in broken({"dask-ml": "2025.1.0", "scikit-learn": "1.9.1"})]
    ['metrics.log_loss']
    >>> broken({"scikit-learn": "1.9.1"})
    []
    """
    found = versions.get("dask-ml")
    if found is None or Version(found) > Version(LAST):
        return []
    return [
        each
        for each in _BROKEN
        if (there := versions.get(each.library)) is not None
        and Version(there) >= Version(each.since)
    ]
