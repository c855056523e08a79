"""More programs whose result, or number of side effects, the plugin once changed."""

import functools
import warnings

import dask
import pytest
from dask import delayed

from stratum_dask.graph import Task
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.submission import Submission

np = pytest.importorskip("numpy")


def same_as_plain(program):
    """Run a program plain and with the plugin on, and compare what it returns."""

    @pytest.mark.parametrize("scheduler", ["sync", "threads"])
    def test(scheduler):
        found = []
        for on in (False, True):
            settings = {"stratum.enabled": on, "scheduler": scheduler}
            with dask.config.set(settings), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found.append(program())
        assert found[1] == found[0]

    test.__name__ = test.__qualname__ = program.__name__
    test.__doc__ = program.__doc__
    return test


# -- what the arguments of one call have in common ----------------------------------


class Adder:
    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return x + self.by

    def method(self, x):
        return (self.by, x)


class Counter:
    def __init__(self):
        self.count = 0

    def up(self):
        self.count += 1
        return self.count


def are_one(pair):
    return pair[0] is pair[1]


def is_first(a, items):
    return a is items[0]


def share_memory(a, items):
    return bool(np.shares_memory(a, items[0]))


@same_as_plain
def test_argument_that_is_inside_another_one_is_no_copy_of_it():
    """`a is items[0]` where the two are one list, and not where they are equal."""
    a = [1]
    return dask.compute(
        delayed(is_first)(a, [a]),
        delayed(is_first)(a, [[1]]),
        delayed(is_first)(a=a, items=[a]),
    )


@same_as_plain
def test_argument_that_is_a_view_of_another_one_shares_its_memory():
    """`np.shares_memory` is true of views only, whatever their content."""
    a, b = np.ones(3), np.ones(3)
    items = (a, b, a[:], a[::-1])
    return dask.compute(*(delayed(share_memory)(a, [x]) for x in items))


@same_as_plain
def test_objects_that_are_called_elsewhere_stay_two_inside_a_list():
    """Two callable objects are two, also if both are functions of other tasks."""
    a, b = Adder(1), Adder(1)
    return dask.compute(
        delayed(a)(1),
        delayed(b)(1),
        delayed(are_one)([a, a]),
        delayed(are_one)([a, b]),
    )


def work(key, func, *args):
    return Task(key, func, *args)


def fingerprints(*tasks):
    graph = {task.key: task for task in tasks}
    return Submission(graph, frozenset(graph)).fingerprints


def test_callable_object_as_an_argument_reads_the_same_after_it_was_called():
    """A fingerprint does not depend on what was fingerprinted before."""
    a = Adder(1)
    before = work("argument", Adder.method, a, 1)
    called = work("called", a, 1)
    one, other = fingerprints(before, called), fingerprints(called, before)
    assert one == other


def test_rules_keep_their_invariants_where_an_object_is_argument_and_function():
    """Nothing is wrong with this graph, so nothing may be reported."""
    a, b = Adder(1), Adder(1)
    tasks = delayed(Adder.method)(a, 1), delayed(a)(1), delayed(b)(1)
    with dask.config.set({"stratum.enabled": True}):
        assert dask.compute(*tasks, scheduler="sync") == ((1, 1), 2, 2)


def ups(*counters):
    return [c.up for c in counters]


def puts(*lists):
    return [functools.partial(list.append, x) for x in lists]


@pytest.mark.parametrize(("hold", "make"), [(ups, Counter), (puts, list)])
def test_methods_and_partials_of_one_object_are_not_those_of_two(hold, make):
    """Calling them all counts to 2 in one object, and to 1 in each of two."""
    a, b, encode = make(), make(), Encoder().value
    assert encode(hold(a, a)) != encode(hold(a, b))
    assert encode(hold(a, b)) == encode(hold(make(), make()))


# -- not a number -------------------------------------------------------------------


def distinct(items):
    return len(set(items))


@same_as_plain
def test_nan_twice_is_not_two_nans():
    """`set` keeps one of a NaN that it is given twice, and both of two NaNs."""
    a, b = float("nan"), float("nan")
    arrays = np.array([a, a], dtype=object), np.array([a, b], dtype=object)
    lists = [a, a], [a, b], [a, a]
    return dask.compute(*(delayed(distinct)(x) for x in (*lists, *arrays)))


def is_in(x, y):
    return x in [y]


