"""Whatever the graph, the plugin on gives what plain Dask gives, to the bit.

The suite runs a few fixed examples; ``STRATUM_TEST_NIGHTLY=1`` thousands of random
ones (``tox -e nightly``, see docs/internals.md).
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import cloudpickle
import dask
import pytest
from dask._task_spec import Alias, List, Task, TaskRef
from dask.callbacks import Callback
from dask.utils import funcname
from distributed import Client, LocalCluster, SchedulerPlugin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum_dask.graph import rekey
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.private import Recipe
from stratum_dask.scheduler_plugins import StratumPlugin

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")
linear = pytest.importorskip("sklearn.linear_model")

NIGHTLY = bool(os.environ.get("STRATUM_TEST_NIGHTLY"))


def profile(few, many):
    """Some examples that are always the same, or many new ones at night."""
    return settings(
        max_examples=many if NIGHTLY else few,
        derandomize=not NIGHTLY,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


# -- what the tasks do ------------------------------------------------------------


def numbers(seed):
    return [seed, seed + 1, [seed]]


def array(seed):
    return np.random.default_rng(seed).integers(0, 9, 6)


def frame(seed):
    return pd.DataFrame({"a": [seed, 2, 3], "b": list("xyz"), "c": [[1], [2], [seed]]})


def mapping(seed):
    return {"k": [seed], "l": {"m": seed}}


class Box:
    def __init__(self, seed):
        self.content = [seed]

    def __repr__(self):
        return f"Box({self.content})"


def box(seed):
    return Box(seed)


def matrix(seed):
    return sparse.csr_array([[0, seed + 1], [2, 0]])


def ridge(seed):
    return linear.Ridge(alpha=seed + 1.0).fit([[0], [1], [3]], [seed, 1, 2])


def series(seed):
    """What is drawn with a seed of one's own is drawn alike."""
    rng = np.random.RandomState(seed)
    return pd.Series(rng.rand(4), index=list("abcd"), name="s")


def same(x):
    return x


def view(x):
    if isinstance(x, np.ndarray):
        return x[1:]
    if isinstance(x, pd.DataFrame):
        return x[["a", "c"]]
    if isinstance(x, list):
        return x[-1] if x else x
    if isinstance(x, Box):
        return x.content
    return x


def size(x, *more):
    return len(repr(x)) + len(more)


def text(x, *more):
    return f"{x!r}{more!r}"


def pair(x, y):
    return [x, y]


def fail(x):
    raise ZeroDivisionError("as asked")


def random_state(x):
    return os.urandom(4) and 7


def write(x, mark):
    """Write into ``x`` and hand it on."""
    if isinstance(x, np.ndarray):
        if x.size:
            x[0] += mark
    elif isinstance(x, pd.DataFrame):
        x[f"n{mark}"] = mark
        x.iloc[0, 0] = mark
    elif isinstance(x, list):
        x.append(mark)
    elif isinstance(x, dict):
        x[f"n{mark}"] = mark
    elif isinstance(x, pd.Series):
        x.loc["a"] = mark
        x.name = f"n{mark}"
    elif isinstance(x, Box):
        x.content.append(mark)
        x.mark = mark
    elif sparse.issparse(x):
        x.data[0] += mark
    elif isinstance(x, linear.Ridge):
        x.fit([[mark], [2], [3]], [0, 1, 2])
    return x


def write_away(x, mark):
    """Write into ``x`` and hand on something else."""
    write(x, mark)
    return mark


SOURCES = (numbers, array, frame, mapping, box, matrix, ridge, series)
LOOKS = (same, view, size, text, random_state, fail)
WRITES = (write, write_away)


@dataclass(frozen=True)
class Step:
    """One step of a program: a function and the steps it takes."""

    func: object
    takes: tuple[int, ...]
    literal: int | None = None


