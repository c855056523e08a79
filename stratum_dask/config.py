"""The ``stratum:`` section of Dask's configuration: defaults, and what they mean.

Imported while Dask itself is half imported, so it needs no more than
``dask.config`` and the YAML reader.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from dask import config as dask_config

from stratum_dask.errors import ConfigError, StratumWarning, not_one_of

__all__ = ["DEFAULTS", "Settings", "as_bool", "enabled", "section_of", "settings"]

DEFAULTS: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_name("stratum.yaml").read_text()
)["stratum"]

# What a YAML file, an environment variable and a person write for yes and no.
_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
    "none": False,
    "": False,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration at one moment, checked.

    Examples
    --------
    >>> import dask
    >>> with dask.config.set({"stratum.on-fail": "raise"}):
    ...     settings().on_fail
    'raise'
    """

    enabled: bool
    distributed: Literal["auto", "client"]
    rules: tuple[str, ...]
    on_fail: Literal["warn", "raise"]
    check_invariants: bool
    fingerprint: Literal["xxh3_128", "sha256"]
    pure: tuple[str, ...]
    """Functions that the user declared pure, by qualified name."""
    impure: tuple[str, ...]
    """Functions that the user declared impure; outranks the others."""
    batch: tuple[str, ...]
    """Functions that the user declared batch; outranks ``pure``."""
    strictness: Literal["strict", "evidence", "trust"]
    """What is merged where the user said nothing."""


def enabled() -> bool:
    """Return whether ``stratum.enabled`` holds here and now.

    Asked at every compute, also by those who never switch the plugin on: it
    reads one value and checks nothing else.

    Raises
    ------
    ConfigError
        If the value is neither a boolean nor a word for one.
    """
    value = dask_config.get("stratum.enabled", False)
    if value is False or value is True:
        return value
    return as_bool("enabled", value)


def settings() -> Settings:
    """Return the configuration as it is at the time of the call.

    Raises
    ------
    ConfigError
        If the section has a key or a value that means nothing; the message
        lists those that do.
    """
    section = section_of("stratum", dask_config.get("stratum", None), DEFAULTS)
    purity = section_of("stratum.purity", section["purity"], DEFAULTS["purity"])
    return Settings(
        enabled=as_bool("enabled", section["enabled"]),
        distributed=_choice("distributed", section, "auto", "client"),
        rules=_names("rules", section["rules"], _RULES_EXAMPLE),
        on_fail=_choice("on-fail", section, "warn", "raise"),
        check_invariants=as_bool("check-invariants", section["check-invariants"]),
        fingerprint=_choice("fingerprint", section, "xxh3_128", "sha256"),
        pure=_names("purity.pure", purity["pure"], _FUNCTIONS_EXAMPLE),
        impure=_names("purity.impure", purity["impure"], _FUNCTIONS_EXAMPLE),
        batch=_names("purity.batch", purity["batch"], _FUNCTIONS_EXAMPLE),
        strictness=_choice("purity.strictness", purity, "strict", "evidence", "trust"),
    )


def as_bool(name: str, value: object) -> bool:
    """Return ``value`` as a boolean, if it is a word for one.

    Examples
    --------
    >>> as_bool("enabled", "on")
    True
    """
    word = "" if value is None else str(value).strip().lower()
    if isinstance(value, (bool, int, str, type(None))) and word in _WORDS:
        return _WORDS[word]
    raise ConfigError(f"stratum.{name} is {value!r}; valid: true, false")


_RULES_EXAMPLE = ", ".join(DEFAULTS["rules"])
_FUNCTIONS_EXAMPLE = "mypackage.clean, mypackage.load"


def section_of(name: str, found: object, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``found`` over ``defaults``, with hyphens in its keys.

    Raises
    ------
    ConfigError
        If it is no section, or has a key that means nothing.
    """
    if found is None:
        return dict(defaults)
    if not isinstance(found, Mapping):
        raise ConfigError(
            f"{name} is {found!r}, but it is a section; valid keys in it: "
            + ", ".join(defaults)
        )
    # An environment variable cannot spell a hyphen.
    given = {str(key).replace("_", "-"): value for key, value in found.items()}
    for key in given:
        if key not in defaults:
            raise not_one_of(f"key in the {name} configuration", key, defaults)
    return {**defaults, **given}


def _choice(name: str, section: Mapping[str, Any], *valid: str) -> Any:
    value = section[name.rpartition(".")[2]]
    if value not in valid:
        raise not_one_of(f"value of stratum.{name}", value, valid)
    return value


def _names(name: str, value: object, example: str) -> tuple[str, ...]:
    names = () if value is None else value
    if not isinstance(names, (list, tuple)) or not all(
        isinstance(each, str) for each in names
    ):
        raise ConfigError(
            f"stratum.{name} is {value!r}, but it is a list of names, such as "
            f"[{example}]"
        )
    twice = {each for each in names if names.count(each) > 1}
    if twice:
        raise ConfigError(
            f"stratum.{name} has {', '.join(map(repr, sorted(twice)))} twice; "
            "every name may appear once"
        )
    return tuple(names)


def _add_defaults() -> None:
    present = dask_config.get("stratum", None)
    if present is not None and not isinstance(present, Mapping):
        # update_defaults would replace it without a word
        warnings.warn(
            f"Dask's configuration has `stratum: {present}`, which means nothing and "
            "is ignored. To switch stratum on, write `stratum: {enabled: true}` or "
            "set DASK_STRATUM__ENABLED=True.",
            StratumWarning,
            stacklevel=2,
        )
    dask_config.update_defaults({"stratum": copy.deepcopy(DEFAULTS)})


_add_defaults()
