"""What is kept after clients have let go, and that nobody can tell but by the time.

Every scheduler here validates its own state after each transition.
"""

import asyncio
import logging
import operator
import time

import dask
import pytest
from distributed import wait
from distributed.utils_test import captured_logger, gen_cluster

import stratum_dask
from clusters import Ran, another, rewriting, until
from stratum_dask.scheduler_plugins import StratumPlugin
from stratum_dask.seams.cancel import KEEPER

delayed = dask.delayed


def keeping(budget="1 GB", config=None, min_seconds=0, **options):
    """A cluster with the plugin that keeps everything it may."""

    def wrap(test):
        async def run(c, s, *workers):
            ran = Ran(s)
            s.add_plugin(ran, name="ran")
            await c.register_plugin(StratumPlugin())
            with captured_logger("stratum_dask", level=logging.WARNING) as log:
                await test(c, s, ran.names, *workers)
                await until(lambda: not s._active_graph_updates)
            assert not log.getvalue()

        run.__name__ = test.__name__
        run.__doc__ = test.__doc__
        settings = {
            "distributed.scheduler.validate": True,
            "stratum.retention.budget": budget,
            "stratum.retention.min-seconds": min_seconds,
            **(config or {}),
        }
        return gen_cluster(client=True, config=settings, **options)(run)

    return wrap


def retention(s):
    return s.plugins["stratum"].retention


async def only_kept(s):
    """Wait until nobody but retention wants anything."""
    ours = s.clients.get(KEEPER)
    await until(
        lambda: (
            not s._active_graph_updates
            and all((ts.who_wants or set()) <= {ours} for ts in s.tasks.values())
        )
    )
    await until(lambda: not retention(s)._due)


def load(n):
    time.sleep(0.05)  # so that it is worth a precaution
    return list(range(n))


def shift(x, by):
    time.sleep(0.05)
    return [i + by for i in x]


def add(x, item):
    time.sleep(0.05)
    x.append(item)
    return x


def total(x):
    return sum(x)


def chain(n, by=1):
    return delayed(total)(delayed(shift)(delayed(load)(n), by))


# -- hits ------------------------------------------------------------------


@keeping()
async def test_a_graph_that_comes_again_does_not_run(c, s, ran, *workers):
    assert await c.compute(chain(4)) == 10
    await only_kept(s)
    assert await c.compute(chain(4)) == 10
    assert ran == {"load": 1, "shift": 1, "total": 1}
    figures = retention(s).figures()
    assert figures.hits == 1
    assert figures.seconds_saved >= 0.1
    sum_up = s.plugins["stratum"].total
    assert (sum_up.retained, sum_up.retention_seconds) == (1, figures.seconds_saved)
    assert sum_up.seconds_saved >= sum_up.retention_seconds


@keeping()
async def test_other_keys_other_clients_other_ends(c, s, ran, *workers):
    """Also of a client that came after the first one had gone."""
    first = await another(s)
    assert await first.compute(chain(4)) == 10
    await first.close()
    await only_kept(s)
    async with another(s) as second:
        x = second.submit(shift, second.submit(load, 4, key="mine"), 1, key="mine too")
        assert await second.compute(delayed(max)(x)) == 4
        assert await second.compute(delayed(min)(delayed(shift)(delayed(load)(4), 1)))
    assert ran["load"] == ran["shift"] == 1
    assert "mine" not in ran


@keeping()
async def test_what_stands_before_an_edited_step_is_used(c, s, ran, *workers):
    for by in range(3):
        assert await c.compute(chain(4, by)) == 6 + 4 * by
        await only_kept(s)
    assert ran == {"load": 1, "shift": 3, "total": 3}


@keeping()
async def test_seconds_of_what_is_gone_are_counted_once(c, s, ran, *workers):
    @dask.delayed
    def both(x, y):
        return x + y

    await wait(c.compute([delayed(shift)(delayed(load)(4), by) for by in (1, 2)]))
    await only_kept(s)
    plugin = s.plugins["stratum"]
    gone = [key for key in s.tasks if key.startswith("load")]
    retention(s)._pins.release(gone)
    seconds = sum(plugin.registry.seconds.values())
    x, y = (delayed(shift)(delayed(load)(4), by) for by in (1, 2))
    await c.compute(both(x, y))
    assert plugin.total.retained == 2
    assert plugin.total.retention_seconds == pytest.approx(seconds)
    assert ran["load"] == 1


