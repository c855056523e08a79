"""A store on a cluster: what was computed once is read later, and never wrongly.

Between two runs the scheduler lets go of everything, as a new one would have nothing.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import sys
import threading

import dask
import numpy as np
import pandas as pd
import pytest
from dask.utils import key_split
from distributed import SchedulerPlugin
from distributed.utils_test import captured_logger, gen_cluster

import stratum_dask
from clusters import until
from stratum_dask.optimizations.stored import Stored
from stratum_dask.scheduler_plugins import StratumPlugin
from stratum_dask.scheduler_plugins.store import environment as env
from stratum_dask.scheduler_plugins.store import files as files_module
from stratum_dask.scheduler_plugins.store import flush
from stratum_dask.scheduler_plugins.store.problems import StoreError

delayed = dask.delayed


class Calls(SchedulerPlugin):
    """Counts tasks by the name of their key: what called the user's function."""

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.names = {}
        self.read = {}

    def transition(self, key, start, finish, *args, **kwargs):
        if start == "processing" and finish in ("memory", "erred"):
            func = getattr(self.scheduler.tasks[key].run_spec, "func", None)
            func = getattr(func, "func", func)
            kind = self.read if isinstance(func, Stored) else self.names
            kind[key_split(key)] = kind.get(key_split(key), 0) + 1


class Lab:
    """One cluster, one store, and what happened."""

    def __init__(self, c, s, workers, calls):
        self.c, self.s, self.workers, self.calls = c, s, workers, calls

    @property
    def store(self):
        return self.s.plugins["stratum"].store

    @property
    def files(self):
        return self.store.store.files

    @property
    def figures(self):
        return self.store.figures()

    def ran(self):
        """What has called the user's functions since the last question."""
        names, self.calls.names = self.calls.names, {}
        self.calls.read = {}
        return {n: k for n, k in names.items() if not n.startswith("stratum-again")}

    async def run(self, *collections):
        """Compute, let everything be written, and let go of it all."""
        futures = self.c.compute(list(collections))
        results = await self.c.gather(futures)
        await self.flush()
        del futures
        await self.let_go()
        return results

    async def let_go(self):
        """Wait until the scheduler has forgotten everything."""
        retention = self.s.plugins["stratum"].retention
        retention.stop()
        await until(lambda: not self.s.tasks)
        retention.start()

    async def flush(self):
        assert await self.store.writer.flush(20) == 0

    def paths(self):
        return sorted(self.files.root.glob("??/*.stratum"))


def store_test(**options):
    """A cluster with a store of its own, and a test that is given both."""
    config = {
        "distributed.scheduler.validate": True,
        "stratum.retention.budget": 0.2,
        "stratum.retention.min-seconds": 0,
        "stratum.store.min-seconds": 0,
        **options.pop("config", {}),
    }

    def wrap(test):
        def whole(tmp_path):
            url = str(tmp_path / "store")

            async def run(c, s, *workers):
                calls = Calls(s)
                s.add_plugin(calls, name="calls")
                with dask.config.set({"stratum.store.url": url}):
                    await c.register_plugin(StratumPlugin())
                lab = Lab(c, s, workers, calls)
                await test(lab)
                await until(lambda: not s._active_graph_updates)

            run.__name__ = test.__name__
            gen_cluster(client=True, config=config, **options)(run)()

        whole.__name__, whole.__doc__ = test.__name__, test.__doc__
        return whole

    return wrap


def work(n):
    """Take long enough for reading to be cheaper."""
    total = 0
    for i in range(n):
        total += i * i
    return total


LONG = 600_000


def load(n):
    work(LONG)
    return pd.DataFrame({"a": np.arange(float(n)), "b": np.arange(n)})


def features(frame):
    work(LONG)
    frame["c"] = frame["a"] * 2
    return frame


def score(frame):
    work(LONG)
    return float(frame["c"].sum())


def pipeline(n=50):
    return delayed(score)(delayed(features)(delayed(load)(n)))


EXPECTED = float(sum(range(50)) * 2)


@store_test()
async def test_a_second_run_reads(lab):
    assert await lab.run(pipeline()) == [EXPECTED]
    assert lab.ran() == {"load": 1, "features": 1, "score": 1}
    written = lab.figures
    assert written.entries == written.written >= 1
    assert await lab.run(pipeline()) == [EXPECTED]
    assert lab.ran() == {}
    await until(lambda: lab.figures.hits == 1)
    assert lab.figures.seconds_saved > 0
    total = lab.s.plugins["stratum"].total
    assert total.read == {"score": 1}
    assert total.seconds["score"] == pytest.approx(total.store_seconds)
    assert lab.figures.failures == 0
    assert lab.figures.bytes_read > 0
    events = [message for _, message in lab.s.get_events("stratum")]
    assert [e["action"] for e in events].count("store-write") == written.written
    (read,) = (e for e in events if e["action"] == "store-read")
    assert (read["function"], read["format"]) == ("score", "plain")
    assert len(lab.store.recipes) == 0


