"""Values as bytes: equal bytes only for values no program can tell apart.

Every encoding begins with a tag for the type and says its own length, so that no
two different values are ever spelled alike, alone or in a row. What is large is
replaced by its digest.
"""

from __future__ import annotations

import functools
import hashlib
import struct
import types
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from itertools import chain, islice
from typing import Any

import xxhash

from stratum_dask.optimizations.fingerprint.sharing import Kind, Sharing

__all__ = ["CONTAINERS", "FUNCTION", "Encoder", "text"]

_HASHERS: dict[str, Callable[..., Any]] = {
    "xxh3_128": xxhash.xxh3_128,
    "sha256": hashlib.sha256,
}
_INLINE = 512
"""Up to so many bytes an encoding stands for itself; beyond, its digest does."""
_RUN = 4096
"""So many elements of a container are spelled before they are hashed."""

_STR_HEAD = [b"s%d:" % n for n in range(256)]
_double = struct.Struct("<d").pack


def text(string: str) -> bytes:
    """Encode a `str`.

    Examples
    --------
    >>> text("ab")
    b's2:ab'
    """
    try:
        raw = string.encode()
    except UnicodeEncodeError:
        raw = string.encode("utf-8", "surrogatepass")
    return b"s%d:" % len(raw) + raw


def _int(number: int) -> bytes:
    if -(2**63) <= number < 2**63:
        return b"i%d;" % number
    size = number.bit_length() // 8 + 1
    return b"I%d:" % size + number.to_bytes(size, "little", signed=True)


_LEAVES: dict[type, Callable[[Any], bytes]] = {
    int: _int,
    bool: lambda x: b"+" if x else b"-",
    float: lambda x: b"f" + _double(x),
    complex: lambda x: b"c" + _double(x.real) + _double(x.imag),
    type(None): lambda x: b"0",
    type(...): lambda x: b".",
    type(NotImplemented): lambda x: b"!",
}


_HOLDERS: dict[type, Callable[[Any], object]] = {
    types.MethodType: lambda x: x.__self__,
    functools.partial: lambda x: (x.args, x.keywords),
}


