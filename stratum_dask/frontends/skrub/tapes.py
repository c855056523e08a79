"""Plans are lowered once for all folds: what they ask of the graph is noted down.

A fold differs from the others in its rows only, and what a plan makes of a graph
does not depend on rows.

>>> from stratum_dask.frontends.sklearn.builder import Builder, Ref
>>> from stratum_dask.frontends.sklearn.work import Done, task
>>> @task
... def twice(x):
...     return Done(2 * x)
>>> builder = Builder({})
>>> tape, x = Tape(builder), Ref("x")
>>> calls = tape.record()
>>> four = tape.call(twice, tape.call(twice, x))
>>> one = tape.play(calls, {x: builder.data(1)})[four]
>>> other = tape.play(calls, {x: builder.data(10)})[four]
>>> one == other, builder.run["twice"]
(False, 4)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref

__all__ = ["Noted", "Tape"]

T = TypeVar("T")


class Noted(NamedTuple):
    """A call of `Builder.call`."""

    made: Ref
    """Stands for its result."""
    func: Callable[..., Any]
    args: tuple[Any, ...]
    fit: bool
    name: str | None


class Tape(Builder):
    """Stands in for a builder: what is called is done when the tape is played.

    Parameters
    ----------
    builder
        Where. What does not depend on a fold is built there at once.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._calls: list[Noted] = []
        self._count = 0

    def literal(self, obj: Any) -> Literal:
        """See `Builder.literal`."""
        return self._builder.literal(obj)

    def data(self, obj: Any) -> Ref:
        """See `Builder.data`."""
        return self._builder.data(obj)

    def once(self, obj: Any, make: Callable[[Any], T]) -> T:
        """See `Builder.once`."""
        return self._builder.once(obj, make)

    def call(
        self,
        func: Callable[..., Any],
        *args: Any,
        fit: bool = False,
        name: str | None = None,
    ) -> Ref:
        """See `Builder.call`: a `Ref` that `play` knows the result of."""
        self._count += 1
        made = Ref((id(self), self._count))
        self._calls.append(Noted(made, func, args, fit, name))
        return made

    def record(self) -> list[Noted]:
        """A new list, in which calls are noted from here on."""
        self._calls = []
        return self._calls

    def play(self, calls: list[Noted], known: Mapping[Ref, Ref]) -> dict[Ref, Ref]:
        """Do what has been noted, in its order.

        Parameters
        ----------
        known
            What stands for a result -> the result in the graph.

        Returns
        -------
        The same of all results, and of what was known.
        """
        found = dict(known)
        for made, func, args, fit, name in calls:
            values = [found.get(a, a) if type(a) is Ref else a for a in args]
            found[made] = self._builder.call(func, *values, fit=fit, name=name)
        return found
