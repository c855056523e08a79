"""What a call must show before it may be merged: a seed, a mode, no path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from stratum_dask.optimizations.purity.calls import (
    MISSING,
    UNSEEN,
    Call,
    Demand,
    Lit,
    Param,
    Written,
    is_seed,
)
from stratum_dask.optimizations.purity.demands import TOLERANT, meets
from stratum_dask.optimizations.purity.pathtexts import asked, evaluate, substituted
from stratum_dask.optimizations.verdict import MERGE, Role, Verdict

__all__ = [
    "Contract",
    "Given",
    "Helper",
    "Outcome",
    "Seed",
    "refuse",
]


class Outcome(NamedTuple):
    """The verdict on a call, and what it asks of the caller's own parameters."""

    verdict: Verdict = MERGE
    demands: frozenset[Demand] = frozenset()


class Contract(Protocol):
    """How a sensitive function is judged once a call of it is seen."""

    @property
    def loose(self) -> Verdict:
        """The verdict where the call can't be seen."""

    def check(self, call: Call) -> Outcome:
        """Judge one call."""


def refuse(reason: str, remedy: str = "") -> Verdict:
    """A refusal in one word."""
    return Verdict(Role.REFUSE, reason, remedy)


class Seed(NamedTuple):
    """Random unless a parameter is a number: ``default_rng(0)``, ``sample``."""

    what: str
    param: str = "random_state"
    position: int | None = None

    @property
    def loose(self) -> Verdict:
        return refuse(
            f"{self.what} is random, and no call with {self.param}= is seen",
            f"call it with {self.param}=0 (any number written in the code)",
        )

    def check(self, call: Call) -> Outcome:
        value = call.get(self.param, self.position)
        seed = is_seed(value)
        if seed is True:
            return Outcome()
        if isinstance(seed, Demand):
            return Outcome(demands=frozenset([seed]))
        if value is MISSING or (isinstance(value, Lit) and value.value is None):
            why = f"{self.what} is random without {self.param}="
        else:
            why = f"{self.what}: {self.param}= is not a number that can be seen"
        return Outcome(refuse(why, f"give {self.param}= a number"))


class Given(NamedTuple):
    """Random by a part that it makes itself, unless it is given one by name.

    Examples
    --------
    >>> rule = Given("TableVectorizer", "high_cardinality", "StringEncoder")
    >>> rule.check(Call()).verdict.remedy
    'give high_cardinality=, a StringEncoder with random_state= for example'
    >>> rule.check(Call(kwargs={"high_cardinality": UNSEEN})).verdict.role.name
    'MERGE'
    """

    what: str
    param: str
    part: str
    """What it makes; one that is given is judged where it is made."""

    @property
    def loose(self) -> Verdict:
        return refuse(
            f"{self.what} makes a {self.part} that nobody seeds",
            f"give {self.param}=, a {self.part} with random_state= for example",
        )

    def check(self, call: Call) -> Outcome:
        return Outcome() if self.param in call.kwargs else Outcome(self.loose)


_ASKED = {
    "seed": ("is random unless {} is a number", "give {} a number at the call"),
    "range": ("is random unless {} is a range", "seed with numbers of a range"),
    "no clock": ("reads the clock where {} says now", "pass the time itself"),
    "no names": ("evaluates {}, in which names may stand", "write it as a constant"),
    "parameters": ("sets {} on an estimator", "give random_state a number in it"),
}


class Helper(NamedTuple):
    """A function of the user's that hands parameters on, as seeds for example."""

    what: str
    names: tuple[str, ...]
    positional: int
    rest: str
    defaults: Mapping[str, Any]
    demands: frozenset[Demand]
    bound: int = 0
    """Leading parameters that are bound already: ``self``."""
    floor: Verdict = MERGE
    """What holds however it is called."""
    only_positional: int = 0
    """Leading parameters that no keyword means."""

    @property
    def loose(self) -> Verdict:
        strict = [d for d in self.demands if d.kind not in TOLERANT]
        return max([self.floor, *map(self._refusal, sorted(strict, key=str))])

    @property
    def reads(self) -> bool:
        """Whether it reads files whose paths can be seen in a call of it."""
        return any(demand.kind == "path" for demand in self.demands)

    def _refusal(self, demand: Demand) -> Verdict:
        if demand.kind == "path":
            why = f"{self.what} reads a file whose version can't be seen"
            return Verdict(Role.BATCH, why, "give it the path itself, as a text")
        why, remedy = _ASKED[demand.kind]
        name = demand.key or demand.param.replace(".0", "what it goes through")
        return refuse(f"{self.what} {why.format(name)}", remedy.format(name))

    def check(self, call: Call) -> Outcome:
        further = set()
        verdict = self.floor
        for demand in sorted(self.demands, key=str):
            if demand.kind == "path":
                wanted = asked(self._path(demand, call))
                if wanted is None:
                    verdict = max(verdict, self._refusal(demand))
                else:
                    further.add(wanted)
                continue
            value = self._value(demand, call)
            if isinstance(value, Written):  # in the code of somebody else
                value = Lit(value.value)
            found = meets(value, demand.kind)
            if isinstance(found, Demand):
                further.add(found)
            elif not found:
                return Outcome(self._refusal(demand))
        return Outcome(verdict, frozenset(further))

    def check_task(self, call: Call) -> Outcome:
        """Judge the call of a task: `paths` are in its fingerprint."""
        outcome = self.check(call)
        further = frozenset(d for d in outcome.demands if d.kind != "path")
        verdict = outcome.verdict
        if self.reads and self.paths(call) is None:
            unseen = [d for d in self.demands if d.kind == "path"]
            verdict = max(verdict, *map(self._refusal, unseen))
        return Outcome(verdict, further)

    def paths(self, call: Call) -> list[Any] | None:
        """The files that a call of it reads; None where one can't be seen."""
        wanted = [d for d in self.demands if d.kind == "path"]
        found = [evaluate(self._path(demand, call)) for demand in wanted]
        return None if None in found else found

    def _path(self, demand: Demand, call: Call) -> Any:
        return substituted(demand.path, lambda name: self._value(Demand(name), call))

    def _value(self, demand: Demand, call: Call) -> Any:
        param, key = demand.param, demand.key
        if param == self.rest and key is not None:
            return call.get(key)
        if param == self.rest:
            rest = {k: v for k, v in call.kwargs.items() if k not in self.names}
            return UNSEEN if call.packs else rest
        position = None
        if param in self.names[: self.positional]:
            position = self.names.index(param) - self.bound
            if position < 0:
                return UNSEEN
        if param in self.names[: self.only_positional]:
            call = call._replace(kwargs={}, packs=())
        value = call.get(param, position)
        if value is MISSING:
            value = Lit(self.defaults[param]) if param in self.defaults else MISSING
        if key is None:
            return value
        if isinstance(value, Param):
            return Demand(value.name, key)
        if isinstance(value, Lit) and isinstance(value.value, dict):
            return Lit(value.value.get(key))
        return UNSEEN
