"""What a function refers to by name: globals, builtins, imports."""

from __future__ import annotations

import builtins
import dis
import re
import sys
import types
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from stratum_dask.optimizations.fingerprint import cycles
from stratum_dask.optimizations.fingerprint.callables import KINDS
from stratum_dask.optimizations.fingerprint.code import Body
from stratum_dask.optimizations.fingerprint.origin import module_origin
from stratum_dask.optimizations.verdict import Refused

if TYPE_CHECKING:
    from stratum_dask.optimizations.fingerprint.values import Encoder

__all__ = ["Scope", "sees_names"]

# Who can look at the variables of the function that calls them.
_FRAME_READERS = {
    *("locals", "vars", "dir", "eval", "exec", "inspect", "_getframe", "__code__"),
    *("currentframe", "query", "evaluate", "sql", "execute", "from_formula"),
    *("duckdb", "patsy", "dmatrix", "dmatrices", "formulaic", "model_matrix"),
    *("ols", "wls", "gls", "glm", "logit", "probit", "mixedlm", "numexpr"),
}
# Who can reach what no name in the code tells of.
_TEXT_READERS = {"eval", "exec", "globals", "__import__", "compile"}
_WORD = re.compile(r"[^\W\d]\w*")
_DIRECT = (types.FunctionType, type, *KINDS)


def sees_names(body: Body) -> bool:
    """Whether a body can see the names of its variables.

    By asking for them, or by calling what reads them from the calling frame, as
    ``DataFrame.query("a > @limit")`` does.
    """
    return not (
        _FRAME_READERS.isdisjoint(body.names)
        and _FRAME_READERS.isdisjoint(body.globals)
        and all(name not in _FRAME_READERS for _, name, _ in body.imports)
    )