@store_test()
async def test_what_is_read_goes_on_in_another_program(lab):
    await lab.run(delayed(features)(delayed(load)(50)))
    lab.ran()
    assert await lab.run(
        pipeline(), delayed(len)(delayed(features)(delayed(load)(50)))
    ) == [
        EXPECTED,
        50,
    ]
    assert lab.ran() == {"score": 1, "len": 1}


def spoil(frame):
    frame["a"] = -1.0
    frame.loc[0, "b"] = 99
    return frame


@store_test()
async def test_those_who_write_into_what_was_read_have_their_own(lab):
    await lab.run(delayed(load)(50))
    lab.ran()
    for _ in range(2):
        spoiled, scored, whole = await lab.run(
            delayed(spoil)(delayed(load)(50)), pipeline(), delayed(load)(50)
        )
        assert (spoiled["a"] == -1).all()
        assert scored == EXPECTED
        assert whole["a"].tolist() == list(range(50))
        assert "load" not in lab.ran()


@store_test()
async def test_what_one_wrote_into_is_not_written(lab):
    """The object that a task gets is not what its function returned any more."""
    base = delayed(load)(50)
    await lab.run(
        delayed(spoil)(base),
        delayed(score)(delayed(spoil)(base)[["a"]].rename(columns={"a": "c"})),
    )
    found = await lab.run(delayed(load)(50))
    assert found[0]["a"].tolist() == list(range(50))
    for path in lab.paths():
        value, header = lab.store.store.entries.read(path.stem)
        if header.function == "load":
            assert value["a"].tolist() == list(range(50))


@stratum_dask.impure
def impure(x):
    return work(LONG) + x


@stratum_dask.batch
def volatile(x):
    return work(LONG) + x


@store_test()
async def test_only_what_may_be_merged_later_is_written(lab):
    await lab.run(
        delayed(impure)(1), delayed(volatile)(1), delayed(float)(delayed(impure)(2))
    )
    assert lab.paths() == []


@store_test()
async def test_a_changed_file_is_another_task(lab):
    path = lab.files.root.parent / "data.csv"
    path.write_text("a\n" + "1\n" * 200_000)
    program = delayed(len)(delayed(pd.read_csv)(str(path)))
    first = await lab.run(delayed(pd.read_csv)(str(path)))
    assert len(first[0]) == 200_000
    lab.ran()
    path.write_text("a\n" + "1\n" * 100_000)
    assert await lab.run(program) == [100_000]
    assert lab.ran() == {"read_csv": 1, "len": 1}


@store_test(config={"stratum.store.min-seconds": "1 hour"})
async def test_what_is_cheap_is_not_written(lab):
    await lab.run(pipeline())
    assert lab.paths() == []


@store_test()
async def test_what_takes_longer_to_read_than_to_compute_is_computed(lab):
    await lab.run(pipeline())
    lab.ran()
    lab.store.store.bandwidth._latency = 60.0
    assert await lab.run(pipeline()) == [EXPECTED]
    assert lab.ran() == {"load": 1, "features": 1, "score": 1}


# -- failures ------------------------------------------------------------------


