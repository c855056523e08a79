"""The memory of a scheduler over time, with the plugin and without, side by side.

    python benchmarks/soak.py --minutes 10

Two clusters of processes run at the same time: a plain `dask scheduler`, and one with
the plugin preloaded and retention on. Each has two workers under a memory limit and
four clients with the same random pipelines, some of which are cancelled or forgotten
(`tests/witness/soaking.py`, which also checks every result). What is printed is the
resident memory of the two schedulers, and by how much it grows in the second half,
when caches and logs are full.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import distributed
import psutil

CLIENTS = Path(__file__).parents[1] / "tests" / "witness" / "soaking.py"
BUDGET = 60_000_000
OURS = {
    "DASK_STRATUM__RETENTION__BUDGET": str(BUDGET),
    "DASK_STRATUM__RETENTION__MIN_SECONDS": "0",
    "DASK_STRATUM__RETENTION__KEEP": "1 hour",
}


class Side:
    """One cluster and its clients."""

    def __init__(self, name: str, folder: Path, ours: bool) -> None:
        self.name = name
        self.folder = folder
        folder.mkdir()
        self.processes: list[subprocess.Popen[str]] = []
        where = folder / "scheduler.json"
        common = ("--scheduler-file", str(where), "--no-dashboard")
        preload = ("--preload", "stratum_dask.scheduler_plugins") if ours else ()
        environment = OURS if ours else {}
        start = ("scheduler", "--host", "127.0.0.1", "--port", "0")
        dask = (sys.executable, "-m", "dask")
        self.start("scheduler", (*dask, *start, *preload, *common), environment)
        end = time.monotonic() + 30
        while not where.exists():
            if time.monotonic() > end:
                raise TimeoutError(f"no scheduler: see {folder}")
            time.sleep(0.05)
        for i in range(2):
            options = ("worker", "--nthreads", "1", "--memory-limit", "400 MB")
            self.start(f"worker{i}", (*dask, *options, *common), environment)
        self.address = json.loads(where.read_text())["address"]
        self.scheduler = psutil.Process(self.processes[0].pid)
        self.seen: list[float] = []

    def start(
        self, name: str, command: tuple[str, ...], more: dict[str, str]
    ) -> subprocess.Popen[str]:
        """Start a process whose output goes to a file."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
        environment["HOME"] = str(self.folder)
        with open(self.folder / f"{name}.log", "w") as log:
            process = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def work(self, seconds: float, pause: float) -> subprocess.Popen[str]:
        """Start the clients."""
        command = (sys.executable, str(CLIENTS), self.address, str(seconds), "0", "4")
        return self.start("clients", (*command, str(pause)), {})

    def checked(self) -> int:
        """How many results the clients have compared."""
        text = (self.folder / "clients.log").read_text()
        try:
            return int(json.loads(text.splitlines()[-1]))
        except (IndexError, ValueError):
            raise RuntimeError(f"the clients failed:\n{text}") from None

    def stop(self) -> None:
        """End all processes."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def growth(seen: list[float], seconds: float) -> float:
    """MB an hour in the second half, by the medians of its two halves."""
    late = seen[len(seen) // 2 :]
    half = len(late) // 2
    first, last = statistics.median(late[:half]), statistics.median(late[half:])
    return (last - first) / (seconds / 4) * 3600


def main() -> None:
    """Run both sides and print what they took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--pause", type=float, default=0.5, help="seconds between a client's graphs"
    )
    options = parser.parse_args()
    seconds = options.minutes * 60
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, distributed {distributed.__version__}; "
        f"{options.minutes:g} minutes"
    )
    sides: list[Side] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            sides.append(Side("plain Dask", Path(folder) / "plain", ours=False))
            sides.append(Side("stratum-dask", Path(folder) / "ours", ours=True))
            clients = [side.work(seconds, options.pause) for side in sides]
            start = time.monotonic()
            while any(client.poll() is None for client in clients):
                time.sleep(1)
                for side in sides:
                    side.seen.append(side.scheduler.memory_info().rss / 1e6)
                if len(sides[0].seen) % max(1, round(seconds / 10)) == 0:
                    now = " ".join(f"{s.name} {s.seen[-1]:.0f} MB," for s in sides)
                    print(
                        f"  {time.monotonic() - start:5.0f} s: {now[:-1]}", flush=True
                    )
            for side in sides:
                seen = side.seen
                print(
                    f"  {side.name:<13} {side.checked()} results checked; RSS of the "
                    f"scheduler {seen[0]:.0f} to {seen[-1]:.0f} MB (most "
                    f"{max(seen):.0f}), second half {growth(seen, seconds):+.1f} MB/h"
                )
        finally:
            for side in sides:
                side.stop()


if __name__ == "__main__":
    main()
