"""The YAML drop-in that switches stratum on for a user, and what outranks it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from dask import config as dask_config

from stratum_dask.config import as_bool
from stratum_dask.errors import ConfigError, StratumError

__all__ = ["DropInError", "Origin", "disable", "enable", "in_force", "origins", "path"]

_MARK = "# written by `dask stratum enable`"
_HEADER = re.compile(r"^stratum:[ \t]*(?:#.*)?(?:\n|\Z)", re.MULTILINE)
_UNSET = object()
_ENABLED = {"stratum": {"enabled": True}}


class DropInError(StratumError):
    """The drop-in could not be written or removed."""


class Origin(NamedTuple):
    """One place that says whether stratum is on."""

    where: str
    value: Any

    @property
    def enables(self) -> bool:
        """Whether this place, alone, switches stratum on."""
        try:
            return as_bool("enabled", self.value)
        except ConfigError:
            return False


def path() -> Path:
    """Return the file that `enable` writes: where Dask looks for this user's own."""
    place = Path(dask_config.PATH)
    return place if place.is_file() else place / "stratum.yaml"


def origins() -> Iterator[Origin]:
    """Yield every file and variable that sets ``stratum.enabled``; the last one wins."""
    for file, found in dask_config.collect_yaml(dask_config.paths, return_paths=True):
        yield from _origin(str(file), found)
    environment = dask_config.collect_env()
    yield from _origin("environment variable DASK_STRATUM__ENABLED", environment)


def in_force() -> Origin | None:
    """Return the place that decides for a process that starts now, if there is any."""
    found = list(origins())
    return found[-1] if found else None


def enable() -> bool:
    """Switch stratum on in this user's drop-in; return whether that was a change.

    What stands in the file stays as it is, comments included: only lines with
    our mark are added. No other file is touched, so lists that a user has
    elsewhere (Dask's lists replace each other) are neither lost nor repeated.
    """
    file = path()
    text = _read(file)
    data = _parse(file, text)
    section = data.get("stratum") or {}
    if not isinstance(section, dict):
        raise _by_hand(file, "its `stratum:` is not a section")
    if section.get("enabled") is True:
        return False
    if "enabled" in section:
        raise _by_hand(file, f"it has `enabled: {section['enabled']}` already")
    new = _with_our_line(text)
    expected = {**data, "stratum": {**section, "enabled": True}}
    if _parse(file, new) != expected:
        raise _by_hand(file, "its layout leaves no safe place for a new line")
    _replace(file, new)
    return True


def disable() -> bool:
    """Take our line out of the drop-in; return whether there was one.

    A section that is then empty goes with it, and so does an empty file.
    """
    file = path()
    text = _read(file)
    rest = "".join(line for line in text.splitlines(keepends=True) if _MARK not in line)
    if rest == text:
        return False
    expected = _parse(file, text)
    section = expected.pop("stratum")
    section.pop("enabled", None)
    if section:
        expected["stratum"] = section
    else:
        rest = _HEADER.sub("", rest, count=1)
    if _parse(file, rest) != expected:
        raise _by_hand(file, "the lines around ours have changed")
    if rest.strip():
        _replace(file, rest)
    else:
        with _explained(file, "remove"):
            file.unlink()
    return True


def _origin(where: str, found: dict[str, Any]) -> Iterator[Origin]:
    value = dask_config.get("stratum.enabled", _UNSET, config=found)
    if value is not _UNSET:
        yield Origin(where, value)


def _with_our_line(text: str) -> str:
    header = _HEADER.search(text)
    head = text[: header.end()] if header else f"{_ended(text)}stratum:\n"
    rest = text[header.end() :] if header else ""
    return f"{_ended(head)}{_indent(rest)}enabled: true  {_MARK}\n{rest}"


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _indent(body: str) -> str:
    """Return the indentation of the keys in ``body``, or a usual one if it has none."""
    for line in body.splitlines():
        key = line.lstrip()
        if key and not key.startswith("#"):
            return line.removesuffix(key) or "  "
    return "  "


def _read(file: Path) -> str:
    with _explained(file, "read"):
        return file.read_text() if file.exists() else ""


def _parse(file: Path, text: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DropInError(f"{file} is not valid YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _by_hand(file, "it holds no sections")
    return data


def _replace(file: Path, text: str) -> None:
    """Write ``text`` so that a reader sees the old file or the new one, whole."""
    # a link into somebody's dotfiles stays a link
    file = file.resolve()
    with _explained(file, "write"):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".stratum-")
        try:
            with os.fdopen(handle, "w") as out:
                out.write(text)
            # mkstemp's files are private; Dask's are as the user's umask has them
            os.chmod(name, file.stat().st_mode if file.exists() else 0o644)
            os.replace(name, file)
        except BaseException:
            os.unlink(name)
            raise


@contextmanager
def _explained(file: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise DropInError(
            f"could not {verb} {file}: {error}\n"
            "Point the environment variable DASK_CONFIG to a folder that you can "
            "write to,\nor set DASK_STRATUM__ENABLED instead."
        ) from error


def _by_hand(file: Path, why: str) -> DropInError:
    return DropInError(
        f"{file} was left as it is: {why}.\n"
        "Edit it by hand; stratum is on if it says\n\n"
        f"{yaml.safe_dump(_ENABLED)}"
    )