def truncate(lab, path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(lab, path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def delete(lab, path):
    path.unlink()


def deny(lab, path):
    path.unlink()
    path.mkdir()


def empty(lab, path):
    path.write_bytes(b"")


def foreign(lab, path):
    path.write_bytes(b"something else")


def swap(lab, path):
    others = [other for other in lab.paths() if other != path and other.is_file()]
    shutil.copy(others[0], path)


def newer(lab, path):
    from stratum_dask.scheduler_plugins.store import container

    entries = lab.store.store.entries
    version, container.VERSION = container.VERSION, container.VERSION + 1
    try:
        entries.write(path.stem, 1)
    finally:
        container.VERSION = version


def other_environment(lab, path):
    from stratum_dask.scheduler_plugins.store import entries as module

    real, module.environment = module.environment, lambda: {"numpy": "0.1"}
    try:
        lab.store.store.entries.write(path.stem, 1)
    finally:
        module.environment = real


def everything(lab, path):
    shutil.rmtree(path.parent.parent)


FAILURES = [
    (truncate, "truncated"),
    (flip, "corrupt"),
    (delete, "missing"),
    (deny, "denied|unreadable"),
    (empty, "truncated"),
    (foreign, "foreign"),
    (swap, "foreign"),
    (newer, "newer"),
    (other_environment, "environment"),
    (everything, "missing"),
]


@pytest.mark.parametrize(
    ("harm", "kind"), FAILURES, ids=lambda x: getattr(x, "__name__", "")
)
def test_an_entry_that_fails_is_computed(tmp_path, harm, kind):
    @store_test()
    async def test(lab):
        await lab.run(pipeline(), pipeline(60))
        lab.ran()
        for path in lab.paths():
            if path.exists():
                harm(lab, path)
        with captured_logger("stratum_dask", level=logging.WARNING) as log:
            assert await lab.run(pipeline(), pipeline(60)) == [
                EXPECTED,
                float(sum(range(60)) * 2),
            ]
        assert lab.figures.failures >= 1
        assert log.getvalue().count("stratum's store") == 1
        assert "What to do: " in log.getvalue()
        failures = [
            m for _, m in lab.s.get_events("stratum") if m["action"] == "store-failure"
        ]
        assert {m["kind"] for m in failures} <= set(kind.split("|"))
        assert len(lab.store.recipes) == 0

    test(tmp_path)


@store_test()
async def test_what_failed_is_written_again(lab):
    await lab.run(pipeline())
    for path in lab.paths():
        flip(lab, path)
    assert await lab.run(pipeline()) == [EXPECTED]
    lab.ran()
    assert await lab.run(pipeline()) == [EXPECTED]
    assert lab.ran() == {}
    assert lab.store.store.check() == []


@store_test()
async def test_computing_after_all_uses_what_else_is_stored(lab):
    await lab.run(pipeline())
    lab.ran()
    (last,) = (
        path
        for path in lab.paths()
        if lab.store.store.entries.header(path.stem).function == "score"
    )
    flip(lab, last)
    assert await lab.run(pipeline()) == [EXPECTED]
    assert lab.ran() == {}  # under names of our own, and only the last step
    read = [
        m["function"]
        for _, m in lab.s.get_events("stratum")
        if m["action"] == "store-read"
    ]
    assert read == ["features"]


@store_test()
async def test_what_a_graph_takes_from_outside_is_made_again_too(lab):
    await lab.run(pipeline())
    for path in lab.paths():
        if lab.store.store.entries.header(path.stem).function != "score":
            path.unlink()
    lab.store.store.check()
    await lab.flush()
    for path in lab.paths():
        flip(lab, path)
    # Persisted, used, and let go of before anybody could have computed with it.
    (base,) = lab.c.persist([delayed(features)(delayed(load)(50))])
    future = lab.c.compute(delayed(score)(base))
    del base
    assert await future == EXPECTED
    assert lab.figures.failures == 1
    del future
    await lab.let_go()


@store_test()
async def test_data_that_was_sent_is_there_once(lab):
    """Nothing is read that could not be computed should reading fail."""
    frame = pd.DataFrame({"a": np.arange(50.0)})
    (sent,) = await lab.c.scatter([frame])
    for _ in range(2):
        future = lab.c.submit(score, lab.c.submit(features, sent))
        assert await future == EXPECTED
        await lab.flush()
        del future
        lab.s.plugins["stratum"].retention.stop()
        await until(lambda: len(lab.s.tasks) == 1)
        lab.s.plugins["stratum"].retention.start()
    assert lab.figures.hits == 0


@stratum_dask.pure
def fragile(path):
    work(LONG)
    with open(path) as file:
        return file.read()


@store_test()
async def test_an_error_of_the_program_is_the_programs(lab):
    path = lab.files.root.parent / "note"
    path.write_text("hello")
    assert await lab.run(delayed(fragile)(str(path))) == ["hello"]
    for entry in lab.paths():
        flip(lab, entry)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="note"):
        await lab.c.compute(delayed(fragile)(str(path)))


@store_test(nthreads=[("127.0.0.1", 1, {"resources": {"GPU": 1}}), ("127.0.0.1", 1)])
async def test_what_is_computed_after_all_runs_where_it_must(lab):
    with dask.annotate(resources={"GPU": 1}):
        first = delayed(load)(50)
        program = delayed(score)(delayed(features)(first))
    await lab.run(program)
    for path in lab.paths():
        flip(lab, path)
    places = []

    class Where(SchedulerPlugin):
        def transition(self, key, start, finish, *args, worker=None, **kwargs):
            if finish == "memory" and lab.s.tasks[key].resource_restrictions:
                places.append(worker)

    lab.s.add_plugin(Where(), name="where")
    assert await lab.run(program) == [EXPECTED]
    assert set(places) == {lab.workers[0].address}
    assert lab.figures.failures >= 1


@store_test()
async def test_many_at_once_that_fail(lab):
    programs = [pipeline(n) for n in range(50, 56)]
    expected = await lab.run(*programs)
    for path in lab.paths():
        flip(lab, path)
    assert await lab.run(*programs) == expected
    assert await lab.run(*programs) == expected


# -- writing ---------------------------------------------------------------------


@store_test()
async def test_a_full_disk_stops_the_writing_for_a_while(lab):
    def full(file, piece):
        raise OSError(28, os.strerror(28))

    real, files_module._write_all = files_module._write_all, full
    try:
        with captured_logger("stratum_dask", level=logging.WARNING) as log:
            futures = lab.c.compute([pipeline(), pipeline(60)])
            assert (await lab.c.gather(futures))[0] == EXPECTED
            await lab.flush()
    finally:
        files_module._write_all = real
    assert log.getvalue().count("the disk is full") == 1
    assert lab.store.writer.resting
    assert lab.paths() == []


@store_test()
async def test_a_folder_that_goes_away(lab):
    shutil.rmtree(lab.files.root)
    lab.files.root.write_text("a file, now")
    with captured_logger("stratum_dask", level=logging.WARNING) as log:
        futures = lab.c.compute([pipeline()])
        assert await lab.c.gather(futures) == [EXPECTED]
        with contextlib.suppress(AssertionError):
            await lab.flush()
    assert 1 <= log.getvalue().count("stratum's store") <= 2
    del futures
    await lab.let_go()
    assert await lab.c.compute(pipeline()) == EXPECTED


@store_test()
async def test_a_worker_with_other_libraries_writes_nothing(lab):
    real = env.environment()
    from stratum_dask.scheduler_plugins.store import writing

    writing.environment = lambda: {**real, "numpy": "0.1"}
    try:
        with captured_logger("stratum_dask", level=logging.WARNING) as log:
            futures = lab.c.compute([pipeline()])
            assert await lab.c.gather(futures) == [EXPECTED]
            await lab.flush()
    finally:
        writing.environment = env.environment
    assert "numpy 0.1" in log.getvalue() or "numpy" in log.getvalue()
    assert log.getvalue().count("stratum's store") == 1
    assert lab.paths() == []


@store_test()
async def test_a_worker_that_goes_takes_nothing_with_it(lab):
    await lab.run(pipeline())
    (kept,) = lab.c.persist([delayed(features)(delayed(load)(50))])
    assert await lab.c.compute(delayed(len)(kept)) == 50
    (holder,) = lab.s.tasks[kept.key].who_has
    (worker,) = (w for w in lab.workers if w.address == holder.address)
    await worker.close()
    assert await lab.c.compute(delayed(score)(kept)) == EXPECTED
    del kept
    await lab.let_go()
    assert len(lab.store.recipes) == 0


@store_test()
async def test_a_task_that_starts_while_a_result_is_written(lab):
    """Who comes meanwhile gets a copy."""
    from stratum_dask.scheduler_plugins.store import writing

    real, going, on = writing._write, threading.Event(), threading.Event()

    def slow(*args):
        going.set()
        assert on.wait(10)
        return real(*args)

    writing._write = slow
    try:
        base = lab.c.compute(delayed(load)(50))
        await base
        await until(going.is_set)
        spoiled = await lab.c.compute(delayed(spoil)(delayed(load)(50)))
        assert (spoiled["a"] == -1).all()
        on.set()
        await lab.flush()
    finally:
        writing._write = real
    del base
    await lab.let_go()
    (found,) = await lab.run(delayed(load)(50))
    assert found["a"].tolist() == list(range(50))
    assert lab.figures.hits >= 1


# -- configuration ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"pickle": "sometimes"}, "Valid: 'private', 'always', 'never'"),
        ({"compression": "gzip"}, "Valid: 'auto', 'none', 'lz4', 'zstd'"),
        ({"limit": -1}, "a size such as '10 GiB'"),
        ({"url": 5}, "~/.cache/stratum-dask"),
        ({"flush": "soon"}, "such as '100 ms'"),
        ({"where": "x"}, "url, limit, pickle"),
        ({"url": "nonsense://x"}, "fsspec cannot open"),
        ({"url": "/proc/store"}, "Set stratum.store.url to a folder"),
    ],
)
def test_a_wrong_option_is_said_and_all_goes_on(values, says):
    config = {
        f"stratum.store.{k}": v for k, v in {"url": "memory://x", **values}.items()
    }

    @gen_cluster(client=True, nthreads=[("127.0.0.1", 1)], config=config)
    async def test(c, s, a):
        with captured_logger("stratum_dask", level=logging.WARNING) as log:
            await c.register_plugin(StratumPlugin())
        assert (
            says.replace(", ", "', '" if "url, " in says else ", ") in log.getvalue()
            or says in log.getvalue()
        )
        assert s.plugins["stratum"].store is None
        assert await c.submit(len, "abc") == 3

    test()


