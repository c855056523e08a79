"""Tasks that get one object twice: itself, and a part of it or what holds it."""

from __future__ import annotations

import copy
import itertools
import warnings

import dask
import dask.threaded
import numpy as np
import pytest
from dask._task_spec import Alias, DataNode, List, Task, TaskRef
from dask.local import identity

from stratum_dask.errors import StratumWarning
from stratum_dask.optimizations import Submission, configured, optimize

R = TaskRef
AGAIN = ".*run again as plain Dask"


def loads(value=1):
    return [value]


def nested():
    item = [0]
    return [item, item]


def first(items):
    return items[0] if items and isinstance(items[0], list) else items


def which_are_one(*objects):
    """Which lists, at any depth, are which."""
    known: dict[int, int] = {}

    def look(value):
        if isinstance(value, list):
            number = known.setdefault(id(value), len(known))
            return [number, *map(look, value)]
        return "-"

    return [look(value) for value in objects]


def written(one, *others):
    if isinstance(one, list):
        one.append(99)
    return repr(others)


def list_of(key, *keys):
    items = List(*map(R, keys))
    items.key = key
    return items


def call(key, func, *keys):
    return Task(key, func, *map(R, keys))


def same(graph, outputs, again=False):
    """Both local schedulers give what they give without the plugin."""
    for get in (dask.get, dask.threaded.get):
        with dask.config.set({"stratum.enabled": False}):
            plain = get(copy.deepcopy(graph), list(outputs))
        with dask.config.set({"stratum.enabled": True}), warnings.catch_warnings():
            if again:
                warnings.filterwarnings("ignore", AGAIN, StratumWarning)
            found = get(copy.deepcopy(graph), list(outputs))
        assert repr(found) == repr(plain)
        assert which_are_one(*found) == which_are_one(*plain)


@pytest.mark.parametrize("func", [which_are_one, written])
@pytest.mark.parametrize("make", [loads, nested])
@pytest.mark.parametrize("outputs", [["a1", "b2"], ["b1", "b2"], ["a2", "b1", "b0"]])
def test_a_list_of_a_result_and_the_result(func, make, outputs):
    graph = {}
    for p in "ab":
        graph |= {
            f"{p}0": Task(f"{p}0", make),
            f"{p}1": list_of(f"{p}1", f"{p}0", f"{p}0"),
            f"{p}2": call(f"{p}2", func, f"{p}0", f"{p}1"),
        }
    same(graph, outputs)


def test_two_lists_of_one_result():
    graph = {
        "a": Task("a", loads),
        "one": list_of("one", "a", "a"),
        "two": Task("two", identity, List(R("a"), R("a"))),
        "x": call("x", which_are_one, "one", "a", "two"),
    }
    for n in (1, 2, 3):
        for outputs in itertools.permutations(["x", "one", "two"], n):
            same(graph, outputs)


def test_a_list_holds_the_result_of_its_own_pipeline():
    """Of three equal results one is a copy, and one list stands for two."""
    graph = {key: Task(key, loads) for key in ("a", "b", "c")}
    graph |= {
        "of b": Task("of b", identity, List(R("b"), R("b"))),
        "of c": Task("of c", identity, List(R("c"), R("c"))),
        "x": call("x", which_are_one, "a", "b"),
        "y": call("y", which_are_one, "c", "of c"),
        "z": call("z", written, "of c", "y"),
    }
    for outputs in itertools.permutations(["of b", "x", "z"]):
        same(graph, outputs)


@pytest.mark.parametrize("func", [which_are_one, written])
@pytest.mark.parametrize("outputs", [["b1", "a2"], ["a2", "b1", "b0"]])
def test_a_function_that_returns_what_it_gets(func, outputs):
    graph = {}
    for p in "ab":
        graph |= {
            f"{p}0": Task(f"{p}0", loads),
            f"{p}1": call(f"{p}1", first, f"{p}0"),
            f"{p}2": call(f"{p}2", func, f"{p}0", f"{p}1"),
        }
    same(graph, outputs, again=True)


def slices(array):
    return array[::2]


def doubles(part, array):
    part *= 2
    return float(array.sum())


def ones(n):
    return np.ones(n)


def zeroes(array):
    array[:] = 0
    return 0


def test_a_task_that_writes_into_a_slice_and_reads_the_array():
    graph = {
        "a": Task("a", ones, 6),
        "b": Task("b", ones, 6),
        "part": Task("part", slices, R("a")),
        "x": Task("x", doubles, R("part"), R("a")),
        "y": Task("y", zeroes, R("b")),
    }
    same(graph, ["x", "y"], again=True)