@st.composite
def programs(draw, apart=False):
    """A program whose tasks write into an object only where order is certain.

    With ``apart`` they write only into what nobody else looks at. On a cluster who
    else sees a write depends on where the tasks happen to run.
    """
    steps: list[Step] = []
    # Whose memory a result may be.
    memory: list[frozenset[int]] = []
    twice: frozenset[int] = frozenset()
    # Earlier names of what was written into under a later name: see the test below.
    closed: set[int] = set()
    for i in range(draw(st.integers(1, 3))):
        steps.append(Step(draw(st.sampled_from(SOURCES)), (), draw(st.integers(0, 1))))
        memory.append(frozenset({i}))
    for _ in range(draw(st.integers(0, 7))):
        i = len(steps)
        kind = draw(st.sampled_from(("look", "look", "join", "write")))
        x = draw(st.integers(0, i - 1))
        if kind == "look":
            func = draw(
                st.sampled_from(LOOKS if draw(st.integers(0, 3)) else LOOKS[:4])
            )
            after = draw(st.lists(st.integers(0, i - 1), max_size=1))
            takes = (x, *after) if func in (size, text) else (x,)
            new = Step(func, takes)
        elif kind == "join":
            new = Step(pair, (x, draw(st.integers(0, i - 1))))
        else:
            new = Step(draw(st.sampled_from(WRITES)), (x,), draw(st.integers(0, 2)))
        held = frozenset().union(*(memory[t] for t in new.takes))
        if not ordered(steps, memory, new) or closed.intersection(new.takes):
            continue
        if new.func in WRITES:
            last = None if apart else x
            if held & twice or forked(steps, held, last):
                continue
        if new.func is pair and memory[new.takes[0]] & memory[new.takes[1]]:
            twice |= held  # see test_one_object_that_comes_back_under_two_names
        if new.func in WRITES:
            closed |= held if apart else held - set(new.takes)
        steps.append(new)
        fresh = new.func in (size, text, random_state, fail, write_away)
        memory.append(frozenset({i}) if fresh else held | {i})
    return tuple(steps), closed


def forked(steps, names, last):
    """Whether an earlier name of an object has gone anywhere else."""
    return any(
        i not in names
        for i, step in enumerate(steps)
        if names.difference({last}).intersection(step.takes)
    )


def ordered(steps, memory, new):
    """Whether all reads and writes of one object happen in one certain order."""
    writes = new.func in WRITES
    above = ancestors(steps, new)
    touched = frozenset().union(*(memory[t] for t in new.takes))
    for i, old in enumerate(steps):
        theirs = frozenset().union(*(memory[t] for t in old.takes), frozenset())
        reads_only = old.func not in WRITES
        if touched & theirs and i not in above and (writes or not reads_only):
            return False
    return True


def ancestors(steps, step):
    found, stack = set(), list(step.takes)
    while stack:
        i = stack.pop()
        if i not in found:
            found.add(i)
            stack.extend(steps[i].takes)
    return found


@st.composite
def variants(draw, apart=False):
    """The graphs of several programs, some equal, some only at their beginning."""
    found = []
    steps, closed = draw(programs(apart))
    for copy in range(draw(st.integers(1, 3))):
        mine = steps
        if copy and draw(st.booleans()):
            at = draw(st.integers(0, len(steps) - 1))
            other = draw(st.integers(3, 5))
            step = steps[at]
            literal = None if step.literal is None else other
            mine = (*steps[:at], Step(step.func, step.takes, literal), *steps[at + 1 :])
            if draw(st.booleans()) and at not in closed:
                mine = mine[: at + 1]
        graph = {}
        names = [f"{s.func.__name__}-{copy}-{i}" for i, s in enumerate(mine)]
        for name, step in zip(names, mine, strict=True):
            args = [TaskRef(names[t]) for t in step.takes]
            if draw(st.integers(0, 9)) == 0 and args:
                graph[f"alias-{name}"] = Alias(f"alias-{name}", args[0].key)
                args[0] = TaskRef(f"alias-{name}")
            if step.literal is not None:
                args.append(step.literal)
            graph[name] = Task(name, step.func, *args)
        open_ = [n for i, n in enumerate(names) if i not in closed]
        wanted = draw(st.lists(st.sampled_from(open_), min_size=1, max_size=3))
        found.append((graph, wanted))
    return found


@st.composite
def graphs(draw):
    """Several programs as one graph."""
    graph, outputs = {}, []
    for mine, wanted in draw(variants()):
        graph |= mine
        outputs += wanted
    if draw(st.booleans()):
        graph["all"] = Task("all", text, List(*map(TaskRef, dict.fromkeys(outputs))))
        outputs = ["all"] if draw(st.booleans()) else [*outputs, "all"]
    return graph, tuple(dict.fromkeys(outputs))