@keeping()
async def test_candidates_come_best_first(c, s, ran, *workers):
    await c.compute(chain(4))
    await only_kept(s)
    plugin = s.plugins["stratum"]
    found = list(retention(s).candidates())
    assert len(found) == 3
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
    for f in found:
        assert plugin.registry.find(f.fingerprint) == (f.key,)
        assert f.nbytes == s.tasks[f.key].nbytes


# -- what is not kept ------------------------------------------------------


@keeping(min_seconds="1 s")
async def test_what_takes_no_time_is_not_kept(c, s, ran, *workers):
    assert await c.compute(chain(4)) == 10
    await until(lambda: not s.tasks)
    assert KEEPER not in s.clients


@keeping()
async def test_what_may_not_be_merged_is_not_kept_nor_what_is_made_of_it(
    c, s, ran, *workers
):
    @stratum_dask.impure
    def now():
        return [1]

    @stratum_dask.batch
    def today():
        return [1]

    class Counter:
        pass

    x = c.submit(load, 3, pure=False)
    made = [delayed(shift)(f(), 1) for f in map(delayed, (now, today))]
    made += [delayed(shift)(x, 1), delayed(Counter)()]
    await wait(c.compute(made))
    await c.submit(Counter, actor=True)
    del x, made
    await until(lambda: not s.tasks)


@keeping(nthreads=[("127.0.0.1", 1)])
async def test_data_and_what_is_made_of_it_is_not_kept(c, s, ran, worker):
    (x,) = await c.scatter([[1, 2]], hash=False)
    assert await c.compute(delayed(shift)(x, 1)) == [2, 3]
    del x
    await until(lambda: not s.tasks)


@keeping(config={"stratum.retention.keep": "300 ms"})
async def test_what_nobody_asks_for_is_let_go(c, s, ran, *workers):
    held_on = c.persist(delayed(load)(5))
    assert await c.compute(chain(4)) == 10
    await until(lambda: len(s.tasks) == 1)
    assert await c.compute(delayed(total)(held_on)) == 10
    del held_on
    await until(lambda: not s.tasks)
    await until(lambda: KEEPER not in s.clients)
    assert len(s.plugins["stratum"].registry) == 0


@keeping(budget=0)
async def test_off(c, s, ran, *workers):
    assert retention(s) is None
    assert await c.compute(chain(4)) == 10
    await until(lambda: not s.tasks)


def test_a_wrong_budget_is_told_once_and_nothing_is_kept():
    async def test(c, s, *workers):
        with captured_logger("stratum_dask", level=logging.WARNING) as log:
            await c.register_plugin(StratumPlugin())
        assert "stratum.retention.budget is 'lots'; valid: a fraction" in log.getvalue()
        assert s.plugins["stratum"].retention is None
        assert await c.compute(chain(4)) == 10

    gen_cluster(client=True, config={"stratum.retention.budget": "lots"})(test)()


# -- nobody is given anything else than what its graph says -----------------


@keeping(nthreads=[("127.0.0.1", 1)])
async def test_writers_find_what_was_made_for_them(c, s, ran, worker):
    """Whatever they do to it, before it is kept and after."""
    for _ in range(3):
        one = delayed(add)(delayed(load)(3), 7)
        two = delayed(total)(delayed(add)(delayed(add)(delayed(load)(3), 8), 9))
        assert await asyncio.gather(*c.compute([one, two])) == [[0, 1, 2, 7], 20]
        assert await c.compute(delayed(load)(3)) == [0, 1, 2]
        await only_kept(s)
    assert ran["load"] == 1


@keeping(nthreads=[("127.0.0.1", 1)])
async def test_a_result_that_a_task_has_written_into_is_not_kept(c, s, ran, worker):
    """Where copies would have taken too long."""
    np = pytest.importorskip("numpy")

    def zeros():
        return np.zeros(4_000_000)

    def fill(x):
        x[:] = 7
        return len(x)

    for _ in range(2):
        assert await c.compute(delayed(fill)(delayed(zeros)())) == 4_000_000
        await only_kept(s)
    assert await c.compute(delayed(np.max)(delayed(zeros)())) == 0
    assert ran == {"zeros": 2, "fill": 1, "max": 1}


@keeping(nthreads=[("127.0.0.1", 1)])
async def test_other_work_under_a_kept_key_is_done(c, s, ran, worker):
    for n in (3, 4, 4, 3):
        x = c.submit(load, n, key="x")
        y = c.submit(total, x, key="y")
        assert await c.gather([x, y]) == [list(range(n)), sum(range(n))]
        del x, y
        await only_kept(s)
    assert ran["x"] == 3