def test_what_comes_along_is_copied_along():
    """A list that is shared holds one that is not."""
    graph = {
        "a": Task("a", loads),
        "b": DataNode("b", [0]),
        "list": list_of("list", "a", "b"),
        "x": call("x", written, "list", "b", "a"),
        "other": Task("other", loads),
        "out": Alias("out", "other"),
    }
    same(graph, ["x", "out"])


def with_rows(table):
    table = dict(table)
    table["rows"] = 3
    return table


def fits(table, answers):
    return len(table) + len(answers)


def test_what_only_may_meet_is_shared():
    """Both ways lead through functions that might return what they get, and do not."""

    def answers(table):
        return list(table)

    graph = {}
    for p in "abc":
        graph |= {
            f"{p}0": Task(f"{p}0", dict, x=1),
            f"{p}1": call(f"{p}1", with_rows, f"{p}0"),
            f"{p}2": call(f"{p}2", answers, f"{p}0"),
            f"{p}3": call(f"{p}3", fits, f"{p}1", f"{p}2"),
        }
    graph["other"] = call("other", written, "b0")
    outputs = ("a3", "b3", "c3", "other")
    same(graph, outputs)  # no warning: nothing ran twice
    s = Submission(graph, frozenset(outputs), by_reference=True, renames_outputs=True)
    assert len(optimize(s, configured(("merge", "isolate")), check=True)) <= 6


def adds(items):
    items.append(5)
    return len(items)


@pytest.mark.parametrize("kind", [list, dict])
def test_a_list_that_is_asked_for_shows_what_was_written_into_its_item(kind):
    delayed = dask.delayed
    outputs = []
    for _ in range(2):
        one = delayed(loads)(0)
        held = [one, one] if kind is list else {"x": one}
        outputs += [delayed(held), delayed(adds)(one)]
    found = {}
    for enabled in (False, True):
        with (
            dask.config.set({"stratum.enabled": enabled}),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", AGAIN, StratumWarning)
            found[enabled] = dask.compute(*outputs, scheduler="sync")
    assert found[True] == found[False]


def checked(array):
    assert len(array)
    return array


def seen(array, after):
    return array.tolist()


def test_a_write_through_a_function_that_returns_its_input():
    graph = {
        "a": Task("a", np.arange, 3.0),
        "b": Task("b", np.arange, 3.0),
        "c": call("c", checked, "a"),
        "d": call("d", checked, "b"),
        "x": call("x", raised, "c"),
        "y": call("y", seen, "a", "x"),
        "z": call("z", raised, "d"),
    }
    same(graph, ["y", "z"], again=True)


def raised(array):
    array += 1
    return float(array.sum())


def items_of(table):
    return table.items()


def with_more(table, items):
    table["b"] = 2
    return sorted(items)


def test_a_view_of_a_dict():
    graph = {}
    for p in "ab":
        graph |= {
            f"{p}0": Task(f"{p}0", dict, a=1),
            f"{p}1": call(f"{p}1", items_of, f"{p}0"),
            f"{p}2": call(f"{p}2", with_more, f"{p}0", f"{p}1"),
        }
    graph["other"] = call("other", written, "b0")
    same(graph, ["a2", "other"], again=True)


def table():
    return {"x": np.ones((3, 2)), "y": np.ones(3)}


class Model:
    def fit(self, data, k):
        self.scale = k * data["x"].sum()
        return self

    def score(self, x, y):
        return float(self.scale + x.sum() + y.sum())


def fitted(data, k):
    return Model().fit(data, k)


def scored(model, x, y):
    return model.score(x, y)


def cleaned(data):
    if not len(data):
        data = dict(data)
    return data


def test_ordinary_pipelines_do_not_run_twice():
    """Two items of one dict; a function that returns its argument, and a fit of that."""
    delayed, outputs = dask.delayed, []
    for k in (1, 2, 3):
        data = delayed(table)()
        model = delayed(fitted)(data, k)
        outputs.append(delayed(scored)(model, data["x"], data["y"]))
        model = delayed(fitted)(delayed(cleaned)(data), k)
        outputs.append(delayed(scored)(model, data["x"], data["y"]))
    plain = dask.compute(*outputs, scheduler="sync")
    with dask.config.set({"stratum.enabled": True}):
        assert dask.compute(*outputs, scheduler="sync") == plain


@pytest.mark.parametrize("outputs", [["x", "y"], ["y", "x"]])
def test_two_equal_literals_one_of_which_comes_twice(outputs):
    graph = {
        "a": DataNode("a", [0]),
        "b": DataNode("b", [0]),
        "of a": call("of a", first, "a"),
        "of b": call("of b", first, "b"),
        "x": call("x", which_are_one, "b", "of a"),
        "y": call("y", which_are_one, "b", "of b"),
    }
    same(graph, outputs, again=True)
