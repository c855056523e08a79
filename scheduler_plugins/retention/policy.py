"""Which results to keep: what a kept byte is expected to save, and how that ages.

The score of a result is ``floor + seconds * reuse / bytes``:

- *seconds* it takes to compute it again, with those of its ancestors that would have
  to be computed for it, too: the "recreation cost" of Helix (Xin et al., VLDB 2018)
  and the Collaborative Optimizer (Derakhshan et al., SIGMOD 2020). An ancestor that is
  kept counts as gone where it is worth less: it will be let go before. (Else the last
  small step of a chain is worth nothing beside a large intermediate, goes first, and
  the large one right after it.) LIMA (Phani et al., SIGMOD 2021) and cachey take the
  task's own time alone, and undervalue the end of a chain of cheap steps.
- *reuse*: how often graphs have contained its fingerprint, needed or not, where each
  half-life of graphs halves what was before. Counting only hits starves what stands
  behind a kept result, which is what a search needs as soon as it edits a later step.
- *bytes*, plus what a task state costs the scheduler.
- *floor* is that of GreedyDual-Size (Cao and Irani, USITS 1997): the score of what was
  let go last, taken when the result was last of use. What has not been of use while
  others came and went loses against newcomers without any clock, so a quiet night
  ages nothing. MEMPHIS (Phani and Boehm, EDBT 2025) and LIMA's "cost and size" policy
  are of this family.

``benchmarks/retention.py`` replays searches under this and other policies.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable

__all__ = ["History", "Policy"]

OVERHEAD = 4096
"""Bytes that the state of a task costs the scheduler, about."""


_ROUNDS = 3
"""So often it is asked what is gone by then, as that depends on the score itself."""


class History:
    """How often recent graphs have contained a fingerprint. Of bounded size.

    Parameters
    ----------
    half_life
        After so many graphs a sight of a fingerprint counts half.
    limit
        So many fingerprints are known; the longest unseen ones go first.

    Examples
    --------
    >>> history = History(half_life=1)
    >>> history.add(b"f")
    >>> for _ in range(2):
    ...     history.graph([b"f", b"unknown"])
    >>> history.reuse(b"f"), history.reuse(b"unknown")
    (1.75, 0.0)
    """

    def __init__(self, half_life: float = 100, limit: int = 20_000) -> None:
        self._half_life = half_life
        self._limit = limit
        self._now = 0
        self._seen: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, fingerprint: bytes) -> None:
        """Know ``fingerprint`` from here on: its result has been made."""
        if fingerprint not in self._seen:
            self._seen[fingerprint] = (1.0, self._now)
            if len(self._seen) > self._limit:
                self._seen.popitem(last=False)

    def graph(self, fingerprints: Iterable[bytes]) -> None:
        """Count a graph that contains ``fingerprints``."""
        self._now += 1
        for fingerprint in self._seen.keys() & set(fingerprints):
            self._seen[fingerprint] = (self.reuse(fingerprint) + 1, self._now)
            self._seen.move_to_end(fingerprint)

    def reuse(self, fingerprint: bytes) -> float:
        """How much use is expected of ``fingerprint``, from how much there was."""
        count, at = self._seen.get(fingerprint, (0.0, 0))
        return count * float(0.5 ** ((self._now - at) / self._half_life))

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()


class Policy:
    """Scores results; the lowest is let go first.

    Examples
    --------
    >>> policy = Policy()
    >>> policy.history.add(b"model")
    >>> policy.history.add(b"table")
    >>> table = policy.score(b"table", 0.0, 10_000_000, lambda limit: 1.0)
    >>> model = policy.score(
    ...     b"model", 0.0, 10_000, lambda limit: 3.0 if table > limit else 4.0
    ... )
    >>> model > table
    True
    """

    def __init__(self) -> None:
        self.history = History()
        self.floor = 0.0

    def score(
        self,
        fingerprint: bytes,
        floor: float,
        nbytes: int,
        seconds: Callable[[float], float],
    ) -> float:
        """What a result is worth.

        Parameters
        ----------
        fingerprint
            Which result.
        floor
            What the floor was when it was last of use.
        nbytes
            How large it is.
        seconds
            To compute it again, once all that is worth less than a score is gone.
        """
        density = self.history.reuse(fingerprint) / (nbytes + OVERHEAD)
        score = math.inf
        for _ in range(_ROUNDS):
            before, score = score, floor + seconds(score) * density
            if score >= before:
                break
        return score

    def let_go(self, score: float) -> None:
        """Raise the floor to the score of what was let go to make room."""
        self.floor = max(self.floor, score)

    def clear(self) -> None:
        """Forget everything."""
        self.history.clear()
        self.floor = 0.0
