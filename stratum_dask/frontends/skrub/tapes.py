"""Plans are lowered once for all folds: what they ask of the graph is noted down.

A fold differs from the others in its rows only, and what a plan makes of a graph
does not depend on rows.

>>> from stratum_dask.frontends.sklearn.builder import Builder, Ref
>>> from stratum_dask.frontends.sklearn.work import Done, task
>>> @task
... def twice(x):
...     return Done(2 * x)
>>> builder = Builder({})
>>> tape = Tape(builder)
>>> four = tape.call(twice, tape.call(twice, X))
>>> one = tape.play(builder, {X: builder.data(1)})[four]
>>> other = tape.play(builder, {X: builder.data(10)})[four]
>>> one == other, builder.run["twice"]
(False, 4)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref

__all__ = ["Tape", "X", "y"]

T = TypeVar("T")

X, y = Ref("X of a tape"), Ref("y of a tape")
"""Stand for the data of a fold."""


class Tape(Builder):
    """Stands in for a builder: what is called is done when the tape is played.

    Parameters
    ----------
    builder
        What does not depend on a fold is built there at once.
    """

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._calls: list[tuple[Ref, Callable[..., Any], Any, bool, str | None]] = []

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
        made = Ref((id(self), len(self._calls)))
        self._calls.append((made, func, args, fit, name))
        return made

    def play(self, builder: Builder, known: Mapping[Ref, Ref]) -> dict[Ref, Ref]:
        """Do the calls, in their order.

        Parameters
        ----------
        known
            What stands for a result -> the result in the graph.

        Returns
        -------
        The same of everything that this tape has made, and that was known before.
        """
        found = dict(known)
        for made, func, args, fit, name in self._calls:
            values = [found.get(a, a) if type(a) is Ref else a for a in args]
            found[made] = builder.call(func, *values, fit=fit, name=name)
        return found