@st.composite
def submissions(draw):
    """Several programs, as their clients send them."""
    sent = []
    for graph, outputs in draw(variants(apart=True)):
        outputs = list(dict.fromkeys(outputs))
        if sent and draw(st.booleans()):
            sent[-1].graph.update(graph)
            sent[-1].outputs.extend(outputs)
        else:
            client, waits = draw(st.integers(0, 1)), draw(st.booleans())
            sent.append(
                SimpleNamespace(
                    graph=graph, outputs=outputs, client=client, waits=waits
                )
            )
    return sent


def outcome(graph, outputs, scheduler, on):
    calls = Counter()

    def count(key, dsk, state):
        calls[funcname(getattr(dsk[key], "func", None))] += 1

    get = {"sync": dask.get, "threads": dask.threaded.get}[scheduler]
    with (
        dask.config.set({"stratum.enabled": on}),
        warnings.catch_warnings(record=True) as caught,
        Callback(pretask=count),
    ):
        warnings.simplefilter("always")
        try:
            found = get(dict(graph), list(outputs))
        except ZeroDivisionError as e:
            found = repr(e)
    assert all("wrote into an input" in str(w.message) for w in caught)
    del calls["identity"]  # a copy that one task needs of an equal result
    return found, calls, bool(caught)


def spelled(value):
    """Every bit of a value, but not whether two equal parts are one object."""
    if isinstance(value, (list, tuple)):
        return [spelled(x) for x in value]
    if isinstance(value, dict):
        return [(k, spelled(x)) for k, x in value.items()]
    if isinstance(value, Box):
        return [(name, spelled(x)) for name, x in vars(value).items()]
    if isinstance(value, pd.DataFrame):
        columns = [(c, str(value[c].dtype), spelled(list(value[c]))) for c in value]
        return (columns, spelled(list(value.index)))
    return Encoder().value(value)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
@pytest.mark.timeout(7200 if NIGHTLY else 120)
@profile(120, 5000)
@given(case=graphs())
def test_results_are_those_of_plain_dask(scheduler, case):
    graph, outputs = case
    plain, expected, _ = outcome(graph, outputs, scheduler, on=False)
    found, calls, rerun = outcome(graph, outputs, scheduler, on=True)
    assert spelled(found) == spelled(plain)
    if isinstance(found, str) or rerun:
        return  # what ran before that is for the scheduler to say
    assert not any(isinstance(x, Recipe) for x in found)
    assert calls["random_state"] == expected["random_state"]
    assert calls <= expected


# -- the same on clusters -----------------------------------------------------------


class Ran(SchedulerPlugin):
    """Counts the tasks that ended, by their name and what they were sent with."""

    def __init__(self):
        self.names = Counter()

    def transition(self, key, start, finish, *args, **kwargs):
        if start == "processing" and finish in ("memory", "erred"):
            self.names[key] += 1


