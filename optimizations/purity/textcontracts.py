"""Contracts of what depends on the text of an argument."""

from __future__ import annotations

from typing import NamedTuple

from stratum_dask.optimizations.purity.calls import (
    UNSEEN,
    Call,
    Demand,
    Lit,
    Param,
    shows_address,
)
from stratum_dask.optimizations.purity.contracts import Outcome, refuse
from stratum_dask.optimizations.purity.demands import meets, tame
from stratum_dask.optimizations.verdict import MERGE, Verdict

__all__ = ["Names", "Parameters", "Shows", "Spoken", "Texts", "Unless"]


class Unless(NamedTuple):
    """Reads the clock if an argument says ``"now"``: ``to_datetime``."""

    what: str
    verdict: Verdict

    @property
    def loose(self) -> Verdict:
        return MERGE

    def check(self, call: Call) -> Outcome:
        asked = set()
        for value in (*call.args, *call.kwargs.values()):
            found = meets(value, "no clock")
            if isinstance(found, Demand):
                asked.add(found)
            elif not found:
                return Outcome(self.verdict)
        return Outcome(demands=frozenset(asked))


class Texts(NamedTuple):
    """Takes names out of a text: ``query("a > @limit")`` finds ``limit`` by itself.

    A text without ``@`` names columns only. What a constant of the code names is
    in the fingerprint; what any other text names is not.
    """

    what: str
    position: int = 0
    kind: str = "no names"

    @property
    def loose(self) -> Verdict:
        return refuse(f"{self.what}: the text it evaluates can't be seen", _SAY)

    def check(self, call: Call) -> Outcome:
        found = meets(call.get("expr", self.position), self.kind)
        if isinstance(found, Demand):
            return Outcome(demands=frozenset([found]))
        if found:
            return Outcome()
        why = f"{self.what} evaluates a text whose names can't be seen"
        return Outcome(refuse(why, _SAY))


_SAY = "write the text at the call, as a constant"


class Shows(NamedTuple):
    """Makes a text: that of an object without one tells where it lies in memory."""

    what: str

    @property
    def loose(self) -> Verdict:
        return MERGE

    def check(self, call: Call) -> Outcome:
        if any(map(shows_address, (*call.args, *call.kwargs.values()))):
            why = f"{self.what} of an object shows where it lies in memory"
            return Outcome(refuse(why, "give its class a __repr__"))
        return Outcome()


class Parameters(NamedTuple):
    """``set_params``: may make an estimator random that was not."""

    what: str

    @property
    def loose(self) -> Verdict:
        return refuse(f"{self.what} gets parameters that can't be seen")

    def check(self, call: Call) -> Outcome:
        asked = set()
        for pack in call.packs:
            if not isinstance(pack, Param):
                return Outcome(self.loose)
            asked.add(Demand(pack.name, None, "parameters"))
        if not tame(call.kwargs):
            why = f"{self.what} may make the estimator random"
            return Outcome(refuse(why, "give random_state= a number with it"))
        return Outcome(demands=frozenset(asked))


class Spoken(NamedTuple):
    """May be given the name of a method: ``frame.agg("sample")``."""

    what: str
    words: frozenset[str]

    @property
    def loose(self) -> Verdict:
        return MERGE

    def check(self, call: Call) -> Outcome:
        for value in (*call.args, *call.kwargs.values()):
            name = value.value if isinstance(value, Lit) else None
            if type(name) is str and name in self.words:
                why = f"{self.what} calls {name!r}, which may not be pure"
                return Outcome(refuse(why, "call the method itself"))
        return Outcome()


class Names(NamedTuple):
    """A getter of methods by name: the name must be seen, and harmless."""

    what: str
    words: frozenset[str]

    @property
    def loose(self) -> Verdict:
        return refuse(f"{self.what}: the name it asks for can't be seen")

    def check(self, call: Call) -> Outcome:
        name = call.args[0] if call.args else UNSEEN
        if not isinstance(name, Lit) or not isinstance(name.value, str):
            return Outcome(self.loose)
        if self.words.isdisjoint(name.value.split(".")):
            return Outcome()
        return Outcome(refuse(f"{self.what}({name.value!r}) may not be pure"))
