"""No pipeline sees what another one writes into a shared result."""

from __future__ import annotations

import warnings
from operator import getitem

import dask
import pytest
from dask._task_spec import Task, TaskRef

from stratum_dask.graph import as_graph
from stratum_dask.optimizations import Submission, configured, optimize
from stratum_dask.optimizations.private import Isolated, Recipe
from stratum_dask.optimizations.watch import Watched

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

R = TaskRef
GETS = {"sync": dask.get, "threads": dask.threaded.get}


def rewritten(graph, outputs, **options):
    options = {"renames_outputs": True, "by_reference": True, **options}
    s = Submission(graph, frozenset(outputs), **options)
    optimize(s, configured(("unfuse", "merge", "isolate")), check=True)
    return s


def plain_and_on(graph, outputs, scheduler="sync"):
    """Results without and with the plugin, and how often it had to run again."""
    get = GETS[scheduler]
    plain = get(graph, list(outputs))
    with (
        dask.config.set({"stratum.enabled": True}),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        found = get(graph, list(outputs))
    return repr(plain), repr(found), len(caught)


class Strange(Task):
    """A node of somebody else's package: nobody knows what it does."""

    def __call__(self, values=()):
        values[next(iter(self.dependencies))].append("strange")
        return super().__call__(values)


@pytest.mark.parametrize("scheduler", GETS)
def test_nodes_of_other_packages_may_write(scheduler):
    graph = {
        "a": Task("a", a_list),
        "b": Task("b", a_list),
        "x": Strange("x", len, R("a")),
        "y": Task("y", abs, R("x")),
    }
    plain, found, _ = plain_and_on(graph, ["y", "b"], scheduler)
    assert found == plain == "(3, [1, 2])"


def a_list():
    return [1, 2]


def a_dict():
    return {"a": [1], "b": [2]}


def an_array():
    return np.arange(4)


def a_frame():
    return pd.DataFrame({"a": [1, 2], "b": [[1], [2]]})


def write(x, mark):
    if isinstance(x, list):
        x.append(mark)
    elif isinstance(x, np.ndarray):
        x[0] = mark
    elif isinstance(x, pd.DataFrame):
        x["n"] = mark
        x["b"].iloc[0].append(mark)
    else:
        x["n"] = mark
        x["a"].append(mark)
    return x


def text(x, *after):
    return repr(x)


def pipelines(make, last):
    """One program for each of ``last``, with the same beginning."""
    graph = {}
    for p, steps in last.items():
        graph[f"m{p}"] = Task(f"m{p}", make)
        for i, (func, *args) in enumerate(steps):
            graph[f"{p}{i}"] = Task(f"{p}{i}", func, R(f"m{p}"), *args)
    return graph


@pytest.mark.parametrize("scheduler", GETS)
@pytest.mark.parametrize("make", [a_list, a_dict, an_array, a_frame])
def test_writers_and_readers_of_a_shared_result(make, scheduler):
    graph = pipelines(make, {"p": [(write, 7)], "q": [(text,)], "r": [(write, 8)]})
    outputs = ["p0", "q0", "r0"]
    plain, found, again = plain_and_on(graph, outputs, scheduler)
    assert (found, again) == (plain, 0)
    s = rewritten(graph, outputs)
    assert s.replaced == {"mq": "mp", "mr": "mp"}
    assert set(s.isolated) == {"p0", "q0", "r0"}


@pytest.mark.parametrize("scheduler", GETS)
def test_views_handed_on_and_written_into(scheduler):
    graph = pipelines(a_dict, {"p": [(getitem, "a")], "q": [(getitem, "a")]})
    graph["pw"] = Task("pw", write, R("p0"), 7)
    graph["qw"] = Task("qw", write, R("q0"), 8)
    graph["mr"] = Task("mr", a_dict)
    graph["r"] = Task("r", text, R("mr"))
    plain, found, _ = plain_and_on(graph, ["pw", "qw", "r"], scheduler)
    assert found == plain


def test_a_view_nobody_writes_into_needs_no_handle():
    graph = pipelines(an_array, {"p": [(getitem, 0)], "q": [(getitem, 1)]})
    graph |= {f"{k}s": Task(f"{k}s", str, R(f"{k}0")) for k in "pq"}
    s = rewritten(graph, ["ps", "qs"])
    assert s.isolated == {}
    assert s.lookers == {"p0", "q0"}


def test_identical_pipelines_need_no_handles():
    steps = [(write, 7), (text,)]
    graph = pipelines(a_frame, {"p": steps, "q": steps, "r": steps})
    s = rewritten(graph, [f"{p}0" for p in "pqr"])
    assert s.isolated == {}
    assert not any(isinstance(n.func, Isolated) for n in s.tasks.values())


def take(x, y):
    x.append(9)
    return (list(x), list(y))


def test_two_equal_inputs_of_one_writer():
    graph = as_graph({"a": (a_list,), "b": (a_list,), "x": (take, "a", "b")})
    plain, found, _ = plain_and_on(graph, ["x"])
    assert found == plain


@pytest.mark.parametrize("outputs", [["mp", "p0", "q0"], ["mp", "mq", "p0", "q0"]])
@pytest.mark.parametrize("scheduler", GETS)
def test_a_requested_intermediate_shows_what_its_own_pipeline_wrote(outputs, scheduler):
    graph = pipelines(a_list, {"p": [(write, 7)], "q": [(write, 8)]})
    plain, found, _ = plain_and_on(graph, outputs, scheduler)
    assert found == plain


@pytest.mark.parametrize("scheduler", GETS)
def test_outputs_that_were_merged_are_two_objects(scheduler):
    graph = pipelines(a_list, {"p": [], "q": []})
    with dask.config.set({"stratum.enabled": True}):
        one, two = GETS[scheduler](graph, ["mp", "mq"])
    assert one == two
    assert one is not two


def mutate(a):
    a.append(5)
    return len(a)


def quiet(a):
    return len(a)


def use(a, b):
    return (list(a), b)


def late(first, view=None):
    """``b = first(a); c = use(a, b)``, and another program that shares ``a``."""
    graph = {}
    for p in "pq":
        graph[f"a{p}"] = Task(f"a{p}", a_list)
        graph[f"b{p}"] = Task(f"b{p}", first, R(f"a{p}"))
        if view is not None:
            graph[f"v{p}"] = Task(f"v{p}", view, R(f"a{p}"))
        graph[f"c{p}"] = Task(f"c{p}", use, R(f"{'v' if view else 'a'}{p}"), R(f"b{p}"))
    graph["aq2"] = Task("aq2", a_list)
    graph["d"] = Task("d", write, R("aq2"), 3)
    return graph


def itself(x):
    return x


@pytest.mark.parametrize("scheduler", GETS)
@pytest.mark.parametrize("view", [None, itself])
def test_a_late_reader_sees_what_was_written(scheduler, view):
    graph = late(mutate, view)
    plain, found, again = plain_and_on(graph, ["cp", "cq", "d"], scheduler)
    assert (found, again) == (plain, 0)


def crossing(first):
    """Two programs share ``b = first(a)``, and only one reads ``a`` afterwards."""
    graph = late(first)
    graph["cq"] = Task("cq", str, R("bq"))
    return graph


@pytest.mark.parametrize("scheduler", GETS)
def test_a_late_reader_of_a_merged_writer_costs_a_second_run(scheduler):
    outputs = ["cp", "cq", "d"]
    plain, found, again = plain_and_on(crossing(mutate), outputs, scheduler)
    assert (found, again) == (plain, 1)
    plain, found, again = plain_and_on(crossing(quiet), outputs, scheduler)
    assert (found, again) == (plain, 0)


@pytest.mark.parametrize("scheduler", GETS)
def test_a_late_reader_of_what_nobody_wrote_costs_no_second_run(scheduler):
    plain, found, again = plain_and_on(late(quiet), ["cp", "cq", "d"], scheduler)
    assert (found, again) == (plain, 0)


def test_only_who_has_somebody_after_it_is_watched():
    graph = pipelines(a_list, {"p": [(write, 7)], "q": [(write, 8)]})
    s = rewritten(graph, ["p0", "q0"])
    assert {type(s.tasks[k].func) for k in ("p0", "q0")} == {Isolated}
    s = rewritten(crossing(mutate), ["cp", "cq", "d"])
    assert type(s.tasks["bp"].func) is Watched
    s = rewritten(crossing(mutate), ["cp", "cq", "d"], by_reference=False)
    assert type(s.tasks["bp"].func.func) is Isolated  # in a Shareable


def both(v, w, *after):
    return (list(v), list(w))


def test_a_copy_does_not_miss_what_is_written_under_another_name():
    graph = {}
    for p in "pq":
        graph[f"a{p}"] = Task(f"a{p}", a_list)
        graph[f"v{p}"] = Task(f"v{p}", itself, R(f"a{p}"))
        graph[f"b{p}"] = Task(f"b{p}", mutate, R(f"a{p}"))
    graph["x"] = Task("x", both, R("vp"), R("vq"), R("bp"), R("bq"))
    plain, found, _ = plain_and_on(graph, ["x"])
    assert found == plain


def test_a_task_among_the_arguments_may_write_as_well():
    graph = as_graph(
        {"a": (a_list,), "b": (a_list,), "x": (str, (write, "a", 1)),
         "y": (text, (write, "b", 2))}
    )  # fmt: skip
    plain, found, again = plain_and_on(graph, ["x", "y"])
    assert (found, again) == (plain, 0)


def test_a_shared_result_inside_containers():
    graph = as_graph(
        {"a": (a_list,), "b": (a_list,), "x": (text, [["a"], 1]), "y": (write, "b", 2),
         "l": ["a", "a"], "z": (text, "l")}
    )  # fmt: skip
    plain, found, again = plain_and_on(graph, ["x", "y", "z"])
    assert (found, again) == (plain, 0)


def hidden():
    return iter([1, 2, 3])


def generator():
    return _generator()


def _generator():
    yield from range(3)


@pytest.mark.parametrize("make", [hidden, generator])
@pytest.mark.parametrize("scheduler", GETS)
def test_what_can_be_read_once_is_read_by_everybody(make, scheduler):
    graph = pipelines(make, {"p": [(list,)], "q": [(sorted,)], "r": [(sum,)]})
    get = GETS[scheduler]
    with dask.config.set({"stratum.enabled": True}):
        found = get(graph, ["p0", "q0", "r0"])
    assert found == get(graph, ["p0", "q0", "r0"])
    assert not any(isinstance(x, Recipe) for x in found)


def test_long_chains_of_views_are_looked_at_once():
    graph = pipelines(an_array, {"p": [(getitem, slice(0, 4))], "q": [(getitem, 0)]})
    last = "p0"
    for i in range(5000):
        graph[f"v{i}"] = Task(f"v{i}", getitem, R(last), slice(0, 4))
        last = f"v{i}"
    graph["end"] = Task("end", str, R(last))
    graph["qs"] = Task("qs", str, R("q0"))
    assert rewritten(graph, ["end", "qs"]).isolated == {}
