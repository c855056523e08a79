"""The judge: one verdict for a task, and everything it needs to say it."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from stratum_dask.graph import execute_subgraph
from stratum_dask.optimizations.purity import (
    effects,
    operators,
    values,
    writing,
)
from stratum_dask.optimizations.purity.calls import Call
from stratum_dask.optimizations.purity.contracts import Contract, refuse
from stratum_dask.optimizations.purity.declared import Declared
from stratum_dask.optimizations.purity.evidence import Evidence
from stratum_dask.optimizations.purity.examiner import Examiner
from stratum_dask.optimizations.purity.fixed import check_task, literal
from stratum_dask.optimizations.purity.known import MUTATORS
from stratum_dask.optimizations.purity.members import changes_itself
from stratum_dask.optimizations.purity.places import (
    canonical,
    label,
    root_of,
)
from stratum_dask.optimizations.verdict import MERGE, Effect, Role, Verdict

__all__ = ["Finding", "Judge"]

_ITERATES = Evidence(makes="iterator")
# dask's random arrays: a generator's class, and the seed of the block beside it
_SEEDING = frozenset(
    {"dask.array.random._apply_random", "dask.array.random._apply_random_func"}
)


class Finding(NamedTuple):
    """What is known of a task's function before its arguments are seen."""

    verdict: Verdict
    looks_at_arguments: bool


class _Conditional(Finding):
    """A finding that depends on the arguments."""

    contract: Contract


