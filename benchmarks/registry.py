"""What a scheduler that knows much costs: CPU of update-graph and of transitions.

    python benchmarks/registry.py             # about five minutes
    python benchmarks/registry.py --quick

A scheduler that has learnt 100,000 fingerprints, whose tasks live, takes another graph,
which equals nothing of that, and its tasks run to their ends. Both parts are compared
with the same scheduler without the plugin, in alternation, as ratios of CPU time of
the one process; and with a plugin that knows nothing yet. No workers: what they would
say is fed to the scheduler, so that nothing else is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import platform
import statistics
import time
from typing import Any

import dask
import distributed
from distributed import Client, Scheduler
from distributed.core import Status
from overhead import combine, load, step

from stratum_dask.scheduler_plugins import StratumPlugin

LOAD, STEP, COMBINE = map(dask.delayed, (load, step, combine))


def pipelines(tasks: int, first: int) -> list[Any]:
    """Pipelines of five tasks, none of which equals another."""
    ends = []
    for i in range(first, first + tasks // 5):
        x = LOAD(i)
        y = STEP(STEP(x, 1), k=2)
        ends.append(COMBINE(STEP(y, 3), y, "c"))
    return ends


async def arrives(scheduler: Scheduler, client: Client, outputs: list[Any]) -> Any:
    """Send a graph; wait until its tasks are there."""
    before = len(scheduler.tasks)
    futures = client.compute(outputs, optimize_graph=False)
    while len(scheduler.tasks) == before or scheduler._active_graph_updates:
        await asyncio.sleep(0.01)
    return futures


def run_all(scheduler: Scheduler, address: str) -> int:
    """Let every task that can run end, as a worker would say it; how many."""
    ws = scheduler.workers[address]
    count = 0
    now = time.time()
    times = [{"action": "compute", "start": now, "stop": now + 0.001}]
    while ws.processing:
        for ts in list(ws.processing):
            count += 1
            scheduler.handle_task_finished(
                key=ts.key,
                worker=address,
                stimulus_id=f"s-{count}",
                run_id=ts.run_id,
                nbytes=28,
                type=b"",
                typename="int",
                startstops=times,
                metadata={},
            )
    return count


async def measure(known: int, size: int, plugin: bool) -> tuple[float, float]:
    """CPU seconds of the arrival, and of the transitions, of one more graph."""
    config = {"distributed.scheduler.worker-saturation": float("inf")}
    with dask.config.set(config):
        async with Scheduler(
            dashboard=False, dashboard_address=":0", port=0, host="127.0.0.1"
        ) as scheduler:
            if plugin:
                made = StratumPlugin()
                await scheduler.register_scheduler_plugin(made, idempotent=True)
            async with Client(scheduler.address, asynchronous=True) as client:
                kept = await arrives(scheduler, client, pipelines(known, 0))
                address = await fake_worker(scheduler)
                run_all(scheduler, address)
                outputs = pipelines(size, known)
                gc.collect()
                gc.disable()
                start = time.process_time()
                # no worker: nothing runs until the graph is there
                scheduler.running.clear()
                futures = await arrives(scheduler, client, outputs)
                arrived = time.process_time() - start
                scheduler.running.add(scheduler.workers[address])
                start = time.process_time()
                ws = scheduler.workers[address]
                scheduler.transitions(
                    scheduler.bulk_schedule_unrunnable_after_adding_worker(ws), "s"
                )
                ended = run_all(scheduler, address)
                await asyncio.sleep(0)  # what was put off until then
                await asyncio.sleep(0.1)
                spent = time.process_time() - start
                gc.enable()
                assert ended == size // 5 * 5, (ended, size)
                del futures, kept
                scheduler.workers.clear()
                scheduler.running.clear()
    return arrived, spent


async def fake_worker(scheduler: Scheduler) -> str:
    """A worker that the scheduler believes in, and that says nothing."""

    class Deaf:
        def send(self, *messages: Any) -> None: ...

        def abort(self) -> None: ...

        def closed(self) -> bool:
            return True

        async def close(self) -> None: ...

    from distributed.scheduler import WorkerState

    address = "tcp://127.0.0.1:1"
    ws = WorkerState(
        address=address,
        status=Status.running,
        pid=1,
        name="deaf",
        nthreads=2,
        memory_limit=10**12,
        local_directory="/tmp",
        nanny="",
        server_id="deaf",
        services={},
        versions={},
        extra={},
        scheduler=scheduler,
    )
    ws.metrics = {
        "memory": 0,
        "managed_bytes": 0,
        "spilled_bytes": {"memory": 0, "disk": 0},
    }
    scheduler.workers[address] = ws
    scheduler.aliases[ws.name] = address
    scheduler.stream_comms[address] = Deaf()
    scheduler.running.add(ws)
    scheduler.total_nthreads += 2
    scheduler.check_idle_saturated(ws)
    scheduler.transitions(
        scheduler.bulk_schedule_unrunnable_after_adding_worker(ws), "start"
    )
    return address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    known, size = (10_000, 5_000) if given.quick else (100_000, 20_000)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, distributed {distributed.__version__}; "
        f"{known:,} tasks known and alive, {size:,} more; {given.rounds} rounds",
        flush=True,
    )
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"})
    logging.getLogger("distributed").setLevel(logging.ERROR)
    parts: dict[str, list[float]] = {"update-graph": [], "transitions": [], "both": []}
    for _ in range(given.rounds):
        ours = asyncio.run(measure(known, size, True))
        theirs = asyncio.run(measure(known, size, False))
        parts["update-graph"].append(ours[0] / theirs[0])
        parts["transitions"].append(ours[1] / theirs[1])
        parts["both"].append(sum(ours) / sum(theirs))
        print(
            f"  with {ours[0]:.2f} + {ours[1]:.2f} s, without {theirs[0]:.2f} + "
            f"{theirs[1]:.2f} s",
            flush=True,
        )
    for name, ratios in parts.items():
        middle = statistics.median(ratios)
        print(
            f"  {name:<14} {middle:5.2f}x  ({min(ratios):.2f} to {max(ratios):.2f})  "
            f"bar 1.10x  {'ok' if middle <= 1.10 else 'OVER'}"
        )


if __name__ == "__main__":
    main()
