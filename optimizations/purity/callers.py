"""Evidence on callables that call a method by its name."""

from __future__ import annotations

import functools
import operator
from typing import Any

from stratum_dask.optimizations.purity.calls import Call, Lit
from stratum_dask.optimizations.purity.evidence import Evidence, joined
from stratum_dask.optimizations.purity.fixed import literal
from stratum_dask.optimizations.purity.reach import Judging, method

__all__ = ["methodcaller"]


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
