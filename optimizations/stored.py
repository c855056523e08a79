"""Results that need not be computed: what a task is that gets one from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Offer", "Stored"]


class Stored:
    """The function of a task that gets a result instead of computing it.

    Attributes
    ----------
    fingerprint
        What would be computed: it is that of the task, too.
    """

    __slots__ = ("fingerprint",)

    def __init__(self, fingerprint: bytes) -> None:
        self.fingerprint = fingerprint

    def __call__(self) -> Any:
        """Return the result, as an object that is nobody else's; never fail."""
        raise NotImplementedError


class Offer(NamedTuple):
    """A result that can be had from elsewhere."""

    get: Callable[[], Any]
    """A `Stored`."""
    load: float
    """Seconds that getting it takes."""
    seconds: float
    """Seconds that computing it took, with all that went into it."""
    own: float
    """Seconds that its task alone took."""
