"""What the instructions do that load and store names and attributes."""

from __future__ import annotations

import builtins
import dis
import sys
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.looking.reader import Reader
from stratum_dask.optimizations.looking.tables import ATTRIBUTES
from stratum_dask.optimizations.looking.values import (
    NULL,
    Known,
    Method,
    Unclear,
    Value,
    data,
    is_frozen,
)
from stratum_dask.optimizations.purity.places import installed
from stratum_dask.optimizations.purity.words import words

__all__ = ["NAMES", "Step", "outside"]

Step = Callable[[Reader, int], None]
_NULL_FIRST = "CALL_KW" not in dis.opmap  # until 3.12 it stands below the callable
_ATTR_SHIFT = "LOAD_METHOD" not in dis.opmap or dis.opmap["LOAD_METHOD"] > 255


def _const(r: Reader, arg: int) -> None:
    r.stack.append(Known(r.code.co_consts[arg]))


def _clean(r: Reader, arg: int) -> None:
    r.stack.append(Value())


def _null(r: Reader, arg: int) -> None:
    r.stack.append(NULL)


def _fast(r: Reader, arg: int) -> None:
    name = r.names[arg]
    if name in r.code.co_freevars:
        r.stack.append(_free(r, name))
        return
    if name not in r.local:
        raise Unclear("a variable that is not assigned")
    # An inner function may see a cell, and what it holds by then.
    held = r.local[name]
    r.stack.append(r.everything() if name in r.code.co_cellvars else held)


def _free(r: Reader, name: str) -> Any:
    if name not in r.cells:
        raise Unclear("a variable that is not assigned")
    return r.cells[name]


def _fast_fast(r: Reader, arg: int) -> None:
    _fast(r, arg >> 4)
    _fast(r, arg & 15)


def _fast_and_clear(r: Reader, arg: int) -> None:
    r.stack.append(r.local.get(r.names[arg], Value()))


def _store(r: Reader, arg: int) -> None:
    name = r.names[arg]
    if name in r.code.co_freevars:
        raise Unclear("it assigns a variable of the function around it")
    value = r.pop()
    if value is NULL:
        raise Unclear("a variable that is not assigned")
    code = data(value).code  # of a method that is not called at once it is unclear
    if code and name in r.code.co_cellvars:
        raise Unclear("a function in a variable that inner functions see")
    r.local[name] = value


def _store_load(r: Reader, arg: int) -> None:
    _store(r, arg >> 4)
    _fast(r, arg & 15)


def _store_store(r: Reader, arg: int) -> None:
    _store(r, arg >> 4)
    _store(r, arg & 15)


def _global(r: Reader, arg: int) -> None:
    if arg & 1 and _NULL_FIRST:
        r.stack.append(NULL)
    name = r.code.co_names[arg >> 1]
    if name in r.scope:
        r.stack.append(outside(r.scope[name]))
    elif hasattr(builtins, name):
        r.stack.append(Known(getattr(builtins, name)))
    else:
        raise Unclear(f"the name {name} is not defined here")
    if arg & 1 and not _NULL_FIRST:
        r.stack.append(NULL)


def outside(obj: Any) -> Any:
    """What is known of an object of the globals, or of a closure."""
    if callable(obj) or isinstance(obj, types.ModuleType) or is_frozen(obj):
        return Known(obj)
    if type(obj) in (list, dict, set) and _is_flat(obj):
        return Value(frozenset([""]), False)
    raise Unclear("an object that lives outside the function")


def _is_flat(obj: Any) -> bool:
    return (
        len(obj) < 10_000
        and all(map(is_frozen, obj))
        and (type(obj) is not dict or all(map(is_frozen, obj.values())))
    )


def _closure(r: Reader, arg: int) -> None:
    r.stack.append(Value())


def _import(r: Reader, arg: int) -> None:
    wanted, level = r.pop(), r.pop()
    name = r.code.co_names[arg]
    relative = type(level) is not Known or level.obj != 0
    if relative or not installed(name.partition(".")[0]) or name not in sys.modules:
        raise Unclear(f"it imports {name}")
    whole = type(wanted) is Known and wanted.obj
    r.stack.append(Known(sys.modules[name if whole else name.partition(".")[0]]))


def _import_from(r: Reader, arg: int) -> None:
    r.stack.append(member(r.stack[-1], r.code.co_names[arg]))


def _attr(r: Reader, arg: int) -> None:
    r.stack.append(attribute(r, r.pop(), r.code.co_names[arg >> _SHIFT]))
    if _ATTR_SHIFT and arg & 1:
        r.stack.append(NULL)


_SHIFT = int(_ATTR_SHIFT)


def _method(r: Reader, arg: int) -> None:
    r.stack.append(attribute(r, r.pop(), r.code.co_names[arg]))
    r.stack.append(NULL)


def attribute(r: Reader, owner: Any, name: str) -> Any:
    """What ``owner.name`` is."""
    if type(owner) is Known and not is_frozen(owner.obj):
        return member(owner, name)
    if type(owner) not in (Value, Known):
        raise Unclear("an attribute of a function")
    if name not in ATTRIBUTES:
        return Method(name, owner)
    found = r.data(owner)
    if found.code:
        raise Unclear("an attribute of what may be a function")
    return found if name in _ACCESSORS else r.part(owner)


_ACCESSORS = frozenset(("loc", "iloc", "at", "iat"))
"""Through these the object itself is written into."""


def member(owner: Any, name: str) -> Any:
    """What is known of a member of a module."""
    if type(owner) is not Known or not isinstance(owner.obj, types.ModuleType):
        raise Unclear("an attribute of an object that is not known")
    held = vars(owner.obj).get(name)
    if held is None or not installed(owner.obj.__name__.partition(".")[0]):
        raise Unclear(f"{owner.obj.__name__}.{name}")
    return outside(held)


def _store_attr(r: Reader, arg: int) -> None:
    owner, value = r.pop(), r.pop()
    found = r.data(owner)
    if found.code or not found.own:
        raise Unclear("it sets an attribute")
    r.puts([value])


NAMES: dict[str, Step] = {
    **dict.fromkeys(("LOAD_CONST", "LOAD_CONST_IMMORTAL"), _const),
    **dict.fromkeys(
        words(
            """
            LOAD_SMALL_INT LOAD_ASSERTION_ERROR LOAD_COMMON_CONSTANT RETURN_GENERATOR
            """
        ),
        _clean,
    ),
    **dict.fromkeys(
        ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_DEREF"), _fast
    ),
    **dict.fromkeys(
        ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"), _fast_fast
    ),
    **dict.fromkeys(("STORE_FAST", "STORE_DEREF"), _store),
    "PUSH_NULL": _null,
    "LOAD_FAST_AND_CLEAR": _fast_and_clear,
    "STORE_FAST_LOAD_FAST": _store_load,
    "STORE_FAST_STORE_FAST": _store_store,
    "LOAD_GLOBAL": _global,
    "LOAD_CLOSURE": _closure,
    "IMPORT_NAME": _import,
    "IMPORT_FROM": _import_from,
    "LOAD_ATTR": _attr,
    "LOAD_METHOD": _method,
    "STORE_ATTR": _store_attr,
}
