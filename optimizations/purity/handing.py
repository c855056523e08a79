"""What is handed to a call, and what its result shares with that."""

from __future__ import annotations

import types
from typing import Any

from stratum_dask.optimizations.purity.calls import UNSEEN, Call, Fresh, Mixed
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.effects import positional_outputs
from stratum_dask.optimizations.purity.known import MUTATORS
from stratum_dask.optimizations.purity.lookers import gathers, looks_into
from stratum_dask.optimizations.purity.machine import Walker
from stratum_dask.optimizations.purity.members import changes_itself
from stratum_dask.optimizations.purity.outer import fresh, mixed, outer, sources, usual
from stratum_dask.optimizations.purity.places import root_of
from stratum_dask.optimizations.purity.reach import Named, Ref, State
from stratum_dask.optimizations.purity.stack import Bound
from stratum_dask.optimizations.purity.words import words

__all__ = ["handed", "result", "unknown"]

_SLOTS = (types.MethodDescriptorType, types.WrapperDescriptorType)
_IN_PLACE = frozenset(
    words("""
    iadd iand iconcat ifloordiv ilshift imatmul imod imul ior ipow irshift isub
    itruediv ixor setitem delitem
    """)
)
_PUTS = frozenset(words("append insert add setdefault appendleft __setitem__ put send"))
_PUTS_ALL = frozenset(words("extend update extendleft"))


def _values(call: Call) -> tuple[Any, ...]:
    return (*call.args, *call.kwargs.values(), *call.packs, call.star)


def unknown(w: Walker, func: Any, call: Call) -> Any:
    """A callable that can't be seen is given nothing of outside."""
    named = outer(mixed(*_values(call)))
    if not named and isinstance(func, Mixed):
        named = outer(func)
    if named:
        why = f"hands {named[0]} to a callable that can't be seen"
        w.note(refuse(why, "pass a copy of it"))
    return mixed(func, *_values(call))


def handed(w: Walker, func: Ref | Named | Bound, call: Call) -> None:
    """Note what a call writes into what it is given."""
    obj = getattr(func, "obj", None)
    first = call.args[0] if call.args else (call.star or UNSEEN)
    leaf = getattr(obj, "__name__", "")
    unbound = isinstance(obj, types.FunctionType) and "." in obj.__qualname__
    if (isinstance(obj, _SLOTS) or unbound) and leaf in MUTATORS:
        w.changes(first)
    if (
        leaf in _IN_PLACE
        and root_of(getattr(obj, "__module__", "") or "") == "operator"
    ):
        w.changes(first)
    for value in positional_outputs(obj, call.args):
        w.changes(value)
    if any(n.startswith("overwrite_") for n in call.kwargs):
        w.changes(first)
    writers = [v for v in _values(call) if isinstance(v, Ref) and v.evidence.writes]
    if writers:
        w.changes(mixed(*_values(call), getattr(func, "base", UNSEEN)))
    if not isinstance(func, Bound):
        return
    of_unknown = not isinstance(func.base, (State, Ref, Named))
    if of_unknown and not usual(func.name) and func.name not in MUTATORS:
        unknown(w, func, call)
    unbound = isinstance(func.base, Ref) and isinstance(func.base.obj, type)
    if unbound and func.name in MUTATORS:
        w.changes(first)
    if func.name in _PUTS:
        w.escapes(mixed(*call.args))
    elif func.name in _PUTS_ALL:
        w.escapes(mixed(*(w.derive(a) for a in call.args)))
    if isinstance(func.base, State) and changes_itself(
        w.judge, func.base.obj, func.name
    ):
        w.changes(func.base)


def result(w: Walker, func: Ref | Named | Bound, call: Call) -> Any:
    """What a call returns: something new, or part of what it was given."""
    evidence = func.evidence
    if getattr(func, "obj", None) is type and len(call.args) == 1:
        return State(None, "a class")
    if evidence.gives is not None and not isinstance(func, Bound):
        return _given(func, call)
    base = (func.base,) if isinstance(func, Bound) else ()
    given = [v for v in (*base, *_values(call)) if outer(v)]
    shared = [fresh(func, v, len(call.args)) for v in given]
    rest = [v for v in (*base, *_values(call)) if not outer(v) and sources(v)]
    if rest and looks_into(func, call.kwargs):
        shared += [w.derive(v) for v in rest]
    elif rest and not shared and gathers(func):
        return Fresh(frozenset().union(*map(sources, rest)))
    return shared[0] if len(shared) == 1 else mixed(*shared)


def _given(func: Ref | Named, call: Call) -> Any:
    evidence = func.evidence
    gives = evidence.gives or frozenset()
    shared = [v for n, v in zip(evidence.params, call.args, strict=False) if n in gives]
    shared += [
        v for n, v in call.kwargs.items() if n in gives or n not in evidence.params
    ]
    shared += [*call.args[len(evidence.params) :], *call.packs, call.star]
    return mixed(*shared, *((Mixed(evidence.hands),) if evidence.hands else ()))
