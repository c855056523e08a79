"""The seam into local schedulers: one object, one write, one pipeline."""

import threading
from concurrent.futures import ThreadPoolExecutor

import dask
import dask.local
import dask.multiprocessing
import dask.threaded
import pytest
from dask.callbacks import Callback

from stratum_dask import StratumWarning, activation
from stratum_dask.optimizations.merge import Merge
from stratum_dask.seams import local

activation.register()
delayed = dask.delayed


@pytest.fixture(autouse=True)
def on():
    with dask.config.set({"stratum.enabled": True}):
        yield


def load(n):
    return list(range(n))


def add(x):
    x.append(100)
    return x


def total(x):
    return sum(x)


def fail(x):
    raise ValueError(f"no {x}")


def run(*collections, **options):
    keys = []
    with Callback(posttask=lambda key, *rest: keys.append(key)):
        return dask.compute(*collections, **options), len(keys)


def test_taken_out_and_put_back():
    wrapped = dask.local.get_async
    local.install()
    assert dask.local.get_async is wrapped
    local.uninstall()
    try:
        assert dask.local.get_async is wrapped.__stratum_original__
        for module in (dask.threaded, dask.multiprocessing):
            assert module.get_async is dask.local.get_async
        local.uninstall()
        found, ran = run(*[delayed(load)(3) for _ in range(3)], scheduler="sync")
        assert ran == 3
    finally:
        local.install()
    assert dask.threaded.get_async is dask.local.get_async
    found, ran = run(*[delayed(load)(3) for _ in range(3)], scheduler="sync")
    assert (found, ran) == (([0, 1, 2],) * 3, 1)


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_equal_outputs_are_objects_of_their_own(scheduler):
    (a, b, c), _ = run(
        delayed(load)(3), delayed(load)(3), delayed(load)(3), scheduler=scheduler
    )
    a.append(1)
    b.append(2)
    assert (a, b, c) == ([0, 1, 2, 1], [0, 1, 2, 2], [0, 1, 2])


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_one_output_asked_for_twice_stays_one_object(scheduler):
    x = delayed(load)(3)
    (a, b, c), _ = run(x, x, delayed(load)(3), scheduler=scheduler)
    assert a is b
    assert c is not a


def test_writers_do_not_meet():
    programs = [delayed(total)(delayed(add)(delayed(load)(3))) for _ in range(3)]
    programs += [delayed(total)(delayed(load)(3)), delayed(load)(3)]
    for scheduler in ("sync", "threads"):
        found, ran = run(*programs, scheduler=scheduler)
        assert found == (103, 103, 103, 3, [0, 1, 2])
        assert ran == 4


def test_a_failure_is_what_dask_raises():
    with pytest.raises(ValueError, match="no 1"):
        run(delayed(fail)(1), delayed(fail)(1), scheduler="sync")


def test_two_computations_at_once():
    """Each in a thread of its own, with graphs that share keys and content."""
    x = delayed(load)(50)
    ready = threading.Barrier(4)

    def one(i):
        ready.wait()
        return run(
            *[delayed(total)(delayed(add)(delayed(load)(50))) for _ in range(5)],
            x,
            scheduler="threads",
        )[0]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(one, range(4)):
            assert found == (1325,) * 5 + (list(range(50)),)


def test_a_computation_inside_a_task():
    def inside(n):
        return sum(dask.compute(*[delayed(total)(delayed(load)(n))] * 2))

    found, _ = run(*[delayed(inside)(3) for _ in range(2)], scheduler="threads")
    assert found == (6, 6)


def test_a_rule_that_fails_is_one_warning(monkeypatch):
    def broken(self, submission):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(Merge, "apply", broken)
    with (
        dask.config.set({"stratum.on-fail": "warn"}),
        pytest.warns(StratumWarning, match="rule 'merge' failed") as told,
    ):
        found, ran = run(delayed(load)(3), delayed(load)(3), scheduler="sync")
    assert len(told) == 1
    assert (found, ran) == (([0, 1, 2],) * 2, 2)


def test_old_graphs_and_nested_results():
    dsk = {"a": (load, 3), "b": (load, 3), "x": (total, "a"), "y": (total, "b")}
    assert dask.get(dsk, [["x", "y"], "x", ["a"]]) == ((3, 3), 3, ([0, 1, 2],))
    assert dask.threaded.get(dsk, "y") == 3
    assert dask.multiprocessing.get(dsk, ["x", "b"], num_workers=1) == (3, [0, 1, 2])


class Pair:
    """Its instances are equal, and know themselves."""

    def __init__(self):
        self.n = 1

    def __matmul__(self, other):
        return self is other


def test_two_equal_operands_are_two_objects():
    a, b = dask.delayed([1, 2]), dask.delayed([1, 2])
    assert (a == b).compute(scheduler="sync")
    x, y = dask.delayed(Pair)(), dask.delayed(Pair)()
    assert not (x @ y).compute(scheduler="sync")
    assert (x @ x).compute(scheduler="sync")
    assert not (dask.delayed(Pair()) @ dask.delayed(Pair())).compute(scheduler="sync")


def same(x, y):
    return x + (x is y)


def test_equal_blocks_inside_one_fused_task_are_two_objects():
    da = pytest.importorskip("dask.array")
    # Blocks of different arrays, so of different keys, that hold the same.
    a, b = da.ones((2, 4), chunks=(2, 2)), da.ones((4, 2), chunks=(2, 2))
    made = da.map_blocks(same, a, b, chunks=((2, 2), (2, 2)), dtype=float)
    assert (made.compute(scheduler="sync") == 1).all()


def test_a_lock_that_fused_tasks_take_is_the_users_own():
    da = pytest.importorskip("dask.array")
    lock, stores = CountingLock(), [Store(), Store()]
    da.store(
        [da.ones((2, 2), chunks=(1, 2)), da.ones((2, 2), chunks=(1, 2)) + 1],
        stores,
        lock=lock,
        scheduler="sync",
    )
    assert lock.taken == 4
    assert [s.sums for s in stores] == [[2, 2], [4, 4]]


class CountingLock:
    """A lock as users write it: it wraps one of the standard library."""

    def __init__(self):
        self.lock, self.taken = threading.Lock(), 0

    def acquire(self, *args, **kwargs):
        self.taken += 1
        return self.lock.acquire(*args, **kwargs)

    def release(self):
        self.lock.release()


class Store:
    def __init__(self):
        self.sums, self.lock = [], threading.Lock()

    def __setitem__(self, where, value):
        with self.lock:
            self.sums.append(value.sum())
