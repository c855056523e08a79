"""Evidence on callables, in order: declared, known, read from bytecode."""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Container, Mapping, Sequence
from typing import Any

from stratum_dask.optimizations.purity import bytecode, effects, values
from stratum_dask.optimizations.purity.callers import methodcaller, named_method
from stratum_dask.optimizations.purity.calls import Source
from stratum_dask.optimizations.purity.class_evidence import (
    bound_class,
    class_evidence,
    unknown,
)
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.declared import Declared
from stratum_dask.optimizations.purity.evidence import (
    PURE,
    SAYS_PURE,
    Evidence,
    as_evidence,
    joined,
)
from stratum_dask.optimizations.purity.fixed import Fixed, literal
from stratum_dask.optimizations.purity.inside import (
    filled,
    generates,
    same_name,
    slots_of,
    wrapped,
)
from stratum_dask.optimizations.purity.known import MUTATORS, rule
from stratum_dask.optimizations.purity.members import changes_itself
from stratum_dask.optimizations.purity.patched import Patched
from stratum_dask.optimizations.purity.places import (
    ALIASES,
    canonical,
    dispatches,
    installed,
    label,
    opaque,
    put_in_place,
    root_of,
)
from stratum_dask.optimizations.purity.reach import method
from stratum_dask.optimizations.purity.readers import versioned
from stratum_dask.optimizations.purity.seeded import seeded
from stratum_dask.optimizations.purity.textcontracts import Texts
from stratum_dask.optimizations.verdict import Role, Verdict

__all__ = ["Examiner"]

LIMIT = 5_000
"""Callables that are looked into for one question: about a second's work."""

_TAKE_AWAY = "take that away: @stratum_dask.{0}, or its name in stratum.purity.{0}"


class _TooMuch(Exception):
    """A question would take seconds to answer."""


