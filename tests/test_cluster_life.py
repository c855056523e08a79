"""Life on a cluster: what fails, dies, leaves, is cancelled, retired, restarted.

Where processes matter they are real ones; elsewhere the cluster lives in this event
loop. Every scheduler validates its own state after each transition, and at the end
of every test nothing may be left of anything.

``STRATUM_SOAK=1 pytest tests/test_cluster_life.py -k many_clients`` runs the whole
of the last test, which is cut short otherwise; other numbers are other programs.
"""

import asyncio
import functools
import logging
import os
import random
import signal
import subprocess
import sys
from concurrent.futures import CancelledError

import dask
import pytest
from dask.utils import key_split
from distributed import Event, Nanny, wait
from distributed.utils_test import captured_logger, gen_cluster

import clusters
import stratum_dask
from clusters import Ran, another, rewriting
from stratum_dask.graph import identity
from stratum_dask.optimizations.private import Isolated
from stratum_dask.scheduler_plugins import StratumPlugin

CONFIG = {"distributed.scheduler.validate": True}
delayed = dask.delayed


until = functools.partial(clusters.until, seconds=30.0)


def life(config=None, **options):
    """A cluster with the plugin, which must be empty and silent in the end."""

    def wrap(test):
        async def run(c, s, *workers):
            ran = Ran(s)
            s.add_plugin(ran, name="ran")
            await c.register_plugin(StratumPlugin())
            with captured_logger("distributed.scheduler", level=logging.ERROR) as log:
                await test(c, s, ran.names, *workers)
                await c.close()  # Dask's futures hold the errors, and those the futures
                await until(lambda: not s._active_graph_updates and not s.tasks)
            assert not log.getvalue()
            nothing_is_left(s)

        run.__name__ = test.__name__
        run.__doc__ = test.__doc__
        return gen_cluster(client=True, config={**CONFIG, **(config or {})}, **options)(
            run
        )

    return wrap


def nothing_is_left(s):
    plugin = s.plugins["stratum"]
    registry = vars(plugin.registry).items()
    left = {n: kind for n, kind in registry if kind and n not in ("_by_key", "_kinds")}
    assert not left
    assert not plugin._counting
    assert not [name for name in s.clients if name.startswith("stratum")]
    s.validate_state()


def named(s, name):
    """The tasks of this name on the scheduler; our private copies are not any."""
    return [
        ts
        for ts in s.tasks.values()
        if key_split(ts.key) == name
        and getattr(ts.run_spec, "func", None) is not None
        and not (
            isinstance(ts.run_spec.func, Isolated) and ts.run_spec.func.func is identity
        )
    ]


def load(n):
    return list(range(n))


def shift(x, by):
    return [i + by for i in x]


def add(x, item):
    x.append(item)
    return x


def join(x, y):
    return [*x, *y]


def total(x):
    return sum(x)


def fail(x):
    raise ValueError(f"no {x}")


@stratum_dask.pure
def held(name, x):
    Event(name).wait()
    return x


@stratum_dask.pure
def fails_once(go, name):
    """Waits for ``go``. The second time it is called it works."""
    Event(go).wait()
    if Event(name).is_set():
        return 1
    Event(name).set()
    raise OSError("not yet")


@stratum_dask.pure
def fails_until(go, name):
    """Waits for ``go``; fails as long as ``name`` is not set."""
    Event(go).wait()
    if not Event(name).is_set():
        raise OSError("not yet")
    return 1


# -- failures --------------------------------------------------------------


@life()
async def test_a_pipeline_that_fails_fails_alone(c, s, ran, *workers):
    async with another(s) as other:
        x = delayed(shift)(delayed(load)(4), 1)
        bad = c.compute(delayed(total)(delayed(fail)(x)))
        good = [
            client.compute(delayed(total)(delayed(shift)(delayed(load)(4), 1)))
            for client in (c, other)
        ]
        await wait(bad)
        assert await asyncio.gather(*good) == [10, 10]
        with pytest.raises(ValueError, match=r"no \[1, 2, 3, 4\]"):
            await bad
        assert ran["load"] == ran["shift"] == 1


