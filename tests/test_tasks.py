"""Fingerprints of tasks: equal means equal work, however it is spelled or packed."""

from __future__ import annotations

import os
import pickle
import random
from operator import add, neg

import pytest
from dask._expr import ProhibitReuse
from dask._task_spec import Alias, DataNode, Dict, List, Task, TaskRef, Tuple
from naming import spelled

from stratum_dask.graph import as_graph
from stratum_dask.optimizations import Role, Submission, Verdict, submission
from stratum_dask.optimizations.fingerprint import order
from stratum_dask.optimizations.fingerprint.quick import CycleError

np = pytest.importorskip("numpy")

R = TaskRef


def prints(graph, **options):
    return Submission(graph, frozenset(graph), **options).fingerprints


def equal(one, other, **more):
    graph = {"one": one, "other": other, **more}
    found = prints({k: v for k, v in graph.items()})
    return found["one"] == found["other"]


def f(a, b=2, *args, k=3, m=4, **rest):
    return (a, b, args, k, m, rest)


def loads():
    return [1]


def task(*args, **kwargs):
    return Task("t", f, *args, **kwargs)


def named(key, func, *args, **kwargs):
    return Task(key, func, *args, **kwargs)


SAME = [
    (task(1, k=5, m=6), task(1, m=6, k=5)),
    (task(1), task(1, 2)),
    (task(1), task(a=1)),
    (task(1, 2), task(b=2, a=1)),
    (task(1, 2, k=3), task(1)),
    (task(1, b=R("x")), task(1, R("x"))),
    (task(R("x"), R("y")), task(b=R("y"), a=R("x"))),
    (task([1, [2, {"k": 3}]]), task([1, [2, {"k": 3}]])),
    (task(List(R("x"), 1)), task(List(R("x"), 1))),
    (task(R("x")), task(R("alias"))),
    (task(R("x")), task(R("identity"))),
    (task(R("x"), R("x")), task(R("x"), R("alias"))),
    (task(R("x"), R("x2")), task(b=R("x2"), a=R("x"))),
    (task(R("x"), R("x2")), task(R("x2"), R("x"))),
]
DIFFERENT = [
    (task(1), task(2)),
    (task(1), task(True)),
    (task(1), task(1.0)),
    (task(0.0), task(-0.0)),
    (task(1, 2, 3), task(1, 3, 2)),
    (task(1, 2, 3), task(1, 2, k=3, m=3)),
    (task(1, k=5, m=6), task(1, k=6, m=5)),
    (task(1, z=5, y=6), task(1, z=6, y=5)),
    (task(1, z=5, y=6), task(1, y=6, z=5)),  # **rest is a dict: its order is seen
    (task([1, 2]), task([2, 1])),
    (task([1, 2]), task((1, 2))),
    (task([[1], 2]), task([[1, 2]])),
    (task(List(R("x"), 1)), task(Tuple(R("x"), 1))),
    (task(List(R("x"), 1)), task(List(1, R("x")))),
    (task(Dict({"k": R("x")})), task(Dict({"l": R("x")}))),
    (task("x"), task(R("x"))),  # a literal string that is a key as well
    (task(["x"]), task(List(R("x")))),
    (task(R("x"), R("x")), task(R("x"), R("x2"))),
    (task(R("x"), R("x"), R("x2")), task(R("x"), R("x2"), R("x2"))),
    (task(List(R("x"), R("x2"))), task(List(R("x"), R("x")))),
    (task(R("x"), k=R("x"), m=R("x2")), task(R("x"), m=R("x"), k=R("x2"))),
    (Task("t", add, R("x"), R("y")), Task("t", add, R("y"), R("x"))),
]
AROUND = {
    "x": Task("x", loads),
    "x2": Task("x2", loads),
    "y": Task("y", neg, 3),
    "alias": Alias("alias", "x"),
    "identity": Task("identity", ProhibitReuse._identity, R("x")),
}


@pytest.mark.parametrize(("one", "other"), SAME, ids=spelled)
def test_spellings_of_one_call(one, other):
    assert equal(one, other, **AROUND)


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=spelled)
def test_calls_that_differ(one, other):
    assert not equal(one, other, **AROUND)


def test_swapped_keyword_only_names_are_told_apart_by_place():
    def one(*, a, b):
        return a - b

    def two(*, b, a):
        return b - a

    def three(*, b, a):
        return a - b

    assert equal(named("t", one, a=1, b=2), named("t", two, b=1, a=2))
    assert not equal(named("t", one, a=1, b=2), named("t", two, a=1, b=2))
    assert equal(named("t", one, a=1, b=2), named("t", one, b=2, a=1))
    assert not equal(named("t", one, a=1, b=2), named("t", three, b=1, a=2))


