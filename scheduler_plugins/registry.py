"""Which fingerprint lives under which key of a scheduler, and who has its objects."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from stratum_dask.graph import Key
from stratum_dask.scheduler_plugins.functions import Functions

__all__ = ["Registry"]


class _Several:
    """Stands for more than one consumer."""


_SEVERAL: Final = _Several()
_NONE: frozenset[Key] = frozenset()


class Registry:
    """Fingerprint -> live key, and back. As large as what lives, no larger.

    Attributes
    ----------
    fingerprints
        What every known key computes.
    functions
        Which functions only look.
    harmless
        Tasks that cannot write into what they receive: they are known only to look.
    private
        Task -> keys of which it gets private copies.
    own
        Task -> how large its result may be at most to be known to share nothing with
        what the task was given.
    exposed
        Key whose very object went to a task that might have written into it, or may
        hand it on -> that task, if it was one only.
    shared
        Keys that several submissions use: all their new consumers are isolated.
    passing
        Keys that nobody will ask for again: something that went into them is its
        pipeline's own.
    borrowed
        Task -> keys it depends on only because it was merged with another one.
    merged
        Keys that stand for the tasks of several pipelines.
    seconds
        How long a key took to compute, where that was seen.
    at_most
        The same with all that went into it, counted as often as it was used.

    Examples
    --------
    >>> registry = Registry()
    >>> registry.add(["x-1", "y-1"], {"x-1": b"f", "y-1": b"g"}, reusable=["x-1"])
    >>> registry.find(b"f"), registry.find(b"g"), registry.fingerprint("y-1")
    (('x-1',), (), b'g')
    >>> registry.drop("x-1"), registry.find(b"f"), len(registry)
    (None, (), 1)
    """

    def __init__(self) -> None:
        self.fingerprints: dict[Key, bytes] = {}
        # Nearly all have one key: no container for those.
        self._keys: dict[bytes, Key | list[Key]] = {}
        self.functions = Functions()
        self.harmless: set[Key] = set()
        self.private: dict[Key, frozenset[Key]] = {}
        self.own: dict[Key, int] = {}
        self.exposed: dict[Key, Key | _Several] = {}
        self.shared: set[Key] = set()
        self.passing: set[Key] = set()
        self.borrowed: dict[Key, frozenset[Key]] = {}
        self.merged: set[Key] = set()
        self.seconds: dict[Key, float] = {}
        self.at_most: dict[Key, float] = {}
        self._by_key: tuple[dict[Key, Any], ...] = (
            self.private,
            self.own,
            self.exposed,
            self.borrowed,
            self.seconds,
            self.at_most,
        )
        self._kinds = (
            self.harmless,
            self.shared,
            self.passing,
            self.merged,
        )

    def __len__(self) -> int:
        return len(self.fingerprints)

    def add(
        self,
        keys: Collection[Key],
        fingerprints: Mapping[Key, bytes],
        reusable: Collection[Key],
    ) -> None:
        """Know ``keys``, and which of them other submissions may be given."""
        # In steps that Python does quickly: a graph may be large.
        if len(keys) == len(fingerprints):  # these are all
            self.fingerprints.update(fingerprints)
        else:
            works = map(fingerprints.__getitem__, keys)
            self.fingerprints.update(zip(keys, works, strict=True))
        if reusable is keys and len(keys) == len(fingerprints):
            mine = {work: key for key, work in fingerprints.items()}
        else:
            works = map(fingerprints.__getitem__, reusable)
            mine = dict(zip(works, reusable, strict=True))
        if len(mine) == len(reusable) and self._keys.keys().isdisjoint(mine):
            self._keys.update(mine)
            return
        first = self._keys.setdefault
        for key in reusable:
            fingerprint = fingerprints[key]
            known = first(fingerprint, key)
            if known is not key:
                self._keys[fingerprint] = [*_several(known), key]

    def drop(self, key: Key) -> None:
        """Forget ``key``, if it was known."""
        fingerprint = self.fingerprints.pop(key, None)
        if fingerprint is not None:
            known = self._keys.get(fingerprint)
            if isinstance(known, list) and key in known:
                left = [k for k in known if k != key]
                self._keys[fingerprint] = left if len(left) > 1 else left[0]
            elif known == key:
                del self._keys[fingerprint]
        for facts in self._by_key:
            if facts:
                facts.pop(key, None)
        for kind in self._kinds:
            if kind:
                kind.discard(key)
        if not self.fingerprints:  # modules keep their functions
            self.functions.clear()

    def find(self, fingerprint: bytes) -> tuple[Key, ...]:
        """The keys that other submissions may use for ``fingerprint``, oldest first."""
        known = self._keys.get(fingerprint)
        return () if known is None else tuple(_several(known))

    def fingerprint(self, key: Key) -> bytes | None:
        """What ``key`` computes, where that is known."""
        return self.fingerprints.get(key)

    def reusable(self, key: Key) -> bool:
        """Whether ``key`` is one that other submissions may be given."""
        fingerprint = self.fingerprints.get(key)
        return fingerprint is not None and key in self.find(fingerprint)

    def knows_any(self, fingerprints: Iterable[bytes]) -> bool:
        """Whether something of ``fingerprints`` may be given to others."""
        return not self._keys.keys().isdisjoint(fingerprints)

    def expose(self, key: Key, to: Key | None) -> None:
        """Remember that ``to`` has the very object of ``key``; None: somebody has."""
        known = self.exposed.setdefault(key, _SEVERAL if to is None else to)
        if known != to:
            self.exposed[key] = _SEVERAL

    def exposed_beyond(self, key: Key, consumer: Key) -> bool:
        """Whether another one than ``consumer`` has the very object of ``key``."""
        return self.exposed.get(key, consumer) != consumer

    def copied_for(self, task: Key) -> AbstractSet[Key]:
        """The keys of which ``task`` gets private copies."""
        return self.private.get(task, _NONE)

    def clear(self) -> None:
        """Forget everything."""
        self.fingerprints.clear()
        self._keys.clear()
        self.functions.clear()
        for facts in self._by_key:
            facts.clear()
        for kind in self._kinds:
            kind.clear()


def _several(known: Key | list[Key]) -> list[Key]:
    return known if isinstance(known, list) else [known]
