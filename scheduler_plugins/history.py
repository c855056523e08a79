"""What the plots over time show: few samples, however long the scheduler runs."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["History", "Sample"]


class Sample(NamedTuple):
    """The figures that change with time, at one moment."""

    time: float
    """Seconds since 1970."""
    asked: int = 0
    run: int = 0
    seconds_saved: float = 0.0
    retained_bytes: int = 0
    budget_bytes: int = 0
    bytes_read: int = 0
    """From the store, so far."""
    bytes_written: int = 0
    """To the store, so far."""


class History:
    """Samples from the beginning to now, at most ``size`` of them.

    Where nothing changes two samples are enough. When the room is used up every
    second sample goes, and the next ones come half as often.

    Parameters
    ----------
    size
        The most samples that are kept, at least 4.
    interval
        Seconds between two samples to begin with.

    Examples
    --------
    >>> history = History(size=4)
    >>> for second in range(8):
    ...     history.add(Sample(second, asked=10 * second))
    >>> [sample.time for sample in history.samples()], history.interval
    ([0, 4, 7], 4.0)
    """

    def __init__(self, size: int = 600, interval: float = 1.0) -> None:
        self.size = size
        self.interval = interval
        self._samples: list[Sample] = []

    def samples(self) -> list[Sample]:
        """All of them, oldest first; the last one is the newest there is."""
        return list(self._samples)

    def add(self, sample: Sample) -> None:
        """Take what holds now."""
        samples = self._samples
        if len(samples) > 1:
            before, last = samples[-2:]
            if last.time - before.time < self.interval:
                samples.pop()  # it only said what held last
            elif before[1:] == last[1:] == sample[1:]:
                samples.pop()
        samples.append(sample)
        if len(samples) > self.size:
            del samples[1:-1:2]
            self.interval *= 2