def test_a_default_that_can_be_written_into_is_not_an_equal_argument():
    def g(a, seen=[]):  # noqa: B006 that is the point
        seen.append(a)
        return len(seen)

    assert not equal(named("t", g, 1), named("t", g, 1, []))


def test_one_literal_given_twice_is_not_two_equal_ones():
    one = [1]
    assert not equal(task(one, one), task([1], [1]))
    assert equal(task(one, one), task(*[[1]] * 2))
    assert equal(task([1], [1]), task([1], [1]))


def test_data_and_a_literal():
    graph = {"a": DataNode("a", [1]), "b": DataNode("b", [1]), "c": DataNode("c", [2])}
    found = prints(graph)
    assert found["a"] == found["b"] != found["c"]


def chain(p):
    return [
        named(f"a{p}", loads),
        named(f"b{p}", f, R(f"a{p}"), k=1),
        named(f"c{p}", f, R(f"b{p}"), R("x"), R(f"a{p}")),
    ]


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_fused_task_is_its_unfused_equivalent(cut):
    apart = {t.key: t for t in chain("1")}
    steps = chain("2")
    fused = {t.key: t for t in steps[:cut]}
    whole = Task.fuse(*steps[cut:], key="whole")
    found = prints({**AROUND, **apart, **fused, "whole": whole})
    assert found["whole"] == found["c1"]


def test_fused_in_fused():
    a, b, c = chain("1")
    inner = Task.fuse(a, b) if False else Task.fuse(b, c, key="c1")
    whole = Task.fuse(a, inner, key="whole")
    found = prints({**AROUND, **{t.key: t for t in chain("2")}, "whole": whole})
    assert found["whole"] == found["c2"]


def test_two_objects_stay_two_through_a_fused_task():
    def use(p, one, other):
        parts = (
            named(f"i{p}", f, R(one)),
            named(f"j{p}", f, R(f"i{p}"), R(one), R(other)),
        )
        return Task.fuse(*parts, key=f"u{p}")

    graph = {**AROUND, "u1": use(1, "x", "x"), "u2": use(2, "x", "x2")}
    graph["u3"] = use(3, "x", "alias")
    found = prints(graph)
    assert found["u1"] != found["u2"]
    assert found["u1"] == found["u3"]


def test_what_is_refused_is_each_its_own_with_a_reason():
    graph = {
        "a": named("a", random.random),
        "b": named("b", random.random),
        "c": named("c", neg, R("a")),
        "d": named("d", neg, R("b")),
    }
    s = Submission(graph, frozenset(graph))
    assert len(set(s.fingerprints.values())) == 4
    assert set(s.verdicts) == {"a", "b"}
    assert all(v.role is Role.REFUSE and v.reason for v in s.verdicts.values())


def test_a_refused_part_of_a_fused_task():
    def steps(p):
        return named(f"a{p}", neg, 1), named(f"b{p}", os.urandom, R(f"a{p}"))

    graph = {p: Task.fuse(*steps(p), key=p) for p in "pq"}
    s = Submission(graph, frozenset(graph))
    assert s.fingerprints["p"] != s.fingerprints["q"]
    assert set(s.verdicts) == {"p", "q"}


def test_everything_refused_by_the_user():
    graph = {"a": named("a", neg, 1), "b": named("b", neg, 1)}
    s = Submission(graph, frozenset(graph), refused=Verdict(Role.REFUSE, "said so"))
    assert s.fingerprints["a"] != s.fingerprints["b"]
    assert s.verdicts["a"].reason == "said so"


def test_hard_annotations_set_tasks_apart():
    graph = {k: named(k, neg, 1) for k in "abc"}
    found = prints(graph, salt={"a": b"w1", "b": b"w1"}.get)
    assert found["a"] == found["b"] != found["c"]


def test_unknown_keys_from_outside_are_their_own_and_known_ones_are_not():
    graph = {"a": named("a", neg, R("out1")), "b": named("b", neg, R("out2"))}
    found = prints(graph)
    assert found["a"] != found["b"]
    found = prints(graph, external={"out1": b"1" * 16, "out2": b"1" * 16}.get)
    assert found["a"] == found["b"]


def test_a_task_on_itself_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'a' depends on itself"):
        prints({"a": named("a", neg, R("a"))})


