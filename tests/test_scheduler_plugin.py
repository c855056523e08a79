"""The plugin on a scheduler: across submissions and clients, and when things fail.

Every scheduler here validates its own state after each transition.
"""

import asyncio
import logging
import operator
import threading

import dask
import pytest
from dask.utils import key_split
from distributed import (
    Event,
    Nanny,
    Queue,
    Variable,
    fire_and_forget,
    get_client,
    wait,
    worker_client,
)
from distributed.utils_test import captured_logger, gen_cluster

import stratum_dask
from clusters import Ran, another, until
from stratum_dask.graph import as_graph
from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins import StratumPlugin
from stratum_dask.scheduler_plugins.registry import Registry
from stratum_dask.scheduler_plugins.strangers import leave_alone

VALIDATE = {"distributed.scheduler.validate": True}


def cluster_test(**options):
    """A cluster in this event loop, with the plugin, counting what runs."""

    def wrap(test):
        async def run(c, s, *workers):
            ran = Ran(s)
            s.add_plugin(ran, name="ran")
            await c.register_plugin(StratumPlugin())
            await test(c, s, ran.names, *workers)
            await until(lambda: not s._active_graph_updates)

        run.__name__ = test.__name__
        run.__doc__ = test.__doc__
        return gen_cluster(client=True, config=VALIDATE, **options)(run)

    return wrap


def load(n):
    return list(range(n))


def add(x):
    x.append(100)
    return x


def total(x):
    return sum(x)


def largest(x):
    return max(x)


def fail(x):
    raise ValueError(f"no {x}")


@stratum_dask.pure
def held(name, x):
    Event(name).wait()
    return x


delayed = dask.delayed


def program():
    """Two steps on an object that one of them writes into."""
    return delayed(total)(delayed(load)(5)), delayed(total)(
        delayed(add)(delayed(load)(5))
    )


# -- merging ---------------------------------------------------------------


@cluster_test()
async def test_within_a_submission(c, s, ran, *workers):
    found = await c.gather(c.compute([p for _ in range(3) for p in program()]))
    assert found == [10, 110] * 3
    assert ran == {"load": 1, "add": 1, "total": 2}


@cluster_test()
async def test_across_submissions_and_clients_while_alive(c, s, ran, *workers):
    async with another(s) as other:
        mine = c.compute(list(program()))
        assert await c.gather(mine) == [10, 110]
        theirs = other.compute(list(program()))
        assert await other.gather(theirs) == [10, 110]
        assert not {f.key for f in mine} & {f.key for f in theirs}
        assert ran == {"load": 1, "add": 1, "total": 2}
        # A result outlives the one who asked for it first.
        del mine
        assert await other.gather(theirs) == [10, 110]
        again = c.compute(list(program()))
        assert await c.gather(again) == [10, 110]
        assert ran == {"load": 1, "add": 1, "total": 2}


@cluster_test()
async def test_in_flight(c, s, ran, *workers):
    async with another(s) as other:
        first = c.submit(held, "go", 1, key="first")
        a = c.compute(delayed(total)([delayed(load)(5), first])[0:1])
        del a
        x = c.submit(load, 5, pure=True)
        y = other.compute(delayed(load)(5))
        assert await asyncio.gather(x, y) == [list(range(5))] * 2
        assert ran["load"] == 1
        await Event("go").set()
        assert await first == 1


@cluster_test()
async def test_many_at_once(c, s, ran, *workers):
    """Submissions arrive while others are being rewritten."""
    async with another(s) as other:
        futures = []
        for _ in range(10):
            for client in (c, other):
                futures += client.compute(list(program()))
        found = await asyncio.gather(*futures)
        assert found == [10, 110] * 20
        assert ran == {"load": 1, "add": 1, "total": 2}


@cluster_test()
async def test_submit_map_and_delayed_meet(c, s, ran, *workers):
    x = c.submit(load, 3)
    m = c.map(load, [3, 4])
    d = c.compute(delayed(load)(3))
    assert await c.gather([x, *m, d]) == [[0, 1, 2], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2]]
    assert ran == {"load": 2}
    graph = {"x": (load, 3), "y": (total, "x")}
    assert await c.gather(c.get(graph, ["x", "y"], sync=False)) == [[0, 1, 2], 3]
    assert ran == {"load": 2, "y": 1}


