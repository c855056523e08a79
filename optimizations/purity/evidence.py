"""All that is known of a callable, and how it is put together."""

from __future__ import annotations

from typing import NamedTuple

from stratum_dask.optimizations.purity.calls import Source
from stratum_dask.optimizations.purity.contracts import Contract
from stratum_dask.optimizations.purity.known import ITERATORS, NUMBERS
from stratum_dask.optimizations.verdict import MERGE, Role, Verdict

__all__ = ["PURE", "SAYS_PURE", "Evidence", "as_evidence", "joined"]

_WRITES_FIRST = frozenset({"builtins.setattr", "builtins.delattr", "builtins.next"})
SAYS_PURE = (
    "if every call gives the same result: @stratum_dask.pure, "
    "or stratum.purity.pure: ['{}']"
)


class Evidence(NamedTuple):
    """All that is known of a callable."""

    verdict: Verdict = MERGE
    contract: Contract | None = None
    makes: str = ""
    """What a call returns: ``iterator``, ``number``, ``scalar`` or nothing known."""
    writes: frozenset[str] = frozenset()
    """Parameters that it may change."""
    params: tuple[str, ...] = ()
    gives: frozenset[str] | None = None
    """Parameters that the result may share something with; None where not known."""
    hands: frozenset[Source] = frozenset()
    """What else, of outside, the result may be, or hold."""
    asks: frozenset[tuple[str, str]] = frozenset()
    """Methods that it calls: of which parameter, and their names."""
    whole: frozenset[str] = frozenset()
    """Those of `gives` of which not only a part may be shared."""


PURE = Evidence()


def as_evidence(name: str, found: Verdict | Contract) -> Evidence:
    """Turn what the tables say of a name into evidence."""
    makes = "iterator" if name in ITERATORS else ""
    makes = "number" if name in NUMBERS else makes
    if name.startswith("math."):
        makes = "number"
    if name.startswith("itertools."):
        makes = "iterator"
    if name.startswith("numpy.random.") and not isinstance(found, Verdict):
        makes = "number"  # a generator made from a seed seeds what it is given to
    if not isinstance(found, Verdict):
        return Evidence(found.loose, found, makes)
    if name in _WRITES_FIRST:
        return Evidence(MERGE, None, makes, frozenset({"first"}), ("first",))
    if found == MERGE:
        return Evidence(makes=makes) if makes else PURE
    shown = name.removeprefix("builtins.")
    remedy = found.remedy or SAYS_PURE.format(shown)
    return Evidence(Verdict(found.role, f"{shown} {found.reason}", remedy))


def joined(found: Evidence, verdict: Verdict) -> Evidence:
    """The evidence, made more careful."""
    if not verdict.role:
        return found
    if verdict.role is Role.REFUSE or found.contract is None:
        return Evidence(max(found.verdict, verdict), None, found.makes)
    return Evidence(max(found.contract.loose, verdict))
