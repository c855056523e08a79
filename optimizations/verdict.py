"""The words in which the optimizer decides: role, effect, verdict, refusal."""

from __future__ import annotations

import enum
from typing import NamedTuple

__all__ = ["MERGE", "Effect", "Refused", "Role", "Verdict"]


class Role(enum.IntEnum):
    """What may be done with a task that is equal to another one.

    The order matters: of two roles the larger one is the more careful, so the
    role of a whole is the ``max`` of its parts.
    """

    MERGE = 0
    """Pure: may be merged, kept and stored."""
    BATCH = 1
    """Volatile: may be merged inside one submission, never reused later."""
    REFUSE = 2
    """Never merged."""


class Effect(enum.IntEnum):
    """What a function may do to the objects it is given."""

    FRESH = 0
    """Writes to none of them, and its result shares no memory with them."""
    ALIAS = 1
    """Writes to none of them, but its result may be, or look into, one."""
    WRITE = 2
    """May write into them. What is not known is taken for this."""


class Verdict(NamedTuple):
    """A role, why, and what a person can do about it."""

    role: Role
    reason: str = ""
    remedy: str = ""


MERGE = Verdict(Role.MERGE)


class Refused(Exception):
    """A value or function has no trustworthy fingerprint.

    Parameters
    ----------
    reason
        One line for a person: what it was, and why it was not guessed.
    remedy
        What would allow it, if anything does.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
