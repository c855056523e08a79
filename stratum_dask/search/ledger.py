"""Who has paid for which task of a search."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from stratum_dask.graph import Key
from stratum_dask.search.candidate import Cost

__all__ = ["Ledger"]


class Ledger:
    """What tasks need, how long they ran, and who was the first to need them.

    A task is charged to the candidate that ends first of those that need it; to the
    others it is time saved. So the seconds of all candidates add up to what ran.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.needs.update({"load": (), "fit-1": ("load",), "fit-2": ("load",)})
    >>> for key, seconds in {"load": 4.0, "fit-1": 1.0, "fit-2": 2.0}.items():
    ...     ledger.ran(key, seconds)
    >>> first, second = ledger.settle("fit-1"), ledger.settle("fit-2")
    >>> first.seconds, first.saved, second.seconds, second.saved
    (5.0, 0.0, 2.0, 4.0)
    """

    def __init__(self) -> None:
        self.needs: dict[Key, tuple[Key, ...]] = {}
        """Key -> keys it depends on, for everything that this search has sent."""
        self.seconds: dict[Key, float] = {}
        self.memory: dict[Key, int] = {}
        self.spans: dict[Key, list[tuple[float, float]]] = {}
        self.paid: set[Key] = set()
        self.failed: dict[Key, str] = {}
        """Output -> name of the step that failed."""

    def ran(self, key: Key, seconds: float, nbytes: int = 0) -> None:
        """Note that a task ran; it may run again where its result was lost."""
        now = time.monotonic()
        self.seconds[key] = self.seconds.get(key, 0.0) + seconds
        self.spans.setdefault(key, []).append((now - seconds, now))
        self.grew(key, nbytes)

    def grew(self, key: Key, nbytes: int) -> None:
        """Note how much memory a task took."""
        if nbytes > self.memory.get(key, 0):
            self.memory[key] = nbytes

    def below(self, output: Key) -> set[Key]:
        """Everything that ``output`` needs, itself included."""
        found: set[Key] = set()
        stack: list[Key] = [output]
        while stack:
            key = stack.pop()
            if key not in found and key in self.needs:
                found.add(key)
                stack.extend(self.needs[key])
        return found

    def settle(self, output: Key, running: Mapping[Key, float] | None = None) -> Cost:
        """What the candidate with this ``output`` has cost; charges it.

        ``running`` is what runs by now, and since when.
        """
        keys = self.below(output)
        own = keys - self.paid
        now = time.monotonic()
        cut = {k: now - t for k, t in (running or {}).items() if k in own}
        self.paid |= own & (self.seconds.keys() | cut.keys())
        return Cost(
            seconds=self._sum(own) + sum(cut.values(), 0.0),
            saved=self._sum(keys - own),
            memory=max((self.memory.get(key, 0) for key in keys), default=0),
            tasks=len(keys),
            ran=len(own & (self.seconds.keys() | cut.keys())),
            step=self.failed.get(output),
        )

    def _sum(self, keys: Iterable[Key]) -> float:
        return sum((self.seconds.get(key, 0.0) for key in keys), 0.0)

    def busy(self, keys: Iterable[Key], began: Mapping[Key, float]) -> float:
        """Seconds during which at least one of ``keys`` ran.

        What runs side by side counts once, waiting for a free slot not at all.

        Examples
        --------
        >>> ledger = Ledger()
        >>> ledger.spans.update({"a": [(0.0, 2.0)], "b": [(1.0, 3.0), (8.0, 9.0)]})
        >>> ledger.busy(["a", "b", "c"], {})
        4.0
        """
        now = time.monotonic()
        spans = [span for key in keys for span in self.spans.get(key, ())]
        spans += [(began[key], now) for key in keys if key in began]
        total, end = 0.0, float("-inf")
        for start, stop in sorted(spans):
            total += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return total
