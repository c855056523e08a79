"""The search as people see it: live, as a table, as CSV, as a picture."""

import csv
from pathlib import Path
from typing import Any, Self

from agent_run import Outcome, Watch
from agents import STEPS, Agent, Asked
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed
from rich.table import Table

__all__ = ["Live", "show", "write_leaderboard", "write_picture"]

PLAIN, PLUGIN, INK = "#b9c0c9", "#1f6f8b", "#30363d"


class Live:
    """A progress bar for every mode; one line for each where there is no terminal."""

    def __init__(self) -> None:
        self.console = Console()
        self.progress = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            Elapsed(),
            TextColumn("best {task.fields[best]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.task: Any = None

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def start(self, title: str, steps: int) -> Watch:
        """Show a new bar; what is returned moves it."""
        self.task = self.progress.add_task(title, total=steps, best="  -", start=False)

        def watch(done: int, best: float | None) -> None:
            self.progress.start_task(self.task)  # the clock; again does no harm
            shown = "  -" if best is None else f"{best:.4f}"
            self.progress.update(self.task, completed=done, best=shown)

        return watch

    def finish(self, outcome: Outcome) -> None:
        """Fill the bar."""
        best = f"{max(outcome.scores):.4f}"
        done = outcome.ran.total()
        self.progress.update(self.task, completed=done, best=best)
        self.progress.stop_task(self.task)
        if not self.console.is_terminal:
            title = f"{outcome.mode.title}:"
            print(f"{title:<21} {done:>6,} steps in {outcome.wall:.1f} s", flush=True)


def show(outcomes: list[Outcome], asked: Asked) -> None:
    """Print what ran and what it took."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in (
        *("tasks\nrun", "unique\ntasks", "wall\nseconds", "ratio"),
        *("CPU\nseconds", "ratio", "peak\nMiB"),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        plain = _plain(outcomes, outcome)
        table.add_row(
            outcome.mode.title,
            f"{outcome.ran.total():,}",
            f"{asked.unique.total():,}",
            f"{outcome.wall:.1f}",
            f"{outcome.wall / plain.wall:.2f}",
            f"{outcome.cpu:.1f}",
            f"{outcome.cpu / plain.cpu:.2f}",
            f"{outcome.peak / 2**20:,.0f}",
            style="bold" if outcome.mode.plugin else "",
        )
    Console().print(table)


def _plain(outcomes: list[Outcome], outcome: Outcome) -> Outcome:
    """The outcome on the same scheduler without the plugin."""
    scheduler = outcome.mode.scheduler
    return next(o for o in outcomes if o.mode == (scheduler, False))


def write_leaderboard(path: Path, agents: list[Agent], scores: list[float]) -> None:
    """Write the agents, the best first, with their scores to the last bit."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("rank", "agent", "r2", "features", "preparation", "model", "parameters")
        )
        ranked = sorted(zip(scores, agents, strict=True), key=lambda pair: -pair[0])
        for rank, (score, agent) in enumerate(ranked, start=1):
            parameters = ", ".join(f"{k}={v}" for k, v in agent.parameters.items())
            writer.writerow(
                (
                    rank,
                    agent.name,
                    repr(score),
                    agent.features,
                    " + ".join(agent.preparation),
                    agent.model.removeprefix("fit_"),
                    parameters,
                )
            )


def write_picture(path: Path, outcomes: list[Outcome], asked: Asked) -> None:
    """Draw the steps asked for and run, by kind, and the seconds of every mode."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"font.size": 11, "text.color": INK}):
        figure, (left, right) = pyplot.subplots(
            ncols=2, figsize=(13, 6), width_ratios=(6, 5), layout="constrained"
        )
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
        _draw_steps(left, outcomes, asked)
        _draw_seconds(right, outcomes)
        total, unique = asked.total.total(), asked.unique.total()
        figure.suptitle(
            f"{len(outcomes[0].scores)} agents asked for {total:,} steps; "
            f"{unique:,} of them are different work",
            fontsize=15,
            fontweight="bold",
        )
        figure.savefig(path, dpi=110)
        pyplot.close(figure)


def _draw_steps(axes: Any, outcomes: list[Outcome], asked: Asked) -> None:
    ran = next(o.ran for o in outcomes if o.mode.plugin)
    places = range(len(STEPS))
    for shift, counts, colour, label in (
        (-0.2, asked.total, PLAIN, "asked for (and run by plain Dask)"),
        (0.2, ran, PLUGIN, "run with stratum"),
    ):
        bars = axes.barh(
            [place + shift for place in places],
            [counts[kind] for kind in STEPS],
            height=0.38,
            color=colour,
            label=label,
        )
        axes.bar_label(bars, padding=4, fontsize=10, color=INK)
    axes.set_yticks(places, STEPS)
    axes.invert_yaxis()
    axes.set_xlabel("number of steps")
    axes.set_xlim(right=max(asked.total.values()) * 1.12)
    axes.set_title("Steps by kind, in the order of a pipeline", loc="left")
    _tidy(axes, "x")


def _draw_seconds(axes: Any, outcomes: list[Outcome]) -> None:
    schedulers = list(dict.fromkeys(o.mode.scheduler for o in outcomes))
    groups = [(s, what) for s in schedulers for what in ("wall", "cpu")]
    for plugin, colour, label in (
        (False, PLAIN, "plain Dask"),
        (True, PLUGIN, "with stratum"),
    ):
        heights = [
            getattr(next(o for o in outcomes if o.mode == (s, plugin)), what)
            for s, what in groups
        ]
        bars = axes.bar(
            [place + (0.2 if plugin else -0.2) for place in range(len(groups))],
            heights,
            width=0.38,
            color=colour,
            label=label,
        )
        axes.bar_label(bars, fmt="%.1f", padding=3, fontsize=10, color=INK)
    names = {"wall": "wall time", "cpu": "CPU time"}
    axes.set_xticks(range(len(groups)), [f"{s}\n{names[what]}" for s, what in groups])
    axes.set_ylabel("seconds")
    axes.margins(y=0.2)
    axes.set_title("Seconds by mode", loc="left")
    _tidy(axes, "y")


def _tidy(axes: Any, along: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=along, color="#e6e8eb")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.11), ncols=2)