@pytest.fixture(scope="module")
def clusters():
    """Two worker processes without the plugin, two with it, two clients for each."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    opened, sides = [], []
    try:
        for on in (False, True):
            cluster = LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
            opened.insert(0, cluster)
            clients = [Client(cluster, set_as_default=False) for _ in range(2)]
            opened[:0] = clients
            if on:
                clients[0].register_plugin(StratumPlugin())
            ran = Ran()
            clients[0].register_plugin(ran, name="ran")
            sides.append((clients, clients[0].run_on_scheduler))
        yield sides
    finally:
        for each in opened:
            each.close()
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def ran_there(since, dask_scheduler):
    """The tasks of one example that ended, by name."""
    names = dask_scheduler.plugins["ran"].names
    found = Counter()
    for key, times in names.items():
        if isinstance(key, str) and key.startswith(since):
            found[key.removeprefix(since).partition("-")[0]] += times
    return found


runs = itertools.count()


def sent_to(side, sent):
    """What each output of each submission gives, and which tasks ran for it."""
    clients, ask = side
    # Dask takes a key that it knows for the work that it knows.
    run = f"run{next(runs)}_"
    answers = []
    for submission in sent:
        names = {key: run + key for key in submission.graph}
        graph = {
            names[k]: rekey(n, names[k], names) for k, n in submission.graph.items()
        }
        keys = [names[k] for k in submission.outputs]
        futures = clients[submission.client].get(graph, keys, sync=False)
        answers.append(futures)
        if submission.waits:
            for future in futures:
                future.exception()
    found = [[answer(future) for future in futures] for futures in answers]
    return found, ask(ran_there, run)


def answer(future):
    error = future.exception()
    return repr(error) if error is not None else spelled(future.result())


@pytest.mark.slow
@pytest.mark.timeout(7200 if NIGHTLY else 120)
@profile(15, 1000)
@given(sent=submissions())
def test_results_are_those_of_plain_dask_on_a_cluster(clusters, sent):
    without, with_us = clusters
    plain, expected = sent_to(without, sent)
    found, calls = sent_to(with_us, sent)
    assert found == plain
    if any(isinstance(x, str) for outputs in found for x in outputs):
        return  # what ran before that is for the scheduler to say
    assert calls["random_state"] == expected["random_state"]
    assert calls.total() <= expected.total()


# -- what was found so --------------------------------------------------------------


def first(pair_of_lists):
    return pair_of_lists[0]


def add(x, mark):
    x.append(mark)
    return mark


def test_one_object_that_comes_back_under_two_names():
    graph = {
        "n": Task("n", numbers, 0),
        "s": Task("s", same, TaskRef("n")),
        "two": Task("two", pair, TaskRef("n"), TaskRef("s")),
        "f": Task("f", first, TaskRef("two")),
        "w": Task("w", add, TaskRef("f"), 9),
        "t": Task("t", text, TaskRef("two"), TaskRef("w")),
        "n2": Task("n2", numbers, 0),
        "other": Task("other", add, TaskRef("n2"), 1),
    }
    outputs = ["t", "other"]
    plain, _, _ = outcome(graph, outputs, "sync", on=False)
    assert outcome(graph, outputs, "sync", on=True)[0] == plain


def test_an_output_that_is_written_into_under_another_name():
    graph = {
        "n": Task("n", numbers, 0),
        "n2": Task("n2", numbers, 0),
        "s": Task("s", same, TaskRef("n2")),
        "w": Task("w", add, TaskRef("s"), 9),
    }
    outputs = ["n", "n2", "w"]
    plain, _, _ = outcome(graph, outputs, "sync", on=False)
    assert outcome(graph, outputs, "sync", on=True)[0] == plain


def program_of_three(name):
    """A result, who writes into it, who takes both; and an equal one, far away."""
    return {
        f"n{name}": Task(f"n{name}", numbers, 0),
        f"e{name}": Task(f"e{name}", numbers, 0),
        f"w{name}": Task(f"w{name}", write_away, TaskRef(f"n{name}"), 0),
        f"p{name}": Task(f"p{name}", pair, TaskRef(f"e{name}"), TaskRef(f"w{name}")),
        f"q{name}": Task(f"q{name}", pair, TaskRef(f"n{name}"), TaskRef(f"p{name}")),
    }


@pytest.mark.parametrize("outputs", [["na", "nb", "wb", "qc"], ["wa", "qb", "qc"]])
def test_a_merged_writer_of_results_that_stay_several(outputs):
    graph = {}
    for name in "abc":
        graph |= program_of_three(name)
    plain, _, _ = outcome(graph, outputs, "sync", on=False)
    assert outcome(graph, outputs, "sync", on=True)[0] == plain


def test_a_merged_writer_where_its_results_meet_in_one_task():
    graph = {}
    for name in "ab":
        graph[f"n{name}"] = Task(f"n{name}", numbers, 0)
        graph[f"w{name}"] = Task(f"w{name}", write, TaskRef(f"n{name}"), 0)
        graph[f"r{name}"] = Task(f"r{name}", random_state, TaskRef(f"w{name}"))
        pairs = TaskRef(f"n{name}"), TaskRef(f"r{name}")
        graph[f"p{name}"] = Task(f"p{name}", pair, *pairs)
    graph["all"] = Task("all", text, List(TaskRef("pa"), TaskRef("pb")))
    plain, expected, _ = outcome(graph, ["pa", "pb", "all"], "sync", on=False)
    found, calls, _ = outcome(graph, ["pa", "pb", "all"], "sync", on=True)
    assert found == plain
    assert calls["random_state"] == expected["random_state"] == 2
