"""Where code comes from: an installed library, Python itself, or the user."""

from __future__ import annotations

import functools
import importlib.util
import sys
import sysconfig
import types
from importlib.machinery import ModuleSpec
from typing import Any

__all__ = [
    "ALIASES",
    "canonical",
    "dispatches",
    "installed",
    "label",
    "opaque",
    "put_in_place",
    "root_of",
]

ALIASES = {
    "posix": "os",
    "nt": "os",
    "posixpath": "os.path",
    "ntpath": "os.path",
    "genericpath": "os.path",
    "_operator": "operator",
    "_io": "io",
    "_pyio": "io",
    "_thread": "threading",
    "_functools": "functools",
    "_collections": "collections",
    "_datetime": "datetime",
    "_pydatetime": "datetime",
    "_random": "random",
    "_socket": "socket",
    "_pickle": "pickle",
    "_warnings": "warnings",
    "_uuid": "uuid",
    "_contextvars": "contextvars",
    "_json": "json",
    "_statistics": "statistics",
    "cytoolz": "toolz",
    "tlz": "toolz",
}
"""Names under which the same function is known inside its own library."""

_STDLIB = tuple(
    path
    for path in (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    if path
)


def root_of(name: str) -> str:
    """The top-level package of a dotted name, without spelling variants.

    Examples
    --------
    >>> root_of("numpy._core.fromnumeric"), root_of("posixpath")
    ('numpy', 'os')
    """
    root = name.partition(".")[0]
    return ALIASES.get(root, root).partition(".")[0]


def installed(root: str) -> bool:
    """Whether a top-level module is installed, and not a file of the user's.

    A module that is not imported here is looked for, without importing it: a file
    of the user's may have the name of a library.

    Examples
    --------
    >>> installed("json"), installed("__main__")
    (True, False)
    """
    if root == "__main__":
        return False
    module = sys.modules.get(root)
    if module is None:
        return _found(root)
    spec = vars(module).get("__spec__")
    return _is_library(spec, vars(module).get("__file__"))


def _found(root: str) -> bool:
    try:
        spec = importlib.util.find_spec(root)
    except Exception:  # noqa: BLE001 whatever a finder of the user's raises
        return False
    return _is_library(spec, None)


def _is_library(spec: ModuleSpec | None, file: object) -> bool:
    origin = file or getattr(spec, "origin", None)
    if origin in ("built-in", "frozen"):
        return spec is not None
    if origin is None:  # a folder without an __init__.py
        folders = list(getattr(spec, "submodule_search_locations", None) or ())
        return bool(folders) and all(map(_in_library, folders))
    return _in_library(str(origin))


@functools.lru_cache(maxsize=4096)
def _in_library(path: str) -> bool:
    return (
        "site-packages" in path or "dist-packages" in path or path.startswith(_STDLIB)
    )


_dispatching: Any = functools.singledispatch(lambda _: None)
_DISPATCHES = _dispatching.__code__


def dispatches(func: types.FunctionType) -> bool:
    """Whether a library's function goes by the type of its argument.

    That is `functools.singledispatch`, which holds a cache.
    """
    return func.__code__ is _DISPATCHES and installed(root_of(func.__module__ or ""))


def canonical(obj: object) -> str:
    """The dotted name under which the tables know a function or class.

    A Python function is named by the module whose globals it uses, because
    ``functools.wraps`` gives wrappers the names of what they wrap.

    Examples
    --------
    >>> import os, datetime
    >>> canonical(os.getpid), canonical(datetime.datetime.now)
    ('os.getpid', 'datetime.datetime.now')
    """
    if opaque(obj):
        return f"{type(obj).__module__}.<{type(obj).__qualname__}>"
    qualname = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", "")
    if isinstance(obj, types.FunctionType):
        if dispatches(obj):
            return canonical(obj.__wrapped__)  # type: ignore[attr-defined]
        module = str(obj.__globals__.get("__name__", ""))
        said = obj.__module__ or ""
        if said and root_of(said) == root_of(module):
            module = said
    else:
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, type):
            module = owner.__module__
        elif isinstance(owner, types.ModuleType):
            module = owner.__name__
        else:
            module = getattr(obj, "__module__", None) or ""
        module = getattr(obj, "__module__", None) or module
    name = f"{module}.{qualname}"
    head, _, rest = name.partition(".")
    return f"{ALIASES[head]}.{rest}" if head in ALIASES else name


def put_in_place(obj: object, path: str) -> bool:
    """Whether a program's function stands where a library's is looked for.

    Examples
    --------
    >>> import os
    >>> put_in_place(os.path.join, "os.path.join"), put_in_place(label, "os.path.join")
    (False, True)
    """
    if not isinstance(obj, types.FunctionType):
        return False
    return root_of(str(obj.__globals__.get("__name__", ""))) != root_of(path)


def opaque(obj: object) -> bool:
    """Whether asking an object for an attribute could run code of the user's."""
    for cls in type(obj).__mro__:
        if "__getattr__" in vars(cls):
            return True
        if isinstance(vars(cls).get("__getattribute__"), types.FunctionType):
            return True
    return False


def label(obj: object) -> str:
    """A short name of anything, for a reason.

    Examples
    --------
    >>> label(len), label({})
    ('len', 'a dict')
    """
    if isinstance(obj, types.ModuleType):
        return f"module {obj.__name__}"
    named = not opaque(obj) and hasattr(obj, "__qualname__")
    name = canonical(obj) if named else ""
    for noise in ("builtins.", "__main__."):
        name = name.removeprefix(noise)
    return name or f"a {type(obj).__name__}"
