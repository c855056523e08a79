"""What a rule is, and how the configured ones are found."""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import ClassVar

from stratum_dask.errors import ConfigError
from stratum_dask.graph import Graph
from stratum_dask.optimizations.submission import Submission

__all__ = ["ENTRY_POINTS", "Rule", "available", "chosen"]

ENTRY_POINTS = "stratum_dask.rules"
"""Entry point group in which other packages offer rules of their own."""


class Rule:
    """One rewrite of a graph.

    The contract, which the driver checks after every rule:

    - `apply` returns another graph, or None where there is nothing to do. It
      edits neither the graph it was given nor the nodes in it.
    - Every output of the submission is still there, or ``submission.replaced``
      says which key has its result.
    - A key that stays computes what it computed: it keeps its fingerprint.
    - No cycle; every dependency is in the graph or was outside it before.

    A rule that raises is skipped together with all others: the user's graph then
    runs as it came, and one warning names the rule.

    Attributes
    ----------
    name
        How the rule is called in ``stratum.rules``.
    needs
        Rules that must come after this one for its result to be right.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()

    def apply(self, submission: Submission) -> Graph | None:
        """Rewrite the graph of ``submission``, or return None."""
        raise NotImplementedError


def available(own: Iterable[type[Rule]]) -> dict[str, type[Rule] | EntryPoint]:
    """Our rules and those of other packages, by name; theirs are not loaded yet.

    Raises
    ------
    ConfigError
        Two rules have one name.
    """
    rules: dict[str, type[Rule] | EntryPoint] = {rule.name: rule for rule in own}
    for point in _offered():
        known = rules.setdefault(point.name, point)
        if known is not point:
            raise ConfigError(
                f"two rules are called {point.name!r}: {_place(known)} and "
                f"{_place(point)}. Uninstall one of them, or rename one."
            )
    return rules


def chosen(
    names: Sequence[str], rules: Mapping[str, type[Rule] | EntryPoint]
) -> list[Rule]:
    """The rules called ``names``, in that order.

    Raises
    ------
    ConfigError
        A name that no rule has, a name twice, a rule without one it needs, or one
        of another package that cannot be loaded.
    """
    found: list[type[Rule]] = []
    for i, name in enumerate(names):
        if name not in rules:
            near = difflib.get_close_matches(str(name), rules, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"stratum.rules names {name!r}, which no rule is called.{hint} "
                f"There are: {', '.join(rules)}."
            )
        if name in names[:i]:
            raise ConfigError(f"stratum.rules names {name!r} twice.")
        rule = _loaded(name, rules[name])
        found.append(rule)
        for needed in rule.needs:
            if needed not in names[i + 1 :]:
                raise ConfigError(
                    f"stratum.rules names {name!r} without {needed!r} after it. "
                    f"Results would be wrong without: add {needed!r}, or leave "
                    f"{name!r} out."
                )
    return [rule() for rule in found]


def _loaded(name: str, rule: type[Rule] | EntryPoint) -> type[Rule]:
    if isinstance(rule, type):  # an entry point may be of another package's class
        return rule
    try:
        loaded = rule.load()
    except Exception as e:
        raise ConfigError(
            f"stratum.rules names {name!r}, and {_place(rule)} could not be loaded: "
            f"{type(e).__name__}: {e}. Repair or uninstall its package, or leave "
            f"{name!r} out."
        ) from e
    if not (isinstance(loaded, type) and issubclass(loaded, Rule)):
        raise ConfigError(
            f"stratum.rules names {name!r}, but {_place(rule)} is no subclass of "
            "stratum_dask.optimizations.Rule."
        )
    return loaded


def _place(rule: type[Rule] | EntryPoint) -> str:
    if isinstance(rule, type):
        return f"{rule.__module__}.{rule.__qualname__}"
    return rule.value.replace(":", ".")


@functools.cache
def _offered() -> tuple[EntryPoint, ...]:
    points = importlib.metadata.entry_points(group=ENTRY_POINTS)
    # A package that is found twice on the path offers the same thing twice.
    return tuple({(point.name, point.value): point for point in points}.values())