@life()
async def test_a_shared_task_that_fails_fails_who_waits_and_nobody_later(
    c, s, ran, *workers
):
    async with another(s) as other:
        made = delayed(fails_until)
        waiting = [c.compute(made("go", "well")), other.compute(made("go", "well"))]
        waiting.append(other.compute(delayed(str)(made("go", "well"))))
        await until(lambda: len(s.tasks) >= 3)
        assert len(named(s, "fails_until")) == 1
        await Event("go", client=c).set()
        await wait(waiting)
        assert [f.status for f in waiting] == ["error"] * 3
        for future in waiting:
            with pytest.raises(OSError, match="not yet"):
                await future
        assert ran["fails_until"] == 1
        await Event("well", client=c).set()
        later = [client.compute(made("go", "well")) for client in (c, other)]
        assert await asyncio.gather(*later) == [1, 1]
        assert [f.status for f in waiting] == ["error"] * 3
        assert ran["fails_until"] == 2
        await waiting[0].retry()
        assert await waiting[0] == 1


@life()
async def test_one_retry_serves_everyone_who_waits(c, s, ran, *workers):
    async with another(s) as other:
        calls = [
            client.compute(delayed(fails_once)("go", "tried"), retries=1)
            for client in (c, c, other)
        ]
        calls.append(other.compute(delayed(abs)(delayed(fails_once)("go", "tried"))))
        await until(lambda: len(s.tasks) >= 4 and not s._active_graph_updates)
        (shared,) = named(s, "fails_once")
        await Event("go", client=c).set()
        assert await asyncio.gather(*calls) == [1] * 4
        assert shared.retries == 0  # there was one, and it was needed
        assert ran["fails_once"] == 1


@life(nthreads=[("127.0.0.1", 2)])
async def test_who_asks_for_retries_has_them(c, s, ran, *workers):
    """Also where the task was sent before, by somebody who asked for none."""
    async with another(s) as other:
        made = delayed(fails_until)
        mine = c.compute(made("go", "well"))
        await until(lambda: len(named(s, "fails_until")) == 1)
        (ts,) = named(s, "fails_until")
        theirs = other.compute(delayed(abs)(made("go", "well")), retries=3)
        await until(lambda: len(s.tasks) == 2 and not s._active_graph_updates)
        assert len(named(s, "fails_until")) == 1
        assert ts.retries == 3
        await Event("well", client=c).set()
        await Event("go", client=c).set()
        assert await theirs == 1
        assert await mine == 1


# -- death -----------------------------------------------------------------


@stratum_dask.pure
def runs_in(folder, name):
    """Tells its process by a file of its own, and waits to be let go."""
    (folder / f"{os.getpid()}").touch()
    Event(name).wait()
    return load(5)


@pytest.mark.slow
def test_a_worker_is_killed_while_a_shared_task_runs(tmp_path):
    @life(Worker=Nanny, nthreads=[("127.0.0.1", 1)] * 2)
    async def test(c, s, ran, *nannies):
        async with another(s) as other:
            mine = c.compute(delayed(add)(delayed(runs_in)(tmp_path, "go"), 7))
            theirs = other.compute(
                [
                    delayed(total)(delayed(runs_in)(tmp_path, "go")),
                    delayed(runs_in)(tmp_path, "go"),
                ]
            )
            await until(lambda: len(s.tasks) >= 4 and any(tmp_path.iterdir()))
            (shared,) = named(s, "runs_in")
            assert len(shared.dependents) >= 2
            (file,) = tmp_path.iterdir()
            os.kill(int(file.name), signal.SIGKILL)
            await until(lambda: len(list(tmp_path.iterdir())) == 2)
            await Event("go", client=c).set()
            assert await mine == [0, 1, 2, 3, 4, 7]
            assert await other.gather(theirs) == [10, [0, 1, 2, 3, 4]]
            assert ran["runs_in"] == 1  # the other one had no end
            assert len(list(tmp_path.iterdir())) == 2

    test()