@keeping(nthreads=[("127.0.0.1", 1)])
async def test_other_work_under_the_key_of_what_went_into_a_kept_result(
    c, s, ran, worker
):
    for n in (3, 4):
        x = c.submit(load, n, key="x")
        assert await c.submit(shift, x, 1, key="y") == list(range(1, n + 1))
        del x
        await only_kept(s)
        retention(s)._pins.release(["x"])
        assert s.tasks["x"].state == "released"
    assert ran == {"x": 2, "y": 2}


@keeping(nthreads=[("127.0.0.1", 1)])
async def test_impure_work_under_a_kept_key_is_done(c, s, ran, worker):
    @stratum_dask.impure
    def now(n):
        return list(range(n))

    for function in (load, now, now, load):
        assert await c.submit(function, 3, key="x") == [0, 1, 2]
        await only_kept(s)
    assert ran["x"] == 4


@keeping(nthreads=[("127.0.0.1", 1)])
async def test_a_client_that_has_it_off_gets_nothing_that_was_kept(c, s, ran, worker):
    assert await c.compute(delayed(load)(3, dask_key_name="x")) == [0, 1, 2]
    await only_kept(s)
    with dask.annotate(**{"stratum-skip": True}):
        found = await c.compute(delayed(load)(3, dask_key_name="x"))
    assert found == [0, 1, 2]
    assert ran["x"] == 2


@keeping(nthreads=[("127.0.0.1", 1)])
async def test_an_actor_under_a_kept_key_is_made(c, s, ran, worker):
    assert await c.compute(delayed(load)(3, dask_key_name="x")) == [0, 1, 2]
    await only_kept(s)
    actor = await c.submit(load, 3, key="x", actor=True)
    await actor.append(4)
    assert ran["x"] == 2


@keeping()
async def test_a_failure_is_not_kept(c, s, ran, *workers):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await c.compute(delayed(operator.truediv)(delayed(total)([1]), 0))
    assert ran["truediv"] == 2


# -- what happens to a cluster ---------------------------------------------


@keeping(nthreads=[("127.0.0.1", 1)] * 2)
async def test_what_a_lost_worker_had_is_not_computed_again(c, s, ran, a, b):
    await wait(c.compute([chain(n) for n in range(4)]))
    await only_kept(s)
    assert a.data
    assert b.data
    before = dict(ran)
    for worker, left in ((a, 1), (b, 0)):
        await worker.close()
        await until(lambda left=left: len(s.workers) == left)
        assert all(ts.state in ("memory", "released") for ts in s.tasks.values())
    assert not s.tasks
    assert ran == before


@keeping(nthreads=[("127.0.0.1", 1)] * 2)
async def test_what_a_lost_worker_had_is_computed_again_for_who_wants_it(
    c, s, ran, a, b
):
    """Even if it is lost after a graph was told that it is there."""
    assert await c.compute(chain(4)) == 10
    await only_kept(s)
    (ts,) = (ts for ts in s.tasks.values() if ts.key.startswith("shift"))
    (ws,) = ts.who_has
    with rewriting() as (arrived, go):
        mine = c.compute(delayed(max)(delayed(shift)(delayed(load)(4), 1)))
        await until(arrived.is_set)
        await (a if ws.address == a.address else b).close()
        go.set()
        assert await mine == 4
    assert ran["shift"] == 2


@keeping(nthreads=[("127.0.0.1", 1)] * 2)
async def test_retired_workers_hand_over_and_the_last_one_lets_go(c, s, ran, a, b):
    loads = [delayed(load)(n) for n in range(4)]
    await wait(c.compute(loads))
    await only_kept(s)
    assert len(await c.retire_workers([a.address])) == 1
    await wait(c.compute(loads))
    await only_kept(s)
    assert ran["load"] == 4
    assert len(await c.retire_workers([b.address])) == 1
    await until(lambda: not s.tasks)


@keeping()
async def test_cancelling_what_is_kept(c, s, ran, *workers):
    for force in (False, True):
        x = c.submit(load, 3, key=f"x-{force}")
        await wait(x)
        await c.cancel(x, force=force)
        assert x.cancelled()
        del x
        await only_kept(s)
        assert (len(s.tasks) == 0) is force
        retention(s)._pins.release_all()
    y = c.submit(load, 4, key="x")
    z = c.submit(shift, y, 1, key="z")
    await z
    z.release()
    await c.cancel(y)
    assert await c.submit(load, 4, key="again") == [0, 1, 2, 3]
    assert await c.submit(shift, c.submit(load, 4), 1) == [1, 2, 3, 4]


