"""What the instructions that make functions and call them do to the stack."""

from __future__ import annotations

import dis
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.purity import calling
from stratum_dask.optimizations.purity.calls import (
    ADDRESS,
    NULL,
    UNSEEN,
    Call,
    Lit,
    Param,
)
from stratum_dask.optimizations.purity.machine import Walker
from stratum_dask.optimizations.purity.outer import mixed, sources
from stratum_dask.optimizations.purity.reach import (
    Ref,
    State,
)
from stratum_dask.optimizations.purity.stack import Pairs

__all__ = ["CALL_STEPS"]

Step = Callable[[Walker, int], None]


def _make_function(w: Walker, arg: int) -> None:
    code = w.pop()
    given: list[Any] = []
    if "SET_FUNCTION_ATTRIBUTE" not in dis.opmap:
        given = [w.pop() for _ in range(arg.bit_count())]
    if not isinstance(code, Lit) or not isinstance(code.value, types.CodeType):
        w.stack.append(UNSEEN)
        return
    evidence, found = w.nested(w, code.value)
    for verdict in found.verdicts:
        w.note(verdict)
    own = f"{w.prefix}{code.value.co_name}@{id(code.value)}:"
    for demand in found.demands:
        if not demand.param.startswith(own):
            w.found.demands.add(demand)
    w.found.asks.update(a for a in found.asks if not a[0].startswith(own))
    w.found.writes.update(n for n in found.writes if not n.startswith(own))
    w.push(_with(w, Ref(None, code.value.co_name, evidence), given))


def _with(w: Walker, func: Ref, given: list[Any]) -> Ref:
    """A function with the defaults that it is given here."""
    kept = [s for s in sources(mixed(*given)) if s.label]
    if not kept:
        return func
    if func.evidence.writes:
        w.changes(mixed(*given))
    hands = func.evidence.hands.union(kept)
    return func._replace(evidence=func.evidence._replace(hands=hands))


def _set_function_attribute(w: Walker, arg: int) -> None:
    func = w.take()
    given = w.pop()
    w.push(_with(w, func, [given]) if isinstance(func, Ref) else func)


def _kw_names(w: Walker, arg: int) -> None:
    w.kwnames = w.code.co_consts[arg]


def _call(w: Walker, arg: int) -> None:
    kwnames, w.kwnames = w.kwnames, ()
    _finish(w, arg, kwnames)


def _call_kw(w: Walker, arg: int) -> None:
    names = w.pop()
    _finish(w, arg, names.value if isinstance(names, Lit) else ())


def _finish(w: Walker, count: int, kwnames: tuple[str, ...]) -> None:
    values = [w.pop() for _ in range(count)][::-1]
    cut = count - len(kwnames)
    func, extra = _callee(w)
    call = Call((*extra, *values[:cut]), dict(zip(kwnames, values[cut:], strict=False)))
    w.push(calling.judge_call(w, func, call))


def _callee(w: Walker) -> tuple[Any, tuple[Any, ...]]:
    """The callable below the arguments, and the object it is bound to."""
    second = w.stack[-1] if w.stack else UNSEEN
    if second is NULL:
        w.stack.pop()
        return w.take(), ()
    first = w.stack[-2] if len(w.stack) > 1 else NULL
    if first is NULL:
        func = w.take()
        w.take()
        return func, ()
    bound = w.pop()
    return w.take(), (bound,)


def _call_ex(w: Walker, arg: int) -> None:
    always = "CALL_KW" in dis.opmap and "LOAD_SMALL_INT" in dis.opmap
    pairs: Any = Pairs({})
    if arg & 1 or always:
        pairs = w.pop()
    args = w.pop()
    func, extra = _callee(w)
    if pairs is NULL:
        pairs = Pairs({})
    elif not isinstance(pairs, Pairs):
        pairs = _merged(Pairs({}), pairs)
    if isinstance(args, Lit) and isinstance(args.value, tuple):
        known = tuple(Lit(v) for v in args.value)
        call = Call((*extra, *known), pairs.kwargs, pairs.packs)
    else:
        call = Call(extra, pairs.kwargs, pairs.packs, True, args)
    w.push(calling.judge_call(w, func, call))


def _build_map(w: Walker, arg: int) -> None:
    values = [w.pop() for _ in range(2 * arg)][::-1]
    _push_pairs(w, values[::2], values[1::2])


def _const_key_map(w: Walker, arg: int) -> None:
    names = w.pop()
    values = [w.pop() for _ in range(arg)][::-1]
    keys = names.value if isinstance(names, Lit) else (UNSEEN,) * arg
    _push_pairs(w, [Lit(k) for k in keys], values)


def _push_pairs(w: Walker, keys: list[Any], values: list[Any]) -> None:
    if all(isinstance(k, Lit) and isinstance(k.value, str) for k in keys):
        pairs = {k.value: v for k, v in zip(keys, values, strict=True)}
        w.stack.append(Pairs(pairs))
    else:
        shown = any(v is ADDRESS for v in (*keys, *values))
        w.stack.append(ADDRESS if shown else mixed(*keys, *values))


def _dict_merge(w: Walker, arg: int) -> None:
    more = w.pop()
    if len(w.stack) < arg:
        return
    below = w.stack[-arg]
    known = isinstance(below, Pairs)
    w.stack[-arg] = _merged(below, more) if known else mixed(below, more)


def _dict_update(w: Walker, arg: int) -> None:
    more = w.pop()
    if len(w.stack) < arg:
        return
    below = w.stack[-arg]
    if isinstance(below, Pairs) and below.kwargs and not isinstance(more, Pairs):
        w.stack[-arg] = Pairs(
            {}, (mixed(below, more),)
        )  # what was there may be replaced
    elif isinstance(below, Pairs):
        w.stack[-arg] = _merged(below, more)


def _map_add(w: Walker, arg: int) -> None:
    value, key = w.pop(), w.pop()
    if len(w.stack) >= arg:
        below = w.stack[-arg]
        shown = any(v is ADDRESS for v in (below, key, value))
        w.stack[-arg] = ADDRESS if shown else mixed(below, key, value)


def _merged(pairs: Pairs, more: Any) -> Pairs:
    if isinstance(more, Pairs):
        return Pairs({**pairs.kwargs, **more.kwargs}, (*pairs.packs, *more.packs))
    if isinstance(more, State) and type(more.obj) is dict:
        return Pairs(
            {**pairs.kwargs, **{k: Lit(v) for k, v in more.obj.items()}}, pairs.packs
        )
    return Pairs(
        pairs.kwargs, (*pairs.packs, more if isinstance(more, Param) else mixed(more))
    )


CALL_STEPS: dict[str, Step] = {
    "MAKE_FUNCTION": _make_function,
    "SET_FUNCTION_ATTRIBUTE": _set_function_attribute,
    "KW_NAMES": _kw_names,
    "CALL": _call,
    "CALL_KW": _call_kw,
    "CALL_FUNCTION_EX": _call_ex,
    "BUILD_MAP": _build_map,
    "BUILD_CONST_KEY_MAP": _const_key_map,
    "DICT_MERGE": _dict_merge,
    "DICT_UPDATE": _dict_update,
    "MAP_ADD": _map_add,
}
