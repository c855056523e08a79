"""What a result depends on besides its task: Python, the machine, the libraries.

Functions of installed distributions carry their distribution's version in the
fingerprint of a task already, but not what these in turn are built on: pandas calls
numpy, scikit-learn calls scipy. Which of them took part in one result cannot be
known, so the versions of all data libraries that are installed count for every
entry. After an update everything is computed once more.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import sys
from collections.abc import Mapping

__all__ = ["LIBRARIES", "differences", "entry_key", "environment"]

LIBRARIES = (
    "stratum-dask",
    "catboost",
    "cloudpickle",
    "cupy",
    "dask",
    "dask-expr",
    "dask-ml",
    "distributed",
    "geopandas",
    "imbalanced-learn",
    "jax",
    "joblib",
    "lightgbm",
    "llvmlite",
    "networkx",
    "numba",
    "numexpr",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "shapely",
    "skrub",
    "sparse",
    "statsmodels",
    "tensorflow",
    "torch",
    "transformers",
    "xarray",
    "xgboost",
)
"""Distributions whose version sets results apart."""


@functools.cache
def environment() -> dict[str, str]:
    """What results of this process depend on.

    Examples
    --------
    >>> environment()["python"].split()[1].startswith("3.")
    True
    """
    found = {
        "python": f"{sys.implementation.name} {platform.python_version()}",
        "machine": f"{platform.machine()} {sys.byteorder} {sys.maxsize.bit_length()}",
        "system": sys.platform,
    }
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """What two environments differ in, for people.

    Examples
    --------
    >>> differences({"numpy": "2.3", "scipy": "1"}, {"numpy": "2.4"})
    'numpy 2.3, 2.4; scipy 1, not installed'
    """
    names = sorted(one.keys() | other.keys())
    missing = "not installed"
    return "; ".join(
        f"{name} {one.get(name, missing)}, {other.get(name, missing)}"
        for name in names
        if one.get(name) != other.get(name)
    )


def entry_key(fingerprint: bytes, found: Mapping[str, str]) -> str:
    """The name of an entry: what is computed, and in which environment.

    Examples
    --------
    >>> entry_key(b"f", {"numpy": "2.3"}) == entry_key(b"f", {"numpy": "2.4"})
    False
    """
    digest = hashlib.sha256(_digest(tuple(sorted(found.items()))) + fingerprint)
    return digest.hexdigest()[:40]


@functools.lru_cache(16)
def _digest(items: tuple[tuple[str, str], ...]) -> bytes:
    return hashlib.sha256(repr(items).encode()).digest()
