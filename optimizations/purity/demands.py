"""What a contract may ask of a parameter, and whether a value is that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stratum_dask.optimizations.purity.calls import (
    MISSING,
    RANGE,
    Demand,
    Lit,
    Param,
    Written,
    is_seed,
)

__all__ = ["KINDS", "TOLERANT", "meets", "says_now", "tame"]

_NOW = frozenset({"now", "today"})
# parameters that make an estimator random, and the values that do not
_MODES: dict[str, tuple[object, ...]] = {
    "solver": (
        "lbfgs",
        "newton-cg",
        "newton-cholesky",
        "auto",
        "svd",
        "cholesky",
        "lsqr",
        "sparse_cg",
        "highs",
        "highs-ds",
        "highs-ipm",
        "full",
        "eigen",
    ),
    "shuffle": (False,),
    "selection": ("cyclic",),
    "svd_solver": ("full", "covariance_eigh"),
    "eigen_solver": ("dense",),
    "dual": (False,),
    "probability": (False,),
    "n_restarts_optimizer": (0,),
    "jitter": (None,),
    "sample_posterior": (False,),
    "imputation_order": ("ascending", "descending", "roman", "arabic"),
    "n_nearest_features": (None,),
    "subsample": (None,),
    "sample_size": (None,),
}


def tame(given: Mapping[str, Any]) -> bool:
    """Whether parameters, set later, leave an estimator as repeatable as it was.

    Examples
    --------
    >>> tame({"alpha": Lit(1.0), "random_state": Lit(0)})
    True
    >>> tame({"random_state": Lit(None)}), tame({"solver": Lit("saga")})
    (False, False)
    """
    for name, value in given.items():
        part, _, leaf = name.rpartition("__")
        seed = f"{part}__random_state" if part else "random_state"
        if leaf.endswith("random_state"):
            if is_seed(value) is not True:
                return False
        elif leaf in _MODES and is_seed(given.get(seed)) is not True:
            harmless = isinstance(value, Lit) and any(
                type(value.value) is type(known) and value.value == known
                for known in _MODES[leaf]
            )
            if not harmless:
                return False
    return True


def _no_clock(value: Any) -> bool | Demand:
    if isinstance(value, Lit):
        return not says_now(value.value)
    if isinstance(value, Demand):
        return value._replace(kind="no clock")
    return not isinstance(value, Param) or Demand(value.name, None, "no clock")


def says_now(value: object) -> bool:
    """Whether a constant is a word for the present time, or holds one."""
    if type(value) is str:
        return value.strip().lower() in _NOW
    return type(value) in (list, tuple) and any(map(says_now, value))  # type: ignore[call-overload]


def _no_names(value: Any) -> bool | Demand:
    if value is MISSING or isinstance(value, Written):
        text = value.value if isinstance(value, Written) else ""
        # what it calls by a name is not looked into
        return type(text) is not str or "@" not in text or "(" not in text
    if isinstance(value, Param):
        return Demand(value.name, None, "no names")
    if isinstance(value, Demand):
        return value._replace(kind="no names")
    if not isinstance(value, Lit):
        return False
    return type(value.value) is not str or "@" not in value.value


def _written(value: Any) -> bool | Demand:
    return isinstance(value, Written)


def _range(value: Any) -> bool | Demand:
    if isinstance(value, Param):
        return Demand(value.name, None, "range")
    return value is RANGE or (isinstance(value, Lit) and type(value.value) is range)


def _parameters(value: Any) -> bool | Demand:
    if isinstance(value, Param):
        return Demand(value.name, None, "parameters")
    if type(value) is dict:  # what a ** parameter collects, as far as it is seen
        return tame(value)
    if not isinstance(value, Lit) or type(value.value) is not dict:
        return False
    names = value.value
    return all(type(n) is str for n in names) and tame(
        {name: Lit(held) for name, held in names.items()}
    )


KINDS: dict[str, Callable[[Any], bool | Demand]] = {
    "seed": is_seed,
    "range": _range,
    "no clock": _no_clock,
    "no names": _no_names,
    "written": _written,
    "parameters": _parameters,
}
"""Every kind of demand, and what tells whether a value is that."""

TOLERANT = frozenset({"no clock"})
"""Kinds that are met by what can't be seen."""


def meets(value: Any, kind: str) -> bool | Demand:
    """Whether a value is what is asked for, or what the caller's own must be.

    Examples
    --------
    >>> meets(Lit("now"), "no clock"), meets(Lit("2020-01-01"), "no clock")
    (False, True)
    >>> meets(Param("when"), "no clock").param
    'when'
    """
    return KINDS[kind](value)
