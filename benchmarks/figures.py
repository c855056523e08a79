"""What it costs a scheduler to be looked at.

    python benchmarks/figures.py

First the price of each look, for a scheduler that has seen 1,000 functions and as many
refusals. Then graphs of 1,000 tasks, half of them equal, are sent to one scheduler
without workers, in turn with nobody looking and with everything open: one event for
each graph, and a page that is drawn every second. Figures beside the ratio are the
smallest and largest ratio of the rounds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import dask
from bokeh.document import Document
from distributed import Client, Scheduler

from stratum_dask.scheduler_plugins import StratumPlugin, figures
from stratum_dask.scheduler_plugins.dashboard.document import VIEWS
from stratum_dask.scheduler_plugins.history import Sample
from stratum_dask.tally import Refusal

ROUNDS, GRAPHS, TASKS = 8, 4, 1_000


def step(i: int) -> int:
    return i


async def main() -> None:
    logging.getLogger("distributed").setLevel(logging.ERROR)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, ", end="")
    print(f"{platform.machine()}, load {os.getloadavg()[0]:.1f}")
    async with Scheduler(port=0, dashboard_address=":0") as scheduler:
        await scheduler.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        plugin = scheduler.plugins["stratum"]
        fill(plugin)
        looks(plugin)
        async with Client(scheduler.address, asynchronous=True) as client:
            await graphs(scheduler, plugin, client)


def fill(plugin: StratumPlugin) -> None:
    """Let the plugin have seen much."""
    total = plugin.total
    total.graphs = total.asked = total.run = 10_000
    for i in range(1_000):
        name = f"evaluate_candidate_{i}"
        total.merged[name] = i
        total.seconds[name] = i / 7
        total.refused[Refusal(name, "not merged", f"reason {i % 40}", "mend it")] = i
    assert plugin.observer is not None
    for i in range(600):
        plugin.observer.history.add(Sample(float(i), asked=i))


def looks(plugin: StratumPlugin) -> None:
    """Print the price of each kind of look."""
    observer = plugin.observer
    assert observer is not None
    views = [view() for view in VIEWS.values()]
    doc: Any = Document()
    for view in views:
        doc.add_root(view.root)

    def draw() -> None:
        now, samples = figures.figures(plugin), observer.samples()
        for view in views:
            view.show(now, samples)

    for what, look in {
        "the sample of every second": observer.look,
        "a scrape of the metrics": lambda: figures.figures(plugin),
        "an answer to report or top": lambda: figures.to_plain(plugin),
        "a page, each second while it is open and something happens": draw,
    }.items():
        print(f"{1e6 * price(look):10,.0f} µs  {what}")


def price(look: Callable[[], Any]) -> float:
    """Seconds of CPU that a look takes: the median of 20."""
    found = []
    for _ in range(20):
        start = time.process_time()
        for _ in range(5):
            look()
        found.append((time.process_time() - start) / 5)
    return statistics.median(found)


async def graphs(scheduler: Scheduler, plugin: StratumPlugin, client: Client) -> None:
    """Print what graphs cost that somebody looks at, against those nobody does."""
    observer = plugin.observer
    assert observer is not None
    views = [view() for view in VIEWS.values()]
    ratios, number = [], 0
    for turn in range(ROUNDS + 1):
        took = {}
        for looked_at in (True, False) if turn % 2 else (False, True):
            plugin.observer = observer if looked_at else None
            start = time.process_time()
            for _ in range(GRAPHS):
                number += 1
                await send(scheduler, client, number)
                if looked_at:
                    observer.look()
                    now, samples = figures.figures(plugin), observer.samples()
                    for view in views:
                        view.show(now, samples)
            took[looked_at] = time.process_time() - start
        if turn:  # the first one warms up
            ratios.append(took[True] / took[False])
    print(
        f"{statistics.median(ratios):10.3f} x   CPU of graphs of {TASKS:,} tasks with a "
        f"look and a page drawn for each ({min(ratios):.3f} to {max(ratios):.3f})"
    )


async def send(scheduler: Scheduler, client: Client, number: int) -> None:
    tasks = [dask.delayed(step)(number * TASKS + i // 2) for i in range(TASKS)]
    futures = client.compute(tasks)
    while not scheduler.tasks:
        await asyncio.sleep(0)
    for future in futures:
        future.release()
    while scheduler.tasks:
        await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main())
