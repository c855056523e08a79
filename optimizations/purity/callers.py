"""Evidence on callables that call a method by its name."""

from __future__ import annotations

import functools
import operator
from typing import Any

from stratum_dask.optimizations.purity.calls import Call, Lit
from stratum_dask.optimizations.purity.contracts import refuse
from stratum_dask.optimizations.purity.evidence import Evidence, joined
from stratum_dask.optimizations.purity.fixed import literal
from stratum_dask.optimizations.purity.reach import Judging, method
from stratum_dask.optimizations.purity.words import words

__all__ = ["methodcaller", "named_method"]

_DRAWS = frozenset(
    words("""
    random integers choice normal standard_normal uniform permutation permuted bytes
    exponential poisson binomial beta gamma randint randn rand random_sample sample
    spawn getrandbits randrange gauss multivariate_normal lognormal
    """)
)
"""Methods that move a random generator on."""


def named_method(name: str) -> Evidence:
    """What a task does that calls a method of a result: of a generator, perhaps.

    Examples
    --------
    >>> named_method("normal").verdict.role.name, named_method("mean").verdict.role.name
    ('REFUSE', 'MERGE')
    """
    found = method(name)
    if name in _DRAWS and not found.verdict.role:
        why = f"{name} may draw from a random generator, which moves on"
        return Evidence(refuse(why, "make the generator inside a function"))
    return found


def methodcaller(func: Any, judge: Judging) -> Evidence:
    """What calling an `operator.methodcaller` does."""
    maker, args = func.__reduce__()[:2]
    kwargs = maker.keywords if isinstance(maker, functools.partial) else {}
    name = args[0] if maker is operator.methodcaller else maker.args[0]
    rest = args[1:] if maker is operator.methodcaller else args
    found = method(name)
    if found.contract is None:
        return joined(found, judge.value([*rest, *kwargs.values()]))
    call = Call(tuple(map(literal, rest)), {k: Lit(v) for k, v in kwargs.items()})
    return Evidence(found.contract.check(call).verdict)
