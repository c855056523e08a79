"""Methods that a program has put into the classes of pandas.

A method that is called on an object of unknown type is known by its name alone, which
says nothing any more once the program has given the name to something of its own.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

from stratum_dask.optimizations.purity.places import root_of

__all__ = ["Patched"]

_CLASSES = ("DataFrame", "Series", "Index")


class Patched:
    """The names under which frames have something that is not pandas' own.

    They are looked for when somebody asks: most submissions call no method.

    Examples
    --------
    >>> import pandas as pd
    >>> pd.Series.luck = lambda series: 4
    >>> patched = Patched()
    >>> "luck" in patched, "sum" in patched
    (True, False)
    >>> del pd.Series.luck
    """

    def __init__(self) -> None:
        self._names: frozenset[str] | None = None

    def __contains__(self, name: object) -> bool:
        if self._names is None:
            self._names = frozenset(_foreign())
        return name in self._names


def _foreign() -> Iterator[str]:
    pandas = sys.modules.get("pandas")
    for kind in _CLASSES:
        cls = getattr(pandas, kind, None)
        for base in type.mro(cls) if isinstance(cls, type) else ():
            for name, member in list(vars(base).items()):
                if not _is_own(member):
                    yield name


def _is_own(member: object) -> bool:
    if isinstance(member, (staticmethod, classmethod)):
        member = member.__func__
    if isinstance(member, property):
        return all(f is None or _is_own(f) for f in (member.fget, member.fset))
    if isinstance(member, types.FunctionType):
        home = root_of(str(member.__globals__.get("__name__", "")))
        # NamedTuple, dataclass and functools make methods that live elsewhere
        return home in _LIBRARIES
    accessor = getattr(member, "_accessor", None)
    if isinstance(accessor, type):  # registered with pandas.api.extensions
        return root_of(accessor.__module__) in _LIBRARIES
    return True


_LIBRARIES = frozenset({"pandas", "numpy", "functools", "abc", "collections", "typing"})
