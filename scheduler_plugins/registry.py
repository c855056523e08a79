"""Which fingerprint lives under which key of a scheduler."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from stratum_dask.graph import Key

__all__ = ["Registry"]


class Registry:
    """Fingerprint -> live key, and back. As large as what lives, no larger.

    Attributes
    ----------
    fingerprints
        What every known key computes.
    harmless
        Tasks that cannot write into what they receive: they get private copies, or
        are known only to look.
    exposed
        Keys whose very object went to a task that might have written into it.
    shared
        Keys that several submissions use: all their new consumers are isolated.
    borrowed
        Task -> keys it depends on only because it was merged with another one.
    merged
        Keys that stand for the tasks of several pipelines.
    seconds
        How long a key took to compute, where that was seen.

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
        self.harmless: set[Key] = set()
        self.exposed: set[Key] = set()
        self.shared: set[Key] = set()
        self.borrowed: dict[Key, frozenset[Key]] = {}
        self.merged: set[Key] = set()
        self.seconds: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self.fingerprints)

    def add(
        self,
        keys: Collection[Key],
        fingerprints: Mapping[Key, bytes],
        reusable: Iterable[Key],
    ) -> None:
        """Know ``keys``, and which of them other submissions may be given."""
        self.fingerprints.update((key, fingerprints[key]) for key in keys)
        first = self._keys.setdefault
        for key in reusable:
            fingerprint = fingerprints[key]
            known = first(fingerprint, key)
            if known is not key:
                self._keys[fingerprint] = [*_several(known), key]

    def drop(self, key: Key) -> None:
        """Forget ``key``, if it was known."""
        fingerprint = self.fingerprints.pop(key, None)
        if fingerprint is not None and key in (known := self.find(fingerprint)):
            left = [k for k in known if k != key]
            if left:
                self._keys[fingerprint] = left if len(left) > 1 else left[0]
            else:
                del self._keys[fingerprint]
        self.seconds.pop(key, None)
        self.borrowed.pop(key, None)
        for kind in (self.harmless, self.exposed, self.shared, self.merged):
            kind.discard(key)

    def find(self, fingerprint: bytes) -> tuple[Key, ...]:
        """The keys that other submissions may use for ``fingerprint``, oldest first."""
        known = self._keys.get(fingerprint)
        return () if known is None else tuple(_several(known))

    def fingerprint(self, key: Key) -> bytes | None:
        """What ``key`` computes, where that is known."""
        return self.fingerprints.get(key)

    def knows_any(self, fingerprints: Iterable[bytes]) -> bool:
        """Whether something of ``fingerprints`` may be given to others."""
        return not self._keys.keys().isdisjoint(fingerprints)

    def clear(self) -> None:
        """Forget everything."""
        for known in (
            self.fingerprints,
            self._keys,
            self.seconds,
            self.harmless,
            self.exposed,
            self.shared,
            self.borrowed,
            self.merged,
        ):
            known.clear()


def _several(known: Key | list[Key]) -> list[Key]:
    return known if isinstance(known, list) else [known]
