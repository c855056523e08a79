"""A client that rewrites its own graphs, for a scheduler that knows nothing."""

import asyncio
import operator

import dask
import pytest
from dask.utils import key_split
from distributed import Client, Event, wait
from distributed.utils_test import gen_cluster

import stratum_dask
from clusters import Ran
from stratum_dask import activation

activation.register()
ON = {
    "stratum.enabled": True,
    "stratum.distributed": "client",
    "stratum.on-fail": "raise",
    "stratum.check-invariants": True,
    "distributed.scheduler.validate": True,
}
delayed = dask.delayed


def client_test(test):
    async def run(c, s, *workers):
        s.add_plugin(Ran(s), name="ran")
        await test(c, s, s.plugins["ran"].names)
        assert "stratum" not in s.plugins

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return gen_cluster(client=True, config=ON)(run)


def load(n):
    return list(range(n))


def add(x):
    x.append(100)
    return x


def total(x):
    return sum(x)


def fail(x):
    raise ValueError(f"no {x}")


def program():
    return delayed(total)(delayed(load)(5)), delayed(total)(
        delayed(add)(delayed(load)(5))
    )


@client_test
async def test_within_a_submission(c, s, ran):
    assert await c.gather(c.compute([*program(), *program()])) == [10, 110] * 2
    assert ran == {"load": 1, "add": 1, "total": 2}


@client_test
async def test_across_submissions_while_held(c, s, ran):
    first = c.compute(list(program()))
    assert await c.gather(first) == [10, 110]
    second = c.compute(list(program()))
    assert await c.gather(second) == [10, 110]
    assert ran == {"load": 1, "add": 1, "total": 2}
    del first, second
    while s.tasks:
        await asyncio.sleep(0.01)
    assert await c.gather(c.compute(list(program()))) == [10, 110]
    assert ran["load"] == 2


@client_test
async def test_a_held_result_stays_as_it_is(c, s, ran):
    kept = c.persist(delayed(load)(3))
    writers = c.compute([delayed(add)(kept), delayed(add)(delayed(load)(3))])
    assert await c.gather(writers) == [[0, 1, 2, 100]] * 2
    assert await c.compute(kept) == [0, 1, 2]
    assert ran["load"] == 1


@client_test
async def test_submit_map_and_names(c, s, ran):
    futures = [
        c.submit(load, 3),
        *c.map(load, [3, 4]),
        c.compute(delayed(load)(3)),
        c.submit(load, 3, key="mine"),
    ]
    assert await c.gather(futures) == [
        [0, 1, 2],
        [0, 1, 2],
        [0, 1, 2, 3],
        [0, 1, 2],
        [0, 1, 2],
    ]
    assert futures[-1].key == "mine"
    assert ran == {"load": 2}
    impure = [c.submit(load, 3, pure=False) for _ in range(2)]
    assert await c.gather(impure) == [[0, 1, 2]] * 2
    assert ran == {"load": 4}


@client_test
async def test_annotations_arrive(c, s, ran):
    made = []
    for priority, retries in ((1, 5), (7, 2)):
        with dask.annotate(priority=priority, retries=retries):
            made.append(delayed(load)(3))
    futures = c.compute(
        [delayed(total)(made[0]), delayed(operator.neg)(delayed(total)(made[1]))],
        optimize_graph=False,
    )
    assert await c.gather(futures) == [3, -3]
    (ts,) = (ts for ts in s.tasks.values() if key_split(ts.key) == "load")
    assert (ts.priority[0], ts.retries) == (-7, 5)


@client_test
async def test_failures_are_not_reused(c, s, ran):
    first = c.compute([delayed(fail)(1), delayed(load)(3)])
    await wait(first)
    second = c.compute(delayed(fail)(1))
    await wait(second)
    assert [f.status for f in (*first, second)] == ["error", "finished", "error"]
    with pytest.raises(ValueError, match="no 1"):
        await second
    assert ran["fail"] == 2


class Counting:
    def __init__(self):
        self.n = 0

    def up(self):
        self.n += 1
        return self.n


def press(button):
    return button.up().result()


@client_test
async def test_actors_are_left_alone(c, s, ran):
    button = c.submit(Counting, actor=True)
    await button
    pressed = c.compute([delayed(press)(button) for _ in range(3)])
    assert sorted(await c.gather(pressed)) == [1, 2, 3]


@client_test
async def test_two_clients_know_nothing_of_each_other(c, s, ran):
    mine = c.compute(delayed(load)(3))
    async with Client(s.address, asynchronous=True, set_as_default=False) as other:
        theirs = other.compute(delayed(load)(3))
        assert await mine == await theirs == [0, 1, 2]
    assert await mine == [0, 1, 2]


@stratum_dask.pure
def fails_until(go, name):
    Event(go).wait()
    if not Event(name).is_set():
        Event(name).set()
        raise OSError("not yet")
    return 1


@pytest.mark.parametrize("how", ["argument", "annotation"])
def test_who_asks_for_retries_shares_no_task_that_has_none(how):
    @client_test
    async def test(c, s, ran):
        first = c.compute(delayed(fails_until)("go", "failed"))
        made = delayed(abs)(delayed(fails_until)("go", "failed"))
        if how == "argument":
            second = c.compute(made, retries=2)
        else:
            with dask.annotate(retries=2):
                second = c.compute(made)
        third = c.compute(delayed(str)(delayed(fails_until)("go", "failed")))
        await Event("go", client=c).set()
        await wait([first, second, third])
        assert await second == 1
        assert first.status == third.status
        assert ran["fails_until"] == 2
        # What is there needs no retries: it is shared.
        last = c.compute(delayed(load)(3))
        await wait(last)
        assert await c.compute(delayed(total)(delayed(load)(3)), retries=2) == 3
        assert ran["load"] == 1

    test()
