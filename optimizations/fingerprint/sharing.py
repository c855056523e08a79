"""What an encoding remembers: objects mentioned twice, and heavy ones.

``[a, a]`` and ``[a, copy of a]`` differ for a program that writes into them, so
the second mention of a mutable object is a reference to the first: how many
mutable objects ago it was. References are relative, so an encoding that refers to
nothing outside itself reads the same wherever it stands, and can be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from stratum_dask.optimizations.verdict import Refused

__all__ = ["Kind", "Memory", "Sharing"]

_SMALL = 64
"""So many bytes are sooner spelled again than remembered."""


class Kind(NamedTuple):
    """How values of one type are encoded."""

    encode: Callable[[Any, Any], bytes]
    mutable: bool = True
    """Whether a program can tell one such object from two equal ones."""
    heavy: bool = False
    """Whether one encoding is kept for every mention of the object."""
    covered: frozenset[str] | None = frozenset()
    """Names in the object's ``__dict__`` that ``encode`` has seen to; None: all."""


class Memory(NamedTuple):
    """A piece of memory that several objects may look into."""

    key: object
    """What those who look into the same memory have in common."""
    owner: object
    """Kept alive."""
    address: int | None
    """Where this view begins, if that is known."""


class Sharing:
    """The part of an encoder that knows what it has met.

    Attributes
    ----------
    memo
        ``id`` -> the object, kept alive, and its encoding or why it has none.
    """

    memo: dict[int, tuple[object, bytes | Refused]]

    def __init__(self) -> None:
        self.memo = {}
        # The mutable objects inside a remembered encoding, in order of mention.
        self._inside: dict[int, tuple[object, ...]] = {}
        # The mutable objects of one call: id -> place in the order of mention.
        # None between calls. `mentioned` keeps them alive, so ids stay theirs.
        self.places: dict[object, int] | None = None
        self.mentioned: list[object] = []
        self.links = 0
        self._open: set[tuple[int, object]] = set()

    def mention(self, memory: Memory) -> None:
        """Tell which memory the object that is being encoded looks into."""
        assert self.places is not None
        self.places.setdefault(memory.key, len(self.mentioned))
        self.mentioned.append(memory)

    def alone(
        self,
        obj: object,
        encode: Callable[[Any, Any], bytes],
        mutable: bool = False,
    ) -> tuple[bytes, tuple[object, ...]]:
        """Encode as if ``obj`` were part of nothing; also the mutables inside."""
        key = id(obj)
        if (key, encode) in self._open:
            raise Refused(
                f"a {type(obj).__name__} contains itself by way of a function, "
                "a set or an array",
                "pass a value without the loop",
            )
        outer = self.places, self.mentioned, self.links
        self.places, self.mentioned = {}, []
        self._open.add((key, encode))
        try:
            if mutable:
                self.places[key] = 0
                self.mentioned.append(obj)
            encoding = encode(self, obj)
            return encoding, tuple(self.mentioned)
        finally:
            self._open.discard((key, encode))
            self.places, self.mentioned, self.links = outer

    def adopt(
        self, encoding: bytes, inside: tuple[object, ...], views: bool = True
    ) -> bytes:
        """Put what was encoded alone among what was mentioned before.

        Without ``views``, memory that it shares with what was before is no link:
        how the parts of a frame are packed into memory is an accident.
        """
        places = self.places
        if places is None or not inside:
            return encoding
        mentioned = self.mentioned
        start = len(mentioned)
        links = []
        for i, x in enumerate(inside):
            key = x.key if type(x) is Memory else id(x)
            place = places.get(key)
            if place is None:
                places[key] = len(mentioned)
                mentioned.append(x)
                continue
            if place >= start or (type(x) is Memory and not views):
                continue
            delta = 0
            if type(x) is Memory:
                before = mentioned[place]
                assert type(before) is Memory
                if before.address is None or x.address is None:
                    raise Refused("two views into memory of unknown layout")
                delta = x.address - before.address
            links.append(b"%d&%d%+d;" % (i, len(mentioned) - place, delta))
        if not links:
            return encoding
        self.links += 1
        return b"L%d:" % len(links) + b"".join(links) + encoding

    # -- objects that can be met twice -----------------------------------------

    def whole(self, obj: object, kind: Kind) -> bytes:
        """Encode what is part of nothing, and remember it if it is large."""
        self.places, self.mentioned, self.links = {}, [], 0
        try:
            encoding = self.nested(obj, kind)
            if len(encoding) > _SMALL or encoding[:1] == b"#":
                self._remember(obj, encoding, tuple(self.mentioned))
            return encoding
        except Refused:
            raise
        except RecursionError:
            raise _too_deep(obj) from None
        except Exception as e:
            # Another version of a library than we know: not a reason to fail.
            raise Refused(f"a {type(obj).__name__} could not be read: {e!r}") from e
        finally:
            self.places = None

    def nested(self, obj: object, kind: Kind) -> bytes:
        places = self.places
        assert places is not None
        key = id(obj)
        place = places.get(key)
        if place is not None:
            self.links += 1
            return b"&%d;" % (len(self.mentioned) - place)
        hit = self.memo.get(key)
        # What is linked to its surroundings is spelled anew, for it must not
        # matter whether it was met before; only the heavy is always spelled alone.
        if hit is not None and (kind.heavy or self._is_unlinked(key)):
            return self.recall(hit)
        if kind.heavy:
            return self.apart(obj, kind.encode, kind.mutable)
        count = len(self.mentioned)
        if kind.mutable:
            places[key] = count
            self.mentioned.append(obj)
            return kind.encode(self, obj)
        links = self.links
        encoding = kind.encode(self, obj)
        # A tuple that shares nothing reads the same wherever it stands.
        if encoding[:1] == b"#" and (links, count) == (
            self.links,
            len(self.mentioned),
        ):
            self._remember(obj, encoding, ())
        return encoding

    def apart(
        self, obj: object, encode: Callable[[Any, Any], bytes], mutable: bool
    ) -> bytes:
        try:
            encoding, inside = self.alone(obj, encode, mutable)
        except Refused as e:
            self.memo.setdefault(id(obj), (obj, Refused(e.reason, e.remedy)))
            raise
        except RecursionError:
            if self.places is not None:
                raise
            raise _too_deep(obj) from None
        self._remember(obj, encoding, inside)
        return self.adopt(encoding, inside)

    def _remember(
        self, obj: object, encoding: bytes, inside: tuple[object, ...]
    ) -> None:
        self.memo.setdefault(id(obj), (obj, encoding))
        if inside:
            self._inside[id(obj)] = inside

    def _is_unlinked(self, key: int) -> bool:
        places = self.places
        return not places or not any(
            (x.key if type(x) is Memory else id(x)) in places
            for x in self._inside.get(key, ())
        )

    def recall(self, hit: tuple[object, bytes | Refused]) -> bytes:
        obj, found = hit
        if isinstance(found, Refused):
            # Anew: an exception that is raised twice collects tracebacks.
            raise Refused(found.reason, found.remedy)
        return self.adopt(found, self._inside.get(id(obj), ()))


def _too_deep(obj: object) -> Refused:
    return Refused(
        f"a {type(obj).__name__} is nested too deeply to be read",
        "pass a flatter value",
    )
