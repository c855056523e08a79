"""What stands on the abstract stack besides plain values."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, NamedTuple

from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.evidence import PURE, Evidence
from stratum_dask.optimizations.verdict import Verdict

__all__ = ["CLEARED", "PLAIN", "Bound", "Held", "Pairs"]

PLAIN = (type(None), bool, int, float, complex, str, bytes, types.EllipsisType)
_MODULE = refuse("a module is handed around, and what is taken from it can't be seen")


class Pairs(NamedTuple):
    """A dict that is being built for a call."""

    kwargs: Mapping[str, Any]
    packs: tuple[Any, ...] = ()


class Bound(NamedTuple):
    """An attribute taken from an object of unknown type."""

    name: str
    base: Any
    evidence: Evidence


class Held:
    """A sensitive value; it must be seen to be used well, or it is refused."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def loose(self) -> Verdict:
        contract = getattr(self.value, "evidence", PURE).contract
        return _MODULE if contract is None else contract.loose


CLEARED: Any = object()
