"""The merge rule: what becomes one, under which key, and what stays two."""

from __future__ import annotations

import copy
import itertools
from operator import add, neg

import dask
import dask.threaded
import pytest
from dask._task_spec import Alias, DataNode, List, Task, TaskRef
from dask.local import identity

from stratum_dask.graph import as_graph, cull, subgraph_task
from stratum_dask.optimizations import Submission, configured, optimize
from stratum_dask.optimizations.merge import Merge

R = TaskRef
RULES = ("unfuse", "merge", "isolate")


def rewritten(graph, outputs, **options):
    options = {"renames_outputs": True, "by_reference": True, **options}
    s = Submission(graph, frozenset(outputs), **options)
    optimize(s, configured(RULES), check=True)
    return s


def same_results(graph, outputs, **options):
    """Rewrite, run both graphs with Dask's own get, compare; return the submission."""
    s = rewritten(graph, outputs, **options)
    names = s.names()
    found = dask.get(s.tasks, [names.get(k, k) for k in outputs])
    assert repr(found) == repr(dask.get(graph, list(outputs)))
    return s


def loads():
    return [1]


def ident(x):
    return x


def push(x, mark):
    x.append(mark)
    return mark


def both(x, y):
    x.append(0)
    return [*x, *y]


# before, outputs, keys afterwards, who stands for whom
CASES = {
    "the first stays": (
        {"a": (neg, 1), "b": (neg, 1), "x": (str, "a"), "y": (hex, "b")},
        "xy", "axy", {"b": "a"},
    ),
    "what was asked for stays": (
        {"a": (neg, 1), "b": (neg, 1), "x": (str, "a")}, "bx", "bx", {"a": "b"},
    ),
    "of two outputs one is handed out twice": (
        {"a": (neg, 1), "b": (neg, 1)}, "ab", "a", {"b": "a"},
    ),
    "equal below, equal above": (
        {"a": (neg, 1), "b": (neg, 1), "x": (str, "a"), "y": (str, "b")},
        "xy", "ax", {"b": "a", "y": "x"},
    ),
    "other below, other above": (
        {"a": (neg, 1), "b": (neg, 2), "x": (str, "a"), "y": (str, "b")},
        "xy", "abxy", {},
    ),
    "nested tasks": (
        {"a": (neg, (neg, 1)), "b": (neg, (neg, 1))}, "ab", "a", {"b": "a"},
    ),
    "data": ({"a": 5, "b": 5, "x": (add, "a", "b")}, "x", "abx", {}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("old", "outputs", "keys", "replaced"), CASES.values(), ids=CASES
)
def test_before_and_after(old, outputs, keys, replaced):
    s = same_results(as_graph(old), tuple(outputs))
    assert sorted(s.tasks) == sorted(keys)
    assert s.replaced == replaced


def test_nothing_equal_nothing_touched():
    graph = as_graph({"a": (neg, 1), "b": (neg, 2)})
    assert rewritten(graph, "ab").tasks is graph


def test_the_graph_it_was_given_is_not_edited():
    graph = as_graph(CASES["equal below, equal above"][0])
    before = {k: (node, node.args, node.dependencies) for k, node in graph.items()}
    rewritten(graph, "xy")
    assert {k: (n, n.args, n.dependencies) for k, n in graph.items()} == before


def test_three_copies_of_a_program():
    graph = {}
    for p in "pqr":
        graph |= {
            p: Task(p, loads),
            f"x{p}": Task(f"x{p}", len, R(p)),
            f"y{p}": Task(f"y{p}", add, R(f"x{p}"), R(f"x{p}")),
        }
    s = same_results(graph, ("yp", "yq", "yr"))
    assert (len(s.tasks), s.isolated, s.copies) == (3, {}, {})


def test_a_live_result_is_used_under_its_own_key():
    graph = as_graph({"a": (neg, 1), "b": (neg, 1), "x": (str, "a"), "y": (hex, "b")})
    print_ = Submission(graph, frozenset()).fingerprints["a"]
    s = rewritten(graph, "xy", live={print_: "far"})
    assert s.replaced == {"a": "far", "b": "far"}
    assert sorted(s.tasks) == ["x", "y"]
    assert s.tasks["x"].dependencies == {"far"}


def test_what_a_live_result_makes_needless_is_not_run():
    graph = as_graph({"a": (neg, 1), "b": (neg, "a"), "x": (str, "b")})
    print_ = Submission(graph, frozenset()).fingerprints["b"]
    assert list(rewritten(graph, "x", live={print_: "far"}).tasks) == ["x"]


def test_a_key_that_lives_itself_is_not_run_again():
    graph = as_graph(
        {"a": (neg, 1), "b": (neg, 1), "x": (add, "a", 1), "y": (add, "b", 2)}
    )
    print_ = Submission(graph, frozenset()).fingerprints["a"]
    s = rewritten(graph, "bxy", live={print_: "a"})
    assert "a" not in s.tasks
    assert s.tasks["x"].dependencies == s.tasks["y"].dependencies == {"a"}
    assert s.replaced == {"b": "a"}  # live before requested


def test_an_output_is_a_copy_where_the_seam_cannot_rename():
    s = rewritten(as_graph({"a": (neg, 1), "b": (neg, 1)}), "ab", renames_outputs=False)
    assert sorted(s.tasks) == ["a", "b"]
    assert (s.copies, s.replaced) == ({"b": "a"}, {})
    assert dask.get(s.tasks, ["a", "b"]) == (-1, -1)


def test_two_equal_results_in_one_task_stay_two_objects():
    graph = {
        "a": Task("a", loads),
        "b": Task("b", loads),
        "x": Task("x", both, R("a"), R("b")),
    }
    s = same_results(graph, ("x",))
    assert s.copies == {"b": "a"}
    assert "b" in s.tasks


def test_two_equal_results_behind_an_alias_stay_two_objects():
    graph = {
        "a": Task("a", loads),
        "b": Task("b", loads),
        "c": Alias("c", "b"),
        "x": Task("x", both, R("a"), R("c")),
    }
    same_results(graph, ("x",))


def test_one_result_used_twice_is_not_two_equal_ones():
    graph = {
        "a": Task("a", loads),
        "al": Alias("al", "a"),
        "x": Task("x", both, R("a"), R("al")),
        "b": Task("b", loads),
        "c": Task("c", loads),
        "y": Task("y", both, R("b"), R("c")),
    }
    s = same_results(graph, ("x", "y"))
    assert s.fingerprints["x"] != s.fingerprints["y"]


def test_copies_are_made_for_the_task_that_stays_only():
    graph = {}
    for p in "pq":
        graph |= {
            f"a{p}": Task(f"a{p}", loads),
            f"b{p}": Task(f"b{p}", loads),
            f"x{p}": Task(f"x{p}", both, R(f"a{p}"), R(f"b{p}")),
        }
    assert len(same_results(graph, ("xp", "xq")).copies) == 1


def test_an_alias_and_an_equal_task_are_two_objects_for_the_user():
    graph = {"a": Task("a", loads), "b": Task("b", loads), "c": Alias("c", "b")}
    with dask.config.set({"stratum.enabled": True}):
        a, c = dask.get(graph, ["a", "c"])
    assert a == c
    assert a is not c


def test_containers_that_are_tasks_of_their_own():
    graph = {"a": DataNode("a", 1), "b": DataNode("b", 1)}
    for p in "ab":
        graph[f"l{p}"] = List(R(p), 2)
        graph[f"l{p}"].key = f"l{p}"
        graph[f"x{p}"] = Task(f"x{p}", sum, R(f"l{p}"))
    s = same_results(graph, ("xa", "xb"))
    assert s.replaced == {"b": "a", "lb": "la", "xb": "xa"}


def test_containers_with_a_merged_input():
    graph = {"a": Task("a", neg, 1), "b": Task("b", neg, 1), "l": List(R("b"), 2)}
    graph["l"].key = "l"
    graph["x"] = Task("x", sum, R("l"))
    assert same_results(graph, ("a", "x")).replaced == {"b": "a"}


def test_restrictions_keep_equal_tasks_apart():
    graph = as_graph({"a": (neg, 1), "b": (neg, 1), "c": (neg, 1)})
    s = rewritten(graph, "abc", salt={"b": b"gpu"}.get)
    assert sorted(s.tasks) == ["a", "b"]


@pytest.fixture
def collections():
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    import dask.array as da
    import dask.bag as db
    import dask.dataframe as dd

    def bag():
        return db.from_sequence(range(8), npartitions=2).map(neg).filter(bool).sum()

    def array():
        return ((da.from_array(np.arange(16.0), chunks=4) + 1) * 2).sum()

    def frame():
        df = pd.DataFrame({"a": range(8), "b": [1.5] * 8})
        return dd.from_pandas(df, npartitions=2).assign(c=1).c.sum()

    return {"bag": bag, "array": array, "frame": frame}


@pytest.mark.parametrize("kind", ["bag", "array", "frame"])
def test_collections_built_twice_run_once(collections, kind):
    import stratum_dask

    one, two = collections[kind](), collections[kind]()
    once = stratum_dask.explain(one).tasks_after
    assert stratum_dask.explain(one, two).tasks_after == once
    plain = dask.compute(one, two, scheduler="sync")
    with dask.config.set({"stratum.enabled": True}):
        assert dask.compute(one, two, scheduler="sync") == plain


def test_an_alias_that_lives_is_not_what_its_own_target_becomes():
    graph = as_graph({"z": (abs, -1), "w": "z"})
    known = Submission(graph, frozenset("w")).fingerprints
    s = Submission(graph, frozenset("w"), live={known["w"]: "w"})
    assert optimize(s, configured(("unfuse", "merge", "isolate")), check=True) == {}
    s = Submission(graph, frozenset("wz"), live={known["w"]: "w"})
    merged = optimize(s, configured(("unfuse", "merge", "isolate")), check=True)
    assert list(merged) == ["z"]
    assert merged["z"].dependencies == {"w"}


def test_an_output_that_hands_on_an_equal_result_does_not_wait_for_itself():
    """It has the fingerprint of what it hands on, and was asked for."""
    graph = as_graph({"a": (list, "ab"), "b": (identity, "a"), "c": (identity, "b")})
    for renames in (True, False):
        s = Submission(graph, frozenset({"c"}), renames_outputs=renames)
        assert len(set(s.fingerprints.values())) == 1
        assert Merge().apply(s) is None  # there is one task, with three names
        twice = graph | as_graph({"d": (list, "ab"), "e": (identity, "d")})
        s = Submission(twice, frozenset("ce"), renames_outputs=renames)
        merged = Merge().apply(s)
        assert "a" in merged
        assert all(key not in node.dependencies for key, node in merged.items())
        assert {**s.replaced, **s.copies} == {"d": "a"}


def test_a_fused_task_among_the_arguments_of_another():
    inner = as_graph({"x": (abs, -1), "y": (str, "x")})
    fused = subgraph_task("f", inner, "y", {})
    graph = {"a": Task("a", len, fused), "b": Task("b", len, fused)}
    s = Submission(graph, frozenset({"a", "b"}))
    assert s.inside() == {}
    assert s.fingerprints["a"] == s.fingerprints["b"]


def which_are_one(*objects):
    return [[a is b for a in objects] for b in objects]


@pytest.mark.parametrize("by_reference", [True, False])
def test_an_identity_hands_on_the_very_object_also_where_equal_results_meet(
    by_reference,
):
    graph = {
        "a": Task("a", loads),
        "b": Task("b", loads),
        "same a": Task("same a", identity, R("a")),
        "same b": Task("same b", identity, R("b")),
        "x": Task("x", which_are_one, R("a"), R("same a")),
        "y": Task("y", which_are_one, R("a"), R("b"), R("same b"), R("same a")),
        "z": Task("z", which_are_one, R("same b"), R("a")),
    }
    s = same_results(graph, "xyz", by_reference=by_reference)
    assert s.fingerprints["same b"] == s.fingerprints["a"]


@pytest.mark.parametrize("by_reference", [True, False])
def test_an_identity_of_a_container_makes_an_object_of_its_own(by_reference):
    graph = {
        "a": Task("a", loads),
        "b": Task("b", loads),
        "list": Task("list", identity, List(R("a"))),
        "same list": Task("same list", identity, List(R("a"))),
        "two": Task("two", identity, List(R("a"), R("b"))),
        "same two": Task("same two", identity, List(R("a"), R("b"))),
        "made": Task("made", identity, Task(None, list, R("a"))),
        "same made": Task("same made", identity, Task(None, list, R("a"))),
        "x": Task("x", which_are_one, R("list"), R("same list")),
        "y": Task("y", which_are_one, R("two"), R("same two")),
        "z": Task("z", which_are_one, R("made"), R("same made")),
    }
    same_results(graph, "xyz", by_reference=by_reference)


@pytest.mark.parametrize("by_reference", [True, False])
def test_an_identity_may_be_given_its_argument_by_name(by_reference):
    graph = {
        "a": Task("a", loads),
        "b": Task("b", loads),
        "named a": Task("named a", identity, x=R("a")),
        "again a": Task("again a", identity, x=R("a")),
        "named b": Task("named b", identity, x=R("b")),
        "x": Task("x", which_are_one, R("named a"), R("again a")),
        "y": Task("y", which_are_one, R("named a"), R("named b")),
        "z": Task("z", which_are_one, R("named a"), R("a")),
        "w": Task("w", which_are_one, R("named a"), R("b")),
    }
    same_results(graph, "xyzw", by_reference=by_reference)


def deep(x):
    return [x]


@pytest.mark.parametrize("other", [[], ["b"]])
def test_a_result_is_no_copy_of_what_hands_it_on(other):
    graph = {
        **{key: Task(key, loads) for key in ("a", *other)},
        "one": Task("one", deep, 1),
        "in one": Task("in one", deep, R("one")),
        "first": Task("first", identity, R("a")),
        "second": Task("second", identity, R("a")),
        "third": Task("third", identity, R("second")),
        "x": Task("x", which_are_one, R("in one"), R("first")),
        "y": Task("y", which_are_one, R("third")),
        **{f"of {key}": Task(f"of {key}", repr, R(key)) for key in other},
    }
    same_results(graph, ["x", "y", *(f"of {key}" for key in other)])


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("order", ["xyz", "zyx", "yxz"])
def test_all_names_of_an_object_go_where_its_copy_goes(by_reference, order):
    tasks = {
        "x": Task("x", which_are_one, R("a"), R("b")),
        "y": Task("y", which_are_one, R("b"), R("same b"), R("again b")),
        "z": Task("z", which_are_one, R("same a"), R("same b")),
    }
    graph = {
        "a": Task("a", loads),
        "b": Task("b", loads),
        "same a": Task("same a", identity, R("a")),
        "same b": Task("same b", identity, R("b")),
        "again b": Task("again b", identity, R("same b")),
        **{key: tasks[key] for key in order},
    }
    same_results(graph, order, by_reference=by_reference)
    same_results(graph, "yz", by_reference=by_reference)
    options = {"by_reference": by_reference, "renames_outputs": False}
    same_results(graph, ["b", *order], **options)


def writes_into_one(one, other):
    one.append(7)
    return one is other, len(other)


@pytest.mark.parametrize("get", [dask.get, dask.threaded.get])
def test_who_writes_into_a_list_does_not_see_it_in_an_equal_one(get):
    graph = {
        "a": (loads,),
        "one": (identity, ["a"]),
        "other": (identity, ["a"]),
        "x": (writes_into_one, "one", "other"),
    }
    with dask.config.set({"stratum.enabled": True}):
        assert get(graph, "x") == (False, 1)


OUTPUTS = ["alias", "other", "one", "second", "z", "of b"]


@pytest.mark.parametrize("by_reference", [True, False])
@pytest.mark.parametrize("renames_outputs", [True, False])
@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize(
    "outputs",
    [o for n in range(1, len(OUTPUTS)) for o in itertools.combinations(OUTPUTS, n)],
)
def test_names_of_one_object_that_were_asked_for_stay_its_names(
    outputs, others, renames_outputs, by_reference
):
    graph = {
        "a": DataNode("a", [0]),
        "one": Task("one", identity, R("a")),
        "second": Task("second", identity, R("a")),
        "alias": Alias("alias", "one"),
        "other": Alias("other", "one"),
        "x": Task("x", which_are_one, R("other"), R("second"), R("a")),
        "z": Task("z", deep, R("x")),
        # of another pipeline
        "b": DataNode("b", [0]),
        "same b": Task("same b", identity, R("b")),
        "of b": Task("of b", which_are_one, R("b"), R("same b")),
    }
    if not others:
        outputs = [key for key in outputs if key != "of b"]
    graph = cull(graph, frozenset([*outputs, "x"]))
    same_results(
        graph,
        [*outputs, "x"],
        by_reference=by_reference,
        renames_outputs=renames_outputs,
    )


def written(x, y):
    x.append(1)
    return list(y)


@pytest.mark.parametrize("func", [which_are_one, written])
@pytest.mark.parametrize(
    "outputs",
    [["a1", "b1", "a4"], ["a0", "b4", "a2"], ["a0", "b4", "b2"], ["a4", "b4"]],
)
@pytest.mark.parametrize("make", ["data", "task"])
def test_two_pipelines_of_which_each_hands_on_its_own_object(func, outputs, make):
    graph = {}
    for name in "ab":
        first = f"{name}0"
        graph |= {
            first: DataNode(first, [0]) if make == "data" else Task(first, loads),
            f"{name}1": Task(f"{name}1", identity, R(first)),
            f"{name}2": Task(f"{name}2", identity, R(first)),
            f"{name}4": Task(f"{name}4", func, R(first), R(f"{name}1")),
        }
    compared(graph, outputs)


@pytest.mark.parametrize("func", [which_are_one, written])
@pytest.mark.parametrize("outputs", ["z", "za"])
def test_a_fused_identity_hands_on_the_very_object(func, outputs):
    inner = Task("f", identity, R("a")), Task("i", identity, R("f"))
    graph = {
        "a": Task("a", loads),
        "i": Task.fuse(*inner, key="i"),
        "z": Task("z", func, R("i"), R("a")),
    }
    compared(graph, outputs)


def compared(graph, outputs):
    """With the plugin as without it, in public functions of Dask."""
    found = []
    for enabled in (False, True):
        with dask.config.set({"stratum.enabled": enabled}):
            found.append(repr(dask.get(copy.deepcopy(graph), list(outputs))))
    assert found[0] == found[1]


def test_what_lives_under_the_key_of_an_identity_is_no_endless_search():
    graph = {"a": DataNode("a", [0]), "b": Task("b", identity, R("a"))}
    work = Submission(graph, frozenset("b")).fingerprints["b"]
    s = Submission(graph, frozenset("b"), live={work: "b"})
    assert optimize(s, configured(("unfuse", "merge", "isolate"))) == {}


def is_inside(items, one):
    return [item is one for item in items]


def test_an_identity_of_a_list_hands_on_what_it_holds():
    items = List(R("a"), R("a"))
    items.key = "items"
    graph = {
        "a": Task("a", loads),
        "items": items,
        "same": Task("same", identity, R("items")),
        "z": Task("z", is_inside, R("same"), R("a")),
    }
    compared(graph, "z")


def test_a_list_that_is_made_of_private_copies_keeps_its_own_work():
    """Its function is an identity, as that of the copies is."""
    graph = {}
    for name in "ab":
        first, items = f"{name}0", f"{name}1"
        graph |= {
            first: Task(first, loads),
            items: Task(items, identity, List(R(first), R(first))),
            f"{name}2": Task(f"{name}2", deep, R(items)),
            f"{name}3": Task(f"{name}3", which_are_one, R(items), R(f"{name}2")),
        }
    graph["z"] = Task("z", push, R("a0"), 3)
    s = rewritten(graph, ["a3", "b3", "z"], by_reference=True)
    assert "a1" in s.tasks


@pytest.mark.parametrize(
    "outputs", list(itertools.permutations(["a1", "az", "b1", "b2"]))
)
def test_each_name_that_was_asked_for_is_handed_out_by_what_it_is_of(outputs):
    graph = {
        **{key: Task(key, loads) for key in ("a0", "b0")},
        "a1": Alias("a1", "a0"),
        "b1": Alias("b1", "b0"),
        "b2": Task("b2", identity, R("b1")),
        "az": Task("az", push, R("a0"), 5),
    }
    compared(graph, outputs)
    with dask.config.set({"stratum.enabled": True}):
        found = dict(zip(outputs, dask.get(graph, list(outputs)), strict=True))
    assert found["b1"] is found["b2"]
    assert found["a1"] is not found["b1"]
    assert (found["a1"], found["b1"]) == ([1, 5], [1])
