"""What it costs to keep the pipelines that share a result apart.

Fifty programs make the same large frame, or array, and each does something with it:

    python benchmarks/isolation.py            # everything, about ten minutes
    python benchmarks/isolation.py threads    # threads | memory | cluster
    python benchmarks/isolation.py --quick    # 100 MB and 20 programs

Non-writers are compared with the same merged graph without the rule "isolate", which
is what a guard that costs nothing would run. For writers that graph is wrong, so they
are compared with plain Dask, where every program makes an object of its own (which
costs no more than a copy here); the line tells beside it what the unguarded graph
takes. Sides run in one process in alternation. Ratios are of CPU time, wall seconds
stand beside them; the figures in brackets are the ratios of the fastest and slowest round.
Memory is the peak of what Python and numpy hold, of one fresh process for each side.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import operator
import os
import platform
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import dask
import distributed
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from stratum_dask.graph import Graph, Task, reference
from stratum_dask.optimizations import Submission, optimize
from stratum_dask.optimizations.isolate import Isolate
from stratum_dask.optimizations.merge import Merge
from stratum_dask.scheduler_plugins import StratumPlugin

THREADS = 2
NON_WRITERS_BAR = 1.05


def make_array(size: int) -> np.ndarray:
    return np.arange(size // 8, dtype="f8")


def make_frame(size: int) -> pd.DataFrame:
    values = np.arange(size // 8, dtype="f8").reshape(10, -1)
    return pd.DataFrame(values.T, columns=list("abcdefghij"), copy=False)


def write_array(x: np.ndarray, mark: int) -> float:
    x[0] = mark
    return float(x.mean())


def write_frame(x: pd.DataFrame, mark: int) -> float:
    x["a"] = mark
    return float(x["b"].mean())


def use_array(x: np.ndarray, mark: int) -> float:
    return float(x.mean()) + mark


def use_frame(x: pd.DataFrame, mark: int) -> float:
    return float(x["b"].mean()) + mark


MAKE = {"array": make_array, "frame": make_frame}
WRITE = {"array": write_array, "frame": write_frame}
USE = {"array": use_array, "frame": use_frame}
KINDS = ("array", "frame")
WHO = ("libraries", "readers", "writers")


def programs(kind: str, who: str, count: int, size: int) -> tuple[Graph, list[str]]:
    """One large object for each program, and what the program does with it."""
    graph: Graph = {}
    outputs = []
    for i in range(count):
        made, used = f"make-{i}", f"use-{i}"
        graph[made] = Task(made, MAKE[kind], size)
        if who == "writers":
            graph[used] = Task(used, WRITE[kind], reference(made), i)
        elif who == "readers":
            graph[used] = Task(used, USE[kind], reference(made), i)
        else:
            # a view that is another one for each program, and what is known of it
            view, part = f"view-{i}", f"part-{i}"
            rows = slice(i, None)
            graph[view] = Task(view, operator.getitem, reference(made), rows)
            graph[part] = Task(part, np.mean, reference(view))
            graph[used] = Task(used, operator.sub, reference(part), i)
        outputs.append(used)
    return graph, outputs


def guarded(graph: Graph, outputs: list[str], *, guard: bool) -> tuple[Graph, Any]:
    """The merged graph, with or without private handles."""
    submission = Submission(
        graph, frozenset(outputs), by_reference=True, renames_outputs=True
    )
    rules = [Merge(), Isolate()] if guard else [Merge()]
    found = optimize(submission, rules)
    names = submission.names()
    return found, [names.get(key, key) for key in outputs]


def on_threads(side: str, kind: str, who: str, count: int, size: int) -> None:
    graph, outputs = programs(kind, who, count, size)
    if side != "plain":
        graph, outputs = guarded(graph, outputs, guard=side == "guard")
    dask.threaded.get(graph, outputs, num_workers=THREADS)


class Spent(NamedTuple):
    """What one run took."""

    wall: float
    cpu: float


def spent(work: Callable[..., Any], *args: Any) -> Spent:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work(*args)
    return Spent(time.perf_counter() - wall, time.process_time() - cpu)


def wall(runs: list[Spent]) -> float:
    return statistics.median(run.wall for run in runs)


def ratio(
    title: str,
    ours: list[Spent],
    theirs: list[Spent],
    bar: float | None,
    more: str,
    by: str = "cpu",
) -> None:
    ratios = [
        getattr(a, by) / getattr(b, by) for a, b in zip(ours, theirs, strict=True)
    ]
    middle = statistics.median(ratios)
    verdict = (
        "" if bar is None else f"bar {bar:.2f}x {'ok' if middle <= bar else 'OVER'}"
    )
    print(
        f"  {title:<38} {middle:5.2f}x  ({min(ratios):.2f} to {max(ratios):.2f})  "
        f"{wall(ours):6.2f} s against {wall(theirs):6.2f} s  "
        f"{verdict}{more}",
        flush=True,
    )


def bench_threads(count: int, size: int, rounds: int) -> None:
    print(f"threads: CPU and wall time of {count} programs, {THREADS} threads")
    for kind in KINDS:
        for who in WHO:
            sides = ("guard", "merged") if who != "writers" else ("guard", "plain")
            times: dict[str, list[Spent]] = {side: [] for side in (*sides, "merged")}
            on_threads("guard", kind, who, 2, size)  # warm
            for _ in range(rounds):
                for side, taken in times.items():
                    taken.append(spent(on_threads, side, kind, who, count, size))
            wrong = wall(times["merged"])
            ratio(
                f"{kind}, {LABELS[who]}",
                times["guard"],
                times[sides[1]],
                NON_WRITERS_BAR if who != "writers" else None,
                f"  (merged and unguarded, wrong: {wrong:.2f} s)"
                if who == "writers"
                else "",
            )


LABELS = {
    "libraries": "non-writers, of libraries",
    "readers": "non-writers, of the user's",
    "writers": "writers, vs plain Dask",
}


def peak(side: str, kind: str, who: str, count: int, size: int) -> int:
    """Peak of what is allocated, in this process."""
    on_threads(side, kind, who, 2, 8_000)  # imports are no cost of a guard
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    on_threads(side, kind, who, count, size)
    _, most = tracemalloc.get_traced_memory()
    return most - before


def bench_memory(count: int, size: int) -> None:
    print(
        f"memory: peak of {count} programs, in objects of {size / 1e6:.0f} MB, "
        f"{THREADS} threads"
    )
    for kind in KINDS:
        for who in WHO:
            found = {}
            for side in ("guard", "merged", "plain"):
                what = json.dumps([side, kind, who, count, size])
                done = subprocess.run(
                    [sys.executable, __file__, "--peak", what],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                found[side] = int(done.stdout) / size
            extra = found["guard"] - found["merged"]
            # a task may have a copy of its own, and pages for what it computes
            bar = 0 if who == "libraries" else THREADS
            verdict = "ok" if extra <= bar + 0.05 else "OVER"
            print(
                f"  {kind + ', ' + LABELS[who]:<38} guard {found['guard']:5.2f}  "
                f"merged {found['merged']:5.2f}  plain {found['plain']:5.2f}  "
                f"extra {extra:5.2f}  bar {bar} {verdict}",
                flush=True,
            )


def high_water() -> int:
    """The most memory that this process held since the last call; 0 where not told."""
    try:
        with open("/proc/self/status") as status:
            lines = [line for line in status if line.startswith("VmHWM")]
        with open("/proc/self/clear_refs", "w") as reset:
            reset.write("5")
    except OSError:
        return 0
    return int(lines[0].split()[1]) * 1024


def on_cluster(
    client: Client, side: str, kind: str, who: str, count: int, size: int
) -> tuple[Spent, float]:
    """Time, and the peak of the largest worker in objects."""
    graph, outputs = programs(kind, who, count, size)
    if side == "merged":
        # Written by hand as one program: what plain Dask would share.
        graph, outputs = guarded(graph, outputs, guard=False)
    client.run(high_water)
    before = client.run(high_water)
    taken = spent(client.get, graph, outputs)
    after = client.run(high_water)
    return taken, max((after[w] - before[w]) / size for w in after)


def bench_cluster(count: int, size: int, rounds: int) -> None:
    print(f"cluster: wall time of {count} programs, two processes of one thread")
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(2):
            cluster = LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                dashboard_address=":0",
                memory_limit=0,
            )
            stack.enter_context(cluster)
            clients.append(stack.enter_context(Client(cluster)))
        ours, theirs = clients
        ours.register_plugin(StratumPlugin())
        for kind in KINDS:
            for who in WHO:
                other = "plain" if who == "writers" else "merged"
                on = {"guard": ours, other: theirs}
                times: dict[str, list[Spent]] = {side: [] for side in on}
                most = dict.fromkeys(on, 0.0)
                for side, client in on.items():
                    on_cluster(client, side, kind, who, 2, 80_000)  # warm
                for _ in range(rounds):
                    for side, client in on.items():
                        run, held = on_cluster(client, side, kind, who, count, size)
                        times[side].append(run)
                        most[side] = max(most[side], held)
                ratio(
                    f"{kind}, {LABELS[who]}",
                    times["guard"],
                    times[other],
                    None,
                    f"peak of a worker {most['guard']:.2f} against "
                    f"{most[other]:.2f} objects",
                    by="wall",
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "which",
        nargs="*",
        metavar="threads|memory|cluster",
        help="what to measure (default: everything)",
    )
    parser.add_argument("--quick", action="store_true", help="smaller and fewer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        print(peak(*json.loads(given.peak)))
        return
    parts = ("threads", "memory", "cluster")
    for name in given.which:
        if name not in parts:
            parser.error(f"there is no part {name!r}; there are: {', '.join(parts)}")
    which = given.which or parts
    size = 100_000_000 if given.quick else 500_000_000
    count = 20 if given.quick else 50
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, dask {dask.__version__}, distributed "
        f"{distributed.__version__}, numpy {np.__version__}, pandas "
        f"{pd.__version__}; {size / 1e6:.0f} MB, medians of {given.rounds} rounds"
    )
    if "threads" in which:
        bench_threads(count, size, given.rounds)
    if "memory" in which:
        bench_memory(count, size)
    if "cluster" in which:
        bench_cluster(count, size, given.rounds)


if __name__ == "__main__":
    main()
