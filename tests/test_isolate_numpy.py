"""Functions of numpy that only compute pay nothing for what they share."""

from __future__ import annotations

import operator

import dask
import pytest

from stratum_dask.graph import as_graph
from stratum_dask.optimizations import Submission, configured, optimize
from stratum_dask.optimizations.private import Isolated

np = pytest.importorskip("numpy")


def a_vector():
    return np.arange(6.0)


def some_cells():
    return np.array([[1], [2], None], object)[:2]


class Thing:
    """Has a method that functions of numpy call."""

    def __init__(self):
        self.asked = 0

    def mean(self, axis=None, dtype=None, out=None):
        self.asked += 1
        return self.asked


def a_thing():
    return Thing()


def add(x, mark):
    x.append(mark)
    return x


def rewritten(graph, outputs):
    s = Submission(
        as_graph(graph), frozenset(outputs), by_reference=True, renames_outputs=True
    )
    optimize(s, configured(("unfuse", "merge", "isolate")), check=True)
    return s


def plain_and_on(graph, outputs):
    plain = dask.get(graph, list(outputs))
    with dask.config.set({"stratum.enabled": True}):
        return plain, dask.get(graph, list(outputs))


def test_numbers_of_views_need_no_handles():
    graph = {"a": (a_vector,), "b": (a_vector,)}
    for name, rows in (("a", slice(1, None)), ("b", slice(2, None))):
        graph |= {
            f"{name}v": (operator.getitem, name, rows),
            f"{name}m": (np.mean, f"{name}v"),
            f"{name}o": (operator.sub, f"{name}m", 1),
        }
    s = rewritten(graph, ["ao", "bo"])
    assert (s.replaced, s.isolated) == ({"b": "a"}, {})
    plain, found = plain_and_on(graph, ["ao", "bo"])
    assert found == plain


@pytest.mark.parametrize("last", [(np.mean, "b", None, None, "a"), (np.add, "b", 1)])
def test_what_has_an_output_or_gives_objects_gets_a_handle(last):
    graph = {
        "a": (a_vector,),
        "b": (a_vector,),
        "x": (np.std, "a"),
        "y": last,
    }
    assert "y" in rewritten(graph, ["x", "y"]).isolated


def test_cells_that_come_out_again_are_the_programs_own():
    graph = {
        "a": (some_cells,),
        "b": (some_cells,),
        "x": (np.max, "a"),
        "w": (add, "x", 7),
        "y": (np.min, "b"),
        "z": (list, "b"),
    }
    outputs = ["w", "y", "z"]
    plain, found = plain_and_on(graph, outputs)
    assert found == plain


def test_objects_with_methods_of_their_own_are_handed_out_apart():
    graph = {
        "a": (a_thing,),
        "b": (a_thing,),
        "x": (np.mean, "a"),
        "y": (np.mean, "b", 0),
    }
    plain, found = plain_and_on(graph, ["x", "y"])
    assert found == plain == (1, 1)


def test_a_wrapped_function_of_numpy_reads_plain_numbers_where_they_lie():
    numbers = a_vector()
    seen = []

    def spy(x):
        seen.append(x is numbers)
        return 0

    Isolated(spy, (0,))(numbers)
    assert seen == [False]
    guarded = Isolated(np.mean, (0,))
    assert guarded._only_reads([numbers], (numbers,), {})
    assert not guarded._only_reads([numbers], (numbers,), {"out": numbers})
    assert not guarded._only_reads([some_cells()], (some_cells(),), {})
    assert not Isolated(np.add, (0,))._only_reads([numbers], (numbers, Thing()), {})
    assert not Isolated(np.round, (0,))._only_reads([numbers], (numbers,), {})
