"""Functions and classes that refer to each other in circles.

What is met again while it is still being encoded is written as the distance to
it in the walk. The walk keeps Tarjan's stack of strongly connected components, so
a distance never looks out of the circle it belongs to: the encoding of the first
member met depends on the circle alone and may be remembered; that of the others
may not, for it points at where this walk came from.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from stratum_dask.optimizations.verdict import Refused

if TYPE_CHECKING:
    from stratum_dask.optimizations.fingerprint.values import Encoder

__all__ = ["PLAIN", "SEES_NAMES", "Node", "looks_at_callers", "value", "walk"]

# The first byte of an encoded function or class.
PLAIN, SEES_NAMES, BACK = b"\xf0", b"\xf1", b"\xf8"
_IN_CIRCLE = {PLAIN: b"\xf2", SEES_NAMES: b"\xf3"}

_distance = struct.Struct("<ci").pack
_KEPT = -1  # no id


class Node:
    """One function or class that is being encoded.

    Attributes
    ----------
    position
        Its place on the stack.
    low
        The lowest place that it, or what it refers to, points back to.
    pointed_at
        How often something inside refers back to it.
    callee
        The encoding as the function of a task, if that is another one. It is
        remembered under the complement of the object's id.
    delegated
        Whether its value was asked for, which must not come back as a function.
    """

    __slots__ = ("callee", "delegated", "low", "pointed_at", "position")

    def __init__(self, position: int) -> None:
        self.position = position
        self.low = position
        self.pointed_at = 0
        self.callee: bytes | None = None
        self.delegated = False


class _Walk:
    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.stack: list[tuple[object, Node]] = []
        self.nodes: dict[int, Node] = {}
        self.open: list[Node] = []
        self.references = 0
        # Finished circles of this walk: the objects are kept for their ids.
        self.done: dict[int, bytes] = {}
        self.circle: dict[int, list[object]] = {}
        self.entered: list[list[object]] = []

    def refer(self, node: Node) -> bytes:
        inner = self.open[-1]
        if node is inner and node.delegated:
            raise Refused("it is a function of an unknown kind")
        inner.low = min(inner.low, node.low, node.position)
        node.pointed_at += 1
        self.references += 1
        return _distance(BACK, inner.position - node.position)

    def finished(self, obj: object) -> bytes | None:
        """Return a circle's encoding from outside of it; inside it is walked anew."""
        circle = self.circle.get(id(obj))
        if circle is None or any(circle is inside for inside in self.entered):
            return None
        return self.done.get(id(obj))


def looks_at_callers(encoded: bytes) -> bool:
    """Whether an encoded function reads its callers' variables by name."""
    return encoded[:1] in (SEES_NAMES, _IN_CIRCLE[SEES_NAMES])


_local = threading.local()


def walk(
    obj: object, encoder: Encoder, encode: Callable[[Node], tuple[bytes, bytes]]
) -> bytes:
    """Encode one function or class, once.

    Parameters
    ----------
    obj
        What to encode.
    encoder
        Where encodings are remembered.
    encode
        Gives the first byte and the content; called if `obj` is not known yet.
    """
    running: _Walk | None = getattr(_local, "walk", None)
    hit = encoder.memo.get(_place(obj, encoder))
    outermost = running is None or running.encoder is not encoder
    if hit is not None:
        known = hit[1]
        if not isinstance(known, bytes):
            raise Refused(known.reason, known.remedy)
        if outermost or known[:1] in _IN_CIRCLE:
            return known
    if running is None or running.encoder is not encoder:
        _local.walk = _Walk(encoder)
        try:
            return _enter(_local.walk, obj, encode)
        except RecursionError:
            raise Refused("it refers to too many functions in a row") from None
        finally:
            _local.walk = running
    node = running.nodes.get(id(obj))
    if node is not None:
        return running.refer(node)
    return running.finished(obj) or _enter(running, obj, encode)


def value(obj: object, encoder: Encoder) -> bytes:
    """Encode a value that a function or class refers to.

    What it remembers on the way must not hold a distance: other places are as far
    from the same function as this one from another.
    """
    running: _Walk = _local.walk
    before, mark = running.references, len(encoder.memo)
    result = encoder.value(obj)
    if running.references != before:
        _forget(encoder.memo, mark)
    return result


def _enter(
    running: _Walk, obj: object, encode: Callable[[Node], tuple[bytes, bytes]]
) -> bytes:
    encoder, memo, stack = running.encoder, running.encoder.memo, running.stack
    position, mark = len(stack), len(memo)
    node = running.nodes[id(obj)] = Node(position)
    stack.append((obj, node))
    running.open.append(node)
    circle = running.circle.get(id(obj))
    if circle is not None:
        running.entered.append(circle)
    try:
        # Alone: what it shares with whoever refers to it is not its content.
        result, _ = encoder.alone(
            node, lambda _, node: _digested(encoder, encode(node))
        )
    except BaseException as error:
        _leave(running, position)
        _forget(memo, mark)
        if isinstance(error, Refused):
            memo[_place(obj, encoder)] = obj, error.with_traceback(None)
        raise
    finally:
        running.open.pop()
        if circle is not None:
            running.entered.pop()
    if node.pointed_at or node.low < position:
        _forget(memo, mark)
    if node.low < position:
        outer = running.open[-1]
        outer.low = min(outer.low, node.low)
        return result
    members = _leave(running, position)
    if len(members) > 1:
        result = _IN_CIRCLE[result[:1]] + result[1:]
        running.done[id(obj)] = result
        running.circle.update((id(member), members) for member in members)
    memo[_place(obj, encoder)] = obj, result
    memo[~id(obj)] = obj, node.callee or result
    return result


def _place(obj: object, encoder: Encoder) -> int:
    """Where the encoding of a function is remembered.

    An object with ``__call__`` has one as a value, too, in which it counts whether
    the object was met before.
    """
    return id(obj) if encoder.is_function(obj) else ~id(obj)


def _digested(encoder: Encoder, parts: tuple[bytes, bytes]) -> bytes:
    tag, content = parts
    return tag + encoder.digest(tag + content)


def _leave(running: _Walk, position: int) -> list[object]:
    members = [obj for obj, _ in running.stack[position:]]
    del running.stack[position:]
    for member in members:
        del running.nodes[id(member)]
    return members


def _forget(memo: dict[int, tuple[object, bytes | Refused]], mark: int) -> None:
    """Drop what was remembered since: it may point into an unfinished circle.

    The objects stay alive, for others may have noted their ids.
    """
    entry = memo.get(_KEPT)
    kept = entry[0] if entry is not None else []
    assert isinstance(kept, list)
    while len(memo) > mark:
        key, (obj, _) = memo.popitem()
        if key != _KEPT:
            kept.append(obj)
    memo[_KEPT] = kept, b""