@cluster_test()
async def test_pure_false_is_not_merged(c, s, ran, *workers):
    futures = [c.submit(load, 3, pure=False) for _ in range(3)]
    futures += c.map(load, [3, 3], pure=False)
    assert await c.gather(futures) == [[0, 1, 2]] * 5
    assert ran == {"load": 5}
    assert await c.compute(delayed(load)(3)) == [0, 1, 2]
    assert ran == {"load": 6}


@cluster_test(nthreads=[("127.0.0.1", 1)])
async def test_nothing_is_merged_with_what_was_written_into(c, s, ran, worker):
    x = delayed(list)((1, 2))
    (kept,) = c.persist([x])
    assert await c.compute(delayed(add)(kept)) == [1, 2, 100]
    s.plugins["stratum"].registry.expose(x.key, None)  # as it is where it came unmerged
    both = c.compute([x, delayed(len)(delayed(list)((1, 2)))])
    assert (await c.gather(both))[1] == 2
    assert ran["list"] == 2


def test_what_lives_and_equals_nothing_is_not_set_apart():
    graph = as_graph({"a": (load, 1), "b": (load, 2), "c": (total, "a")})
    submission = Submission(graph, frozenset("bc"))
    leave_alone(submission, Registry(), {"a": None, "b": None})
    assert submission.apart == frozenset()
    twins = Submission({**graph, "d": as_graph({"d": (load, 1)})["d"]}, frozenset("bd"))
    leave_alone(twins, Registry(), {"a": None, "b": None})
    assert twins.apart == {"a", "b"}
    assert twins.fingerprints["a"] != twins.fingerprints["d"]


@cluster_test()
async def test_nothing_is_merged_with_other_work_under_the_same_key(c, s, ran, *_):
    theirs = c.submit(load, 5, key="mine", pure=False)
    await theirs
    mine = delayed(load)(3, dask_key_name="mine")
    both = c.compute([mine, delayed(load)(3)])
    assert (await c.gather(both))[1] == [0, 1, 2]


@cluster_test()
async def test_names_survive(c, s, ran, *workers):
    a = c.submit(load, 3, key="mine")
    b = c.compute(delayed(load)(3, dask_key_name="yours"))
    d = c.compute(delayed(load)(3))
    assert (a.key, b.key, key_split(d.key)) == ("mine", "yours", "load")
    assert await c.gather([a, b, d]) == [[0, 1, 2]] * 3
    assert sum(ran.values()) == 1


@cluster_test()
async def test_futures_as_inputs(c, s, ran, *workers):
    x = c.submit(load, 3)
    # What hands an object on is not shared once another task may have written into it.
    nested = [c.submit(operator.getitem, {"a": [x]}, "a", key=k) for k in ("i", "j")]
    assert await c.gather(nested) == [[[0, 1, 2]], [[0, 1, 2]]]
    n = c.submit(total, x)
    assert await n == 3
    d = [delayed(total)(x), delayed(total)(delayed(load)(3))]
    assert await c.gather(c.compute(d)) == [3, 3]
    assert ran == {"load": 1, "total": 1, "i": 1}


@cluster_test()
async def test_scattered_data(c, s, ran, *workers):
    x, y = await c.scatter([[1, 2, 3], [1, 2, 3]], hash=False)
    sums = c.compute([delayed(total)(x), delayed(total)(x), delayed(total)(y)])
    assert await c.gather(sums) == [6, 6, 6]
    assert ran["total"] == 2
    # They write into one object of the user's, and every one of them has to.
    before = ran["add"]
    await wait(c.compute([delayed(add)(x), delayed(add)(x)]))
    assert ran["add"] - before == 2


class Tally:
    def __init__(self):
        self.n = 0

    def up(self):
        self.n += 1
        return self.n


def press(button):
    return button.up().result()


@cluster_test()
async def test_actors_are_left_alone(c, s, ran, *workers):
    one = c.submit(Tally, actor=True)
    two = c.submit(Tally, actor=True, key="two")
    button, other = await one, await two
    assert [await button.up(), await button.up(), await other.up()] == [1, 2, 1]
    pressed = c.compute([delayed(press)(one) for _ in range(3)])
    assert sorted(await c.gather(pressed)) == [3, 4, 5]


