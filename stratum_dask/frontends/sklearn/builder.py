"""Build the graph of many fits: equal work gets equal keys, and stands in it once.

The key of a task is a hash of what it computes, made as the plugin's fingerprints
are: of the contents of estimators and data, and the keys that it depends on. What
may not be merged (unseeded estimators, what cannot be read) gets a key of its own.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import dask.config

from stratum_dask.config import settings
from stratum_dask.graph import DataNode, Graph, Key, List, Task, reference
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.verdict import Refused, Role

__all__ = ["Builder", "Literal", "Ref"]

T = TypeVar("T")

_ROLES: dict[bytes, Role] = {}
_ROLES_KEPT = 10_000
"""What contents may be merged: these have all that was looked at."""

_LOOKS = 500
"""Callables that are looked into for one estimator: a tenth of a second's work. There
are many small searches, and what leads further is done as often as it is asked for.
"""


class Ref(NamedTuple):
    """A result in the graph."""

    key: Key


class Literal(NamedTuple):
    """An object that is passed to a task as it is."""

    value: Any
    token: bytes | None
    """What it contains; None where that can not, or must not, be said."""


class Builder:
    """Builds one graph.

    Parameters
    ----------
    config
        scikit-learn's configuration, as it is where the work was asked for.
    ordered
        Whether random work is done in the order in which it is asked for, one
        after the other, as plain scikit-learn does it in one process.

    Attributes
    ----------
    graph
        The graph.
    asked
        Name of a task -> how often it was asked for.
    """

    def __init__(self, config: Mapping[str, Any], ordered: bool = False) -> None:
        self.graph: Graph = {}
        self.asked: Counter[str] = Counter()
        self._config = dict(config)
        self._ordered = ordered
        self._last: Ref | None = None
        self._before: dict[Key, None] = {}
        self._nonce = uuid.uuid4().bytes
        self._encoder = Encoder(settings().fingerprint)
        self._judge = Judge()
        self._judge.limit = _LOOKS
        said = dask.config.get("stratum.purity", None)
        self._said = self._encoder.value(repr(said))
        self._known: dict[int, tuple[Any, Literal]] = {}
        self._made: dict[tuple[int, Callable[..., Any]], tuple[Any, Any]] = {}
        self._data: dict[int, tuple[Any, Ref]] = {}
        token = self._read(self._config)
        self._prefix = self._encoder.digest(token or uuid.uuid4().bytes)

    def _read(self, obj: Any) -> bytes | None:
        try:
            return self._encoder.value(obj)
        except Refused:
            return None

    def once(self, obj: Any, make: Callable[[Any], T]) -> T:
        """``make(obj)``, made once for each object: there are many folds."""
        known = self._made.get((id(obj), make))
        if known is None:
            known = self._made[id(obj), make] = obj, make(obj)
        made: T = known[1]
        return made

    def _role(self, obj: Any, token: bytes | None) -> Role:
        """Whether it may be merged; looked into once for each content."""
        if token is None:
            return Role.REFUSE
        key = self._said + token
        role = _ROLES.get(key)
        if role is None:
            if len(_ROLES) >= _ROLES_KEPT:
                _ROLES.clear()
            role = _ROLES[key] = self._judge.value(obj).role
        return role

    def literal(self, obj: Any) -> Literal:
        """An estimator, a scorer, or another small object."""
        known = self._known.get(id(obj))
        if known is None:
            token = self._read(obj)
            role = self._role(obj, token)
            if token is not None and role is Role.BATCH:
                token += self._nonce  # equal here, and never later
            if role is Role.REFUSE:
                token = None
            known = self._known[id(obj)] = obj, Literal(obj, token)
        return known[1]

    def begin(self) -> None:
        """What is planned from here on does not depend on what was planned before.

        Where a part of one fit fails scikit-learn does not come to the parts after
        it, so none of those may draw.
        """
        self._before = {}

    def data(self, obj: Any) -> Ref:
        """A data set, which is a node of the graph."""
        if isinstance(obj, Ref):
            return obj
        known = self._data.get(id(obj))
        if known is None:
            token = self._read(obj)
            tail = self._encoder.digest(token) if token else uuid.uuid4().bytes
            key = f"data-{tail.hex()}"
            self.graph[key] = DataNode(key, obj)
            known = self._data[id(obj)] = obj, Ref(key)
        return known[1]

    def call(
        self,
        func: Callable[..., Any],
        *args: Ref | Literal | Any,
        fit: bool = False,
        name: str | None = None,
    ) -> Ref:
        """A task that calls ``func``, one of `work.task`.

        Parameters
        ----------
        func
            The function.
        *args
            Results, literals, or plain strings, numbers, tuples of them.
        fit
            Whether this may draw random numbers: it then waits for what did before.
        name
            What people see; by default that of ``func``.
        """
        name = name or func.__name__
        self.asked[name] += 1
        parts = [self._prefix, name.encode(), b":"]
        values: list[Any] = []
        own = False
        for arg in args:
            if isinstance(arg, Ref):
                parts.append(b"K" + repr(arg.key).encode() + b";")
                values.append(reference(arg.key))
                continue
            literal = arg if isinstance(arg, Literal) else self._plain(arg)
            own = own or literal.token is None
            parts.append(literal.token or b"")
            values.append(literal.value)
        more: dict[str, Any] = {}
        if fit and own and self._ordered and self._last is not None:
            more["after"] = reference(self._last.key)
        if fit and own and self._ordered and self._before:
            more["needs"] = List(*map(reference, self._before))
        if own:
            parts = [uuid.uuid4().bytes]
        key = f"{name}-{self._encoder.digest(b''.join(parts)).hex()}"
        if key not in self.graph:
            self.graph[key] = Task(key, func, self._config, *values, **more)
        if fit and own:
            self._last = Ref(key)
            self._before = {}  # it fails where one of these does
        self._before[key] = None
        return Ref(key)

    def _plain(self, value: Any) -> Literal:
        return Literal(value, self._encoder.value(value))

    @property
    def run(self) -> Counter[str]:
        """Name of a task -> how often it is in the graph."""
        names = (key.rpartition("-")[0] for key in map(str, self.graph))
        return Counter(n for n in names if n != "data")