@pytest.mark.slow
def test_the_worker_that_has_a_shared_result_is_killed(tmp_path):
    @life(Worker=Nanny, nthreads=[("127.0.0.1", 1)] * 2)
    async def test(c, s, ran, *nannies):
        async with another(s) as other:
            mine = c.compute(delayed(runs_in)(tmp_path, "go"))
            theirs = other.persist(delayed(runs_in)(tmp_path, "go"))
            await Event("go", client=c).set()
            await wait([mine, theirs])
            (file,) = tmp_path.iterdir()
            os.kill(int(file.name), signal.SIGKILL)
            await until(lambda: len(s.workers) < 2)
            both = [
                other.compute(delayed(total)(theirs)),
                c.compute(delayed(add)(delayed(runs_in)(tmp_path, "go"), 1)),
            ]
            assert await asyncio.gather(*both) == [10, [0, 1, 2, 3, 4, 1]]
            assert await mine == [0, 1, 2, 3, 4]

    test()


CLIENT = """
import sys
import dask
from distributed import Client, Event

sys.path.insert(0, {folder!r})
from steps import held, plus

if __name__ == "__main__":
    client = Client({address!r})
    future = client.compute(dask.delayed(plus)(dask.delayed(held)("go")))
    own = client.compute(dask.delayed(held)("never"))
    own.result(100)
"""
STEPS = """
import stratum_dask
from distributed import Event

@stratum_dask.pure
def held(name):
    Event(name).wait()
    return 1

def plus(x):
    return x + 1
"""


def start(program):
    return subprocess.Popen([sys.executable, "-c", program])


@pytest.mark.slow
def test_a_client_is_killed_in_the_middle(tmp_path, monkeypatch):
    (tmp_path / "steps.py").write_text(STEPS)
    monkeypatch.syspath_prepend(tmp_path)
    import steps

    @life(nthreads=[("127.0.0.1", 4)])
    async def test(c, s, ran, worker):
        process = start(CLIENT.format(folder=str(tmp_path), address=s.address))
        try:
            await until(lambda: len(named(s, "held")) == 2, seconds=60)
            mine = c.compute(delayed(str)(delayed(steps.held)("go")))
            await until(lambda: len(s.tasks) == 4)
            assert len(named(s, "held")) == 2
            before = len(s.clients)
            process.kill()
            process.wait()
            await until(lambda: len(s.clients) < before)
            await until(lambda: len(s.tasks) == 2)
            await Event("go", client=c).set()
            assert await mine == "1"
            assert ran["held"] == 1
            await Event("never", client=c).set()
        finally:
            process.kill()
            process.wait()

    test()
    sys.modules.pop("steps")


# -- memory ----------------------------------------------------------------


@life(
    config={
        "distributed.worker.memory.target": 0.001,  # of a gigabyte
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": False,
    },
    nthreads=[("127.0.0.1", 1)] * 2,
    worker_kwargs={"memory_limit": "1 GB"},
)
async def test_shared_results_that_were_spilled(c, s, ran, a, b):
    np = pytest.importorskip("numpy")
    n = 100_000

    def fill(i):
        return np.full(n, i)

    def write(x):
        x[:] = 9
        return x.sum()

    async with another(s) as other:
        kept = c.persist([delayed(fill)(i) for i in range(12)])
        await wait(kept)
        assert sum(len(w.data.disk) for w in (a, b)) >= 8
        theirs = other.compute([delayed(write)(delayed(fill)(i)) for i in range(12)])
        assert await other.gather(theirs) == [9 * n] * 12
        assert ran["fill"] == 12
        again = c.compute([delayed(np.sum)(k) for k in kept])
        assert await c.gather(again) == [i * n for i in range(12)]
        whole = await c.gather(c.compute(kept))
        assert [x[0] for x in whole] == [x[-1] for x in whole] == list(range(12))


# -- leaving, cancelling, releasing ----------------------------------------


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("who", [0, 1])
def test_one_of_two_clients_cancels(force, who):
    @life()
    async def test(c, s, ran, *workers):
        async with another(s) as other:
            clients, future = (c, other), {}
            for client in clients:
                made = delayed(shift)(delayed(held)("go", [1]), 1)
                future[client] = client.compute([made, delayed(held)("go", [1])])
                await until(lambda: len(s.tasks) >= 2 * len(future))
            assert len(named(s, "held")) == 1
            leaver, stayer = clients[who], clients[1 - who]
            await leaver.cancel(future[leaver], force=force)
            await Event("go", client=c).set()
            assert await stayer.gather(future[stayer]) == [[2], [1]]
            for gone in future[leaver]:
                assert gone.status == "cancelled"
                with pytest.raises(CancelledError):
                    await gone
            # What was cancelled can be asked for again.
            again = leaver.compute(delayed(shift)(delayed(held)("go", [1]), 1))
            assert await again == [2]
            assert ran["held"] == ran["shift"] == 1
            future.clear()

    test()


