"""Whatever the graph, the plugin on gives what plain Dask gives, to the bit."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from dataclasses import dataclass

import dask
import pytest
from dask._task_spec import Alias, List, Task, TaskRef
from dask.callbacks import Callback
from dask.utils import funcname
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.private import Recipe

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

NIGHTLY = bool(os.environ.get("STRATUM_TEST_NIGHTLY"))
EXAMPLES = 5000 if NIGHTLY else 150

# -- what the tasks do ------------------------------------------------------------


def numbers(seed):
    return [seed, seed + 1, [seed]]


def array(seed):
    return np.random.default_rng(seed).integers(0, 9, 6)


def frame(seed):
    return pd.DataFrame({"a": [seed, 2, 3], "b": list("xyz"), "c": [[1], [2], [seed]]})


def mapping(seed):
    return {"k": [seed], "l": {"m": seed}}


def same(x):
    return x


def view(x):
    if isinstance(x, np.ndarray):
        return x[1:]
    if isinstance(x, pd.DataFrame):
        return x[["a", "c"]]
    if isinstance(x, list):
        return x[-1] if x else x
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
    return x


def write_away(x, mark):
    """Write into ``x`` and hand on something else."""
    write(x, mark)
    return mark


SOURCES = (numbers, array, frame, mapping)
LOOKS = (same, view, size, text, random_state, fail)
WRITES = (write, write_away)


@dataclass(frozen=True)
class Step:
    """One step of a program: a function and the steps it takes."""

    func: object
    takes: tuple[int, ...]
    literal: int | None = None


@st.composite
def programs(draw):
    """A program whose tasks write into an object only where order is certain."""
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
        if new.func in WRITES and (held & twice or forked(steps, held, x)):
            continue
        if new.func is pair and memory[new.takes[0]] & memory[new.takes[1]]:
            twice |= held  # see test_one_object_that_comes_back_under_two_names
        if new.func in WRITES:
            closed |= held - set(new.takes)
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
def graphs(draw):
    """Several programs, some of them equal, some only at their beginning."""
    steps, closed = draw(programs())
    graph, keys = {}, []
    outputs = []
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
        outputs += wanted
        keys.append(names)
    if draw(st.booleans()):
        graph["all"] = Task("all", text, List(*map(TaskRef, dict.fromkeys(outputs))))
        outputs = ["all"] if draw(st.booleans()) else [*outputs, "all"]
    return graph, tuple(dict.fromkeys(outputs))


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
    if isinstance(value, pd.DataFrame):
        columns = [(c, str(value[c].dtype), spelled(list(value[c]))) for c in value]
        return (columns, spelled(list(value.index)))
    return Encoder().value(value)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
@settings(
    max_examples=EXAMPLES,
    derandomize=not NIGHTLY,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
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
