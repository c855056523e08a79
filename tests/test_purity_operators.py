"""What is known of operators, of a call's arguments, and of the program's objects."""

from __future__ import annotations

import dataclasses
import operator

import pytest
from dask.utils import methodcaller

from stratum_dask.graph import as_graph
from stratum_dask.optimizations import Submission, configured, optimize
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.purity.blind import is_blind
from stratum_dask.optimizations.purity.operators import at_least
from stratum_dask.optimizations.purity.taking import method_of, taken
from stratum_dask.optimizations.verdict import Effect


class Quiet:
    def __init__(self):
        self.n = 0

    def __len__(self):
        return self.n

    def bump(self):
        self.n += 1


class Elements:
    def __getitem__(self, item):
        return self.items[item]


class Counts:
    def __len__(self):
        self.n += 1
        return self.n


class Through:
    def __len__(self):
        self.inner.bump()
        return 1


class Lazy:
    @property
    def data(self):
        self.known = 1
        return self.known


@dataclasses.dataclass(order=True)
class Record:
    a: int


def makes_class():
    class Inner:
        def __len__(self):
            return 1

    return Inner()


@pytest.mark.parametrize(
    ("met", "expected"),
    [
        ([Quiet, Record, len], Effect.FRESH),
        ([Elements], Effect.ALIAS),
        ([Counts], Effect.WRITE),
        ([Through, Quiet], Effect.WRITE),
        ([Lazy], Effect.WRITE),
        ([makes_class], Effect.WRITE),
    ],
)
def test_what_operators_may_do_to_objects_of_classes(met, expected):
    assert at_least(Judge(), met) is expected


def put(x, y, *rest):
    x.append(1)
    return y


def part(x):
    return x[0]


def more(x, *rest):
    return rest


@pytest.mark.parametrize(
    ("func", "args", "expected"),
    [
        (put, ["x", "y", "z"], [("x", 1, 0, 0), ("y", 0, 1, 1)]),
        (part, ["x"], [("x", 0, 1, 0)]),
        (operator.getitem, ["x", 0], [("x", 0, 1, 0), (0, 0, 1, 0)]),
        (len, ["x"], []),
        (methodcaller("append"), [[1], 2], [([1], 1, 0, 1)]),
        (methodcaller("upper"), ["x"], []),
    ],
)
def test_what_a_call_does_with_its_arguments(func, args, expected):
    assert [tuple(t) for t in taken(Judge(), func, args, {})] == expected


def test_names_of_methods_that_are_called():
    assert method_of(methodcaller("fit")) == "fit"
    assert method_of(operator.methodcaller("fit", x=1)) == "fit"
    assert method_of(part) == ""


def first(a, b):
    return a


def size(a):
    return len(a)


def same(a, b):
    return a is b


def test_blind_functions():
    assert [is_blind(f) for f in (first, size, same, part, len)] == [True, True] + [
        False
    ] * 3


def hand(x):
    return x


def count(x):
    return len(x)


def test_what_comes_after_the_programs_own_objects_is_merged():
    graph = as_graph({
        "a": (hand, [1]), "b": (hand, [1]), "x": (count, "a"), "y": (count, "b"),
    })  # fmt: skip
    for by_reference in (True, False):
        s = Submission(
            graph, frozenset("xy"), by_reference=by_reference, renames_outputs=True
        )
        optimize(s, configured(("merge", "isolate")), check=True)
        assert s.replaced["y"] == "x"
        assert ("b" in s.replaced) is not by_reference
        assert set(s.tasks) == {"a", "x"}