@keeping()
async def test_restart(c, s, ran, *workers):
    assert await c.compute(chain(4)) == 10
    await only_kept(s)
    await c.restart(wait_for_workers=False)
    assert not s.tasks
    assert KEEPER not in s.clients
    assert retention(s).figures().results == 0
    assert len(s.plugins["stratum"].registry) == 0


@keeping()
async def test_taking_the_plugin_away_leaves_plain_dask(c, s, ran, *workers):
    assert await c.compute(chain(4)) == 10
    await only_kept(s)
    await c.unregister_scheduler_plugin("stratum")
    await c.compute(delayed(load)(1))
    await until(lambda: not s.tasks)
    assert KEEPER not in s.clients


# -- budget and pressure ---------------------------------------------------


def data(i, n=100_000):
    time.sleep(0.05)
    return bytes([i]) * n


@keeping(budget="1 MB")
async def test_it_stays_within_the_budget(c, s, ran, *workers):
    for i in range(20):
        await c.compute(delayed(len)(delayed(data)(i)))
        await only_kept(s)
        figures = retention(s).figures()
        assert figures.bytes <= figures.budget == 1_000_000
    assert figures.evicted >= 10
    assert figures.evicted_bytes >= 1_000_000
    before = ran["data"]
    for i in reversed(range(20)):  # which are there is a matter of what they took
        await c.compute(delayed(max)(delayed(data)(i)))
    assert ran["data"] < before + 20


@keeping(budget="1 MB")
async def test_what_somebody_needs_does_not_count(c, s, ran, *workers):
    kept = c.persist([delayed(data)(i) for i in range(20)])
    await wait(kept)
    assert retention(s).figures().results == 0
    del kept
    await only_kept(s)
    assert 0 < retention(s).figures().bytes <= 1_000_000


@keeping(budget="1 MB")
async def test_one_large_result_does_not_sweep_out_all_others(c, s, ran, *workers):
    await wait(c.compute([delayed(data)(i) for i in range(5)]))
    await only_kept(s)
    before = retention(s).figures().results
    await c.compute(delayed(len)(delayed(data)(7, 900_000)))
    await only_kept(s)
    assert retention(s).figures().evicted == 0
    assert retention(s).figures().results >= before


@keeping(
    budget=0.9,
    nthreads=[("127.0.0.1", 1)],
    worker_kwargs={"memory_limit": "20 GB"},
)
async def test_a_worker_that_runs_short_of_memory_gets_it_back(c, s, ran, worker):
    await wait(c.compute([delayed(data)(i) for i in range(5)]))
    await only_kept(s)
    assert retention(s).figures().results == 5
    (ws,) = s.workers.values()
    ws.metrics = {**ws.metrics, "memory": 15_000_000_000, "managed_bytes": 500_000}
    await until(lambda: not s.tasks)
    assert retention(s).figures().evicted == 5


@keeping(budget=0.5, nthreads=[("127.0.0.1", 1)], worker_kwargs={"memory_limit": 0})
async def test_a_fraction_of_no_limit_is_nothing(c, s, ran, worker):
    assert retention(s).figures().budget == 0
    await c.compute(delayed(data)(1))
    await until(lambda: not s.tasks)


@keeping(budget="1 MB", nthreads=[("127.0.0.1", 1)], worker_kwargs={"memory_limit": 0})
async def test_bytes_hold_for_workers_without_a_limit(c, s, ran, worker):
    await c.compute(delayed(data)(1))
    await only_kept(s)
    assert retention(s).figures().results == 1


# -- our own failures ------------------------------------------------------


def test_a_failure_of_ours_is_told_once_and_fails_nobody():
    async def test(c, s, *workers):
        await c.register_plugin(StratumPlugin())
        plugin = s.plugins["stratum"]
        assert await c.compute(chain(3)) == 6
        await only_kept(s)

        def broken(*args):
            raise ZeroDivisionError("oops")

        plugin.retention._worth.may_keep = broken
        with captured_logger("stratum_dask", level=logging.WARNING) as log:
            for n in (4, 5):
                assert await c.compute(chain(n)) == sum(range(n)) + n
            await until(lambda: not s.tasks)
        assert log.getvalue().count("stops keeping results") == 1
        assert "oops" in log.getvalue()

    config = {"stratum.retention.budget": "1 GB", "stratum.retention.min-seconds": 0}
    gen_cluster(client=True, config=config)(test)()
