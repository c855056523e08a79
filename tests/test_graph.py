"""The module that touches Dask's private graph nodes."""

from __future__ import annotations

import pickle
from operator import add, neg

import dask
import pytest
from dask._task_spec import Alias, DataNode, Dict, List, Task, TaskRef

from stratum_dask.graph import (
    as_graph,
    called,
    content_key,
    cull,
    function_of,
    is_identity,
    is_plain,
    reference,
    rekey,
    renamed,
    roots,
    subgraph,
    subgraph_task,
    with_func,
)


def run(graph, key):
    return dask.get(graph, key)


def test_old_tuples_become_nodes_that_compute_the_same():
    old = {"a": 1, "b": (add, "a", 2), "c": [(neg, "b"), "a"], "d": "b"}
    new = as_graph(old)
    assert all(type(n).__module__ == "dask._task_spec" for n in new.values())
    assert [run(new, k) for k in "abcd"] == [1, 3, [-3, 1], 3]


def test_a_graph_of_nodes_stays_as_it_is_and_is_not_edited():
    graph = {"a": DataNode("a", 1), "b": Task("b", neg, TaskRef("a"))}
    assert as_graph(graph) == graph
    assert list(cull(graph, ["a"])) == ["a"]
    assert list(graph) == ["a", "b"]


def test_culling_follows_dependencies_and_keeps_the_order():
    graph = as_graph({"z": (neg, "a"), "a": 1, "b": (neg, "a"), "c": (neg, "z")})
    assert list(cull(graph, ["c"])) == ["z", "a", "c"]
    assert list(cull(graph, ["not there"])) == []


def test_aliases_lead_to_the_task_behind_them():
    graph = {
        "a": DataNode("a", 1),
        "b": Alias("b", "a"),
        "c": Alias("c", "b"),
        "out": Alias("out", "elsewhere"),
    }
    assert roots(graph) == {"b": "a", "c": "a", "out": "elsewhere"}


def test_aliases_in_a_circle_end():
    assert set(roots({"a": Alias("a", "b"), "b": Alias("b", "a")})) == {"a", "b"}


NODES = {
    "task": lambda: Task("t", add, TaskRef("x"), 1),
    "keyword": lambda: Task("t", dict, k=TaskRef("x"), o=1),
    "list": lambda: Task("t", sum, List(TaskRef("x"), List(TaskRef("x"), 2))),
    "dict": lambda: Task("t", dict, Dict({"k": TaskRef("x")})),
    "nested": lambda: Task("t", neg, Task(None, neg, TaskRef("x"))),
    "alias": lambda: Alias("t", "x"),
}


@pytest.mark.parametrize("make", NODES.values(), ids=NODES)
def test_a_renamed_node_computes_the_same_from_other_keys(make):
    node = make()
    if "List" in repr(node):
        node = Task("t", len, List(TaskRef("x"), 2))
    before = run({"x": DataNode("x", 5), "t": node}, "t")
    new = rekey(node, "new", {"x": "y"})
    assert new.key == "new"
    assert new.dependencies == {"y"}
    assert node.dependencies == {"x"}
    assert run({"y": DataNode("y", 5), "new": new}, "new") == before
    assert run({"y": DataNode("y", 5), "new": pickle.loads(pickle.dumps(new))}, "new")


def test_a_container_of_its_own_can_be_renamed():
    node = List(TaskRef("x"), 2)
    new = rekey(node, "l", {"x": "y"})
    assert (type(new), new.key, new.dependencies) == (List, "l", {"y"})
    assert run({"y": DataNode("y", 5), "l": new}, "l") == [5, 2]


def test_renaming_leaves_literals_alone():
    assert renamed("x", {"x": "y"}) == "x"
    assert renamed(TaskRef("x"), {"x": "y"}) == reference("y")
    assert renamed(TaskRef("z"), {"x": "y"}) == TaskRef("z")


def test_fused_tasks_show_their_parts_and_can_be_built_again():
    fused = Task.fuse(
        Task("a", neg, TaskRef("x")), Task("b", add, TaskRef("a"), TaskRef("y"))
    )
    parts = subgraph(fused)
    assert set(parts.inner) == {"a", "b"}
    assert parts.output == "b"
    assert set(parts.inputs) == {"x", "y"}
    again = subgraph_task("b", parts.inner, parts.output, parts.inputs)
    graph = {"x": DataNode("x", 1), "y": DataNode("y", 10)}
    assert run({**graph, "b": again}, "b") == run({**graph, "b": fused}, "b") == 9
    assert subgraph(Task("t", neg, 1)) is None


def test_one_part_of_a_fused_task_is_a_task_again():
    one = subgraph_task(
        "k", {"a": Task("a", neg, TaskRef("i"))}, "a", {"i": TaskRef("x")}
    )
    assert subgraph(one) is None
    assert (one.key, one.func, one.dependencies) == ("k", neg, {"x"})


@pytest.mark.parametrize(
    ("node", "value"),
    [
        (Task("t", neg, TaskRef("x")), -5),
        (List(TaskRef("x"), 1), [5, 1]),
        (Task("t", neg, Task(None, neg, TaskRef("x"))), 5),
        (Task("t", sum, List(TaskRef("x"), Task(None, neg, TaskRef("x")))), 0),
    ],
)
def test_any_node_can_be_seen_as_one_call_on_what_it_depends_on(node, value):
    call = called("t", node)
    assert call.dependencies == {"x"}
    assert run({"x": DataNode("x", 5), "t": call}, "t") == value
    plain = type(node) is Task and type(node.args[0]) is reference
    assert (call is node) == plain


def test_another_function_leaves_the_node_as_it_was():
    node = Task("t", neg, TaskRef("x"))
    new = with_func(node, abs)
    assert (new.func, node.func, new.key, new.args) == (abs, neg, "t", node.args)


def test_content_keys_keep_the_prefix_people_know():
    assert (
        content_key(("load-0123456789abcdef0123456789abcdef", 3), b"\x01\xff")
        == "load-01ff"
    )


def test_dasks_own_identity_is_known():
    from dask._expr import ProhibitReuse

    assert is_identity(ProhibitReuse._identity)
    assert not is_identity(lambda x: x)


def test_subclasses_of_tasks_are_not_plain():
    class Special(Task):
        pass

    assert is_plain(Task("t", neg, 1))
    assert is_plain(List(1))
    assert not is_plain(Special("t", neg, 1))
    assert not is_plain(DataNode("d", 1))


def test_delayed_calls_with_keywords_are_calls_of_their_function():
    def join(left, right=0, *, how=""):
        return left, right, how

    one, join = dask.delayed(neg)(-1), dask.delayed(join)
    for call in (join(one, right=one, how=[one]), join(2, how="left")):
        graph = as_graph(dict(call.__dask_graph__()))
        node = graph[call.key]
        assert (function_of(node).__name__, node.func) == ("join", function_of(node))
        assert sorted(node.kwargs) in (["how", "right"], ["how"])
        assert run(graph, call.key) == call.compute(scheduler="sync")
