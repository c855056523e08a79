"""What the plugin costs where there is nothing to merge, and saves where there is.

Both sides run in one process, in alternation, and are compared as ratios of CPU time:

    python benchmarks/overhead.py            # everything, about five minutes
    python benchmarks/overhead.py pass       # pass | compute | scheduler | large
    python benchmarks/overhead.py --quick    # smaller graphs, for a first look

The figures beside the ratios are the smallest and largest ratio of the rounds.
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
import tracemalloc
from collections.abc import Callable
from typing import Any

import dask
import dask.delayed
import distributed
import numpy as np
import pandas as pd
import xxhash
from dask._expr import FinalizeCompute
from dask.base import collections_to_expr
from dask.core import flatten
from distributed import Client, Scheduler

from stratum_dask.graph import as_graph
from stratum_dask.optimizations import RULES, Submission, configured, optimize
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.scheduler_plugins import StratumPlugin

NAMES = tuple(rule.name for rule in RULES)


def load(i: int) -> int:
    return i


def step(x: int, k: int = 1) -> int:
    return x


def combine(a: int, b: int, c: str) -> int:
    return a


def total(values: list[int]) -> int:
    return len(values)


LOAD, STEP, COMBINE, TOTAL = map(dask.delayed, (load, step, combine, total))


def pipelines(tasks: int, *, duplicates: bool) -> list[Any]:
    """Pipelines of five tasks; with duplicates every one is there twice.

    The twins are in different halves, as from two agents, and each half has an
    output of its own.
    """
    count = tasks // 5
    own = count // 2 if duplicates else count
    ends = []
    for i in range(count):
        x = LOAD(i % own)
        y = STEP(STEP(x, 1), k=2)
        ends.append(COMBINE(STEP(y, 3), y, "c"))
    halves = [ends[:own], ends[own:]] if duplicates else [ends]
    outputs = []
    for half in halves:
        while len(half) > 1:
            half = [TOTAL(half[i : i + 16]) for i in range(0, len(half), 16)]
        outputs += half
    return outputs


def cpu(work: Callable[[], Any]) -> float:
    gc.collect()
    gc.disable()
    start = time.process_time()
    work()
    spent = time.process_time() - start
    gc.enable()
    return spent


def against(
    title: str,
    with_us: Callable[[], float],
    plain: Callable[[], float],
    rounds: int,
    bar: float,
) -> None:
    """Run both sides in turn and print the ratio."""
    ratios = []
    for _ in range(rounds):
        ours, theirs = with_us(), plain()
        ratios.append(ours / theirs)
    middle = statistics.median(ratios)
    verdict = "ok" if middle <= bar else "OVER"
    print(
        f"  {title:<52} {middle:5.2f}x  ({min(ratios):.2f} to {max(ratios):.2f})  "
        f"bar {bar:.2f}x  {verdict}",
        flush=True,
    )


def bench_pass(sizes: list[int], rounds: int) -> None:
    print("pass: CPU of fingerprints and rules, per task (bar 5 us)")
    rules = configured(NAMES)
    for duplicates in (False, True):
        cost = {}
        for size in sizes:
            expr = FinalizeCompute(
                collections_to_expr(pipelines(size, duplicates=duplicates))
            ).optimize()
            graph = as_graph(expr.__dask_graph__())
            outputs = frozenset(flatten(expr.__dask_keys__()))

            def run(graph: Any = graph, outputs: Any = outputs) -> None:
                optimize(
                    Submission(graph, outputs, by_reference=True, renames_outputs=True),
                    rules,
                )

            times = [cpu(run) / len(graph) * 1e6 for _ in range(rounds)]
            cost[size] = statistics.median(times)
            kind = "half duplicates" if duplicates else "all unique"
            print(
                f"  {kind:<16} {len(graph):>8,} tasks  {cost[size]:6.2f} us/task "
                f"({min(times):.2f} to {max(times):.2f})",
                flush=True,
            )
        print(
            f"  {'':<16} largest / smallest: "
            f"{cost[sizes[-1]] / cost[sizes[0]]:.2f}x (bar 1.50x)"
        )


def bench_compute(size: int, rounds: int) -> None:
    print(f"compute: CPU of dask.compute, synchronous, {size:,} trivial tasks")
    for duplicates, bar in ((False, 1.10), (True, 0.80)):

        def side(on: bool, duplicates: bool = duplicates) -> Callable[[], float]:
            def run() -> float:
                outputs = pipelines(size, duplicates=duplicates)
                with dask.config.set({"stratum.enabled": on}):
                    return cpu(lambda: dask.compute(*outputs, scheduler="synchronous"))

            return run

        title = "half duplicates" if duplicates else "all unique"
        against(title, side(True), side(False), rounds, bar)


async def update_graph(size: int, *, on: bool, duplicates: bool) -> float:
    """CPU of one scheduler from a graph's arrival to its task states."""
    outputs = pipelines(size, duplicates=duplicates)
    async with Scheduler(
        dashboard=False, dashboard_address=":0", port=0, host="127.0.0.1"
    ) as scheduler:
        if on:
            await scheduler.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        async with Client(scheduler.address, asynchronous=True) as client:
            gc.collect()
            gc.disable()
            futures = client.compute(outputs)
            start = time.process_time()
            while not scheduler.tasks or scheduler._active_graph_updates:
                await asyncio.sleep(0.01)
            spent = time.process_time() - start
            gc.enable()
            del futures
    return spent


