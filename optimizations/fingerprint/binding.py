"""Bind a call's arguments to positions, so that spelling does not matter.

``f(1, b=2)``, ``f(b=2, a=1)`` and, where 2 is the default, ``f(1)`` are one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stratum_dask.optimizations.fingerprint.functions import Parameters, parameters
from stratum_dask.optimizations.verdict import Refused

if TYPE_CHECKING:
    from stratum_dask.optimizations.fingerprint.values import Encoder

__all__ = ["Binder", "Item", "Spelled", "binder"]


class Spelled(bytes):
    """A part of a call that is the same for all calls that are spelled alike."""

    __slots__ = ()


Item = int | str | Spelled

_GIVEN, _DEFAULT = b"V", b"d"
_MORE, _NAMED, _ABSENT = Spelled(b"*"), Spelled(b"k"), Spelled(b"?")


# A default that can be written into is one object for all calls: leaving it out
# and passing an equal one are different calls.
_FROZEN = (str, int, float, bool, bytes, complex, type(None))


class Binder:
    """Spell the arguments of calls of one function.

    Parameters
    ----------
    parameters
        What the function takes.
    encoder
        Encodes the defaults.
    """

    def __init__(self, parameters: Parameters, encoder: Encoder) -> None:
        self.names = parameters.positional
        self.index = {
            name: i
            for i, name in enumerate(parameters.positional)
            if i >= parameters.positional_only
        }
        # In their own order: names of parameters do not enter the function's code,
        # so it is their place that says which one is meant.
        self.keyword_only = tuple(parameters.keyword_only)
        self.var_positional = parameters.var_positional
        self.encoder = encoder
        # A call with this many arguments and no keywords is spelled as it stands.
        self.simple = -1 if self.keyword_only else len(self.names)
        self.defaults = {
            name: self._default(name, value)
            for name, value in parameters.defaults.items()
        }
        self._plans: dict[tuple[int, tuple[str, ...]], tuple[Item, ...]] = {}

    def _default(self, name: str, value: object) -> Spelled:
        if type(value) in _FROZEN:
            return Spelled(_GIVEN + self.encoder.value(value))
        return Spelled(_DEFAULT + self.encoder.value(name))

    def plan(self, count: int, names: tuple[str, ...]) -> tuple[Item, ...]:
        """How a call is spelled that has ``count`` arguments and these keywords.

        Returns
        -------
        tuple
            In the order of the parameters: a number is the place of a positional
            argument, a string the name of a keyword, and what is spelled stands for
            itself.
        """
        known = self._plans.get((count, names))
        if known is None:
            known = self._plans[count, names] = self._plan(count, names)
        return known

    def _plan(self, count: int, names: tuple[str, ...]) -> tuple[Item, ...]:
        given: set[str] = set()
        rest: list[Item] = []
        for name in names:
            i = self.index.get(name)
            if (i is not None and i >= count) or name in self.keyword_only:
                given.add(name)
            else:  # for **kwargs, whose order can be seen; or the call will fail
                rest += [_NAMED, Spelled(self.encoder.value(name)), name]
        size = len(self.names)
        items: list[Item] = [*range(min(count, size))]
        for name in (*self.names[count:], *self.keyword_only):
            items.append(name if name in given else self.defaults.get(name, _ABSENT))
        if count > size:
            items += [_MORE, *range(size, count)]
        return (*items, *rest)

    def ordered(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """The arguments of a call, and what is spelled already, as `plan` says."""
        return [
            item
            if type(item) is Spelled
            else args[item]
            if type(item) is int
            else kwargs[item]  # type: ignore[index]
            for item in self.plan(len(args), tuple(kwargs))
        ]

    def bind(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        spell: Callable[[Any], bytes],
    ) -> list[bytes]:
        """The parts of a call, in the order of the parameters."""
        items = self.ordered(args, kwargs)
        return [item if type(item) is Spelled else spell(item) for item in items]


def binder(func: Callable[..., Any], encoder: Encoder) -> Binder | None:
    """The binder of a function whose parameters are known."""
    known = parameters(func)
    if known is None:
        return None
    try:
        return Binder(known, encoder)
    except Refused:
        return None
