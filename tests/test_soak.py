"""Random work of many clients under a tight memory limit, while workers are killed.

    STRATUM_SOAK=1800 python -m pytest tests/test_soak.py -o log_cli=true -o log_cli_level=INFO

The number is the seconds that it runs, half an hour here; the suite runs it for a few. Real processes:
a scheduler, two workers with nannies, eight clients that share two processes. No
result may be wrong, nothing may grow, and no more be kept than the budget allows.
"""

import json
import logging
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import dask
import psutil
import pytest
from dask import delayed
from distributed import Client, LocalCluster
from test_cluster_remembers import cluster, until

from stratum_dask.scheduler_plugins import StratumPlugin

np = pytest.importorskip("numpy")
log = logging.getLogger("soak")
SECONDS = float(os.environ.get("STRATUM_SOAK", "6"))
KILL_EVERY = 20 if SECONDS > 60 else 3
BUDGET, MEMORY = 60_000_000, "400 MB"
CLIENTS = str(Path(__file__).with_name("witness") / "soaking.py")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 200)
def test_soak(tmp_path):
    environment = {
        "DASK_STRATUM__RETENTION__BUDGET": str(BUDGET),
        "DASK_STRATUM__RETENTION__MIN_SECONDS": "0",
        "DASK_STRATUM__RETENTION__KEEP": "1 hour",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "100",
    }
    options = ["--memory-limit", MEMORY]
    dice = random.Random(0)
    with cluster(tmp_path, scheduler_env=environment, worker_options=options) as (
        address,
        processes,
    ):
        clients = [
            subprocess.Popen(
                [sys.executable, CLIENTS, address, str(SECONDS), str(i), "4"],
                stdout=subprocess.PIPE,
                text=True,
            )
            for i in range(2)
        ]
        scheduler = psutil.Process(processes[0].pid)
        seen, next_kill = [], time.monotonic() + KILL_EVERY
        with Client(address, set_as_default=False) as client:
            while any(c.poll() is None for c in clients):
                time.sleep(0.5)
                seen.append(look(client, scheduler))
                if time.monotonic() > next_kill:
                    next_kill += KILL_EVERY
                    kill_one(processes[1:], dice)
            checked = sum(json.loads(c.communicate()[0]) for c in clients)
            kept = seen[-1]["kept"]
            log.info("%s results checked; kept: %s", checked, kept)
            for name in ("rss", "files", "registry", "tasks", "history"):
                every = [s[name] for s in seen]
                log.info("%s: %s to %s, most %s", name, every[0], every[-1], max(every))
            assert [c.returncode for c in clients] == [0, 0]
            assert checked > 0
            assert kept["hits"] > 0
            client.run_on_scheduler(let_go())
            until(lambda: client.run_on_scheduler(left()) == {})
        assert_flat(seen)


def make(i, n):
    time.sleep(0.2)
    return np.full(n, i, dtype="u1")


def first(x):
    return int(x[0])


def hungry(x, n):
    """Needs nearly all the memory of a worker for a moment."""
    y = np.ones(n, dtype="u1")
    time.sleep(0.5)
    return int(y[-1]) + x


@pytest.mark.slow
def test_what_fits_without_us_fits_with_us():
    """A worker of 700 MB that keeps results, and a task that takes most of that."""
    options = {"stratum.retention.budget": 0.2, "stratum.retention.min-seconds": 0}
    with (
        dask.config.set(options),
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            memory_limit="700 MB",
            dashboard_address=":0",
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(StratumPlugin())
        retention = cluster.scheduler.plugins["stratum"].retention
        before = client.run(os.getpid)
        for i in range(8):
            one = delayed(first)(delayed(make)(i, 8_000_000))
            assert client.compute(one).result() == i
        until(lambda: retention.figures().bytes >= 30_000_000)
        task = delayed(hungry)(delayed(first)(delayed(make)(3, 1000)), 380_000_000)
        assert client.compute(task).result() == 4
        assert retention.figures().evicted_bytes > 0
        assert client.run(os.getpid) == before  # nobody was killed


def look(client, scheduler):
    found = client.run_on_scheduler(state())
    found["rss"] = scheduler.memory_info().rss
    found["files"] = scheduler.num_fds()
    return found


def state():
    """Return a function that travels by value."""

    def told(dask_scheduler):
        import dataclasses

        plugin = dask_scheduler.plugins["stratum"]
        retention = plugin.retention
        retention._turn()
        return {
            "kept": dataclasses.asdict(retention.figures()),
            "registry": len(plugin.registry),
            "tasks": len(dask_scheduler.tasks),
            "history": len(retention._policy.history),
        }

    return told


def let_go():
    return lambda dask_scheduler: dask_scheduler.plugins["stratum"].retention.stop()


def left():
    def told(dask_scheduler):
        plugin = dask_scheduler.plugins["stratum"]
        registry = vars(plugin.registry)
        found = {n: len(registry[n]) for n in registry.keys() - {"_by_key", "_kinds"}}
        found["tasks"] = len(dask_scheduler.tasks)
        return {name: n for name, n in found.items() if n}

    return told


def kill_one(nannies, dice):
    nanny = psutil.Process(dice.choice(nannies).pid)
    workers = nanny.children(recursive=True)
    if workers:
        os.kill(workers[-1].pid, signal.SIGKILL)


def assert_flat(seen):
    """Nothing grows: what is usual late is hardly more than what was usual early."""
    half = len(seen) // 2
    for s in seen:
        assert s["kept"]["bytes"] <= s["kept"]["budget"] == BUDGET
    for name, more, plus in (
        ("rss", 1.25, 20e6),
        ("files", 1.25, 20),
        ("registry", 1.5, 1000),
        ("tasks", 1.5, 1000),
    ):
        early, late = (
            statistics.median(s[name] for s in part)
            for part in (seen[: half + 1], seen[half:])
        )
        assert late <= more * early + plus, f"{name} grows: {early}, then {late}"
