"""Which distribution a module belongs to: installed code is known by its version."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import sys
import sysconfig
import types
from pathlib import Path
from typing import NamedTuple

import stratum_dask

__all__ = ["Origin", "installed_name", "module_origin"]

_SITE = re.compile(r"^(.*?[\\/](?:site|dist)-packages)[\\/](.+)$")
_STDLIB = tuple(
    os.path.join(folder, "")
    for folder in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    if folder
)

_OURS = os.path.join(Path(stratum_dask.__file__).parent, "frontends", "")
"""Front ends make tasks of functions of their own."""


class Origin(NamedTuple):
    """An installed distribution.

    Examples
    --------
    >>> module_origin("json").name
    'cpython'
    """

    name: str
    version: str


PYTHON = Origin(sys.implementation.name, sys.version.split()[0])


def module_origin(name: str) -> Origin | None:
    """Return the installed distribution that a module comes from.

    None means the user's own code: scripts, notebooks, ``__main__``, modules
    outside ``site-packages``, editable installs. A module that is not imported
    yet is found without importing it.

    Examples
    --------
    >>> module_origin("itertools") == module_origin("os.path")
    True
    >>> module_origin("__main__") is None
    True
    """
    if name == "__main__":
        return None
    module = sys.modules.get(name)
    if module is None:
        file = _find_unimported(name)
    else:
        file = _file_of(module)
    return _owner(file, name.partition(".")[0]) if file else None


def installed_name(obj: object) -> tuple[Origin, str, str] | None:
    """Return (origin, module, qualified name) if this very object is importable.

    A function that something has been patched over, or that replaces a
    library's own, is not found under its name or not in its own namespace.

    Examples
    --------
    >>> installed_name(len)[1:]
    ('builtins', 'len')
    >>> installed_name(lambda: 0) is None
    True
    """
    module = getattr(obj, "__module__", None)
    qualname = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    if type(obj).__name__ == "ufunc" and not isinstance(module, str):
        module = _ufunc_module(obj, qualname)
    if not isinstance(module, str) or not isinstance(qualname, str):
        return None
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not obj:
        return None
    origin = module_origin(module)
    if origin is None or _defined_in(obj) != origin:
        return None
    return origin, module, qualname


def _ufunc_module(obj: object, name: object) -> str | None:
    for module in ("numpy", "scipy.special"):
        if getattr(sys.modules.get(module), str(name), None) is obj:
            return module
    return None


def _defined_in(obj: object) -> Origin | None:
    """Return where the object's code lives: names alone can be put on (wraps)."""
    if isinstance(obj, types.FunctionType):
        home = obj.__globals__.get("__name__")
        module = sys.modules.get(home) if isinstance(home, str) else None
        if module is None or vars(module) is not obj.__globals__:
            return None
        return module_origin(module.__name__)
    if isinstance(obj, type):
        return module_origin(obj.__module__)
    if isinstance(obj, functools._lru_cache_wrapper):
        return _defined_in(obj.__wrapped__)
    kind = type(obj).__module__
    if kind == "builtins" or "cython" in kind or kind == "numpy":
        return module_origin(str(getattr(obj, "__module__", None) or "numpy")) or None
    # An instance dressed as a function: it holds state that a name cannot tell.
    return None


def _file_of(module: types.ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return file
    spec = getattr(module, "__spec__", None)
    found = getattr(spec, "origin", None)
    if found in ("built-in", "frozen"):
        return str(found)
    return None


def _find_unimported(name: str) -> str | None:
    # Only the root: finding a submodule would import its parents.
    root = name.partition(".")[0]
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None
    return spec.origin if spec is not None else None


@functools.cache
def _owner(file: str, root: str) -> Origin | None:
    if file in ("built-in", "frozen"):
        return PYTHON
    if file.startswith(_OURS):
        return _our_source()
    if match := _SITE.match(file):
        return _distribution(match[1], match[2].replace(os.sep, "/"), root)
    return PYTHON if file.startswith(_STDLIB) else None


@functools.cache
def _our_source() -> Origin:
    """What these functions are, also where they are edited in place."""
    found = hashlib.sha256()
    for file in sorted(Path(_OURS).rglob("*.py")):
        found.update(file.name.encode() + b":" + file.read_bytes())
    version = f"{stratum_dask.__version__}+{found.hexdigest()}"
    return Origin("stratum-dask", version)


@functools.cache
def _records(folder: str) -> dict[str, importlib.metadata.Distribution]:
    found = importlib.metadata.distributions(path=[folder])
    return {_normal(str(dist.metadata["Name"])): dist for dist in found}


@functools.cache
def _likely(folder: str, root: str) -> list[str]:
    """Return the distributions of a folder, the most likely owner first."""
    names = list(_records(folder))
    guess = _normal(root)
    return sorted(names, key=lambda name: (name != guess, guess not in name))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution(folder: str, path: str, root: str) -> Origin | None:
    order = _likely(folder, root)
    for position, name in enumerate(order):
        dist = _records(folder)[name]
        record = dist.read_text("RECORD")
        if record is None:
            tops = (dist.read_text("top_level.txt") or "").split()
            owns = root in tops
        else:
            owns = f"\n{path}," in f"\n{record}"
        if owns:
            order.insert(0, order.pop(position))
            return Origin(name, dist.version + _local_build(dist, record))
    return None


def _local_build(dist: importlib.metadata.Distribution, record: str | None) -> str:
    """Tell apart builds of one version: those not from an index may differ."""
    if dist.read_text("direct_url.json") is None:
        return ""
    lines = [
        line
        for line in (record or "").splitlines()
        if not line.startswith("..")
        and ".dist-info/" not in line
        and ".pyc" not in line
    ]
    content = "\n".join(sorted(lines)).encode()
    return "+" + hashlib.sha256(content).hexdigest()