@cluster_test(
    nthreads=[("127.0.0.1", 1), ("127.0.0.1", 1)],
    worker_kwargs={"resources": {"GPU": 2}},
)
async def test_hard_restrictions_set_tasks_apart(c, s, ran, a, b):
    with dask.annotate(workers=a.address):
        x = delayed(load)(3)
    with dask.annotate(workers=b.address):
        y = delayed(load)(3)
    with dask.annotate(resources={"GPU": 1}):
        z = delayed(load)(3)
    futures = c.compute([x, y, z, delayed(load)(3)], optimize_graph=False)
    futures.append(c.submit(load, 3, workers=[a.address], key="own"))
    futures.append(c.submit(load, 3, workers=[b.address], pure=True))
    futures.append(c.submit(load, 3, resources={"GPU": 2}, key="two"))
    assert await c.gather(futures) == [[0, 1, 2]] * 7
    where = await c.who_has(futures)
    assert a.address in where[futures[0].key]
    assert b.address in where[futures[1].key]
    assert s.tasks[futures[2].key].resource_restrictions == {"GPU": 1}
    assert s.tasks["two"].resource_restrictions == {"GPU": 2}
    assert ran["load"] + ran["two"] == 5


@cluster_test()
async def test_strongest_priority_and_retries_win(c, s, ran, *workers):
    made = []
    for priority, retries in ((1, 5), (7, 2)):
        with dask.annotate(priority=priority, retries=retries):
            made.append(delayed(load)(3))
    x, y = c.compute(
        [delayed(total)(made[0]), delayed(largest)(made[1])], optimize_graph=False
    )
    await wait([x, y])
    (ts,) = (ts for ts in s.tasks.values() if key_split(ts.key) == "load")
    assert ts.priority[0] == -7
    assert ts.retries == 5
    assert ts.annotations == {"priority": 7, "retries": 5}


@cluster_test()
async def test_variables_queues_and_published_data(c, s, ran, *workers):
    x = c.submit(load, 3)
    variable, queue = Variable("v", client=c), Queue("q", client=c)
    await variable.set(x)
    y = c.compute(delayed(load)(3))
    await queue.put(y)
    z = c.compute(delayed(load)(3))
    await c.publish_dataset(z, name="z")
    await wait([x, y, z])
    del x, y, z
    async with another(s) as other:
        got = [
            await Variable("v", client=other).get(),
            await Queue("q", client=other).get(),
            await other.get_dataset("z"),
        ]
        assert await other.gather(got) == [[0, 1, 2]] * 3
    assert ran == {"load": 1}


@cluster_test()
async def test_fire_and_forget(c, s, ran, *workers):
    event = Event("done", client=c)

    def ring(x):
        Event("done").set()

    x = c.compute(delayed(ring)(delayed(load)(3)))
    fire_and_forget(x)
    del x
    assert await event.wait(10)
    await until(lambda: not s.tasks)


def inside(n):
    with worker_client() as client:
        return client.submit(total, client.submit(load, n)).result() + sum(
            dask.compute(delayed(total)(delayed(load)(n)))
        )


def also_inside(n):
    return get_client().submit(total, get_client().submit(load, n)).result()


@cluster_test(nthreads=[("127.0.0.1", 4)])
async def test_clients_inside_tasks(c, s, ran, *workers):
    keep = c.submit(total, c.submit(load, 4))
    assert await keep == 6
    assert await c.submit(inside, 4) == 12
    assert await c.submit(also_inside, 4) == 6
    assert ran["total"] == 1


# -- isolation -------------------------------------------------------------


@cluster_test()
async def test_nobody_writes_into_a_result_of_another(c, s, ran, *workers):
    async with another(s) as other:
        mine = c.compute(delayed(load)(3))
        assert await mine == [0, 1, 2]
        theirs = other.compute([delayed(add)(delayed(load)(3)), delayed(load)(3)])
        assert await other.gather(theirs) == [[0, 1, 2, 100], [0, 1, 2]]
        assert await mine == [0, 1, 2]
        again = c.compute(delayed(add)(delayed(add)(delayed(load)(3))))
        assert await again == [0, 1, 2, 100, 100]
        assert await c.gather(c.map(total, [mine, again])) == [3, 203]
        assert ran["load"] == 1


