"""Which objects a copy stands for faithfully, told from their classes.

Copying runs code that a class may have written itself (``__reduce__``,
``__deepcopy__``, ``__new__``): what a user's class does there is not known, so it
is not trusted to give an equal and independent object. Libraries are.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

__all__ = [
    "Uncopyable",
    "by_name",
    "from_library",
    "has_class_state",
    "inherited",
    "own_protocol",
    "reshuffled",
    "set_state",
    "state_of",
]

_PROTOCOL = (
    *("__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__"),
    *("__getnewargs__", "__getnewargs_ex__", "__getattribute__"),
)
_COMPILED = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.BuiltinFunctionType,
    types.ClassMethodDescriptorType,
)
_PLAIN = (
    *(type(None), bool, int, float, complex, str, bytes, range),
    types.GenericAlias,
)
_METHODS = (types.FunctionType, staticmethod, classmethod, property)
_NO_STATE = frozenset({"_abc_impl", "_field_defaults"})
_IMMUTABLE, _HEAP = 1 << 8, 1 << 9  # flags of classes, in CPython's object.h


class Uncopyable(TypeError):
    """An object that several pipelines share cannot be given to each of them.

    Parameters
    ----------
    kind
        The name of the type that refused.
    cause
        What it said.
    """

    def __init__(self, kind: str, cause: str = "") -> None:
        super().__init__(kind, cause)
        self.kind = kind
        self.cause = cause

    def __str__(self) -> str:
        said = f" ({self.cause})" if self.cause else ""
        return (
            f"a {self.kind} cannot be copied for each of the pipelines that share "
            f"it{said}; exclude the task that makes it from merging, or let it "
            "return something that can be copied"
        )


def from_library(module: str | None) -> bool:
    """Whether a loaded module belongs to Python or was installed, by its name.

    Examples
    --------
    >>> from_library("collections"), from_library("__main__"), from_library(None)
    (True, False, False)
    """
    root = (module or "").partition(".")[0]
    if root == "__main__" or root in sys.stdlib_module_names:
        return root != "__main__"  # which a worker's own program is, too
    loaded = sys.modules.get(root)
    place = getattr(loaded, "__file__", None) or str(getattr(loaded, "__path__", ""))
    return "site-packages" in place or "dist-packages" in place


def by_name(obj: Any) -> bool:
    """Whether everybody finds this very class, function or module by its name.

    A worker does not find those of the user's script, but knows that they came
    from somewhere else: :mod:`cloudpickle` keeps a list of such classes.

    Examples
    --------
    >>> by_name(dict), by_name(sys), by_name(type("Made", (), {}))
    (True, True, False)
    """
    if isinstance(obj, types.ModuleType):
        return sys.modules.get(obj.__name__) is obj
    if isinstance(obj, type):
        if obj.__flags__ & _IMMUTABLE or not obj.__flags__ & _HEAP:
            return True  # nobody can write into it
        sent = sys.modules.get("cloudpickle.cloudpickle")
        if obj in getattr(sent, "_DYNAMIC_CLASS_TRACKER_BY_CLASS", ()):
            return True
    found = sys.modules.get(getattr(obj, "__module__", None) or "")
    for name in (getattr(obj, "__qualname__", None) or "").split("."):
        found = getattr(found, name, None)
    return found is obj


def own_protocol(cls: type, name: str = "") -> str:
    """Return the method by which a user's class steers its copies, or "".

    Parameters
    ----------
    cls
        The class.
    name
        Ask for this method, instead of all that pickles use.

    Examples
    --------
    >>> class Lossy:
    ...     def __reduce__(self):
    ...         return Lossy, ()
    >>> own_protocol(Lossy), own_protocol(dict)
    ('__reduce__', '')
    """
    for method in (name,) if name else _PROTOCOL:
        for base in cls.__mro__:
            if method in vars(base):
                if not _trusted(vars(base)[method], base):
                    return method
                break
    return ""


def inherited(cls: type, name: str) -> Any:
    """Return the method that a class has from Python or a library.

    Examples
    --------
    >>> class Loud(list):
    ...     def append(self, item): raise ValueError
    >>> inherited(Loud, "append") is list.append
    True
    """
    for base in cls.__mro__:
        if name in vars(base) and _trusted(vars(base)[name], base):
            return vars(base)[name]
    raise AttributeError(f"{cls.__qualname__} has no {name} of a library")


def _trusted(method: Any, home: type) -> bool:
    method = getattr(method, "__func__", method)
    if isinstance(method, types.FunctionType):
        module = method.__globals__.get("__name__", "")
        return module.startswith("namedtuple_") or from_library(module)
    return isinstance(method, _COMPILED) or from_library(home.__module__)


def has_class_state(cls: type) -> bool:
    """Whether a class that not everybody finds has something to write into.

    A task may have made the class. Each pipeline has a class of its own then, and
    what is kept in it is not copied with an instance.

    Examples
    --------
    >>> has_class_state(type("Counts", (), {"seen": []}))
    True
    >>> has_class_state(type("Limits", (), {"most": 3}))
    False
    """
    return any(
        not _stateless(value)
        for base in cls.__mro__
        if not by_name(base)
        for value in _members(base)
    )


def _members(cls: type) -> Iterator[Any]:
    for name, value in vars(cls).items():
        special = name in _NO_STATE or (name.startswith("__") and name.endswith("__"))
        if not special or isinstance(value, _METHODS):
            yield value


def _stateless(value: Any) -> bool:
    if isinstance(value, property):
        return all(map(_stateless, (value.fget, value.fset, value.fdel)))
    value = getattr(value, "__func__", value)
    if isinstance(value, types.FunctionType):
        return _stateless_function(value)
    if isinstance(value, (tuple, frozenset)):
        return type(value) in (tuple, frozenset) and all(map(_stateless, value))
    if isinstance(value, (type, types.ModuleType)):
        return by_name(value) or "<locals>" in getattr(value, "__qualname__", "")
    cls = type(value)
    cached = cls is functools._lru_cache_wrapper
    return (
        cls in _PLAIN
        or cls.__module__ in ("dataclasses", "typing")
        or isinstance(value, types.BuiltinFunctionType)
        or (from_library(cls.__module__) and hasattr(cls, "__get__") and not cached)
    )


def _stateless_function(func: types.FunctionType) -> bool:
    defaults = (*(func.__defaults__ or ()), *(func.__kwdefaults__ or {}).values())
    cells = []
    for cell in func.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:
            continue  # not assigned yet
    held = [*defaults, *cells, *vars(func).values()]
    if from_library(func.__globals__.get("__name__")):
        # A decorator of a library: only what it decorates is the program's own.
        held = [item for item in held if isinstance(item, types.FunctionType)]
    return all(
        item is func or isinstance(item, type) or _stateless(item) for item in held
    )


def reshuffled(old: Any, new: Any) -> bool:
    """Whether a copy of a set lists the same objects in another order.

    Examples
    --------
    >>> reshuffled({1, 2}, {2, 1})
    False
    """
    items = set(map(id, old))
    return items == set(map(id, new)) and any(
        a is not b for a, b in zip(old, new, strict=True)
    )


def state_of(obj: Any) -> set[str]:
    """Return the names of the attributes that an object has itself."""
    return set(getattr(obj, "__dict__", ()))


def set_state(result: Any, state: Any, setter: Any) -> None:
    """Give an object the state that a pickle of another one has."""
    if setter is not None:
        setter(result, state)
    elif hasattr(type(result), "__setstate__"):
        result.__setstate__(state)
    else:
        slots = None
        if isinstance(state, tuple) and len(state) == 2:
            state, slots = state
        if state:
            result.__dict__.update(state)
        for name, value in (slots or {}).items():
            object.__setattr__(result, name, value)