@pytest.mark.parametrize("how", ["release", "cancel", "force", "leave"])
def test_the_owner_goes_while_somebody_elses_graph_is_rewritten(how):
    """What a graph was promised is there when it arrives."""

    @life()
    async def test(c, s, ran, *workers):
        other = await another(s)
        theirs = other.compute(delayed(load)(4))
        await wait(theirs)
        with rewriting() as (arrived, go):
            mine = c.compute(delayed(shift)(delayed(load)(4), 1))
            await until(arrived.is_set)
            if how == "leave":
                await other.close()
            elif how == "release":
                theirs.release()
            else:
                await other.cancel([theirs], force=how == "force")
            # Its message has come once the next one is answered.
            await c.scheduler.identity()
            go.set()
            assert await mine == [1, 2, 3, 4]
        assert ran["load"] == 1
        await other.close()

    test()


@life()
async def test_a_client_leaves_while_its_graph_is_rewritten(c, s, ran, *workers):
    mine = c.compute(delayed(load)(4))
    await wait(mine)
    other = await another(s)
    with rewriting() as (arrived, go):
        other.compute(delayed(shift)(delayed(load)(4), 1))
        await until(arrived.is_set)
        await other.close()
        go.set()
        await until(lambda: not s._active_graph_updates)
    assert await c.compute(delayed(shift)(delayed(load)(4), 2)) == [2, 3, 4, 5]
    assert await mine == [0, 1, 2, 3]


@life()
async def test_a_result_is_released_while_it_is_made(c, s, ran, *workers):
    async with another(s) as other:
        mine = c.compute(delayed(shift)(delayed(held)("go", [1]), 1))
        await until(lambda: len(s.tasks) == 2)
        theirs = other.compute(delayed(shift)(delayed(held)("go", [1]), 2))
        await until(lambda: len(s.tasks) == 3)
        mine.release()
        await until(lambda: len(s.tasks) == 2)
        await Event("go", client=c).set()
        assert await theirs == [3]
        assert ran == {"held": 1, "shift": 1}


# -- the cluster itself ----------------------------------------------------


@pytest.mark.slow
@life(Worker=Nanny, nthreads=[("127.0.0.1", 1)])
async def test_restart(c, s, ran, nanny):
    async with another(s) as other:
        kept = [client.persist(delayed(load)(4)) for client in (c, other)]
        await wait(kept)
        waiting = [client.compute(delayed(held)("go", 1)) for client in (c, other)]
        await until(lambda: len(named(s, "held")) == 1)
        await c.restart()
        await until(lambda: not s.tasks)
        nothing_is_left(s)
        await until(lambda: all(f.status == "cancelled" for f in waiting))
        again = [
            client.compute(delayed(total)(delayed(load)(4))) for client in (c, other)
        ]
        assert await asyncio.gather(*again) == [6, 6]
        assert ran["load"] == 2


@pytest.mark.slow
@life(Worker=Nanny, nthreads=[("127.0.0.1", 1)])
async def test_restart_while_a_graph_is_rewritten(c, s, ran, nanny):
    async with another(s) as other:
        kept = other.persist(delayed(load)(4))
        await wait(kept)
        with rewriting() as (arrived, go):
            mine = c.compute(delayed(total)(delayed(load)(4)))
            await until(arrived.is_set)
            await other.restart()
            go.set()
            await until(lambda: not s._active_graph_updates)
        assert mine.status == "cancelled"
        assert await c.compute(delayed(total)(delayed(load)(4))) == 6


