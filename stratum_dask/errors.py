"""What can go wrong, each with what happened, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AnnotationError",
    "ConfigError",
    "RuleError",
    "StratumError",
    "StratumWarning",
    "not_one_of",
]


class StratumError(Exception):
    """Any error that this package raises on purpose."""


class ConfigError(StratumError, ValueError):
    """A value of the ``stratum:`` configuration that means nothing."""


class AnnotationError(StratumError, ValueError):
    """A value of ``dask.annotate(stratum=...)`` that means nothing."""


class RuleError(StratumError):
    """A rule failed, or broke the contract that every rule keeps.

    Parameters
    ----------
    rule
        Name of the rule, as in ``stratum.rules``.
    problem
        What happened, in one line.

    Examples
    --------
    >>> print(RuleError("merge", "the requested key 'x' is gone"))
    stratum rule 'merge' failed: the requested key 'x' is gone
    This is a bug in the rule. Please report it with this message, the traceback
    and the output of `dask stratum doctor`. Until it is fixed, leave the rule
    out: remove 'merge' from `stratum.rules` in Dask's configuration.
    """

    def __init__(self, rule: str, problem: str) -> None:
        super().__init__(rule, problem)
        self.rule = rule
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"stratum rule {self.rule!r} failed: {self.problem}\n"
            "This is a bug in the rule. Please report it with this message, the "
            "traceback\nand the output of `dask stratum doctor`. Until it is fixed, "
            f"leave the rule\nout: remove {self.rule!r} from `stratum.rules` in "
            "Dask's configuration."
        )


class StratumWarning(UserWarning):
    """Something was left undone; the results are those of plain Dask."""


def not_one_of(
    what: str,
    value: object,
    valid: Iterable[str],
    kind: type[ConfigError | AnnotationError] = ConfigError,
) -> ConfigError | AnnotationError:
    """Return the error for a ``value`` that is none of the ``valid`` ones.

    Parameters
    ----------
    what
        What the value was meant to be, such as ``"rule in stratum.rules"``.
    value
        What was found.
    valid
        Every value that would have been understood.
    kind
        The class of the error.

    Examples
    --------
    >>> print(not_one_of("value of stratum.on-fail", "wran", ["warn", "raise"]))
    unknown value of stratum.on-fail: 'wran'; did you mean 'warn'? Valid: 'warn', 'raise'
    """
    valid = list(valid)
    close = difflib.get_close_matches(str(value).lower(), valid, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    listed = ", ".join(map(repr, valid))
    return kind(f"unknown {what}: {value!r}{hint} Valid: {listed}")
