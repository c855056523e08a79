"""Let code that one cannot edit use this package's searches, and undo it exactly."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sklearn.model_selection as ms

from stratum_dask.frontends.sklearn import search, validation
from stratum_dask.optimizations.purity.places import installed

__all__ = ["patch"]

_FUNCTIONS = ("cross_val_predict", "cross_val_score", "cross_validate")
_CLASSES = (
    "GridSearchCV",
    "RandomizedSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
)

_OURS: dict[str, Any] = {
    **{name: getattr(validation, name) for name in _FUNCTIONS},
    **{name: getattr(search, name) for name in _CLASSES},
}
_THEIRS: dict[str, Any] = {
    **{name: getattr(ms, name) for name in (*_FUNCTIONS, *_CLASSES)},
}

_lock = threading.Lock()
_blocks = 0
_found: list[tuple[dict[str, Any], str, Any]] = []
"""Namespace, name in it and what stood there, of all that is replaced now."""
_before: set[tuple[int, str]] = set()
"""Names that had meant ours before the first block began."""


@contextmanager
def patch() -> Iterator[None]:
    """Let ``sklearn.model_selection`` mean ``stratum_dask.sklearn`` in a block.

    Inside the block scikit-learn's names for the searches and cross-validations
    are this package's: in ``sklearn.model_selection``, and in every module that is
    nobody's installed package and had imported them before. At the end each name
    means again what it had meant, also the names that were imported in the block.
    Other packages, and what scikit-learn itself does inside of its estimators,
    keep scikit-learn's.

    Blocks may be nested, or overlap in threads: the last to end undoes it. It is
    undone after an exception as well.

    Examples
    --------
    >>> import sklearn.model_selection as ms
    >>> with patch():
    ...     ms.GridSearchCV.__module__
    'stratum_dask.frontends.sklearn.search'
    >>> ms.GridSearchCV.__module__
    'sklearn.model_selection._search'
    """
    global _blocks
    with _lock:
        if not _blocks:
            _begin()
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                _end()


def _begin() -> None:
    ours, theirs = _by_id(_OURS), _by_id(_THEIRS)
    for names, name, _ in _namesakes(ours):
        _before.add((id(names), name))
    for names, name, obj in [*_own(theirs), *_namesakes(theirs)]:
        _found.append((names, name, obj))
        names[name] = _OURS[theirs[id(obj)]]


def _end() -> None:
    ours = _by_id(_OURS)
    while _found:
        names, name, obj = _found.pop()
        if id(names.get(name)) in ours:  # nobody has given it another meaning
            names[name] = obj
    for names, name, obj in list(_namesakes(ours)):
        if (id(names), name) not in _before:
            names[name] = _THEIRS[ours[id(obj)]]
    _before.clear()


def _by_id(objects: dict[str, Any]) -> dict[int, str]:
    return {id(obj): name for name, obj in objects.items()}


def _own(theirs: dict[int, str]) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """The names in ``sklearn.model_selection``."""
    for name in theirs.values():
        if vars(ms).get(name) is _THEIRS[name]:
            yield vars(ms), name, _THEIRS[name]


def _namesakes(wanted: dict[int, str]) -> list[tuple[dict[str, Any], str, Any]]:
    """The names in modules of the user's that mean one of these objects."""
    found = []
    for module in list(sys.modules.values()):
        if type(module) is not types.ModuleType or not _users(module):
            continue
        names = vars(module)
        found += [
            (names, name, obj) for name, obj in list(names.items()) if id(obj) in wanted
        ]
    return found


def _users(module: types.ModuleType) -> bool:
    name = module.__name__
    root = name.partition(".")[0]
    return name == "__main__" or (root != "stratum_dask" and not installed(root))