def test_graphs_deeper_than_pythons_stack():
    n = 20_000
    graph = {"0": named("0", neg, 1)}
    graph |= {str(i): named(str(i), neg, R(str(i - 1))) for i in range(1, n)}
    assert len(set(prints(graph).values())) == n


def test_arguments_nested_too_deeply_are_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    s = Submission({"a": named("a", len, deep)}, frozenset("a"))
    assert s.verdicts["a"].role is Role.REFUSE


def test_old_graphs_have_the_fingerprints_of_new_ones():
    old = as_graph({"a": (neg, 1), "b": (add, "a", (neg, "a")), "c": ["a", "b"]})
    new = {
        "a": named("a", neg, 1),
        "b": named("b", add, R("a"), Task(None, neg, R("a"))),
    }
    before, after = prints(old), prints(new)
    assert (before["a"], before["b"]) == (after["a"], after["b"])


PROGRAM = """
import dask, dask.array as da, dask.bag as db, numpy as np, pandas as pd
from dask._expr import FinalizeCompute
from dask.base import collections_to_expr
from stratum_dask.graph import as_graph
from stratum_dask.optimizations import Submission

OFFSETS = {"x": 1, "y": 2}

def load(n, names=frozenset({"p", "q", "r"})):
    return pd.DataFrame({"x": np.arange(n), "s": ["a"] * n})

def shift(df, *, by={"k", "l", "m"}, how="x"):
    return df["x"] + OFFSETS[how] + len(by)

d = dask.delayed
x = d(shift)(d(load)(4), how="y")
b = db.from_sequence(range(6), npartitions=2).map(abs).sum()
a = (da.ones((4, 4), chunks=2) + 1).sum()
expr = FinalizeCompute(collections_to_expr([x, b, a], True)).optimize()
graph = as_graph(expr.__dask_graph__())
s = Submission(graph, frozenset())
print(sorted(f.hex() for k, f in s.fingerprints.items() if k not in s.verdicts))
"""


def test_a_whole_graph_has_the_same_fingerprints_in_every_process(fresh_python):
    out = [
        fresh_python(PROGRAM, PYTHONHASHSEED=seed).stdout for seed in ("0", "1", "7")
    ]
    assert out[0].count("'") > 10
    assert out[0] == out[1] == out[2]


def large(tasks):
    """A graph of pipelines that is read in the order of memory, and its work."""
    graph = {}
    for i in range(tasks // 4):
        graph[f"a{i}"] = Task(f"a{i}", f, i)
        graph[f"b{i}"] = Task(f"b{i}", f, R(f"a{i}"), k=2)
        graph[f"c{i}"] = Task(f"c{i}", f, R(f"a{i}"), R(f"b{i}"))
        graph[f"d{i}"] = Task(f"d{i}", f, R(f"c{i}"), R("outside"), b=R(f"d{i - 1}"))
    graph["d-1"] = Task("d-1", f, "begin")
    return graph


def read_slowly(graph, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(order, "LARGE", len(graph) + 1)
        patch.setattr(submission, "LARGE", len(graph) + 1)
        return prints(graph, external=lambda key: b"o")


@pytest.mark.parametrize("way", ["made", "reversed", "shuffled", "unpickled", "sorted"])
def test_large_graphs_have_the_fingerprints_of_small_ones(way, monkeypatch):
    graph = large(order.LARGE + 8)
    keys = list(graph)
    if way == "reversed":
        keys.reverse()
    elif way == "shuffled":
        random.Random(1).shuffle(keys)
    elif way == "sorted":
        keys.sort()
    graph = {key: graph[key] for key in keys}
    if way == "unpickled":
        graph = pickle.loads(pickle.dumps(graph))
    found = prints(graph, external=lambda key: b"o")
    assert found == read_slowly(graph, monkeypatch)
    assert len(set(found.values())) == len(graph) + 1


def test_large_graphs_that_go_round_in_circles_are_errors_too():
    graph = large(order.LARGE + 8)
    graph["a7"] = Task("a7", f, R("d9"))
    with pytest.raises(CycleError, match="depends on itself"):
        prints(graph, external=lambda key: b"o")


def test_rules_get_a_large_graph_with_twins_in_the_order_in_which_it_was_read():
    graph = large(order.LARGE + 8)
    graph["twin"] = Task("twin", f, "begin")
    keys = list(graph)
    random.Random(1).shuffle(keys)
    s = Submission({k: graph[k] for k in keys}, frozenset(graph))
    assert list(s.tasks) == [k for k in s.fingerprints if k != "outside"]
    assert s.tasks == graph
    assert s.original is s.tasks