class Examiner:
    """Looks into callables and remembers what it found while it lives.

    Attributes
    ----------
    limit
        So many callables are looked into for one question.
    """

    limit = LIMIT

    def __init__(self, declared: Declared | None = None) -> None:
        self._declared = declared or Declared.here()
        self.strict = self._declared.strictness == "strict"
        self.trusts = self._declared.strictness == "trust"
        self._evidence: dict[int, tuple[object, Evidence]] = {}
        self._named: dict[str, Evidence] = {}
        self._open: dict[int, int] = {}
        self._lowest = 1 << 30
        self._left = LIMIT
        self.patched: Container[str] = Patched()
        self._values = values.Values(self)

    def value(self, obj: object) -> Verdict:
        """What an object brings along."""
        return self._values.judge(obj)

    def call(
        self, func: object, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Verdict:
        """What a call with these arguments brings along."""
        return self.evidence(func).verdict

    def evidence(self, obj: object, path: str = "") -> Evidence:
        """All that is known of a callable, reached under a dotted name."""
        if path and rule(path) is not None:
            by_name = self.named(path)
            if by_name != PURE and not self._declared.about(obj):
                if not put_in_place(obj, path):
                    return versioned(obj, by_name)
                return joined(self.evidence(obj), by_name.verdict)
        known = self._evidence.get(id(obj))
        if known is not None:
            return known[1]
        depth = self._open.get(id(obj))
        if depth is not None:  # it calls itself: whatever else it does decides
            self._lowest = min(self._lowest, depth)
            return PURE
        depth = len(self._open)
        if not depth:
            self._left = self.limit
        self._open[id(obj)] = depth
        above, self._lowest = self._lowest, 1 << 30
        try:
            found = self._limited(obj, depth)
        finally:
            del self._open[id(obj)]
            lowest, self._lowest = self._lowest, min(above, self._lowest)
        if lowest == depth and found.contract is not None:
            # What it gives itself when it calls itself was not looked at.
            found = Evidence(max(found.verdict, found.contract.loose))
        if lowest >= depth:
            self._evidence[id(obj)] = (obj, found)
            if lowest == depth:
                self._lowest = above
        return found

    def _limited(self, obj: Any, depth: int) -> Evidence:
        """Judge, but not a whole program: what leads there is refused."""
        self._left -= 1
        if self._left < 0:
            raise _TooMuch
        try:
            return self._judge(obj)
        except _TooMuch:
            if depth:
                raise
        why = f"{label(obj)} leads to more than {self.limit:,} callables"
        return Evidence(refuse(why, SAYS_PURE.format(canonical(obj))))

    def named(self, path: str) -> Evidence:
        """Judge by dotted name alone."""
        known = self._named.get(path)
        if known is not None:
            return known
        head, dot, rest = path.partition(".")
        name = f"{ALIASES[head]}{dot}{rest}" if head in ALIASES else path
        found = rule(name) if installed(head) else None
        if found is None and self.trusts:
            evidence = PURE
        elif found is None:
            why = f"{path} is not imported here, so it can't be looked into"
            evidence = Evidence(refuse(why, SAYS_PURE.format(path)))
        else:
            evidence = as_evidence(name, found)
        self._named[path] = evidence
        return evidence

    def _judge(self, obj: Any) -> Evidence:
        said = self._declared.about(obj)
        if said == "impure":
            why = f"{label(obj)} is declared impure"
            return Evidence(refuse(why, _TAKE_AWAY.format(said)))
        if said == "batch":
            why = f"{label(obj)} is declared batch"
            return Evidence(Verdict(Role.BATCH, why, _TAKE_AWAY.format(said)))
        if said == "pure":
            return PURE
        found = type(obj)
        if found is types.FunctionType:
            return self._python(obj)
        if found is types.MethodType:
            return self._method(obj)
        if found is functools.partial:
            return self._partial(obj)
        if isinstance(obj, type):
            return class_evidence(obj, self)
        if found in (operator.itemgetter, operator.attrgetter):
            return PURE
        if found is operator.methodcaller:
            return methodcaller(obj, self)
        return self._other(obj)

    def _python(self, func: types.FunctionType) -> Evidence:
        home = str(func.__globals__.get("__name__", ""))
        name = canonical(func)
        root = root_of(home)
        known = rule(name) if installed(home.partition(".")[0]) else None
        if known is None and self.strict:
            why = f"{label(func)} is not declared, and strictness is strict"
            return Evidence(refuse(why, SAYS_PURE.format(name)))
        if known is None:
            return bytecode.look(func, self)
        found = seeded(func, versioned(func, as_evidence(name, known)))
        if generates(func):
            found = found._replace(makes="iterator")
        if (
            func.__closure__
            and root not in ("numpy", "pandas")
            and not dispatches(func)
        ):
            inner = [c.cell_contents for c in func.__closure__ if filled(c)]
            other = [
                i for i in inner if type(i) in values.SCALARS or not same_name(i, name)
            ]
            return joined(found, self.value(other))
        return found

    def _method(self, func: types.MethodType) -> Evidence:
        inner, owner = func.__func__, func.__self__
        found = self.evidence(inner)
        if isinstance(owner, type):
            for cls in type.mro(owner):
                name = f"{canonical(cls)}.{getattr(inner, '__name__', '')}"
                known = rule(name)
                if known is not None and as_evidence(name, known) != PURE:
                    return as_evidence(name, known)
            found = joined(found, bound_class(func, found, self))
        else:
            found = joined(found, self.value(owner))
        contract = found.contract
        if contract is not None and hasattr(contract, "bound"):
            return found._replace(contract=contract._replace(bound=1))  # type: ignore[attr-defined]
        return found

    def _partial(self, func: functools.partial[Any]) -> Evidence:
        found = self.evidence(func.func)
        inner = self.value([*func.args, *func.keywords.values()])
        if found.contract is None:
            return joined(found._replace(params=(), writes=frozenset()), inner)
        args = tuple(map(literal, func.args))
        kwargs = {k: literal(v) for k, v in func.keywords.items()}
        fixed = Fixed(found.contract, args, kwargs)
        return joined(Evidence(fixed.loose, fixed, found.makes), inner)

    def _other(self, obj: Any) -> Evidence:
        """Compiled functions, wrappers, and objects that can be called."""
        kind = type(obj)
        if opaque(obj):
            return self._instance(obj)
        name, home = canonical(obj), kind.__module__.partition(".")[0]
        inner = wrapped(obj, home)
        if inner is not None:
            found = self.evidence(inner)
            if home == "numba" or found.makes == "scalar":
                return found
            kept = Source("", f"what {label(obj)} keeps")
            return found._replace(hands=found.hands | {kept})
        if kind.__name__ == "ufunc":
            if effects.is_library_ufunc(obj) or self.trusts:
                return PURE
            return Evidence(refuse(f"{name} is a ufunc made from unseen code"))
        owner = getattr(obj, "__self__", None)
        if isinstance(obj, (types.BuiltinFunctionType, types.MethodWrapperType)):
            if owner is not None and not isinstance(owner, (type, types.ModuleType)):
                state = self.value(owner)
                if getattr(obj, "__name__", "") in MUTATORS:
                    state = refuse(f"{name} changes the object it is bound to")
                return joined(method(obj.__name__), state)
            if isinstance(owner, type):
                for cls in type.mro(owner):
                    full = f"{canonical(cls)}.{obj.__name__}"
                    known = rule(full)
                    if known is not None and as_evidence(full, known) != PURE:
                        return as_evidence(full, known)
        if isinstance(obj, values.CODE) or kind.__name__ in values.COMPILED:
            objclass = getattr(obj, "__objclass__", None)
            if isinstance(objclass, type):
                name = f"{canonical(objclass)}.{obj.__name__}"
            root = name.partition(".")[0]
            known = rule(name) if root and installed(root) else None
            if known is not None:
                return seeded(obj, versioned(obj, as_evidence(name, known)))
            return unknown(name, root or home, self)
        if not callable(obj):
            return Evidence(self.value(obj))
        if home in ("toolz", "cytoolz", "dask") and hasattr(kind, "__slots__"):
            parts = [getattr(obj, s, None) for s in slots_of(kind)]
            called = getattr(obj, "method", None) if home == "dask" else None
            found = named_method(called) if isinstance(called, str) else PURE
            if isinstance(found.contract, Texts):  # the object comes first
                shifted = found.contract._replace(position=1)
                found = found._replace(contract=shifted)
            return joined(found, self.value(parts))
        return self._instance(obj)

    def _instance(self, obj: Any) -> Evidence:
        """An object with a ``__call__`` written in Python, or none."""
        verdict = self.value(obj)
        if changes_itself(self, obj, "__call__"):
            why = f"{label(obj)} changes itself when it is called"
            verdict = max(verdict, refuse(why, "return the new state instead"))
        return Evidence(verdict) if verdict.role else PURE