class Scope:
    """Where one function or class encodes what it refers to.

    Attributes
    ----------
    encoder, node
        Of the function or class.
    sees_names
        Whether something it refers to looks at the frames of its callers.
    """

    def __init__(
        self,
        encoder: Encoder,
        node: cycles.Node,
        function: Callable[[object, Encoder], bytes],
    ) -> None:
        self.encoder = encoder
        self.node = node
        self.function = function
        self.sees_names = False

    def spell(self, obj: object) -> bytes:
        """Encode a value or function."""
        if not isinstance(obj, _DIRECT):
            if isinstance(obj, types.ModuleType):
                return self.module(obj, {()})
            return self.value(obj)
        encoded = self.function(obj, self.encoder)
        if cycles.looks_at_callers(encoded):
            self.sees_names = True
        return encoded

    def value(self, obj: object) -> bytes:
        """Encode something by its class and state."""
        return cycles.value(obj, self.encoder)

    def pairs(self, items: Iterable[tuple[str, object]]) -> bytes:
        """Encode named values in the order of their names."""
        value = self.encoder.value
        found = [value(name) + self.spell(x) for name, x in sorted(items)]
        return b"%d:" % len(found) + b"".join(found)

    def references(self, func: types.FunctionType, body: Body) -> list[bytes]:
        """Encode the globals, builtins and imports of a function."""
        namespace = func.__globals__
        around = getattr(func, "__builtins__", None) or vars(builtins)
        parts = [b"g%d:" % len(body.globals)]
        for name in body.globals:
            if name in namespace:
                parts.append(self._global(name, namespace[name], body.chains[name]))
            elif name in around:
                if name in _TEXT_READERS:
                    _check_text(name, func.__code__)
                parts.append(b"b" + self.encoder.value(name))
            else:
                parts.append(b"undefined" + self.encoder.value(name))
        if sees_names(body):
            words = {w for text in _texts(body.constants) for w in _WORD.findall(text)}
            words &= namespace.keys() - set(body.globals)
            parts.append(self.pairs((word, namespace[word]) for word in words))
        parts += [self._import(*found, namespace) for found in body.imports]
        return parts

    def _global(self, name: str, obj: object, chains: set[tuple[str, ...]]) -> bytes:
        if isinstance(obj, types.ModuleType):
            return b"m" + self.module(obj, chains or {()})
        if isinstance(obj, _DIRECT):
            return b"f" + self.spell(obj)
        # By name as well: another object of this value may be written to alone.
        return b"v" + self.encoder.value(name) + self.spell(obj)

    def module(self, module: types.ModuleType, chains: set[tuple[str, ...]]) -> bytes:
        """Encode a module: installed ones by version, else what is used of it."""
        name = module.__name__
        origin = module_origin(name)
        value = self.encoder.value
        if origin is not None:
            if sys.modules.get(name) is not module:
                raise Refused(f"its module {name} is not the imported one")
            if name.partition(".")[0] in _FRAME_READERS:
                self.sees_names = True
            patched = [self._patched(module, chain) for chain in sorted(chains)]
            known = value((*origin, name)) + value(sorted(chains))
            return b"M" + known + b"".join(patched)
        parts = [b"m%d:" % len(chains)]
        for chain in sorted(chains):
            parts += (value(chain), self._attribute(module, chain))
        return b"".join(parts)

    def _patched(self, module: types.ModuleType, chain: tuple[str, ...]) -> bytes:
        """Encode what a library has under a name, if that is not its own."""
        found: object = module
        for name in chain:
            if not isinstance(found, types.ModuleType):
                break
            found = vars(found).get(name)
        home = getattr(found, "__module__", None)
        if isinstance(found, types.FunctionType):
            home = found.__globals__.get("__name__")
        # Nothing of a library's own: its modules may be loaded now, or only later.
        known = not isinstance(found, _DIRECT) or not isinstance(home, str)
        if known or module_origin(str(home)) is not None:
            return b""
        return b"patched" + self.spell(found)

    def _attribute(self, module: types.ModuleType, chain: tuple[str, ...]) -> bytes:
        if not chain:
            raise Refused(
                f"it hands on the module {module.__name__} as a whole",
                "refer to the functions of the module by name",
            )
        if chain[0] not in vars(module):
            return b"undefined"
        found = vars(module)[chain[0]]
        if isinstance(found, types.ModuleType):
            return self.module(found, {chain[1:]})
        return self.spell(found)

    def _import(
        self, level: object, name: str, names: object, namespace: dict[str, Any]
    ) -> bytes:
        """Encode an import inside a function."""
        full = name
        if level:
            package = str(namespace.get("__package__") or "")
            parents = package.split(".")[: -int(str(level)) + 1 or None]
            full = ".".join([*parents, name] if name else parents)
        origin = module_origin(full)
        value = self.encoder.value
        if origin is not None:
            if full.partition(".")[0] in _FRAME_READERS:
                self.sees_names = True
            return b"I" + value((*origin, full, names))
        module = sys.modules.get(full)
        if module is None or not isinstance(names, tuple):
            raise Refused(
                f"it imports {full} when it runs, which is not an installed module",
                f"import {full} at the top of the file",
            )
        return b"i" + self.module(module, {(str(wanted),) for wanted in names})


def _texts(constants: Iterable[object]) -> Iterable[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple | frozenset):
            yield from _texts(constant)


def _check_text(name: str, code: types.CodeType) -> None:
    """Allow ``eval("text")``, whose words are in the code; refuse the rest."""
    if name in ("eval", "exec") and all(_literal_calls(name, code)):
        return
    raise Refused(
        f"it calls {name}(), which reaches names that its code does not show",
        "refer to what it needs directly",
    )


def _literal_calls(name: str, code: types.CodeType) -> Iterable[bool]:
    shown = [i for i in dis.get_instructions(code) if i.opname != "PUSH_NULL"]
    for load, given, call in zip(shown, shown[1:], shown[2:], strict=False):
        if load.opname in ("LOAD_GLOBAL", "LOAD_NAME") and load.argval == name:
            text = given.opname == "LOAD_CONST" and isinstance(given.argval, str)
            yield text and call.opname in ("PRECALL", "CALL")
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _literal_calls(name, constant)
