"""Run the configured rules for a seam; never fail the user's computation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from stratum_dask.config import Settings, settings
from stratum_dask.errors import ConfigError, StratumWarning
from stratum_dask.graph import Graph, Key
from stratum_dask.optimizations import Role, Rule, Submission, configured, optimize
from stratum_dask.optimizations.fingerprint.quick import CycleError

_ROUNDS = 5

__all__ = ["configuration", "failed", "finish", "prepare", "rewrite"]


def configuration() -> tuple[Settings, list[Rule]]:
    """Return the settings and the rules that they name.

    Raises
    ------
    ConfigError
        The configuration means nothing; the message lists what would.
    """
    chosen = settings()
    return chosen, configured(chosen.rules)


def rewrite(graph: Graph, outputs: frozenset[Key], **options: Any) -> Submission | None:
    """Optimize ``graph``, or return None where it must run as it came.

    Parameters
    ----------
    graph, outputs, **options
        See `prepare`.

    Raises
    ------
    ConfigError
        The configuration means nothing; the message lists what would.
    Exception
        Whatever failed inside a rule, with ``stratum.on-fail: raise`` only.
    """
    apart: frozenset[Key] = frozenset()
    for _ in range(_ROUNDS):
        submission = prepare(graph, outputs, apart=apart, **options)
        if submission is None or not finish(submission):
            return None
        if not submission.watched or not _happens_once(submission):
            return submission
        # If a watched task does write, the graph is run again. What must happen
        # once forbids that, so these tasks are not shared to begin with.
        apart |= _stands_for(submission)
    return None


def _happens_once(submission: Submission) -> bool:
    """Whether something in the graph must not be done a second time."""
    return any(
        verdict.role is Role.REFUSE and key not in submission.apart
        for key, verdict in submission.verdicts.items()
    )


def _stands_for(submission: Submission) -> frozenset[Key]:
    """The tasks of the graph as it came that the watched ones stand for."""
    found = set(submission.watched)
    for merged in (submission.replaced, submission.copies):
        found.update(k for k, target in merged.items() if target in submission.watched)
    return frozenset(submission.split.get(k, k) for k in found)


def prepare(
    graph: Graph,
    outputs: frozenset[Key],
    said: Callable[[], Callable[[Key], str | None] | None] | None = None,
    **options: Any,
) -> Submission | None:
    """Fingerprint ``graph``: the first half of `rewrite`.

    Parameters
    ----------
    said
        Finds the roles that the user gave to tasks, or fails.
    graph, outputs, **options
        See `Submission`.
    """
    chosen, _ = configuration()  # say at once what is wrong with it
    try:
        if said is not None:
            options["said"] = said()
        return Submission(graph, outputs, algorithm=chosen.fingerprint, **options)
    except CycleError:
        return None  # Dask will tell
    except Exception as e:  # noqa: BLE001 the user's computation goes on
        failed(e)
        return None


def finish(submission: Submission) -> bool:
    """Run the rules: the second half of `rewrite`. False where one failed."""
    chosen, rules = configuration()
    try:
        optimize(submission, rules, check=chosen.check_invariants)
    except Exception as e:  # noqa: BLE001 the user's computation goes on
        failed(e)
        return False
    return True


def failed(e: Exception) -> None:
    """Warn of what failed, or raise it with ``stratum.on-fail: raise``."""
    if isinstance(e, ConfigError) or settings().on_fail == "raise":
        raise e
    warnings.warn(
        f"{type(e).__name__}: {e}\nThis graph runs as plain Dask would run it.",
        StratumWarning,
        stacklevel=3,
    )