@life(nthreads=[("127.0.0.1", 1)] * 3)
async def test_retiring_a_worker_loses_no_shared_result(c, s, ran, *workers):
    async with another(s) as other:
        kept = c.persist([delayed(load)(i) for i in range(6)])
        await wait(kept)
        busy = other.compute([delayed(held)("go", i) for i in range(2)])
        theirs = other.compute([delayed(add)(delayed(load)(i), 1) for i in range(6)])
        leaving = next(w for w in workers if w.data)
        retiring = asyncio.create_task(c.retire_workers([leaving.address]))
        await Event("go", client=c).set()
        await retiring
        assert leaving.address not in s.workers
        assert await other.gather(theirs) == [[*range(i), 1] for i in range(6)]
        assert await other.gather(busy) == [0, 1]
        assert await c.gather(c.compute(kept)) == [list(range(i)) for i in range(6)]
        assert ran["load"] == 6


# -- all of it at once -----------------------------------------------------

SEED = int(os.environ.get("STRATUM_SOAK", "0"))
CLIENTS, COMPUTES = 8, 100 if SEED else 20


class Failed(Exception):
    """Which errors a program may end with: one of several, where several fail."""


def after(function, *parts):
    """Call ``function`` with what ``parts`` give, or fail as one of them does."""
    values, errors = [], set()
    for part in parts:
        try:
            values.append(part())
        except Failed as e:
            errors |= e.args[0]
    if errors:
        raise Failed(errors)
    return function(*values)


def failing(x):
    raise Failed({f"no {x}"})


class Program:
    """A random pipeline, and what it gives when everybody has objects of their own."""

    def __init__(self, rng):
        self.rng = rng
        self.task, self.result = self._step(rng.randint(1, 5))

    def is_right(self, found, error):
        try:
            expected = self.result()
        except Failed as e:
            return str(error) in e.args[0]
        return error is None and found == expected

    def _step(self, depth):
        rng = self.rng
        if depth == 0:
            n = rng.randint(0, 3)
            return delayed(load)(n), lambda: load(n)
        x, value = self._step(depth - 1)
        by = rng.randint(0, 2)
        kind = rng.choice([shift, shift, add, add, join, "twice", fail])
        if kind is join:
            y, other = self._step(rng.randint(0, depth - 1))
            return delayed(join)(x, y), lambda: after(join, value, other)
        if kind == "twice":  # only readers: writers would race in plain Dask, too
            one, two = delayed(shift)(x, by), delayed(shift)(x, 1)
            return delayed(join)(one, two), lambda: after(
                lambda a, b: join(shift(a, by), shift(b, 1)), value, value
            )
        if kind is fail:
            if rng.random() > 0.2:
                return x, value
            return delayed(fail)(x), lambda: after(failing, value)
        return delayed(kind)(x, by), lambda: after(lambda a: kind(a, by), value)


async def lives(client, seed):
    """Compute, look, release, cancel, leave: as a seed says."""
    rng, kept = random.Random(seed), []
    for _ in range(COMPUTES):
        programs = [Program(rng) for _ in range(rng.randint(1, 3))]
        send = client.persist if rng.random() < 0.2 else client.compute
        made = send([p.task for p in programs])
        kept.append((programs, made))
        await asyncio.sleep(0)
        fate = rng.random()
        if fate < 0.15:
            kept.pop()
        elif fate < 0.3 and send == client.compute:
            await client.cancel(made, force=rng.random() < 0.5)
            kept.pop()
        elif fate < 0.8:
            await look(client, *kept.pop(rng.randrange(len(kept))))
        if len(kept) > 5:
            del kept[rng.randrange(len(kept))]
    for programs, made in kept:
        await look(client, programs, made)


async def look(client, programs, made):
    for program, each in zip(programs, made, strict=True):
        future = client.compute(each) if hasattr(each, "dask") else each
        error = await future.exception()  # which keeps nothing alive if not raised
        assert program.is_right(await future if error is None else None, error)


@pytest.mark.slow
@pytest.mark.timeout(1800 if SEED else 120)
def test_many_clients_random_programs():
    @life(nthreads=[("127.0.0.1", 2)] * 2, timeout=1700 if SEED else 100)
    async def test(c, s, ran, *workers):
        clients = [await another(s) for _ in range(CLIENTS)]
        await asyncio.gather(
            *(lives(each, f"{SEED} {i}") for i, each in enumerate(clients))
        )
        for each in clients:
            await each.close()
        plugin = s.plugins["stratum"]
        assert plugin.total.merged.total() > CLIENTS * COMPUTES

    test()
