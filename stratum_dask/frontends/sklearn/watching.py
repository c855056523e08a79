"""Notice what is written into: plain scikit-learn would go on with it as written.

An estimator or a scorer of somebody's own may write into the data that it gets, or
into itself when it predicts. Where it does, later steps of the same fit see it, so
that fit cannot be done in steps, and is left to scikit-learn as a whole.
"""

from __future__ import annotations

from typing import Any

from stratum_dask.optimizations.fingerprint.values import Encoder

__all__ = ["Watch", "WrittenError"]


class WrittenError(Exception):
    """Something has been written into, or nobody can tell."""


class Watch:
    """Remembers what some objects contain.

    Parameters
    ----------
    *objects
        The objects.

    Examples
    --------
    >>> import numpy as np
    >>> data = np.zeros(2)
    >>> watch = Watch(data)
    >>> watch.check()
    >>> data[0] = 1
    >>> watch.check()
    Traceback (most recent call last):
    ...
    stratum_dask.frontends.sklearn.watching.WrittenError: a ndarray was written into
    """

    def __init__(self, *objects: Any) -> None:
        self._before = [(o, Encoder().value(o)) for o in objects]

    def check(self) -> None:
        """Raise where one of them contains something else now."""
        for obj, before in self._before:
            if Encoder().value(obj) != before:
                raise WrittenError(f"a {type(obj).__name__} was written into")
