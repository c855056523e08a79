"""How long reading an entry takes, learned from what was read and written."""

from __future__ import annotations

from typing import Any

__all__ = ["Bandwidth"]

_SMALL = 1 << 16
"""Up to so many bytes it is the way there that takes the time."""
_WEIGHT = 0.25
"""Of what was measured last."""
# First guesses: slower than any disk, and any object store in the same region.
_LOCAL = (0.010, 100e6)
_REMOTE = (0.200, 20e6)


class Bandwidth:
    """Expected seconds to read a value, by format: latency and bytes per second.

    Attributes
    ----------
    measured
        How many reads and writes it knows of.

    Examples
    --------
    >>> speed = Bandwidth(local=True)
    >>> round(speed.seconds("array", 100_000_000), 2)
    1.01
    >>> for _ in range(20):
    ...     speed.learn("array", 100_000_000, 0.1)
    >>> speed.seconds("array", 100_000_000) < 0.2
    True
    """

    def __init__(self, *, local: bool) -> None:
        self._latency, self._rate = _LOCAL if local else _REMOTE
        self._rates: dict[str, float] = {}
        self.measured = 0

    def seconds(self, kind: str, nbytes: int) -> float:
        """Expected seconds to read ``nbytes`` of a value in a format."""
        return self._latency + nbytes / self._rates.get(kind, self._rate)

    def learn(self, kind: str, nbytes: int, seconds: float) -> None:
        """Take in what a read took, or a write, which is the slower one."""
        self.measured += 1
        if nbytes <= _SMALL:
            self._latency += _WEIGHT * (seconds - self._latency)
        else:
            # In seconds per byte: the mean of rates would forget the slow ones.
            before = 1 / self._rates.get(kind, self._rate)
            now = max(seconds - self._latency, seconds / 10, 1e-9) / nbytes
            self._rates[kind] = 1 / (before + _WEIGHT * (now - before))

    @property
    def rates(self) -> dict[str, float]:
        """Bytes per second by format, where that was measured."""
        return dict(self._rates)

    def dump(self) -> dict[str, Any]:
        """What was learned, as plain data."""
        return {"latency": self._latency, "rates": self._rates}

    def load(self, plain: dict[str, Any]) -> None:
        """Go on from what `dump` gave."""
        latency, rates = plain["latency"], plain["rates"]
        self._latency = min(max(float(latency), 1e-5), 60.0)
        self._rates = {str(k): max(float(v), 1e3) for k, v in rates.items()}
