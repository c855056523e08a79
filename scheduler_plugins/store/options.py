"""The section ``stratum.store`` of Dask's configuration, checked."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dask import config as dask_config
from dask.utils import parse_bytes

from stratum_dask.config import DEFAULTS, section_of
from stratum_dask.durations import seconds_of
from stratum_dask.errors import ConfigError, not_one_of
from stratum_dask.scheduler_plugins.store.entries import Compression, Pickles

__all__ = ["Options", "options"]


@dataclass(frozen=True, slots=True)
class Options:
    """Where results outlive a cluster, and which."""

    url: str | None
    limit: int
    """Bytes of all files; what is worth least goes first."""
    pickle: Pickles
    compression: Compression
    min_seconds: float
    """What takes less time than this to compute is not stored."""
    flush: float
    """Seconds that a scheduler which closes gives to what is not written yet."""


def options(url: str | None = None) -> Options:
    """Return the section as it is at the time of the call.

    Parameters
    ----------
    url
        Instead of the configured one.

    Raises
    ------
    ConfigError
        If it has a key or a value that means nothing; the message lists what does.

    Examples
    --------
    >>> import dask
    >>> with dask.config.set({"stratum.store.limit": "2 GiB"}):
    ...     options().limit
    2147483648
    """
    found = dask_config.get("stratum.store", None)
    section = section_of("stratum.store", found, DEFAULTS["store"])
    return Options(
        url=_url(section["url"]) if url is None else url,
        limit=_limit(section["limit"]),
        pickle=_choice("pickle", section, ("private", "always", "never")),
        compression=_choice("compression", section, ("auto", "none", "lz4", "zstd")),
        min_seconds=_seconds("min-seconds", section["min-seconds"]),
        flush=_seconds("flush", section["flush"]),
    )


def _url(value: object) -> str | None:
    if value is None or value is False or value == "":
        return None
    if not isinstance(value, str):
        raise ConfigError(
            f"stratum.store.url is {value!r}; valid: a folder such as "
            "~/.cache/stratum-dask, a URL such as s3://bucket/folder, or null"
        )
    return value


def _limit(value: object) -> int:
    size: float = -1
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with suppress(ValueError):
            size = parse_bytes(value)
    if not 0 < size < math.inf:
        raise ConfigError(
            f"stratum.store.limit is {value!r}; valid: a size such as '10 GiB'"
        )
    return int(size)


def _choice(name: str, section: dict[str, object], valid: tuple[str, ...]) -> Any:
    value = section[name]
    if value not in valid:
        raise not_one_of(f"value of stratum.store.{name}", value, valid)
    return value


def _seconds(name: str, value: object) -> float:
    return seconds_of(f"stratum.store.{name}", value, "5 s")
