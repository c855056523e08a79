"""How values of the standard library's types are encoded."""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
from collections.abc import Callable
from typing import Any

from stratum_dask.optimizations.fingerprint.sharing import Kind, Memory
from stratum_dask.optimizations.fingerprint.values import CONTAINERS, Encoder, text
from stratum_dask.optimizations.verdict import Refused

__all__ = ["BUILTINS", "ENUM", "KINDS"]


def _fields(*names: str) -> Kind:
    """A kind that is told by these attributes."""

    def encode(encoder: Encoder, obj: Any) -> bytes:
        return encoder.series(b"(", len(names), [getattr(obj, n) for n in names])

    return Kind(encode, mutable=False)


def _decimal(encoder: Encoder, obj: Any) -> bytes:
    # The exact digits and exponent, and a NaN's payload.
    return encoder.value(tuple(obj.as_tuple()))


def _timezone(encoder: Encoder, obj: Any) -> bytes:
    return encoder.value(obj.__getinitargs__())


def _zone(encoder: Encoder, obj: Any) -> bytes:
    if obj.key is None:
        raise Refused("a ZoneInfo read from a file has no name", "use ZoneInfo(key)")
    return text(obj.key)


def _path(encoder: Encoder, obj: Any) -> bytes:
    return encoder.value(str(obj))


def _memoryview(encoder: Encoder, obj: Any) -> bytes:
    if type(obj.obj) is not bytes:
        encoder.mention(Memory(~id(obj.obj), obj.obj, None))
    raw = obj.tobytes() if not obj.contiguous else obj
    hasher = encoder.hasher(raw)
    head = (obj.format, obj.shape, obj.readonly, obj.c_contiguous, obj.strides)
    return encoder.value(head) + hasher.digest()  # type: ignore[no-any-return]


def _module(encoder: Encoder, obj: Any) -> bytes:
    name = obj.__name__
    if sys.modules.get(name) is not obj:
        raise Refused(f"module {name!r} is not the one that is imported by this name")
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names and name != "__main__":
        return text(name) + text(sys.version)
    version = _installed(top)
    file = getattr(obj, "__file__", None) or ""
    if version is None or not file.startswith(_site()):
        raise Refused(
            f"module {name!r} is not installed: its content can change",
            "pass the function that is used of it",
        )
    return text(name) + text(version)


@functools.cache
def _site() -> tuple[str, ...]:
    return tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


@functools.cache
def _installed(top: str) -> str | None:
    from importlib import metadata

    names = metadata.packages_distributions().get(top)
    if not names:
        return None
    return ",".join(f"{n}=={metadata.version(n)}" for n in sorted(set(names)))


def _mapping_proxy(encoder: Encoder, obj: Any) -> bytes:
    return encoder.value(dict(obj))


def _exception(encoder: Encoder, obj: BaseException) -> bytes:
    if obj.__traceback__ is not None:
        raise Refused(
            f"a raised {type(obj).__name__} holds the frames it went through",
            "pass its message",
        )
    # What compiled exception classes keep besides `args`: errno, filename, ...
    fields = ["__cause__", "__context__"]
    for base in type(obj).__mro__:
        for name, member in base.__dict__.items():
            if type(member) is types.MemberDescriptorType and name not in fields:
                fields.append(name)
    found = [(n, getattr(obj, n, None)) for n in fields]
    return encoder.value((obj.args, *found))


def _base(cls: type) -> Callable[[Encoder, Any], bytes]:
    """Encode the part of a subclass's instance that is a ``cls``."""

    def encode(encoder: Encoder, obj: Any) -> bytes:
        return encoder.value(_PLAIN[cls](obj))

    return encode


# Through the base's own methods: a subclass may show something else.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__pos__,
    str: lambda x: str.__getitem__(x, slice(None)),
    bytes: lambda x: bytes.__getitem__(x, slice(None)),
}


def _builtin(cls: Any) -> Kind:
    if cls in _PLAIN:
        return Kind(_base(cls), mutable=False)
    plain = CONTAINERS[cls]
    if cls is dict:
        return Kind(
            lambda encoder, obj: encoder.series(
                b"{",
                2 * dict.__len__(obj),
                [x for pair in dict.items(obj) for x in pair],
            )
        )
    if cls in (set, frozenset):
        return Kind(
            lambda encoder, obj: encoder.unordered(b"<", cls.__iter__(obj)),
            mutable=plain.mutable,
        )
    if cls is bytearray:
        return plain
    return Kind(
        lambda encoder, obj: encoder.series(b"(", cls.__len__(obj), cls.__iter__(obj)),
        mutable=plain.mutable,
    )


BUILTINS: dict[str, Kind] = {
    f"builtins:{cls.__name__}": _builtin(cls) for cls in (*_PLAIN, *CONTAINERS)
} | {"builtins:BaseException": Kind(_exception)}
"""What a class that derives from a builtin one has of it."""

ENUM = Kind(
    lambda encoder, obj: encoder.value((obj._name_, obj._value_)),
    mutable=False,
    covered=frozenset({"_name_", "_value_", "__objclass__", "_sort_order_"}),
)
"""A member of an enumeration."""

_TIME = ("hour", "minute", "second", "microsecond", "fold", "tzinfo")

KINDS: dict[str, Kind] = {
    "builtins:range": _fields("start", "stop", "step"),
    "builtins:slice": _fields("start", "stop", "step"),
    "builtins:memoryview": Kind(_memoryview, heavy=True),
    "types:MappingProxyType": Kind(_mapping_proxy),
    "types:ModuleType": Kind(_module, mutable=False, covered=None),
    "datetime:datetime": _fields("year", "month", "day", *_TIME),
    "datetime:date": _fields("year", "month", "day"),
    "datetime:time": _fields(*_TIME),
    "datetime:timedelta": _fields("days", "seconds", "microseconds"),
    "datetime:timezone": Kind(_timezone, mutable=False),
    "zoneinfo:ZoneInfo": Kind(_zone, mutable=False),
    "decimal:Decimal": Kind(_decimal, mutable=False),
    "uuid:UUID": _fields("int", "is_safe"),
    "fractions:Fraction": _fields("_numerator", "_denominator"),
    "pathlib:PurePath": Kind(_path, mutable=False),
    "typing:TypeVar": _fields(
        "__module__",
        "__name__",
        "__bound__",
        "__constraints__",
        "__covariant__",
        "__contravariant__",
    ),
}
"""``module:qualname`` -> how its instances are encoded."""
