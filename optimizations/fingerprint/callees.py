"""What is known of the functions of one graph, worked out once each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from stratum_dask.graph import is_identity, literal
from stratum_dask.optimizations.fingerprint.binding import Binder, binder
from stratum_dask.optimizations.fingerprint.functions import encode_callee
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.optimizations.fingerprint.reading import Reading, reading, versions
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.keeping import Telling
from stratum_dask.optimizations.private import Isolated, Opened, Shareable
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.verdict import Effect, Refused, Role

__all__ = ["REF", "TASK", "VALUE", "Callee", "Callees"]

# What a digest is of. Everything that follows a tag is of known length or says
# its own length, so no two different tasks are ever spelled alike. The other tags
# stand where they are used.
TASK, REF, VALUE = b"T", b"R", b"V"


class Callee(NamedTuple):
    """What is known of one function."""

    func: Callable[..., Any]
    """Kept alive, so that its ``id`` stays its own."""
    head: bytes
    """How the spelling of a call begins."""
    binder: Binder | None
    reads: Reading
    plain: bool
    """Whether every call of it may be merged, whatever its arguments."""


class Callees:
    """Look functions up by identity.

    Parameters
    ----------
    encoder
        Encodes functions.
    judge
        Tells whether they are pure, and what they do to their arguments.

    Attributes
    ----------
    known
        ``id`` of a function -> what is known of it, or why it has no identity.
    plain
        The same of the plain ones, for `quick`: how many arguments a call has that
        is spelled as it stands, how every call begins, and how others are spelled.
    elsewhere
        Where the tasks run, and read their files.
    """

    def __init__(self, encoder: Encoder, judge: Judge) -> None:
        self.encoder = encoder
        self.judge = judge
        self.known: dict[int, Callee | Refused] = {}
        self.plain: dict[int, tuple[int, bytes, Binder | None]] = {}
        self._effects: dict[int, Effect] = {}
        self.elsewhere = Elsewhere.NO
        self._alive: list[object] = []

    def find(self, func: Callable[..., Any]) -> Callee:
        """What is known of ``func``; raises `Refused` where it has no identity."""
        known = self.known.get(id(func))
        if known is None:
            known = self.known[id(func)] = self._look_up(func)
        if isinstance(known, Refused):
            raise known
        return known

    def functions(self) -> list[Callable[..., Any]]:
        """All that were found, and have an identity."""
        return [known.func for known in self.known.values() if type(known) is Callee]

    def effect(self, func: Callable[..., Any]) -> Effect:
        """What ``func`` may do to its arguments."""
        known = self._effects.get(id(func))
        if known is None:
            known = self._effects[id(func)] = self.judge.effect(func)
            self._alive.append(func)
        return known

    def files(self, callee: Callee, args: Any, kwargs: Any) -> tuple[bytes, str]:
        """The versions of the files that a call reads, or why one can't be seen."""
        kind, func = callee.reads, callee.func
        return versions(kind, func, args, kwargs, self.judge, self.elsewhere)

    def _look_up(self, func: Callable[..., Any]) -> Callee | Refused:
        given = func
        while isinstance(
            func, Isolated | Opened | Shareable | Telling
        ):  # by a client, say
            func = func.func
        try:
            code = encode_callee(func, self.encoder)
        except Refused as e:
            self._alive.append(given)
            return e
        finding = self.judge.function(func)
        reads = reading(func, self.judge)
        plain = (
            finding.verdict.role is Role.MERGE
            and not finding.looks_at_arguments
            and not self.judge.takes_care(func)
            and not is_identity(func)
            and type(func) is not literal
            and reads is Reading.NOTHING
        )
        bound = binder(func, self.encoder)
        if plain:
            simple = -1 if bound is None else bound.simple
            self.plain[id(given)] = (simple, TASK + code, bound)
        return Callee(given, TASK + code, bound, reads, plain)
