"""Nobody is given a result that somebody may have written into, by whichever way."""

import operator

import dask
import pytest
from distributed import Client, LocalCluster, wait
from distributed.utils_test import gen_cluster

from clusters import Ran, another
from stratum_dask.scheduler_plugins import StratumPlugin
from stratum_dask.scheduler_plugins.registry import Registry

np = pytest.importorskip("numpy")
delayed = dask.delayed
LARGE = 2_000_000


def guarded(**options):
    """One worker, so that tasks get each other's very objects."""

    def wrap(test):
        async def run(c, s, worker):
            ran = Ran(s)
            s.add_plugin(ran, name="ran")
            await c.register_plugin(StratumPlugin())
            await test(c, s, ran.names)

        run.__name__ = test.__name__
        config = {"distributed.scheduler.validate": True}
        return gen_cluster(
            client=True, nthreads=[("127.0.0.1", 1)], config=config, **options
        )(run)

    return wrap


def load(n):
    return list(range(n))


def add_to_second(x, y):
    y.append(100)
    return len(x)


def zeros(n):
    return np.zeros(n)


def head(x):
    return x[:5]


def same(x):
    return x


def fill(x):
    x[:] = 7
    return len(x)


@guarded()
async def test_private_copies_of_one_input_do_not_protect_the_other(c, s, ran):
    one, two = delayed(load)(1), delayed(load)(2)
    mine = [
        delayed(add_to_second)(one, two),
        delayed(len)(delayed(load)(1)),  # which makes the first one shared
        delayed(sum)(delayed(load)(1)),
    ]
    kept = c.compute([*mine, two])
    await wait(kept)
    assert await c.compute(delayed(list)(delayed(load)(2))) == [0, 1]


@guarded()
async def test_a_view_of_what_is_written_into_later_is_not_given_away(c, s, ran):
    x = c.persist(delayed(zeros)(LARGE))
    await wait(x)
    view = c.compute(delayed(head)(x))
    await wait(view)
    assert await c.compute(delayed(fill)(x)) == LARGE
    async with another(s) as other:
        found = await other.compute(delayed(head)(delayed(zeros)(LARGE)))
    assert found.tolist() == [0] * 5
    assert ran["zeros"] == 2


@guarded()
async def test_once_a_view_is_given_away_nobody_writes_into_what_it_is_a_view_of(
    c, s, ran
):
    x = c.persist(delayed(zeros)(LARGE))
    view = c.persist(delayed(head)(x))
    await wait([x, view])
    async with another(s) as other:
        theirs = other.persist(delayed(same)(delayed(head)(delayed(zeros)(LARGE))))
        await wait(theirs)
        assert ran["zeros"] == ran["head"] == 1
        assert await c.compute(delayed(fill)(x)) == LARGE
        assert (await other.compute(theirs)).tolist() == [0] * 5


@guarded()
async def test_a_writer_behind_one_who_hands_on_what_it_got(c, s, ran):
    x = c.persist(delayed(zeros)(LARGE))
    y = c.persist(delayed(operator.getitem)(x, slice(0, 5)))
    await wait([x, y])
    await c.compute(delayed(fill)(delayed(same)(y)))
    async with another(s) as other:
        found = await other.compute(delayed(head)(delayed(zeros)(LARGE)))
        assert found.tolist() == [0] * 5


@guarded()
async def test_numbers_are_given_away_whoever_has_got_them(c, s, ran):
    total = delayed(sum)(delayed(load)(4))
    kept = c.compute([total, delayed(abs)(total), delayed(same)(total)])
    await wait(kept)
    async with another(s) as other:
        assert await other.compute(delayed(str)(delayed(sum)(delayed(load)(4)))) == "6"
    assert ran["sum"] == ran["load"] == 1


def test_what_a_client_in_the_same_process_was_given_is_its_own():
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(StratumPlugin())
        mine = client.submit(load, 3)
        mine.result().append("mine")
        assert client.submit(load, 3, key="other").result() == [0, 1, 2]


def test_the_registry_tells_one_consumer_from_several():
    registry = Registry()
    registry.expose("x", "a")
    assert not registry.exposed_beyond("x", "a")
    assert registry.exposed_beyond("x", "b")
    registry.expose("x", "a")
    assert not registry.exposed_beyond("x", "a")
    registry.expose("x", "b")
    assert registry.exposed_beyond("x", "a")
    assert registry.exposed_beyond("x", "b")
    registry.expose("y", None)
    assert registry.exposed_beyond("y", "a")
    assert not registry.exposed_beyond("z", "a")