def test_no_url_no_store():
    @gen_cluster(client=True, nthreads=[("127.0.0.1", 1)])
    async def test(c, s, a):
        await c.register_plugin(StratumPlugin())
        assert s.plugins["stratum"].store is None

    test()


def test_a_folder_that_others_can_open_is_used_for_data_only(tmp_path):
    (tmp_path / "store").mkdir(mode=0o755)

    @store_test()
    async def test(lab):
        await lab.run(pipeline(), delayed(set)(delayed(load)(50)))
        kinds = {
            lab.store.store.entries.header(path.stem).format for path in lab.paths()
        }
        assert kinds <= {"plain", "array", "arrow"}
        await lab.run(pipeline())

    with captured_logger("stratum_dask", level=logging.WARNING) as log:
        test(tmp_path)
    assert log.getvalue().count("is used without pickles (its mode is 0755") == 1


# -- the end, and others ---------------------------------------------------------------


@store_test()
async def test_a_scheduler_that_closes_writes_what_is_left(lab):
    futures = lab.c.compute([pipeline()])
    assert await lab.c.gather(futures) == [EXPECTED]
    await lab.s.plugins["stratum"].before_close()
    assert lab.figures.entries >= 1
    assert await flush(lab.c) == 0


@store_test()
async def test_what_is_left_is_written_before_the_last_worker_is_retired(lab):
    lab.store.writer._earliest = float("inf")  # by itself nothing is written
    futures = lab.c.compute([pipeline()])
    assert await lab.c.gather(futures) == [EXPECTED]
    scheduler = lab.c.scheduler
    await scheduler.retire_workers(workers=[lab.workers[0].address])
    assert lab.figures.entries == 0  # the other one has it all
    # As a `LocalCluster` does when it closes: by the names that it has given.
    await scheduler.retire_workers(workers=[w.name for w in lab.workers])
    assert lab.figures.entries >= 1


