"""What a literal argument brings along: randomness, state, code."""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

from stratum_dask.optimizations.purity.cells import cells
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.estimators import judge_state
from stratum_dask.optimizations.purity.filecontracts import Opens, Reads
from stratum_dask.optimizations.purity.known import rule
from stratum_dask.optimizations.purity.known.reasons import OUTSIDE, WRITES
from stratum_dask.optimizations.purity.places import canonical, installed, root_of
from stratum_dask.optimizations.verdict import MERGE, Role, Verdict

if TYPE_CHECKING:
    from stratum_dask.optimizations.purity.examiner import Examiner

__all__ = ["CODE", "COMPILED", "SCALARS", "Values"]

SCALARS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, slice, range, type(...)}
)
_CONTAINERS = frozenset({list, tuple, set, frozenset})
CODE = (
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    functools.partial,
    type,
)
"""Types of what is code rather than data."""
COMPILED = frozenset(
    [
        "ufunc",
        "_ArrayFunctionDispatcher",
        "cython_function_or_method",
        "fused_cython_function",
        "builtin_function_or_method",
    ]
)
"""Names of the types of compiled functions."""
_DATA = frozenset(
    [
        "numpy",
        "pandas",
        "pyarrow",
        "polars",
        "scipy",
        "datetime",
        "decimal",
        "fractions",
        "pathlib",
        "uuid",
        "zoneinfo",
        "collections",
        "pytz",
        "dateutil",
        "xarray",
        "sparse",
        "builtins",
        "re",
    ]
)
_LIVE_BASES = frozenset(
    {
        "random.Random",
        "numpy.random.mtrand.RandomState",
        "numpy.random._generator.Generator",
        "numpy.random.bit_generator.BitGenerator",
        "numpy.random.RandomState",
        "numpy.random.Generator",
        "numpy.random.BitGenerator",
    }
)
_HANDLES = frozenset(
    ["io", "threading", "logging", "socket", "sqlite3", "queue", "contextvars"]
)


class Values:
    """Judges objects that are arguments, globals, defaults or closure values."""

    def __init__(self, judge: Examiner) -> None:
        self._judge = judge
        self._open: set[int] = set()
        self._kinds: dict[type, tuple[Verdict, bool]] = {}

    def judge(self, obj: Any) -> Verdict:
        """The verdict on one object and all that is in it."""
        kind = type(obj)
        if kind in SCALARS:
            return MERGE
        if kind in _CONTAINERS:
            return MERGE if SCALARS.issuperset(map(type, obj)) else self._all(obj, obj)
        if kind is dict:
            values = [*obj.values(), *obj]
            plain = SCALARS.issuperset(map(type, values))
            return MERGE if plain else self._all(obj, values)
        if issubclass(kind, CODE) or kind.__name__ in COMPILED:
            return self._code(obj)
        verdict, deep = self._kind(kind)
        if verdict.role is Role.REFUSE:
            return verdict
        items = cells(obj)
        if items is not None and not SCALARS.issuperset(map(type, items)):
            verdict = max(verdict, self._all(obj, items))
        if not deep:
            return verdict
        if kind.__module__ == "dask._task_spec":
            return self._node(obj)
        return max(verdict, self._state(obj))

    def _all(self, owner: object, values: Any) -> Verdict:
        if id(owner) in self._open:
            return MERGE
        self._open.add(id(owner))
        verdict = MERGE
        try:
            for value in values:
                verdict = max(verdict, self.judge(value))
                if verdict.role is Role.REFUSE:
                    break  # what else is in there may be the whole program
            return verdict
        finally:
            self._open.discard(id(owner))

    def _code(self, obj: object) -> Verdict:
        return self._judge.evidence(obj).verdict

    def _node(self, node: Any) -> Verdict:
        func = getattr(node, "func", None)
        if func is None:
            return self.judge(getattr(node, "value", None))
        kwargs = getattr(node, "kwargs", None) or {}
        verdict = self._judge.call(func, node.args, kwargs)
        return max(verdict, self._all(node, [*node.args, *kwargs.values()]))

    def _kind(self, kind: type) -> tuple[Verdict, bool]:
        """What the class alone tells, and whether to look into the object."""
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = self._look(kind)
        return known

    def _look(self, kind: type) -> tuple[Verdict, bool]:
        bases = kind.__mro__
        root = root_of(kind.__module__)
        names = {f"{b.__module__}.{b.__qualname__}" for b in bases}
        if not names.isdisjoint(_LIVE_BASES):
            why = f"a live {kind.__name__} gives other numbers each time it is used"
            return refuse(why, "pass a seed and make the generator inside"), False
        handles = any(root_of(b.__module__) in _HANDLES for b in bases)
        if handles or kind.__name__ in ("lock", "RLock", "local"):
            why = f"a {kind.__name__} is a handle on something outside"
            return refuse(why, "make it inside the function"), False
        if any("__next__" in vars(b) for b in bases):
            return refuse(
                f"a {kind.__name__} can be read only once", "pass a list"
            ), False
        if any(root_of(b.__module__) == "distributed" for b in bases):
            return refuse(f"a live {kind.__name__} is a part of the cluster"), False
        if kind is types.ModuleType:
            return refuse("what is taken from a module argument can't be seen"), False
        top = kind.__module__.partition(".")[0]
        known = rule(canonical(kind)) if installed(top) else None
        if known in (OUTSIDE, WRITES) or isinstance(known, Reads | Opens):
            why = f"a {kind.__name__} is a handle on something outside"
            return refuse(why, "make it inside the function"), False
        if known is None:
            found = self._judge.evidence(kind)
            verdict = found.verdict if found.contract is None else MERGE
            return verdict, True
        if top == "dask" and kind.__module__ == "dask._task_spec":
            return MERGE, True
        deep = root not in _DATA or "__call__" in dir(kind)
        return MERGE, deep

    def _state(self, obj: Any) -> Verdict:
        """Look at the attributes of an estimator or of a user's object."""
        kind = type(obj)
        slots = [vars(b).get(s) for b in kind.__mro__ for s in _slots(b)]
        held = [v for slot in slots for v in _held(slot, obj)]
        verdict = self._all(slots, held) if held else MERGE
        try:
            state = object.__getattribute__(obj, "__dict__")
        except AttributeError:
            return verdict
        random, seeded = MERGE, frozenset[str]()
        names = tuple(b.__name__ for b in kind.__mro__ if b is not object)
        random, seeded = judge_state(names, root_of(kind.__module__), state)
        inner = [
            value
            for name, value in state.items()
            if name not in seeded
            and name != "random_state"
            and not (name.endswith("_") and not name.startswith("_"))
        ]
        return max(verdict, random, self._all(obj, inner))


def _held(slot: object, obj: object) -> list[Any]:
    if not isinstance(slot, types.MemberDescriptorType):
        return []
    try:
        return [slot.__get__(obj)]
    except AttributeError:
        return []


def _slots(cls: type) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
