"""Times in the configuration, as people write them."""

from __future__ import annotations

import math
from contextlib import suppress

from dask.utils import parse_timedelta

from stratum_dask.errors import ConfigError

__all__ = ["seconds_of"]


def seconds_of(name: str, value: object, example: str) -> float:
    """Return the seconds that the option ``name`` says.

    Raises
    ------
    ConfigError
        The value is no time; the message has ``example`` for one.

    Examples
    --------
    >>> seconds_of("stratum.store.flush", "100 ms", "5 s")
    0.1
    """
    seconds = -1.0
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError, KeyError):
            seconds = float(parse_timedelta(value))
    if not 0 <= seconds < math.inf:
        raise ConfigError(
            f"{name} is {value!r}; valid: a number of seconds, or a time such as "
            f"'100 ms' or '{example}'"
        )
    return seconds
