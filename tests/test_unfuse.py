"""The un-fusing rule: equal work inside fused tasks meets, the rest stays fused."""

from __future__ import annotations

import os
from operator import neg

import dask
import pytest
from dask._task_spec import Task, TaskRef

from stratum_dask.graph import subgraph
from stratum_dask.optimizations import Submission, configured, optimize

R = TaskRef
RAN = []


def ran(name, x):
    return (name, x)


def chain(key, *names, start=1):
    """A fused chain of steps, each called by a name."""
    tasks, last = [], start
    for i, name in enumerate(names):
        tasks.append(Task(f"{key}-{i}", ran, name, last))
        last = R(f"{key}-{i}")
    return Task.fuse(*tasks, key=key)


def rewritten(graph, outputs):
    s = Submission(graph, frozenset(outputs), by_reference=True, renames_outputs=True)
    optimize(s, configured(("unfuse", "merge", "isolate")), check=True)
    names = [s.replaced.get(k, k) for k in outputs]
    assert dask.get(s.tasks, names) == dask.get(graph, list(outputs))
    return s


def steps(graph):
    """How many steps run, inside fused tasks too."""
    parts = (subgraph(n) for n in graph.values())
    return sum(
        len(p.inner) if p is not None else 1
        for p, n in zip(parts, graph.values(), strict=True)
    )


# chains, how many tasks afterwards, how many steps are run
CASES = {
    "nothing in common": ([("a", "b"), ("c", "d")], 2, 4),
    "equal as a whole": ([("a", "b"), ("a", "b")], 1, 2),
    "a common beginning": ([("a", "b"), ("a", "c")], 3, 3),
    "a long common beginning is one task": ([("a", "b", "x"), ("a", "b", "y")], 3, 4),
    "one is the beginning of the other": ([("a", "b"), ("a", "b", "c")], 2, 3),
    "three that part twice": (
        [("a", "b", "x"), ("a", "b", "y"), ("a", "c")], 5, 5,
    ),
    "equal ends are not equal": ([("a", "z"), ("b", "z")], 2, 4),
}  # fmt: skip


@pytest.mark.parametrize(("chains", "tasks", "run"), CASES.values(), ids=CASES)
def test_before_and_after(chains, tasks, run):
    graph = {f"k{i}": chain(f"k{i}", *names) for i, names in enumerate(chains)}
    s = rewritten(graph, tuple(graph))
    # Isolation wraps functions: count before it.
    plain = Submission(graph, frozenset(graph), renames_outputs=True)
    optimize(plain, configured(("unfuse", "merge", "isolate")), check=True)
    assert len(s.tasks) == tasks
    bare = Submission(graph, frozenset(graph))
    from stratum_dask.optimizations.merge import Merge
    from stratum_dask.optimizations.unfuse import Unfuse

    bare.renames_outputs = True
    optimize(bare, [Unfuse(), Merge()])
    assert steps(bare.tasks) == run


def test_a_graph_without_fused_tasks_is_left_alone():
    graph = {"a": Task("a", neg, 1)}
    assert rewritten(graph, "a").tasks is graph


def test_the_unfused_equivalent_elsewhere():
    graph = {
        "f": chain("f", "a", "b"),
        "a": Task("a", ran, "a", 1),
        "c": Task("c", ran, "c", R("a")),
    }
    s = rewritten(graph, "fc")
    assert len(s.tasks) == 3
    assert s.split


@pytest.mark.parametrize("outputs", [("k1", "e", "z"), ("k0", "e", "z")])
def test_of_two_equal_chains_the_one_that_stays_is_cut(outputs):
    graph = {
        "k0": chain("k0", "a", "b", "c"),
        "k1": chain("k1", "a", "b", "c"),
        "e": chain("e", "a", "b"),
        "z": Task("z", ran, "z", R("k0")),
    }
    s = rewritten(graph, outputs)
    assert len(s.tasks.keys() - s.copies.keys()) == 3  # (a, b), c, z


def test_what_cannot_be_merged_stays_where_it_is():
    def fused(p):
        return Task.fuse(
            Task(f"a{p}", os.urandom, 4), Task(f"b{p}", len, R(f"a{p}")), key=p
        )

    graph = {"p": fused("p"), "q": fused("q")}
    s = rewritten(graph, "pq")
    assert s.tasks == graph
    assert not s.split


def test_a_refused_end_after_a_common_beginning():
    def fused(p, end):
        a = Task(f"a{p}", ran, "a", 4)
        return Task.fuse(a, Task(f"b{p}", end, R(f"a{p}")), key=p)

    def noise(x):
        return len(os.urandom(3))

    graph = {"p": fused("p", noise), "q": fused("q", len)}
    assert len(rewritten(graph, "pq").tasks) == 3


def test_a_fused_task_with_a_place_of_its_own_is_not_cut():
    graph = {"p": chain("p", "a", "b"), "q": chain("q", "a", "c")}
    s = Submission(graph, frozenset("pq"), salt={"p": b"gpu"}.get)
    optimize(s, configured(("unfuse", "merge", "isolate")), check=True)
    assert subgraph(s.tasks["p"]) is not None
    assert "p" not in s.split.values()


def test_inputs_from_outside_stay_inputs():
    graph = {
        "in": Task("in", ran, "in", 0),
        "p": chain("p", "a", "b", start=R("in")),
        "q": chain("q", "a", "c", start=R("in")),
    }
    s = rewritten(graph, "pq")
    assert len(s.tasks) == 4


def test_the_same_keys_come_out_in_every_process(fresh_python):
    code = (
        "from operator import neg, abs\n"
        "from dask._task_spec import Task, TaskRef as R\n"
        "from stratum_dask.optimizations import *\n"
        "def c(k, *fs):\n"
        "    ts = [Task(f'{k}{i}', f, R(f'{k}{i-1}') if i else -1)\n"
        "          for i, f in enumerate(fs)]\n"
        "    return Task.fuse(*ts, key=k)\n"
        "g = {k: c(k, neg, abs, str) for k in 'pqrs'} | {'t': c('t', neg, abs, hex)}\n"
        "s = Submission(g, frozenset('rst'), renames_outputs=True)\n"
        "optimize(s, configured(('unfuse', 'merge', 'isolate')), check=True)\n"
        "print(sorted(s.tasks), s.replaced)"
    )
    out = {fresh_python(code, PYTHONHASHSEED=n).stdout for n in "0123"}
    assert len(out) == 1
