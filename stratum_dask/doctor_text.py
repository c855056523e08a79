"""The doctor's facts as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from dask.utils import format_bytes

__all__ = ["render"]

_WIDTH = 88
_LABEL = 16


def render(facts: dict[str, Any]) -> str:
    """Return the facts of ``stratum_dask.doctor.examine`` as aligned lines."""
    lines = ["This environment", *_here(facts["here"])]
    if facts["cluster"] is not None:
        lines += ["", f"Cluster {facts['cluster']['address']}"]
        lines += _cluster(facts["cluster"])
    for finding in facts["findings"]:
        lines += ["", *_finding(**finding)]
    lines += ["", "All is well." if facts["healthy"] else "Something does not work."]
    return "\n".join(lines)


def _here(here: dict[str, Any]) -> Iterator[str]:
    yield from _row("python", f"{here['python']}  {here['executable']}")
    for name, version in here["versions"].items():
        yield from _row(name, version or "not installed")
    there = [f"{name} {v}" for name, v in here["optional"].items() if v]
    missing = [name for name, v in here["optional"].items() if not v]
    yield from _row("optional", ", ".join(there) or "none")
    if missing:
        yield from _row("not installed", ", ".join(missing))
    for part in here["broken_in_dask_ml"]:
        yield from _row(
            "broken",
            f"dask_ml.{part['what']}, by {part['library']} {part['since']} or newer, "
            f"with stratum or without; use {part['instead']}",
        )
    yield from _row("entry point", _is(here["entry_point"], "", "not ") + "registered")
    state = _is(here["enabled"], "on", "off")
    yield from _row("stratum", f"{state}, says {here['decided_by']}")
    if not here["enabled"]:
        yield from _row("", "switch on: dask stratum enable")
    if here["seams"] is not None:
        seams = (f"{name} {_is(v, 'in', 'out')}" for name, v in here["seams"].items())
        yield from _row("seams", ", ".join(seams))
    if (store := here["store"]) is not None and "error" not in store:
        held = f"{store['entries']} results, {format_bytes(store['bytes'])}"
        yield from _row("store", f"{store['url']}  {_is(store['new'], 'new', held)}")
    runs = here["runs_of_two_equal_tasks"]
    if runs is not None:
        yield from _row(
            "proof", f"two equal tasks ran {_is(runs == 1, 'once', 'twice')}"
        )


def _cluster(cluster: dict[str, Any]) -> Iterator[str]:
    if "error" in cluster:
        yield from _row("scheduler", "could not be asked")
        return
    scheduler = cluster["scheduler"]
    yield from _row("scheduler", _node(scheduler))
    yield from _row("stratum there", _is(scheduler["active"], "active", "not active"))
    for address, facts in cluster["workers"].items():
        yield from _row("worker", f"{address}  {_node(facts)}")
    if not cluster["workers"]:
        yield from _row("workers", "none connected")


def _node(facts: dict[str, Any]) -> str:
    if "error" in facts:
        return f"could not be asked: {facts['error']}"
    versions = ", ".join(
        f"{name} {version}" for name, version in facts["versions"].items() if version
    )
    lacks = "" if facts["importable"] else ", no stratum-dask"
    return f"python {facts['python']}, {versions}{lacks}"


def _finding(what: str, todo: str, fatal: bool) -> Iterator[str]:
    yield from _wrapped(_is(fatal, "Problem", "Note"), what)
    for number, line in enumerate(todo.splitlines()):
        yield from _wrapped("" if number else "  to do", line)


def _row(label: str, text: str) -> Iterator[str]:
    return _wrapped(f"  {label}", text)


def _wrapped(label: str, text: str) -> Iterator[str]:
    return iter(
        textwrap.wrap(
            text,
            width=_WIDTH,
            initial_indent=f"{label:<{_LABEL}}  ",
            subsequent_indent=" " * (_LABEL + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _is(condition: bool, yes: str, no: str) -> str:
    return yes if condition else no
