"""What is left of stacks and variables where branches of the code meet."""

from __future__ import annotations

from typing import Any

from stratum_dask.optimizations.purity.calls import Inside, Param, Source
from stratum_dask.optimizations.purity.outer import NOTHING, mixed
from stratum_dask.optimizations.purity.reach import State

__all__ = ["Arrival", "Flow", "meet", "union"]

Flow = dict[str, frozenset[Source]]
Arrival = tuple[list[Any], Flow]


def meet(one: Arrival, two: Arrival) -> Arrival:
    """Join two branches: what they agree on, and the sources of all else."""
    return _join(one[0], two[0]), union(one[1], two[1])


def union(one: Flow, two: Flow) -> Flow:
    """The sources that variables have on either branch."""
    return {n: one.get(n, NOTHING) | two.get(n, NOTHING) for n in (*one, *two)}


def _join(one: list[Any], two: list[Any]) -> list[Any]:
    if len(one) != len(two):
        return [mixed(*one, *two)] * len(two)
    return [
        a if a is b or _same(a, b) else mixed(a, b)
        for a, b in zip(one, two, strict=True)
    ]


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, State):
        return a.obj is b.obj and a.label == b.label
    return isinstance(a, (Param, Inside)) and a == b