@store_test()
async def test_a_plugin_that_was_taken_away_does_not_write_before_workers_go(lab):
    lab.store.writer._earliest = float("inf")
    store = lab.store
    futures = lab.c.compute([pipeline()])
    assert await lab.c.gather(futures) == [EXPECTED]
    await lab.c.unregister_scheduler_plugin("stratum")
    await lab.c.scheduler.retire_workers(workers=[w.address for w in lab.workers])
    assert store.writer.known.entries == 0
    # It lets go of its files and its thread by itself: nobody tells it.
    await until(lambda: store._pool._shutdown)


@gen_cluster(client=True, nthreads=[("127.0.0.1", 1)])
async def test_flushing_where_there_is_no_store(c, s, a):
    with pytest.raises(
        StoreError, match=r"Set stratum\.store\.url where the scheduler"
    ):
        await flush(c)


WITHOUT = """
import sys
from distributed.cli.dask_worker import main
for name in [name for name in sys.modules if name.startswith("stratum_dask")]:
    del sys.modules[name]
sys.modules["stratum_dask"] = None
main([sys.argv[1], "--no-nanny", "--no-dashboard", "--nthreads", "1"])
"""


@store_test(nthreads=[("127.0.0.1", 1)], timeout=60)
async def test_a_worker_without_this_package_computes(lab):
    def slow(n):  # travels by value: that worker has no tests either
        total = 0
        for i in range(n):
            total += i * i
        return [total]

    def last(numbers):
        return numbers[-1]

    program = delayed(last)(delayed(slow)(LONG))
    expected = await lab.run(delayed(slow)(LONG))
    await lab.workers[0].close()
    lab.ran()
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITHOUT, lab.s.address, stderr=subprocess.PIPE
    )
    try:
        assert await lab.c.compute(program) == expected[0][0]
        assert lab.calls.read == {"slow": 1}
        assert lab.figures.failures >= 1  # it cannot write either
    finally:
        worker.terminate()
        await worker.communicate()
