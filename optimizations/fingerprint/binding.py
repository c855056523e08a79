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

__all__ = ["Binder", "binder"]

_GIVEN, _DEFAULT, _MORE, _NAMED = b"V", b"d", b"*", b"k"

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

    def _default(self, name: str, value: object) -> bytes:
        if type(value) in _FROZEN:
            return _GIVEN + self.encoder.value(value)
        return _DEFAULT + self.encoder.value(name)

    def bind(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        spell: Callable[[Any], bytes],
    ) -> list[bytes]:
        """The parts of a call, in the order of the parameters."""
        value = self.encoder.value
        names = self.names
        slots: list[bytes] = [spell(a) for a in args[: len(names)]]
        more = args[len(names) :]
        given: dict[str, bytes] = {}
        rest: list[bytes] = []
        for name, a in kwargs.items():
            i = self.index.get(name)
            if (i is not None and i >= len(slots)) or name in self.keyword_only:
                given[name] = spell(a)
            else:  # for **kwargs, whose order can be seen; or the call will fail
                rest += [_NAMED, value(name), spell(a)]
        absent = b"?"
        for name in (*names[len(slots) :], *self.keyword_only):
            text = given.get(name)
            slots.append(self.defaults.get(name, absent) if text is None else text)
        if more:
            slots.append(_MORE)
            slots += [spell(a) for a in more]
        return slots + rest


def binder(func: Callable[..., Any], encoder: Encoder) -> Binder | None:
    """The binder of a function whose parameters are known."""
    known = parameters(func)
    if known is None:
        return None
    try:
        return Binder(known, encoder)
    except Refused:
        return None