class Judge(Examiner):
    """Judges callables and values; one for each pass, for it remembers them.

    Parameters
    ----------
    declared
        What the user said; by default what the configuration says now.

    Examples
    --------
    >>> import math, time
    >>> judge = Judge()
    >>> judge.function(math.sqrt).verdict.role.name
    'MERGE'
    >>> judge.function(time.time).verdict.reason
    'time.time reads the clock'
    """

    def __init__(self, declared: Declared | None = None) -> None:
        super().__init__(declared)
        self._findings: dict[int, tuple[object, Finding]] = {}
        self._operators: Effect | None = None

    # ------------------------------------------------------------ questions
    def said(self, func: object) -> str:
        """What the user declared of ``func``; see `Declared.about`."""
        return self._declared.about(func)

    def function(self, func: object) -> Finding:
        """Whether a task with this function may be merged; never raises."""
        known = self._findings.get(id(func))
        if known is not None:
            return known[1]
        try:
            found = self._find(func)
        except Exception as problem:  # noqa: BLE001 what fails is refused
            found = Finding(_broken(func, problem), False)
        self._findings[id(func)] = (func, found)
        return found

    def arguments(
        self, finding: Finding, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Verdict:
        """The verdict on a task whose finding looks at the arguments."""
        if not isinstance(finding, _Conditional):
            return finding.verdict
        try:
            outcome = check_task(finding.contract, _call(args, kwargs))
        except Exception as problem:  # noqa: BLE001 what fails is refused
            return _broken(finding, problem)
        if outcome.demands:
            return max(outcome.verdict, finding.contract.loose)
        return outcome.verdict

    def reads(self, func: object) -> bool:
        """Whether a user's function reads files that a call of it may name."""
        return bool(getattr(self._contract(func), "reads", False))

    def paths(
        self, func: object, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[Any] | None:
        """The files that a call of such a function reads; None if not all are seen."""
        contract: Any = self._contract(func)
        try:
            found: list[Any] | None = contract.paths(_call(args, kwargs))
        except Exception:  # noqa: BLE001 what fails is not seen
            return None
        return found

    def _contract(self, func: object) -> Contract | None:
        finding = self.function(func)
        return finding.contract if isinstance(finding, _Conditional) else None

    def iterates(self, func: object) -> bool:
        """Whether ``func`` is pure but for returning an iterator."""
        return _iterates(self.evidence(func))

    def takes_care(self, func: object) -> bool:
        """Whether only `task` can tell what ``func`` makes of its arguments."""
        if type(func) is types.FunctionType and canonical(func) in _SEEDING:
            return True
        found = self.evidence(func)
        return bool(found.writes) or writing.may_ask(found)

    def task(
        self, func: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] = {}
    ) -> Verdict:
        """The verdict on a task: its function, its arguments, and what they bring."""
        verdict = self.call(func, args, kwargs)
        if verdict.role is Role.REFUSE:
            return verdict
        written = writing.written(self, self.evidence(func), args, kwargs)
        if written:
            why = f"{label(func)} writes into {written} that it is given"
            return refuse(why, "pass a copy of it, or declare it: @stratum_dask.pure")
        if func is execute_subgraph:
            return max(self._fused(*args[:2]), self.value(list(args[2:])))
        seeded = type(func) is types.FunctionType and canonical(func) in _SEEDING
        for value in (*args, *kwargs.values()):
            if not (seeded and isinstance(value, type)):
                verdict = max(verdict, self.value(value))
        return verdict

    def call(
        self, func: object, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Verdict:
        """The verdict on a function and what it asks of its arguments."""
        finding = self.function(func)
        if finding.looks_at_arguments:
            return self.arguments(finding, args, kwargs)
        return finding.verdict

    def _fused(self, inner: Mapping[Any, Any], out: object) -> Verdict:
        """The verdict on a fused task: an iterator may pass between its parts."""
        verdict = MERGE
        for key, node in inner.items():
            func = getattr(node, "func", None)
            if func is None:
                found = self.value(node)
            elif key != out and _iterates(self.evidence(func)):
                found = self.value([*node.args, *node.kwargs.values()])
            else:
                found = self.task(func, node.args, node.kwargs)
            verdict = max(verdict, found)
        return verdict

    def value(self, obj: object) -> Verdict:
        """Whether a literal argument carries randomness or state; never raises."""
        if type(obj) in values.SCALARS:
            return MERGE
        try:
            return self._values.judge(obj)
        except Exception as problem:  # noqa: BLE001 what fails is refused
            return _broken(obj, problem)

    def effect(self, func: object) -> Effect:
        """What the function may do to its arguments; numpy's need `effects.effect`."""
        try:
            return effects.effect(func)
        except Exception:  # noqa: BLE001 what fails may write
            return Effect.WRITE

    def operators(self, met: Callable[[], Iterable[object]]) -> Effect:
        """What operators may do to objects of the classes that were met."""
        if self._operators is None:
            try:
                self._operators = operators.at_least(self, met())
            except Exception:  # noqa: BLE001 what fails may write
                self._operators = Effect.WRITE
        return self._operators

    def _find(self, func: object) -> Finding:
        found = self.evidence(func)
        if found.makes == "iterator" and found.verdict.role is not Role.REFUSE:
            why = f"{label(func)} returns an iterator, which can be read only once"
            return Finding(refuse(why, "return a list"), False)
        if found.hands and found.verdict.role is not Role.REFUSE:
            why = f"returns {min(found.hands).label}, an object that lives on after the call"
            return Finding(refuse(why, "return a copy"), False)
        if isinstance(func, types.MethodType):
            verdict = self._bound_state(func, found)
            if verdict.role is Role.REFUSE:
                return Finding(verdict, False)
        if found.contract is None:
            return Finding(found.verdict, False)
        conditional = _Conditional(MERGE, True)
        conditional.contract = found.contract
        return conditional

    def _bound_state(self, func: types.MethodType, found: Evidence) -> Verdict:
        owner = func.__self__
        if isinstance(owner, (type, types.ModuleType)):
            return MERGE
        name = func.__func__.__name__
        writes = changes_itself(self, owner, name)
        if writes or (name in MUTATORS and root_of(type(owner).__module__) != "dask"):
            why = f"{label(func)} changes the object it is bound to"
            return refuse(why, "pass the object to a function as an argument")
        return MERGE


def _call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
    return Call(
        tuple([literal(a) for a in args]), {k: literal(v) for k, v in kwargs.items()}
    )


def _iterates(found: Evidence) -> bool:
    return found._replace(gives=None, asks=frozenset()) == _ITERATES


def _broken(obj: object, problem: Exception) -> Verdict:
    why = f"a {type(obj).__name__} could not be looked into ({problem!r:.80})"
    return refuse(why, "declare it: @stratum_dask.pure or @stratum_dask.impure")
