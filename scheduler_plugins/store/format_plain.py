"""Numbers, strings and containers of them: text that can hold nothing else."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

__all__ = ["decode", "encode"]

_DEEPEST = 40
_MOST = 50_000
"""Beyond this many values a pickle is the better form."""
_PARSED = (type(None), bool, str)


class _Other(Exception):
    """There is something else in it."""


def encode(obj: object) -> bytes | None:
    """``obj`` as text, or None where it is not made of plain values only.

    Examples
    --------
    >>> decode(encode({"score": 0.1, "rows": (1, None, b"x")}))
    {'score': 0.1, 'rows': (1, None, b'x')}
    >>> encode([object()]) is None
    True
    """
    budget = [_MOST]
    try:
        return json.dumps(_spell(obj, budget, 0), separators=(",", ":")).encode()
    except (_Other, RecursionError, ValueError):
        return None


def _spell(obj: Any, budget: list[int], depth: int) -> Any:
    budget[0] -= 1
    if budget[0] < 0 or depth > _DEEPEST:
        raise _Other
    cls = type(obj)
    if cls in _PARSED:
        return obj
    if cls is int:
        return obj if abs(obj) < 1 << 62 else ["i", hex(obj)]
    if cls is float:
        return ["f", obj.hex()]
    if cls is complex:
        return ["c", obj.real.hex(), obj.imag.hex()]
    if cls is bytes:
        return ["b", base64.b64encode(obj).decode()]
    if cls is list or cls is tuple:
        tag = "l" if cls is list else "t"
        return [tag, *[_spell(x, budget, depth + 1) for x in obj]]
    if cls is dict:
        parts = [part for pair in obj.items() for part in pair]
        return ["d", *[_spell(x, budget, depth + 1) for x in parts]]
    if cls.__module__ == "numpy":
        return _spell_scalar(obj)
    raise _Other


def _spell_scalar(obj: Any) -> Any:
    import numpy as np

    if not isinstance(obj, np.generic) or obj.dtype.kind not in "biufcmM":
        raise _Other
    if obj.dtype.type is not type(obj):
        raise _Other
    return ["n", obj.dtype.str, base64.b64encode(obj.tobytes()).decode()]


def decode(raw: bytes | bytearray) -> Any:
    """What `encode` was given.

    Raises
    ------
    ValueError
        It is not what `encode` writes.
    """
    try:
        return _read(json.loads(bytes(raw)))
    except (KeyError, IndexError, TypeError, RecursionError, binascii.Error) as e:
        raise ValueError(f"no plain value: {e!r}") from e


def _read(spelled: Any) -> Any:
    if not isinstance(spelled, list):
        return spelled
    return _READ[spelled[0]](*spelled[1:])


def _read_scalar(dtype: str, raw: str) -> Any:
    import numpy as np

    return np.frombuffer(base64.b64decode(raw), np.dtype(dtype))[0]


def _read_dict(*parts: Any) -> dict[Any, Any]:
    found = list(map(_read, parts))
    return dict(zip(found[::2], found[1::2], strict=True))


_READ: dict[str, Any] = {
    "i": lambda text: int(text, 16),
    "f": float.fromhex,
    "c": lambda real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "b": base64.b64decode,
    "l": lambda *parts: list(map(_read, parts)),
    "t": lambda *parts: tuple(map(_read, parts)),
    "d": _read_dict,
    "n": _read_scalar,
}
