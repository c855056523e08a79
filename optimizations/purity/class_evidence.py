"""Evidence on classes: what calling one runs, and what its instances can do."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING

from stratum_dask.optimizations.purity import values
from stratum_dask.optimizations.purity.contracts import Helper, refuse
from stratum_dask.optimizations.purity.evidence import (
    PURE,
    SAYS_PURE,
    Evidence,
    as_evidence,
)
from stratum_dask.optimizations.purity.known import rule
from stratum_dask.optimizations.purity.members import parts
from stratum_dask.optimizations.purity.places import canonical, installed
from stratum_dask.optimizations.purity.seeded import seeded
from stratum_dask.optimizations.verdict import MERGE, Role, Verdict

if TYPE_CHECKING:
    from stratum_dask.optimizations.purity.examiner import Examiner

__all__ = ["class_evidence", "unknown"]


def class_evidence(cls: type, judge: Examiner) -> Evidence:
    """All that is known of calling a class, or of having an instance of it."""
    verdict, contract = MERGE, None
    for meta in type.mro(type(cls)):
        top = meta.__module__.partition(".")[0]
        if not installed(top) or rule(canonical(meta)) is None:
            verdict = max(verdict, _members(meta, judge).verdict)
    for base in type.mro(cls):
        root = base.__module__.partition(".")[0]
        known = rule(canonical(base)) if installed(root) else None
        if known is None:
            more = _members(base, judge)
            verdict = max(verdict, more.verdict)
            if contract is None:
                contract = more.contract
            elif more.contract is not None:  # of two the calls can't both be seen
                verdict = max(verdict, more.contract.loose)
            continue
        found = seeded(base, as_evidence(canonical(base), known))
        if base is cls:
            return found
        if contract is None and "__init__" not in vars(cls):
            contract = found.contract
        elif found.contract is not None:
            verdict = max(verdict, found.contract.loose)
        if found.contract is None:
            verdict = max(verdict, found.verdict)
    if verdict.role is Role.REFUSE or contract is None:
        return Evidence(verdict) if verdict.role else PURE
    if verdict.role:
        if not isinstance(contract, Helper):
            return Evidence(max(verdict, contract.loose))
        contract = contract._replace(floor=max(verdict, contract.floor))
    return Evidence(max(verdict, contract.loose), contract)


def bound_class(func: types.MethodType, found: Evidence, judge: Examiner) -> Verdict:
    """What a class method may do by way of its class, if that is a user's."""
    owner = func.__self__
    top = owner.__module__.partition(".")[0]
    if installed(top) and rule(canonical(owner)) is not None:
        return MERGE
    if found.params and found.params[0] in found.writes:
        why = f"{canonical(func.__func__)} changes its class"
        return refuse(why, "return the value instead")
    return class_evidence(owner, judge).verdict  # type: ignore[arg-type]


def _members(cls: type, judge: Examiner) -> Evidence:
    """Judge every method that a user's class has."""
    verdict, contract = MERGE, None
    for name, member in vars(cls).items():
        if isinstance(member, (staticmethod, classmethod)):
            member = member.__func__
        for more in parts(member):
            verdict = max(verdict, judge.evidence(more).verdict)
        if getattr(member, "__objclass__", None) is cls and callable(member):
            return unknown(canonical(cls), cls.__module__.partition(".")[0], judge)
        code = isinstance(member, (types.FunctionType, functools.partial))
        if not code and type(member).__name__ not in values.COMPILED:
            continue
        found = judge.evidence(member)
        if found.contract is not None and name == "__init__":
            contract = found.contract._replace(bound=1)  # type: ignore[attr-defined]
        else:
            verdict = max(verdict, found.verdict)
    return Evidence(verdict, contract)


def unknown(name: str, root: str, judge: Examiner) -> Evidence:
    """What is said of compiled code that no table names."""
    if judge.trusts:
        return PURE
    why = f"{name} is compiled code of {root}, which is not known to be pure"
    return Evidence(refuse(why, SAYS_PURE.format(name)))
