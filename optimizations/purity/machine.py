"""The abstract machine: what stands on its stack and in its variables."""

from __future__ import annotations

import builtins
import types
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from stratum_dask.optimizations.purity.calls import (
    UNSEEN,
    Demand,
    Fresh,
    Inside,
    Lit,
    Mixed,
    Param,
    Source,
)
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.evidence import PURE, Evidence
from stratum_dask.optimizations.purity.known import MUTATORS
from stratum_dask.optimizations.purity.meeting import Arrival
from stratum_dask.optimizations.purity.members import changes_itself, held_by
from stratum_dask.optimizations.purity.outer import (
    NOTHING,
    contents,
    is_fixed,
    mixed,
    sources,
)
from stratum_dask.optimizations.purity.pathtexts import PATHS, Made
from stratum_dask.optimizations.purity.places import label
from stratum_dask.optimizations.purity.reach import (
    Judging,
    Named,
    Ref,
    State,
    attribute,
    hidden,
    method,
)
from stratum_dask.optimizations.purity.stack import (
    CLEARED,
    PLAIN,
    Bound,
    Held,
    Pairs,
)
from stratum_dask.optimizations.purity.variables import (
    slots,
)
from stratum_dask.optimizations.verdict import Verdict

__all__ = ["Found", "Walker"]

Nested = Callable[["Walker", types.CodeType], tuple[Evidence, "Found"]]


class Found(NamedTuple):
    """What one code object shows."""

    verdicts: list[Verdict]
    demands: set[Demand]
    writes: set[str]
    oneshot: bool
    returns: set[Source]
    asks: set[tuple[str, str]]
    whole: set[str]
    """Parameters that may be returned, or held by what is."""