@cluster_test(nthreads=[("127.0.0.1", 2)])
async def test_a_writer_in_flight_gives_nothing_away(c, s, ran, worker):
    """The input of a task that is writing into it may not be lent."""

    def slowly(x, name):
        x.append(1)
        Event(name + "-wrote").set()
        Event(name).wait()
        return len(x)

    async with another(s) as other:
        first = c.compute(delayed(slowly)(delayed(load)(3), "go"))
        await Event("go-wrote", client=c).wait()
        second = other.compute(delayed(total)(delayed(load)(3)))
        assert await second == 3
        await Event("go", client=c).set()
        assert await first == 4


@cluster_test(nthreads=[("127.0.0.1", 4)])
async def test_persisted_results_stay_as_they_are(c, s, ran, worker):
    x = c.persist(delayed(load)(3))
    await wait(x)
    writers = c.compute([delayed(add)(x) for _ in range(4)])
    writers += c.compute([delayed(add)(delayed(load)(3)) for _ in range(4)])
    assert await c.gather(writers) == [[0, 1, 2, 100]] * 8
    assert await c.compute(x) == [0, 1, 2]
    assert ran["load"] == 1


@cluster_test(nthreads=[("127.0.0.1", 1)])
async def test_a_result_that_cannot_be_copied_is_used_as_in_plain_dask(
    c, s, ran, worker
):
    lock = c.persist(delayed(threading.Lock)())
    await wait(lock)
    asked = c.compute([delayed(is_locked)(lock), delayed(is_locked)(lock)])
    assert await c.gather(asked) == [False] * 2
    several = c.compute(
        [lock, delayed(is_locked)(lock), delayed(is_locked)(delayed(threading.Lock)())]
    )
    await wait(several)
    assert [f.status for f in several] == ["finished"] * 3


def is_locked(lock):
    return lock.locked()


# -- releasing, failing, cancelling ----------------------------------------


@cluster_test()
async def test_registry_is_empty_when_everything_is_released(c, s, ran, *workers):
    async with another(s) as other:
        kept = c.compute(list(program())) + other.compute(list(program()))
        await wait(kept[:2])
        await other.gather(kept[2:])
        plugin = s.plugins["stratum"]
        assert len(plugin.registry) > 0
        del kept
    await until(lambda: not s.tasks)
    assert len(plugin.registry) == 0
    assert not plugin._counting
    assert not [name for name in s.clients if name.startswith("stratum")]


@cluster_test()
async def test_failures_reach_exactly_those_who_asked(c, s, ran, *workers):
    bad = [delayed(total)([delayed(fail)(1)]) for _ in range(2)]
    good = [delayed(total)(delayed(load)(3)) for _ in range(2)]
    futures = c.compute([*bad, *good])
    await wait(futures)
    assert [f.status for f in futures] == ["error", "error", "finished", "finished"]
    for future in futures[:2]:
        with pytest.raises(ValueError, match="no 1"):
            await future
    assert await c.gather(futures[2:]) == [3, 3]
    assert ran["fail"] == 1


@cluster_test()
async def test_a_failure_is_not_reused(c, s, ran, *workers):
    async with another(s) as other:
        first = c.compute(delayed(fail)(1))
        await wait(first)
        second = other.compute(delayed(fail)(1))
        await wait(second)
        assert (first.status, second.status) == ("error", "error")
        assert ran["fail"] == 2
        await second.retry()
        await wait(second)
        assert second.status == "error"
        assert first.status == "error"


@cluster_test()
async def test_retries_of_a_shared_task(c, s, ran, *workers):
    """It fails at first; those who share it get the result of the retry."""

    def flaky(name):
        if Event(name).is_set():
            return 1
        Event(name).set()
        raise OSError("not yet")

    made = delayed(flaky, pure=True)
    futures = [c.submit(flaky, "tried", retries=2, key=k) for k in ("a", "b")]
    futures += c.compute([made("tried"), made("tried")], retries=2)
    assert await c.gather(futures) == [1] * 4


@pytest.mark.parametrize("force", [False, True])
def test_cancelling_takes_nothing_from_others(force):
    @cluster_test()
    async def test(c, s, ran, *workers):
        async with another(s) as other:
            mine = c.submit(held, "go", 1, key="mine")
            theirs = other.compute(delayed(operator.neg)(delayed(held)("go", 1)))
            same = other.compute(delayed(held)("go", 1))
            own = c.compute(delayed(held)("go", 1))
            await until(lambda: len(s.tasks) >= 4)
            await c.cancel([mine], force=force)
            await until(lambda: mine.status == "cancelled")
            await Event("go", client=other).set()
            assert await theirs == -1
            assert await same == 1
            assert await own == 1
            assert "cancelled" not in (theirs.status, same.status, own.status)
            assert c.status == other.status == "running"
            assert await c.submit(total, [1, 2]) == 3

    test()


