"""What a Python function reaches, read from its bytecode; nothing is run."""

from __future__ import annotations

import dis
import types
from collections.abc import Mapping
from typing import Any

from stratum_dask.optimizations.purity import machine, walking
from stratum_dask.optimizations.purity.calls import Source
from stratum_dask.optimizations.purity.contracts import Helper, refuse
from stratum_dask.optimizations.purity.demands import says_now
from stratum_dask.optimizations.purity.evidence import Evidence
from stratum_dask.optimizations.purity.outer import is_fixed
from stratum_dask.optimizations.purity.pathtexts import stripped
from stratum_dask.optimizations.purity.reach import Judging
from stratum_dask.optimizations.purity.stack import PLAIN
from stratum_dask.optimizations.purity.steps import step
from stratum_dask.optimizations.purity.variables import Instruction
from stratum_dask.optimizations.verdict import MERGE, Role, Verdict

__all__ = ["decode", "look"]

_GENERATOR = 0x20 | 0x80 | 0x200  # generator, coroutine, asynchronous generator
_CONVERTS = frozenset(["astype", "DatetimeIndex", "to_datetime", "datetime64"])
_CACHE = dis.opmap["CACHE"]
_EXTENDED = dis.opmap["EXTENDED_ARG"]


def decode(code: types.CodeType) -> list[Instruction]:
    """The instructions of a code object, without the inline caches.

    Examples
    --------
    >>> [name for _, name, _, _ in decode(compile("a + 1", "", "eval"))][-2]
    'BINARY_OP'
    """
    raw = code.co_code
    found: list[Instruction] = []
    start, extended = 0, 0
    names = dis.opname
    for at in range(0, len(raw), 2):
        op = raw[at]
        if op == _CACHE:
            continue
        if op == _EXTENDED:
            extended = (extended | raw[at + 1]) << 8
            continue
        found.append((at, names[op], raw[at + 1] | extended, 0))
        extended = 0
    for i, (start, name, arg, _) in enumerate(found):
        following = start + 2
        while following < len(raw) and raw[following] == _CACHE:
            following += 2
        found[i] = (start, name, arg, following)
    return found


def look(func: types.FunctionType, judge: Judging) -> Evidence:
    """Judge a user's function by what its code reaches."""
    code = func.__code__
    cells = _cells(func)
    label = func.__qualname__.replace("<locals>.", "")
    found = read(code, func.__globals__, cells, judge, foreign=frozenset(cells))
    verdict = max(found.verdicts, default=MERGE)
    defaults = _defaults(func)
    for name, value in defaults.items():
        verdict = max(verdict, judge.value(value))
        if name in found.writes and not isinstance(value, PLAIN):
            why = f"{label} changes its default value of {name}, which lives on"
            verdict = max(verdict, refuse(why, f"use {name}=None and make it inside"))
    return evidence(code, label, defaults, found, verdict, "")


def evidence(
    code: types.CodeType,
    label: str,
    defaults: Mapping[str, Any],
    found: machine.Found,
    verdict: Verdict,
    prefix: str,
) -> Evidence:
    """Put together what was found in one code object."""
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    rest = ""
    if code.co_flags & 0x08:
        more = len(own) + bool(code.co_flags & 0x04)
        rest = code.co_varnames[more]
    cut = len(prefix)
    mine = frozenset(
        stripped(d, cut) if d.path is not None else d._replace(param=d.param[cut:])
        for d in found.demands
        if d.param.startswith(prefix)
    )
    contract = None
    if mine:
        contract = Helper(
            label,
            own,
            code.co_argcount,
            rest,
            defaults,
            mine,
            only_positional=code.co_posonlyargcount,
        )
    generates = code.co_flags & _GENERATOR and not code.co_name.startswith("<list")
    makes = "" if found.returns else "scalar"
    makes = "iterator" if generates or found.oneshot else makes
    returned = {s.param[cut:] for s in found.returns if s.param.startswith(prefix)}
    hands = {s for s in found.returns if s.label}
    hands |= {s for s in found.returns if s.param[:cut] != prefix and s.param}
    outlives = {n for n in returned if n in defaults and not is_fixed(defaults[n])}
    hands |= {Source("", f"the default of {n}") for n in outlives}
    if contract is not None and verdict.role is Role.REFUSE:
        contract = None
    elif contract is not None:
        contract = contract._replace(floor=verdict)
        verdict = max(verdict, contract.loose)
    writes = frozenset(n[cut:] for n in found.writes if n.startswith(prefix))
    asks = frozenset((n[cut:], m) for n, m in found.asks if n.startswith(prefix))
    given = frozenset(returned)
    whole = frozenset(n[cut:] for n in found.whole if n.startswith(prefix))
    return Evidence(
        verdict, contract, makes, writes, own, given, frozenset(hands), asks, whole
    )


def _cells(func: types.FunctionType) -> dict[str, Any]:
    found = {}
    closure = func.__closure__ or ()
    for name, cell in zip(func.__code__.co_freevars, closure, strict=True):
        try:
            found[name] = [cell.cell_contents]
        except ValueError:  # not assigned yet, or no longer
            found[name] = []
    return found


def _defaults(func: types.FunctionType) -> dict[str, Any]:
    code = func.__code__
    found: dict[str, Any] = {}
    values = func.__defaults__ or ()
    if values:
        names = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
        found.update(zip(names, values, strict=True))
    found.update(func.__kwdefaults__ or {})
    return found


def read(
    code: types.CodeType,
    scope: Mapping[str, Any],
    cells: dict[str, Any],
    judge: Judging,
    *,
    foreign: frozenset[str],
    prefix: str = "",
) -> machine.Found:
    """Walk one code object with an abstract stack."""
    walker = walking.Way(code, scope, cells, judge, foreign, prefix, _nested)
    if says_now(code.co_consts) and not _CONVERTS.isdisjoint(code.co_names):
        why = "converts to times with now among its constants, which reads the clock"
        walker.note(refuse(why, "pass the time in as an argument"))
    return walker.walk(decode(code), step)


def _nested(
    walker: machine.Walker, code: types.CodeType
) -> tuple[Evidence, machine.Found]:
    """Judge a lambda, comprehension, inner function or class body."""
    cells = {name: walker.cell(name) for name in code.co_freevars}
    prefix = f"{walker.prefix}{code.co_name}@{id(code)}:"
    found = read(
        code,
        walker.scope,
        cells,
        walker.judge,
        foreign=walker.foreign & frozenset(code.co_freevars),
        prefix=prefix,
    )
    verdict = max(found.verdicts, default=MERGE)
    return evidence(code, code.co_name, {}, found, verdict, prefix), found
