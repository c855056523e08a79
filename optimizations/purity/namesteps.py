"""What the instructions that load and store names and attributes do to the stack."""

from __future__ import annotations

import dis
from collections.abc import Callable

from stratum_dask.optimizations.purity.calls import NULL, UNSEEN, Lit, Written
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.machine import Walker
from stratum_dask.optimizations.purity.reach import absolute, imported, method
from stratum_dask.optimizations.purity.stack import CLEARED, Bound, Held

__all__ = ["NAME_STEPS"]

Step = Callable[[Walker, int], None]
_NULL_FIRST = "CALL_KW" not in dis.opmap  # until 3.12 it stands below the callable
_ATTR_SHIFT = "LOAD_METHOD" not in dis.opmap or dis.opmap["LOAD_METHOD"] > 255


def _const(w: Walker, arg: int) -> None:
    w.stack.append(Written(w.code.co_consts[arg]))


def _small_int(w: Walker, arg: int) -> None:
    w.stack.append(Lit(arg))


def _null(w: Walker, arg: int) -> None:
    w.stack.append(NULL)


def _fast(w: Walker, arg: int) -> None:
    name = w.names[arg]
    # since 3.13 a cell itself is loaded this way, to be handed to a closure
    w.push(UNSEEN if name in w.hidden_cells else w.load(name))


def _fast_fast(w: Walker, arg: int) -> None:
    _fast(w, arg >> 4)
    _fast(w, arg & 15)


def _fast_clear(w: Walker, arg: int) -> None:
    w.stack.append(CLEARED)


def _closure(w: Walker, arg: int) -> None:
    w.stack.append(UNSEEN)


def _deref(w: Walker, arg: int) -> None:
    w.push(w.cell(w.names[arg]))


def _dict_or_deref(w: Walker, arg: int) -> None:
    w.pop()
    _deref(w, arg)


def _global(w: Walker, arg: int) -> None:
    if arg & 1 and _NULL_FIRST:
        w.stack.append(NULL)
    w.push(w.load_global(w.code.co_names[arg >> 1]))
    if arg & 1 and not _NULL_FIRST:
        w.stack.append(NULL)


def _name(w: Walker, arg: int) -> None:
    name = w.code.co_names[arg]
    if name in w.stores or name in ("__name__", "__module__", "__qualname__"):
        w.stack.append(UNSEEN)
    else:
        w.push(w.load_global(name))


def _dict_or_global(w: Walker, arg: int) -> None:
    w.pop()
    _name(w, arg)


def _store_fast(w: Walker, arg: int) -> None:
    name = w.names[arg]
    w.store(name, w.storable(name))


def _store_deref(w: Walker, arg: int) -> None:
    name = w.names[arg]
    if name in w.foreign:
        why = f"assigns {name}, a variable of the function around it"
        w.note(refuse(why, "return the value instead"))
    elif name in w.code.co_freevars:
        w.escapes(w.stack[-1] if w.stack else UNSEEN)
    _store_fast(w, arg)


def _store_load(w: Walker, arg: int) -> None:
    _store_fast(w, arg >> 4)
    _fast(w, arg & 15)


def _store_store(w: Walker, arg: int) -> None:
    _store_fast(w, arg >> 4)
    _store_fast(w, arg & 15)


def _store_name(w: Walker, arg: int) -> None:
    w.pop()


def _store_global(w: Walker, arg: int) -> None:
    w.pop()
    _delete_global(w, arg)


def _delete_global(w: Walker, arg: int) -> None:
    why = f"assigns the global {w.code.co_names[arg]}"
    w.note(refuse(why, "return the value instead"))


def _attr(w: Walker, arg: int) -> None:
    name = w.code.co_names[arg >> 1 if _ATTR_SHIFT else arg]
    w.push(w.attr(w.take(), name))
    if _ATTR_SHIFT and arg & 1:
        w.stack.append(NULL)


def _method(w: Walker, arg: int) -> None:
    w.push(w.attr(w.take(), w.code.co_names[arg]))
    w.stack.append(NULL)


def _super_attr(w: Walker, arg: int) -> None:
    for _ in range(3):
        w.pop()
    name = w.code.co_names[arg >> 2]
    w.push(Bound(name, UNSEEN, method(name)))
    if arg & 1:
        w.stack.append(NULL)


def _import_name(w: Walker, arg: int) -> None:
    fromlist, level = w.pop(), w.pop()
    depth = level.value if isinstance(level, Lit) else 0
    name = absolute(w.code.co_names[arg], depth, w.scope)
    if isinstance(fromlist, Lit) and fromlist.value:
        w.push(imported(name, w.judge))
    else:
        w.push(imported(name.partition(".")[0], w.judge))


def _import_from(w: Walker, arg: int) -> None:
    top = w.stack[-1] if w.stack else UNSEEN
    owner = top.value if isinstance(top, Held) else top
    w.push(w.attr(owner, w.code.co_names[arg]))
    if isinstance(top, Held):  # what is left on the stack is dropped
        w.pending.pop(id(top), None)


NAME_STEPS: dict[str, Step] = {
    "LOAD_CONST": _const,
    "LOAD_CONST_IMMORTAL": _const,
    "LOAD_SMALL_INT": _small_int,
    "PUSH_NULL": _null,
    **dict.fromkeys(("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW"), _fast),
    "LOAD_FAST_LOAD_FAST": _fast_fast,
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": _fast_fast,
    "LOAD_FAST_AND_CLEAR": _fast_clear,
    "LOAD_CLOSURE": _closure,
    "LOAD_DEREF": _deref,
    "LOAD_CLASSDEREF": _deref,
    "LOAD_FROM_DICT_OR_DEREF": _dict_or_deref,
    "LOAD_GLOBAL": _global,
    "LOAD_NAME": _name,
    "LOAD_FROM_DICT_OR_GLOBALS": _dict_or_global,
    "STORE_FAST": _store_fast,
    "STORE_DEREF": _store_deref,
    "STORE_FAST_LOAD_FAST": _store_load,
    "STORE_FAST_STORE_FAST": _store_store,
    "STORE_NAME": _store_name,
    "STORE_GLOBAL": _store_global,
    "DELETE_GLOBAL": _delete_global,
    "LOAD_ATTR": _attr,
    "LOAD_METHOD": _method,
    "LOAD_SUPER_ATTR": _super_attr,
    "IMPORT_NAME": _import_name,
    "IMPORT_FROM": _import_from,
}