@same_as_plain
def test_nan_passed_twice_is_not_two_nans():
    """`x in [y]` is true of one NaN, and false of two."""
    a, b = float("nan"), float("nan")
    return dask.compute(delayed(is_in)(a, a), delayed(is_in)(a, b))


# -- writes through what a library makes of an argument -----------------------------


def through_asarray(a):
    a = np.asarray(a)
    a[0] += 1


def through_ravel(a):
    a.ravel()[0] += 1


def through_reshape(a):
    flat = np.reshape(a, -1)
    flat += 1


def through_array_without_copy(a):
    np.array(a, copy=False)[0] += 1


def through_memoryview(a):
    memoryview(a)[0] += 1


def through_max(a):
    max([a], key=len)[0] += 1


def through_reduce(a):
    functools.reduce(lambda x, y: x, [a])[0] += 1


def through_list(a):
    items = list(iter((a,)))
    items[0][0] += 1


@pytest.mark.parametrize(
    "func",
    [
        through_asarray,
        through_ravel,
        through_reshape,
        through_array_without_copy,
        through_memoryview,
        through_max,
        through_reduce,
        through_list,
    ],
)
def test_users_array_is_written_through_a_view_by_every_task(func):
    """Each of two equal tasks adds 1 to the array that it is given."""
    found = []
    for on in (False, True):
        once, one, other = np.zeros(3), np.zeros(3), np.zeros(3)
        tasks = [delayed(func)(a) for a in (once, once, one, other)]
        with dask.config.set({"stratum.enabled": on}):
            dask.compute(*tasks, scheduler="sync")
        found.append([a.tolist() for a in (once, one, other)])
    assert found[1] == found[0]


def number(rows):
    for i, row in enumerate(rows):
        row["n"] = row.get("n", 0) + i + 1


def mark_both(rows):
    for row, other in zip(rows, reversed(rows), strict=True):
        row["n"] = row.get("n", 0) + len(other)


def mark_first(rows):
    first = next(iter(rows))
    first["n"] = first.get("n", 0) + 1


def rank(rows):
    for row in sorted(rows, key=len):
        row["n"] = row.get("n", 0) + 1


@pytest.mark.parametrize("func", [number, mark_both, mark_first, rank])
def test_users_rows_are_written_by_every_task_that_goes_through_them(func):
    """Each of two equal tasks writes into the dictionaries that it is given."""
    found = []
    for on in (False, True):
        once, one, other = ([{"a": 1}, {"a": 2}] for _ in range(3))
        tasks = [delayed(func)(rows) for rows in (once, once, one, other)]
        with dask.config.set({"stratum.enabled": on}):
            dask.compute(*tasks, scheduler="sync")
        found.append((once, one, other))
    assert found[1] == found[0]


def as_array(a):
    return np.asarray(a)


def ravelled(a):
    return a.ravel()


@pytest.mark.parametrize("func", [as_array, ravelled])
def test_view_that_a_task_returns_is_of_its_own_array(func):
    """The result of each task looks into the array that this task was given."""
    found = []
    for on in (False, True):
        a, b = np.zeros(3), np.zeros(3)
        with dask.config.set({"stratum.enabled": on}):
            x, y = dask.compute(delayed(func)(a), delayed(func)(b), scheduler="sync")
        pairs = (x, a), (y, b), (x, y)
        found.append([bool(np.shares_memory(*pair)) for pair in pairs])
    assert found[1] == found[0]


@same_as_plain
def test_list_that_was_made_a_task_is_that_list():
    """What `delayed(x, traverse=False)` gives back is `x`."""
    one, other = [1], [1]
    x, y = dask.compute(delayed(one, traverse=False), delayed(other, traverse=False))
    return x is one, y is other


# -- graphs that cannot run ---------------------------------------------------------


@pytest.mark.parametrize(
    "graph",
    [
        {"a": (abs, "a")},
        {"a": (abs, "b"), "b": (abs, "a")},
        {"a": "b", "b": "a"},
        {"a": (abs, -1), "b": (abs, -1), "c": (abs, "d"), "d": (abs, "c")},
    ],
)
def test_cycle_raises_what_plain_dask_raises(graph):
    """`RuntimeError`: a cycle was detected between these keys."""
    found = []
    for on in (False, True):
        with dask.config.set({"stratum.enabled": on}):
            with pytest.raises(Exception) as error:  # noqa: PT011 that is the question
                dask.get(graph, [key for key in "abc" if key in graph])
            found.append((type(error.value), str(error.value)))
    assert found[1] == found[0]
