"""Contracts of what reads and writes files."""

from __future__ import annotations

import io
from typing import NamedTuple

from stratum_dask.optimizations.purity.calls import MISSING, UNSEEN, Call, Lit
from stratum_dask.optimizations.purity.contracts import Outcome, refuse
from stratum_dask.optimizations.purity.pathtexts import PATHS, asked, made
from stratum_dask.optimizations.verdict import Role, Verdict

__all__ = ["Maps", "Only", "OnlyWithout", "Opens", "Reads"]

_OWN_TASK = "make the read a task of its own, with the path as its argument"


class Opens(NamedTuple):
    """``open``: reading is volatile, writing must happen each time."""

    what: str
    position: int = 1

    @property
    def loose(self) -> Verdict:
        return refuse(f"{self.what}: whether it writes can't be seen")

    def check(self, call: Call) -> Outcome:
        mode = call.get("mode", self.position)
        if mode is MISSING:
            mode = Lit("r")
        if isinstance(mode, Lit) and mode.value in ("r", "rb", "rt", "br", "tr"):
            why = f"{self.what} reads a file whose version can't be seen"
            return Outcome(Verdict(Role.BATCH, why, _OWN_TASK))
        return Outcome(
            refuse(f"{self.what} opens a file for writing, or in a mode not seen")
        )


class Reads(NamedTuple):
    """A reader; as a task of its own its paths are in the fingerprint.

    So are those that a user's function hands on to it, where it is known which of
    its parameters is the path.
    """

    what: str
    path: str = ""
    places: tuple[tuple[str, int | None], ...] = ()
    """Parameters that tell in which place the path is one, and their positions."""

    @property
    def loose(self) -> Verdict:
        return Verdict(
            Role.BATCH,
            f"{self.what} reads something whose version can't be seen",
            _OWN_TASK,
        )

    def check(self, call: Call) -> Outcome:
        path = call.get(self.path, 0) if self.path else UNSEEN
        if self.what == _ARCHIVES:
            path = made("npy", path)
        wanted = asked(path)
        if wanted is None or _lazy(call) or self._placed(call):
            return Outcome(self.loose)
        return Outcome(demands=frozenset([wanted]))

    def check_task(self, call: Call) -> Outcome:
        """Judge the call of a task: a path that is seen has a version."""
        if _lazy(call):
            why = f"{self.what} returns an iterator here, which can be read only once"
            return Outcome(refuse(why, "read the whole file"))
        given = call.get(self.path, 0) if self.path else UNSEEN
        if not isinstance(given, Lit) or not _seen(given.value):
            return Outcome(self.loose)
        if self.what == _ARCHIVES and not str(given.value).endswith(".npy"):
            return Outcome(self.loose)
        return Outcome()

    def _placed(self, call: Call) -> bool:
        """Whether it may read in a place that the path does not tell."""
        return not all(_is_none(call.get(name, at)) for name, at in self.places)


_ARCHIVES = "numpy.load"
"""Returns an open file, unless that holds one array only."""


def _lazy(call: Call) -> bool:
    """Whether a reader of pandas is asked for a part of the file at a time."""
    given = [call.get(name) for name in ("iterator", "chunksize")]
    return any(
        v is not MISSING and not (isinstance(v, Lit) and v.value in (None, False))
        for v in given
    )


class Maps(NamedTuple):
    """A map of a file: writing into it writes into the file."""

    what: str
    param: str = "mode"
    position: int = 2
    default: str | None = "r+"
    path: str = ""
    places: tuple[tuple[str, int | None], ...] = ()

    @property
    def loose(self) -> Verdict:
        return refuse(f"{self.what}: whether it writes into the file can't be seen")

    def check(self, call: Call) -> Outcome:
        return self._judge(call, Reads(self.what, self.path, self.places).check(call))

    def check_task(self, call: Call) -> Outcome:
        """Judge the call of a task, whose path is in its fingerprint."""
        return self._judge(call, Reads(self.what, self.path).check_task(call))

    def _judge(self, call: Call, read: Outcome) -> Outcome:
        mode = call.get(self.param, self.position)
        if mode is MISSING:
            mode = Lit(self.default)
        if isinstance(mode, Lit) and mode.value is None:
            return read
        if isinstance(mode, Lit) and mode.value in ("r", "c", "readonly"):
            why = f"{self.what} maps a file, and shows what that becomes"
            return Outcome(Verdict(Role.BATCH, why, "read the whole file"))
        why = f"{self.what} maps a file for writing, or in a mode not seen"
        return Outcome(refuse(why, "map it with mode='r'"))


def _seen(value: object) -> bool:
    """Whether all is there that is read: paths, or a text in memory."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_seen, value))
    if type(value) in (io.StringIO, io.BytesIO):
        return True
    return type(value) is str or type(value) in PATHS


def _is_none(value: object) -> bool:
    """Whether an argument is not given, or is None."""
    return value is MISSING or (isinstance(value, Lit) and value.value is None)


class Only(NamedTuple):
    """Harmless only for certain values of a parameter: ``input="content"``."""

    what: str
    param: str
    allowed: tuple[object, ...]
    verdict: Verdict
    by_default: bool = True

    @property
    def loose(self) -> Verdict:
        return self.verdict

    def check(self, call: Call) -> Outcome:
        value = call.get(self.param)
        if value is MISSING:
            return Outcome() if self.by_default else Outcome(self.verdict)
        fine = isinstance(value, Lit) and value.value in self.allowed
        return Outcome() if fine else Outcome(self.verdict)


class OnlyWithout(NamedTuple):
    """Harmless unless an argument is given: ``to_csv()`` returns a string."""

    what: str
    params: tuple[str, ...]

    @property
    def loose(self) -> Verdict:
        return refuse(f"{self.what} writes a file")

    def check(self, call: Call) -> Outcome:
        if all(_is_none(call.get(name, 0)) for name in self.params):
            return Outcome()
        return Outcome(self.loose)
