"""The rule `reuse`: what is read instead of computed, and what is not."""

from operator import neg

import pytest
from dask._task_spec import Task, TaskRef

from stratum_dask.graph import as_graph
from stratum_dask.optimizations import Submission, configured, optimize
from stratum_dask.optimizations.stored import Offer, Stored

RULES = ("unfuse", "merge", "reuse", "isolate")


def load(n):
    return list(range(n))


def add(x):
    x.append(1)
    return x


def total(x):
    return sum(x)


def both(x, y):
    return x, y


def run(graph, outputs, stored, **options):
    """Optimize a graph of which a store has some keys; key -> (load, seconds, own)."""
    s = Submission(as_graph(graph), frozenset(outputs), **options)
    s.stored = {
        s.fingerprints[key]: Offer(Stored(s.fingerprints[key]), *costs)
        for key, costs in stored.items()
    }
    optimize(s, configured(RULES), check=True)
    return s, {
        k for k, n in s.tasks.items() if isinstance(getattr(n, "func", None), Stored)
    }


CHAIN = {"a": (load, 3), "b": (add, "a"), "c": (total, "b")}


@pytest.mark.parametrize(
    ("stored", "read", "left"),
    [
        ({}, set(), {"a", "b", "c"}),
        ({"c": (1, 5, 1)}, {"c"}, {"c"}),
        ({"a": (1, 3, 3)}, {"a"}, {"a", "b", "c"}),
        ({"a": (1, 3, 3), "b": (1, 4, 1)}, {"b"}, {"b", "c"}),
        # Reading the first and adding is cheaper than reading the second.
        ({"a": (0.1, 3, 3), "b": (2, 3.2, 0.2)}, {"a"}, {"a", "b", "c"}),
        # What nobody knows of in between counts by what the whole took.
        ({"a": (0.1, 1, 1), "c": (0.5, 9, 0.01)}, {"c"}, {"c"}),
        ({"c": (9, 5, 1)}, set(), {"a", "b", "c"}),
    ],
)
def test_the_cheapest_way_is_found(stored, read, left):
    s, found = run(CHAIN, "c", stored)
    assert found == read == s.loaded.keys()
    assert s.tasks.keys() == left
    assert read <= s.remade.keys()


def test_what_is_asked_for_stays_under_its_key():
    s, found = run(CHAIN, "bc", {"c": (1, 5, 1)})
    assert found == {"c"}
    assert s.tasks.keys() == {"a", "b", "c"}


def test_equal_tasks_are_read_once_and_their_users_are_kept_apart():
    graph = {"a": (load, 3), "b": (load, 3), "x": (add, "a"), "y": (total, "b")}
    s, found = run(graph, "xy", {"a": (1, 5, 5)})
    assert found == {"a"}
    assert "x" in s.isolated
    assert s.remade.keys() == {"a"}


def test_a_private_copy_is_no_second_read():
    graph = {"a": (load, 3), "b": (load, 3), "x": (both, "a", "b")}
    s, found = run(graph, "x", {"a": (1, 5, 5)})
    assert found == {"a"}
    assert s.copies == {"b": "a"}


def test_what_cannot_be_made_again_is_not_read():
    sent = Task("b", add, TaskRef("sent"))
    graph = {"b": sent, "c": (total, "b"), "x": (load, 3)}

    def known(key):
        return b"sent" * 4

    for only_here, read in ((frozenset(), {"c"}), (frozenset({"sent"}), set())):
        _, found = run(
            graph, "cx", {"c": (0.5, 5, 1)}, external=known, only_here=only_here
        )
        assert found == read


def test_a_fused_task_is_cut_where_a_part_is_stored():
    first = Task.fuse(Task("a", load, 3), Task("b", total, TaskRef("a")), key="b")
    alone = Submission(as_graph({"a": (load, 3)}), frozenset("a"))
    s = Submission({"b": first, "z": Task("z", neg, 1)}, frozenset("bz"))
    work = alone.fingerprints["a"]
    s.stored = {work: Offer(Stored(work), 0.1, 5.0, 5.0)}
    optimize(s, configured(RULES), check=True)
    assert list(s.loaded.values()) == [work]


def test_nothing_stored_costs_nothing():
    s, _ = run(CHAIN, "c", {})
    assert s.tasks is s.original