@pytest.mark.parametrize("force", [False, True])
def test_cancelling_still_cancels_ones_own(force):
    """What a user derived from a future goes with it, as in plain Dask."""

    @cluster_test()
    async def test(c, s, ran, *workers):
        x = c.submit(held, "never", 1, key="x")
        y = c.submit(total, [x], key="y")
        await until(lambda: "y" in s.tasks)
        await c.cancel([x], force=force)
        await until(lambda: not s.tasks)
        assert x.status == y.status == "cancelled"
        logged = [message for _, message in s.get_logs()]
        for key in "xy":
            said = f"Scheduler cancels key {key}.  Force={force}"
            assert any(said in message for message in logged)
        await Event("never", client=c).set()

    test()


@cluster_test()
async def test_a_client_that_leaves_takes_nothing_with_it(c, s, ran, *workers):
    async with another(s) as other:
        first = other.compute(delayed(operator.neg)(delayed(held)("go", 1)))
        await until(lambda: len(s.tasks) == 2)
        second = c.compute(delayed(held)("go", 1))
        third = c.compute(delayed(operator.neg)(delayed(held)("go", 1)))
        await until(lambda: len(s.tasks) == 4)
        del first
    await Event("go", client=c).set()
    assert await c.gather([second, third]) == [1, -1]
    del second, third
    await until(lambda: not s.tasks)
    assert len(s.plugins["stratum"].registry) == 0


@pytest.mark.slow
@cluster_test(Worker=Nanny, nthreads=[("127.0.0.1", 1)])
async def test_a_worker_dies_while_a_shared_task_runs(c, s, ran, nanny):
    import os

    def die_once(name):
        if not Event(name).is_set():
            Event(name).set()
            os.kill(os.getpid(), 9)
        return 1

    futures = [c.submit(die_once, "died", key=k) for k in ("a", "b")]
    futures += c.compute([delayed(total)([delayed(load)(3)]) for _ in range(0)])
    x = c.compute(
        [delayed(total)(delayed(load)(3)), delayed(largest)(delayed(load)(3))]
    )
    assert await c.gather([*futures, *x]) == [1, 1, 3, 2]
    await c.restart()
    assert len(s.plugins["stratum"].registry) == 0
    assert await c.gather(c.compute(list(program()))) == [10, 110]


@cluster_test(nthreads=[("127.0.0.1", 1), ("127.0.0.1", 1)])
async def test_a_lost_result_is_computed_again(c, s, ran, a, b):
    async with another(s) as other:
        x = c.submit(load, 3, workers=[a.address], allow_other_workers=True)
        await wait(x)
        y = other.compute(delayed(add)(delayed(load)(3)))
        await wait(y)
        await a.close()
        assert await c.gather([x]) == [[0, 1, 2]]
        assert await y == [0, 1, 2, 100]


# -- our own failures ------------------------------------------------------


@cluster_test()
async def test_a_rule_that_fails_is_told_and_the_result_right(c, s, ran, *workers):
    from stratum_dask.optimizations.merge import Merge

    apply = Merge.apply

    def broken(self, submission):
        raise ZeroDivisionError("oops")

    Merge.apply = broken
    try:
        with (
            dask.config.set({"stratum.on-fail": "warn"}),
            pytest.warns(UserWarning, match="rule 'merge' failed") as told,
        ):
            assert await c.gather(c.compute(list(program()))) == [10, 110]
    finally:
        Merge.apply = apply
    assert len(told) == 1
    assert ran["load"] == 2
    assert await c.gather(c.compute(list(program()))) == [10, 110]
    assert ran["load"] == 3


@cluster_test()
async def test_a_wrong_configuration_there_is_told_once(c, s, ran, *workers):
    with (
        captured_logger("stratum_dask", level=logging.WARNING) as log,
        dask.config.set({"stratum.rules": ["marge"]}),
    ):
        for _ in range(3):
            assert await c.gather(c.compute(list(program()))) == [10, 110]
    assert log.getvalue().count("marge") == 1
    assert "unfuse, merge, reuse, isolate" in log.getvalue()
    assert ran["load"] == 6