class Encoder(Sharing):
    """Encode values for one pass over a graph.

    Large and composite objects are remembered by ``id`` and kept alive for as
    long as the encoder lives, so it must not outlive the pass: an object that is
    written to in between would keep its old encoding.

    Parameters
    ----------
    algorithm
        ``"xxh3_128"`` guards against accidents, ``"sha256"`` against people.

    Attributes
    ----------
    digest
        Hash of some bytes: 16 or 32 bytes by the algorithm.
    memo
        ``id`` -> the object, kept alive, and its encoding or why it has none.

    Examples
    --------
    >>> encoder = Encoder()
    >>> encoder.value([1, 2]) == encoder.value([1, 2])
    True
    >>> encoder.value([1, 2]) == encoder.value((1, 2))
    False
    """

    digest: Callable[[bytes], bytes]

    def __init__(self, algorithm: str = "xxh3_128") -> None:
        if algorithm not in _HASHERS:
            raise ValueError(
                f"unknown fingerprint algorithm {algorithm!r}: "
                f"use one of {', '.join(sorted(_HASHERS))}"
            )
        super().__init__()
        self.hasher = _HASHERS[algorithm]
        if algorithm == "xxh3_128":
            self.digest = xxhash.xxh3_128_digest
        else:
            self.digest = lambda data: hashlib.sha256(data).digest()
        self._kinds: dict[type, Kind] = {}

    def value(self, obj: object) -> bytes:
        """Encoding of ``obj``.

        Raises
        ------
        Refused
            Where equal bytes would not promise equal values.
        """
        cls = type(obj)
        if cls is str:
            try:
                raw = obj.encode()  # type: ignore[attr-defined]
            except UnicodeEncodeError:
                raw = obj.encode("utf-8", "surrogatepass")  # type: ignore[attr-defined]
            size = len(raw)
            if size < 256:
                return _STR_HEAD[size] + raw  # type: ignore[no-any-return]
            return self.short(b"s%d:" % size + raw)
        leaf = _LEAVES.get(cls)
        if leaf is not None:
            if obj != obj and cls is float and self.places is not None:  # noqa: PLR0124
                # It equals itself where one asks `is` first, as a list does.
                return self.nested(obj, _NAN)
            return leaf(obj)
        kind = self.kind(cls)
        if kind is FUNCTION:
            raw = self.function(obj)
            raw = b"F%d:" % len(raw) + raw
            if self.places is not None and cls in _HOLDERS:
                # Who calls two methods of one object can tell them from those of two.
                raw += self.value(_HOLDERS[cls](obj))
            return raw
        if self.places is not None:
            return self.nested(obj, kind)
        return self.whole(obj, kind)

    def kind(self, cls: type) -> Kind:
        """How objects of a class are encoded."""
        kind = self._kinds.get(cls)
        if kind is None:
            kind = self._kinds[cls] = _resolve(cls)
        return kind

    def is_function(self, obj: object) -> bool:
        """Whether an object has no other encoding than that of a function."""
        return self.kind(type(obj)) is FUNCTION

    def function(self, obj: object) -> bytes:
        """Encoding of a function, class or other callable."""
        return _encode_function(self, obj)

    # -- for those who encode a kind -------------------------------------------

    def short(self, encoding: bytes) -> bytes:
        """``encoding`` itself, or its digest where that is shorter."""
        if len(encoding) <= _INLINE:
            return encoding
        return b"#" + self.digest(encoding)

    def series(self, tag: bytes, size: int, values: Iterable[object]) -> bytes:
        """Encode ``size`` values in their order."""
        value = self.value
        head = tag + b"%d:" % size
        if size <= _RUN:
            return self.short(head + b"".join([value(x) for x in values]))
        hasher = self.hasher(head)
        rest = iter(values)
        while run := list(islice(rest, _RUN)):
            hasher.update(b"".join([value(x) for x in run]))
        return b"#" + hasher.digest()  # type: ignore[no-any-return]

    def any_set(self, tag: bytes, values: AbstractSet[object]) -> bytes:
        """Encode a set; the order of numbers is no accident, and can be read."""
        encoded = self.unordered(tag, values)
        if len(values) < 2 or not _NUMBERS.issuperset(map(type, values)):
            return encoded
        return self.short(tag + b"=" + encoded + self.value(tuple(values)))

    def unordered(self, tag: bytes, values: Iterable[object]) -> bytes:
        """Encode values whose order is an accident of hashing."""
        pairs: list[tuple[bytes, tuple[object, ...]]] = []
        for x in values:
            if type(x) is str or type(x) in _LEAVES:
                pairs.append((self.value(x), ()))
            else:
                pairs.append(self.alone(x, Encoder.value))
        pairs.sort(key=lambda pair: pair[0])
        parts = [self.adopt(*pair) for pair in pairs]
        return self.short(tag + b"%d:" % len(parts) + b"".join(parts))


_NUMBERS = frozenset({int, float, bool, complex})
"""Types of which the hash is the same in every process."""


def _resolve(cls: type) -> Kind:
    # Here, because both import this module: they encode what they find inside.
    from stratum_dask.optimizations.fingerprint.objects import resolve

    return CONTAINERS.get(cls) or resolve(cls)


def _encode_function(encoder: Encoder, obj: object) -> bytes:
    from stratum_dask.optimizations.fingerprint.functions import encode_function

    return encode_function(obj, encoder)


def _bytes(tag: bytes) -> Callable[[Encoder, Any], bytes]:
    def encode(encoder: Encoder, obj: Any) -> bytes:
        if len(obj) <= _INLINE:
            return tag + b"%d:" % len(obj) + bytes(obj)
        hasher = encoder.hasher(tag + b"%d:" % len(obj))
        hasher.update(obj)
        return b"#" + hasher.digest()  # type: ignore[no-any-return]

    return encode


def _tagged(tag: bytes) -> Callable[[Encoder, Any], bytes]:
    return lambda encoder, obj: encoder.series(tag, len(obj), obj)


_NAN = Kind(lambda encoder, obj: b"f" + _double(obj))

FUNCTION = Kind(_encode_function, mutable=False)
"""Whatever is encoded by `Encoder.function`."""

CONTAINERS: dict[type, Kind] = {
    tuple: Kind(_tagged(b"("), mutable=False),
    list: Kind(_tagged(b"[")),
    dict: Kind(
        lambda encoder, obj: encoder.series(
            b"{", len(obj), chain.from_iterable(obj.items())
        )
    ),
    set: Kind(lambda encoder, obj: encoder.any_set(b"<", obj)),
    frozenset: Kind(lambda encoder, obj: encoder.any_set(b"*", obj), mutable=False),
    bytes: Kind(_bytes(b"b"), mutable=False),
    bytearray: Kind(_bytes(b"a"), heavy=True),
}