def bench_scheduler(size: int, rounds: int) -> None:
    print(f"scheduler: CPU of update-graph, {size:,} tasks, no workers")
    for duplicates, bar in ((False, 1.10), (True, 0.80)):

        def side(on: bool, duplicates: bool = duplicates) -> Callable[[], float]:
            return lambda: asyncio.run(update_graph(size, on=on, duplicates=duplicates))

        title = "half duplicates" if duplicates else "all unique"
        against(title, side(True), side(False), rounds, bar)


def bench_large(size: int, rounds: int) -> None:
    print(f"large: fingerprint of {size / 1e9:.2f} GB against xxh3_128 of its buffers")
    array = np.random.default_rng(0).random(size // 8)
    frame = pd.DataFrame(array.reshape(10, -1).T, copy=False)
    assert np.shares_memory(frame[0].to_numpy(), array)
    for title, value in (("array", array), ("frame of ten columns", frame)):
        against(
            title,
            lambda value=value: cpu(lambda: Encoder().value(value)),
            lambda: cpu(lambda: xxhash.xxh3_128_digest(array.data)),
            rounds,
            1.20,
        )
        tracemalloc.start()
        Encoder().value(value)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(f"    memory beside the value while it is read: {peak / 1e6:.1f} MB")
    tasks = [dask.delayed(step)(array, k) for k in range(1000)]
    expr = FinalizeCompute(collections_to_expr(tasks)).optimize()
    graph = as_graph(expr.__dask_graph__())
    outputs = frozenset(flatten(expr.__dask_keys__()))
    against(
        "1,000 tasks that take the array",
        lambda: cpu(lambda: Submission(graph, outputs)),
        lambda: cpu(lambda: xxhash.xxh3_128_digest(array.data)),
        rounds,
        1.20,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "which",
        nargs="*",
        metavar="pass|compute|scheduler|large",
        help="what to measure (default: everything)",
    )
    parser.add_argument("--quick", action="store_true", help="smaller graphs")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    parts = ("pass", "compute", "scheduler", "large")
    for name in given.which:
        if name not in parts:
            parser.error(f"there is no part {name!r}; there are: {', '.join(parts)}")
    which = given.which or parts
    sizes = [10_000, 50_000] if given.quick else [10_000, 100_000, 500_000]
    size = 20_000 if given.quick else 100_000
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, dask {dask.__version__}, distributed "
        f"{distributed.__version__}; medians of {given.rounds} rounds"
    )
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"})
    logging.getLogger("distributed").setLevel(logging.WARNING)
    if "pass" in which:
        bench_pass(sizes, given.rounds)
    if "compute" in which:
        bench_compute(size, given.rounds)
    if "scheduler" in which:
        bench_scheduler(size, given.rounds)
    if "large" in which:
        bench_large(200_000_000 if given.quick else 1_000_000_000, given.rounds)


if __name__ == "__main__":
    main()
