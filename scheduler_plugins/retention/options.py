"""The section ``stratum.retention`` of Dask's configuration, checked."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

from dask import config as dask_config
from dask.utils import parse_bytes

from stratum_dask.config import DEFAULTS, section_of
from stratum_dask.durations import seconds_of
from stratum_dask.errors import ConfigError

__all__ = ["Options", "options"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a scheduler keeps after clients let go."""

    budget: float | int
    """A float is a fraction of the cluster's memory, an int is bytes; 0: nothing."""
    min_seconds: float
    """What takes less time than this to compute again is not kept."""
    keep: float
    """Seconds after which a result is let go that nobody has asked for."""


def options() -> Options:
    """Return the section as it is at the time of the call.

    Raises
    ------
    ConfigError
        If it has a key or a value that means nothing; the message lists what does.

    Examples
    --------
    >>> import dask
    >>> with dask.config.set({"stratum.retention.budget": "2 GiB"}):
    ...     options().budget
    2147483648
    """
    found = dask_config.get("stratum.retention", None)
    section = section_of("stratum.retention", found, DEFAULTS["retention"])
    return Options(
        budget=_budget(section["budget"]),
        min_seconds=_seconds("min-seconds", section["min-seconds"]),
        keep=_seconds("keep", section["keep"]),
    )


def _budget(value: object) -> float | int:
    if value is None or value is False:
        return 0
    size: float = -1
    if isinstance(value, (int, float, str)) and value is not True:
        with suppress(ValueError):
            size = float(value)
            if 0 < size <= 1:
                return size
        with suppress(ValueError):
            size = parse_bytes(value)
    if not 0 <= size < math.inf:
        raise ConfigError(
            f"stratum.retention.budget is {value!r}; valid: a fraction of the cluster's "
            "memory such as 0.2, a size such as '2 GiB', or false"
        )
    return int(size)


def _seconds(name: str, value: object) -> float:
    return seconds_of(f"stratum.retention.{name}", value, "1 hour")