class Walker:
    """What is known while the instructions of one code object are followed.

    Parameters
    ----------
    code, scope, cells
        The code, its globals, and what its free variables hold.
    foreign
        Free variables that live outside the judged function.
    prefix
        Tells the parameters of nested functions from those of outer ones.
    """

    def __init__(
        self,
        code: types.CodeType,
        scope: Mapping[str, Any],
        cells: dict[str, Any],
        judge: Judging,
        foreign: frozenset[str],
        prefix: str,
        nested: Nested,
    ) -> None:
        self.code, self.scope, self.judge = code, scope, judge
        self.cells, self.foreign, self.prefix = cells, foreign, prefix
        self.nested = nested
        self.names = slots(code)
        self.hidden_cells = frozenset((*code.co_cellvars, *code.co_freevars))
        self.stack: list[Any] = []
        self.pending: dict[int, Held] = {}
        self.found = Found([], set(), set(), False, set(), set(), set())
        self.oneshot = False
        self.kwnames: tuple[str, ...] = ()
        self.env: dict[str, Any] = {}
        self.stores: Counter[str] = Counter()
        # what variables that are assigned more than once hold, here and anywhere
        self.flow: dict[str, frozenset[Source]] = {}
        self.ever: dict[str, frozenset[Source]] = {}
        self.escaped: frozenset[Source] = NOTHING
        self.back: dict[int, Arrival] = {}

    # --------------------------------------------------------------- stack
    def note(self, verdict: Verdict) -> None:
        if verdict.role:
            self.found.verdicts.append(verdict)

    def pop(self) -> Any:
        """Take the top value; a sensitive one stays pending."""
        value = self.stack.pop() if self.stack else UNSEEN
        return value.value if isinstance(value, Held) else value

    def take(self) -> Any:
        """Take the top value, to be used in a way that is understood."""
        value = self.stack.pop() if self.stack else UNSEEN
        if isinstance(value, Held):
            self.pending.pop(id(value), None)
            return value.value
        return value

    def push(self, value: Any) -> None:
        """Put a value on the stack; what is loaded here is judged here."""
        evidence = getattr(value, "evidence", None)
        if evidence is not None:
            module = isinstance(getattr(value, "obj", None), types.ModuleType)
            if evidence.contract is not None or module:
                value = Held(value)
                self.pending[id(value)] = value
            else:
                self.note(evidence.verdict)
        self.stack.append(value)

    # --------------------------------------------------------------- names
    def outside(self, obj: Any, name: str) -> Any:
        """The abstract value of an object from globals or a closure."""
        if isinstance(obj, PLAIN) or type(obj) in PATHS:
            return Lit(obj)
        if isinstance(obj, types.ModuleType):
            return Ref(obj, obj.__name__, PURE)
        if callable(obj):
            evidence = self.judge.evidence(obj)
            if isinstance(obj, (type, types.FunctionType)) or evidence.contract:
                return Ref(obj, "", evidence)
            if hasattr(obj, "__qualname__"):
                return Ref(obj, "", evidence)
            self.note(evidence.verdict)
        self.note(self.judge.value(obj))
        return State(obj, name)

    def load_global(self, name: str) -> Any:
        if name in self.scope:
            return self.outside(self.scope[name], name)
        if hasattr(builtins, name):
            return self.outside(getattr(builtins, name), name)
        return Ref(None, name, hidden(f"the name {name} is not defined here: it"))

    def cell(self, name: str) -> Any:
        """What a free or local variable holds."""
        if name in self.env:
            return self.env[name]
        if name in self.ever:
            return Mixed(self.ever[name]) if self.ever[name] else UNSEEN
        held = self.cells.get(name, UNSEEN)
        if isinstance(held, list):
            if held:
                return self.outside(held[0], name)
            return Ref(None, name, hidden(f"the variable {name} of the closure"))
        return held

    def store(self, name: str, value: Any) -> None:
        if value is CLEARED:
            return
        if isinstance(value, Pairs):
            value = mixed(value)  # may be changed before it is used
        if self.stores[name] <= 1:
            self.env[name] = value
            return
        # Of a new container only what is in it is somebody else's, and that can't
        # be told apart here.
        self.flow[name] = NOTHING if type(value) is Fresh else sources(value)
        self.ever[name] = self.ever.get(name, NOTHING) | self.flow[name]

    def load(self, name: str) -> Any:
        """What a variable of its own holds here."""
        if name in self.env or name not in self.flow:
            return self.env.get(name, UNSEEN)
        return Mixed(self.flow[name]) if self.flow[name] else UNSEEN

    def escapes(self, value: Any) -> None:
        """A value is put into an object of its own, where it is lost sight of."""
        self.escaped |= frozenset(s for s in sources(value) if s.label)

    def storable(self, name: str) -> Any:
        """Take the top for a variable: tracked only if assigned just once."""
        return self.take() if self.stores[name] <= 1 else self.pop()

    # ---------------------------------------------------------- attributes
    def attr(self, owner: Any, name: str) -> Any:
        """The value of ``owner.name``."""
        if name == "__dict__" and isinstance(owner, (Ref, Named)):
            self.note(hidden(f"what is taken out of {owner.path}.__dict__").verdict)
        if isinstance(owner, (Ref, Named)) and not _is_function(owner):
            if isinstance(owner, Named) and name in MUTATORS:
                self.changes(owner)
            found = attribute(owner, name, self.judge)
            if isinstance(found, list):
                return self.outside(found[0], f"{owner.path}.{name}")
            return Bound(name, owner, found) if isinstance(found, Evidence) else found
        if name == "__class__":
            return State(None, "a class")
        if name in MUTATORS:
            self.changes(owner)
        if isinstance(owner, State):
            held = held_by(owner.obj, name)
            if held is not None:
                fixed = is_fixed(held)
                return UNSEEN if fixed else State(held, f"{owner.label}.{name}")
        if isinstance(owner, State) and changes_itself(self.judge, owner.obj, name):
            self.changes(owner)
        if isinstance(owner, Param):
            self.found.asks.add((owner.name, name))
        if (owner is UNSEEN or isinstance(owner, Made)) and self.escaped:
            owner = Mixed(self.escaped)
        return Bound(name, owner, self.method(owner, name))

    def method(self, owner: Any, name: str) -> Evidence:
        """What is known of a method of an object of unknown type."""
        if name in self.judge.patched:
            return Evidence(refuse(f"{name} is a method that was put into pandas"))
        if isinstance(owner, Made) and owner.is_path:
            found = self.judge.named(f"pathlib.Path.{name}")
            return found if found.verdict.role else method(name)
        return method(name)

    def changes(self, owner: Any) -> None:
        """Something is written into an object."""
        if isinstance(owner, Fresh):
            return
        if isinstance(owner, (Ref, Named)):
            what = label(owner.obj) if isinstance(owner, Ref) else owner.path
            self._refuse_change(what)
        for source in sources(owner):
            if source.label:
                self._refuse_change(source.label)
            else:
                self.found.writes.add(source.param)

    def _refuse_change(self, what: str) -> None:
        why = f"changes {what}, which lives outside the function"
        self.note(refuse(why, "return the value instead"))

    def item(self, owner: Any, key: Any) -> Any:
        """What stands in an object at a place that may be known."""
        if isinstance(owner, State) and isinstance(key, Lit):
            kinds = (dict, list, tuple)
            if type(owner.obj) in kinds and type(key.value) in (str, int):
                try:
                    held = owner.obj[key.value]
                except LookupError:
                    return UNSEEN
                return UNSEEN if is_fixed(held) else State(held, owner.label)
        return self.derive(owner)

    def derive(self, owner: Any) -> Any:
        """Something inside an object."""
        if isinstance(owner, Param):
            return Inside(owner.name)
        if isinstance(owner, State):
            return contents(owner)
        if (owner is UNSEEN or isinstance(owner, Made)) and self.escaped:
            return Mixed(self.escaped)
        return owner if isinstance(owner, Inside) else mixed(owner)


def _is_function(owner: Ref | Named) -> bool:
    if isinstance(owner, Named):
        return False
    return not isinstance(owner.obj, (type, types.ModuleType))
