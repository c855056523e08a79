"""What a call does, as far as its function and arguments can be seen."""

from __future__ import annotations

from typing import Any

from stratum_dask.optimizations.purity.calls import (
    ADDRESS,
    NUMBER,
    ONESHOT,
    RANGE,
    UNSEEN,
    Call,
    Demand,
    Inside,
    Lit,
    Param,
    Stream,
    is_seed,
    nameless,
)
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.evidence import PURE, Evidence
from stratum_dask.optimizations.purity.handing import handed, result, unknown
from stratum_dask.optimizations.purity.known import WRITES_FIRST
from stratum_dask.optimizations.purity.machine import Walker
from stratum_dask.optimizations.purity.outer import mixed, outer, sources
from stratum_dask.optimizations.purity.pathtexts import of_call
from stratum_dask.optimizations.purity.reach import Named, Ref, State, hidden
from stratum_dask.optimizations.purity.stack import Bound

__all__ = ["judge_call", "set_attribute"]

_LOOKUPS = frozenset({"get", "items", "values", "keys", "setdefault"})
_NO = Lit(False)


def judge_call(w: Walker, func: Any, call: Call) -> Any:
    """Judge a call; answer what it returns."""
    if not isinstance(func, (Ref, Named, Bound)):
        return unknown(w, func, call)
    evidence = func.evidence
    if evidence.contract is not None:
        outcome = evidence.contract.check(call)
        w.note(outcome.verdict)
        w.found.demands.update(outcome.demands)
    if evidence.writes:
        _written(w, evidence, call)
    _spoken(w, func, call)
    handed(w, func, call)
    if isinstance(func, Bound):
        inside = UNSEEN
        if func.name in _LOOKUPS and not isinstance(func.base, State):
            inside = w.derive(func.base)
        shared = result(w, func, call)
        if inside is UNSEEN or isinstance(inside, Inside):
            return shared if inside is UNSEEN else inside
        return mixed(inside, shared)
    obj = getattr(func, "obj", None)
    if obj is getattr:
        return _getattr(w, call)
    if obj is setattr and len(call.args) == 3:
        owner, name, value = call.args
        known = isinstance(name, Lit) and isinstance(name.value, str)
        set_attribute(w, owner, name.value if known else "", value)
    if obj is range:
        return RANGE
    path = of_call(obj, call)
    if path is not UNSEEN:
        return path
    if evidence.makes:
        sign = {"iterator": ONESHOT, "number": NUMBER}.get(evidence.makes, UNSEEN)
        shared = result(w, func, call)
        if sign is ONESHOT and sources(shared) and not outer(shared):
            return Stream(sources(shared))
        return shared if outer(shared) else sign
    shared = result(w, func, call)
    plain = isinstance(obj, type) and nameless(obj) and shared is UNSEEN
    return ADDRESS if plain else shared


def set_attribute(w: Walker, owner: Any, name: str, value: Any) -> None:
    """Judge what an attribute gets: a seed that is taken away makes random."""
    own = isinstance(owner, Param) and owner.name == f"{w.prefix}self"
    if own or not name.endswith("random_state"):
        return
    seed = is_seed(value)
    if isinstance(seed, Demand):
        w.found.demands.add(seed)
    elif not seed:
        why = f"sets {name} to what is not seen to be a number"
        w.note(refuse(why, f"give {name} a number"))


def _written(w: Walker, evidence: Evidence, call: Call) -> None:
    for name, value in zip(evidence.params, call.args, strict=False):
        if name in evidence.writes:
            w.changes(value)
    w.changes(call.star)
    if not evidence.writes <= set(evidence.params):  # what its * collects
        w.changes(mixed(*call.args[len(evidence.params) :]))
    for name, value in call.kwargs.items():
        if name in evidence.writes:
            w.changes(value)


def _spoken(w: Walker, func: Ref | Named | Bound, call: Call) -> None:
    """What the arguments or the name of a library's function give away."""
    name = func.name if isinstance(func, Bound) else func.path.rpartition(".")[2]
    w.changes(call.kwargs.get("out", UNSEEN))
    if name in WRITES_FIRST and call.args:
        w.changes(call.args[0])
    if not isinstance(func, Bound):
        return
    inplace = call.kwargs.get("inplace", _NO)
    if not isinstance(inplace, Lit) or inplace.value is not False:
        w.changes(func.base)
    if name == "at" and call.args:
        w.changes(call.args[0])


def _getattr(w: Walker, call: Call) -> Any:
    name = call.args[1] if len(call.args) > 1 else UNSEEN
    if not isinstance(name, Lit) or not isinstance(name.value, str):
        w.note(hidden("getattr with a computed name").verdict)
        return UNSEEN
    found = w.attr(call.args[0], name.value)
    if getattr(found, "evidence", PURE).contract is not None:
        w.note(found.evidence.contract.loose)
    else:
        w.note(getattr(found, "evidence", PURE).verdict)
    return mixed(found, *call.args[2:])
