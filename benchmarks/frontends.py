"""What searches through the front ends cost, beside the same searches without them.

All sides search the same candidates over the same data in one process, in
alternation; scores must be equal to the bit. Ratios are of a side to the first one,
with the smallest and largest of the rounds:

    python benchmarks/frontends.py             # everything
    python benchmarks/frontends.py a b         # parts: see PARTS
    python benchmarks/frontends.py --quick     # less data, for a first look

CPU seconds are those of this process and of all that it has started.

Part (c) runs each side in a process of its own. It compares with stratum-ai, too, if
STRATUM_AI_PYTHON is the Python of an environment with ``stratum-ai``, ``psutil`` and
``joblib<1.6`` (0.0.0.dev2 does not start with a newer one).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import dask
import numpy as np
import pandas as pd
import psutil
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

import stratum_dask
import stratum_dask.sklearn as ours

CORES = 2

Scores = list[Any]
Side = Callable[[], Scores]


class Cost(NamedTuple):
    wall: float
    cpu: float


def cpu_seconds() -> float:
    """CPU time of this process and its children, by now."""
    me = psutil.Process()
    found = 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        found += times.user + times.system
    return found


def measured(side: Side) -> tuple[Cost, Scores]:
    gc.collect()
    cpu, wall = cpu_seconds(), time.perf_counter()
    scores = side()
    return Cost(time.perf_counter() - wall, cpu_seconds() - cpu), scores


def compare(title: str, sides: Mapping[str, Side], rounds: int, note: str = "") -> None:
    """Run the sides in alternation and print what they cost."""
    print(f"\n{title}")
    costs: dict[str, list[Cost]] = {name: [] for name in sides}
    expected: Scores | None = None
    for i in range(rounds):
        for name, side in sides.items():
            cost, scores = measured(side)
            costs[name].append(cost)
            done = f"round {i + 1} of {rounds}: {name}, {cost.wall:.1f} s"
            print(done, file=sys.stderr, flush=True)
            expected = scores if expected is None else expected
            for one, other in zip(expected, scores, strict=True):
                np.testing.assert_array_equal(one, other, err_msg=name)
    show(costs)
    print("  all scores are equal" + (f"; {note}" if note else ""))


def show(costs: Mapping[str, list[Cost]]) -> None:
    """A line for each side; ratios are to the first one."""
    first = next(iter(costs))
    print(f"  {'':34} {'wall s':>8} {'ratio':>20} {'CPU s':>8} {'ratio':>6}")
    for name, found in costs.items():
        walls = [c.wall / f.wall for c, f in zip(found, costs[first], strict=True)]
        cpus = [c.cpu / f.cpu for c, f in zip(found, costs[first], strict=True)]
        spread = f"{statistics.median(walls):.2f} ({min(walls):.2f}-{max(walls):.2f})"
        print(
            f"  {name:34} {statistics.median(c.wall for c in found):8.2f} {spread:>20} "
            f"{statistics.median(c.cpu for c in found):8.2f} "
            f"{statistics.median(cpus):6.2f}"
        )


# ------------------------------------------------------------------ scikit-learn
def table(rows: int) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    """Numbers with gaps, and categories, of which a target is made."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(rows, 8))
    frame = pd.DataFrame(numbers, columns=[f"n{i}" for i in range(8)])
    for i in range(5):
        frame[f"c{i}"] = rng.choice([f"v{j}" for j in range(10)], rows)
    codes = frame["c0"].str[1:].astype(int)
    y = numbers[:, 0] * numbers[:, 1] + codes + rng.normal(size=rows)
    return frame.mask(rng.random(frame.shape) < 0.03), y.to_numpy()


def pipeline(model: Any) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), StandardScaler(), PolynomialFeatures(2))
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = ColumnTransformer(
        [
            ("numbers", numbers, [f"n{i}" for i in range(8)]),
            ("categories", categories, [f"c{i}" for i in range(5)]),
        ],
        sparse_threshold=0,
    )
    return Pipeline([("columns", columns), ("model", model)])


STRATEGY = "columns__numbers__simpleimputer__strategy"


def one_search(quick: bool) -> None:
    """One search: 3 preparations x 24 settings of a model x 3 folds."""
    X, y = table(500 if quick else 12_000)
    grid = {
        STRATEGY: ["mean", "median", "most_frequent"],
        "model__max_depth": [2, 4, 6, 8, 10, 12],
        "model__min_samples_leaf": [1, 5, 20, 50],
    }
    model = pipeline(DecisionTreeRegressor(random_state=0))
    compare(
        "(a) one search, 3 preparations x 24 models x 3 folds",
        sides_of([(model, grid)], X, y),
        1 if quick else 3,
    )


def twelve_searches(quick: bool) -> None:
    """Twelve searches of twelve agents, who have four of five candidates in common."""
    X, y = table(500 if quick else 4_000)
    model = pipeline(DecisionTreeRegressor(random_state=0))
    common = {
        STRATEGY: ["mean", "median"],
        "model__max_depth": [4, 6, 8, 10, 12],
        "model__min_samples_leaf": [5, 20],
    }
    own = [
        {
            STRATEGY: ["mean"],
            "model__max_depth": [5 + i],
            "model__max_features": [0.5, 0.6, 0.7, 0.8, 0.9],
        }
        for i in range(12)
    ]
    compare(
        "(b) twelve searches of 25 candidates, of which each has 20 in common with all",
        sides_of([(model, [common, more]) for more in own], X, y, one_job=False),
        1 if quick else 3,
    )


def nothing_shared(quick: bool) -> None:
    """A search in which no two fits have a step in common."""
    X, y = table(500 if quick else 12_000)
    X = X.filter(like="n").fillna(0.0).to_numpy()
    grid = {"max_depth": [4, 8, 12, 16], "min_samples_leaf": [1, 5, 20, 50]}
    compare(
        "(n) nothing to share: 16 trees x 3 folds, no preparation",
        sides_of([(DecisionTreeRegressor(random_state=0), grid)], X, y, others=False),
        2 if quick else 7,
    )


def sides_of(
    searches: list[tuple[Any, Any]],
    X: Any,
    y: Any,
    others: bool = True,
    one_job: bool = True,
) -> dict[str, Side]:
    folds = list(KFold(3).split(X))

    def scores(search: Any) -> Any:
        # not their mean: dask-ml adds them up in another way
        return [search.cv_results_[f"split{i}_test_score"] for i in range(len(folds))]

    def eager(cls: Any, **options: Any) -> Side:
        def side() -> Scores:
            made = [cls(m, g, cv=folds, **options).fit(X, y) for m, g in searches]
            return list(map(scores, made))

        return side

    def lazy() -> Scores:
        with (
            stratum_dask.enabled(),
            dask.config.set(scheduler="threads", num_workers=CORES),
        ):
            made = [
                ours.lazy.fit(ours.GridSearchCV(m, g, cv=folds), X, y)
                for m, g in searches
            ]
            return list(map(scores, dask.compute(*made)))

    def dask_ml() -> Scores:
        from dask_ml.model_selection import GridSearchCV as DaskSearch

        with (
            dask.config.set(scheduler="threads", num_workers=CORES),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            return eager(DaskSearch)()

    sides = {
        f"scikit-learn, n_jobs={CORES}": eager(GridSearchCV, n_jobs=CORES),
        f"ours, n_jobs={CORES}": eager(ours.GridSearchCV, n_jobs=CORES),
    }
    if one_job:
        sides["scikit-learn, n_jobs=1"] = eager(GridSearchCV)
        sides["ours, n_jobs=1"] = eager(ours.GridSearchCV)
    if others:
        sides["ours, lazy, in one submission"] = lazy
        sides["dask-ml"] = dask_ml
    return sides


def skrub_search(quick: bool) -> None:
    """skrub: 2 preparations x 4 models x 3 folds, then 6 settings of one model."""
    rows = "1500" if quick else "4000"
    rounds = 1 if quick else 2
    script = str(Path(__file__).with_name("frontends_skrub.py"))
    names = {
        "skrub": f"skrub, n_jobs={CORES}",
        "ours": f"ours, n_jobs={CORES}",
        "lazy": "ours, lazy, in one submission",
    }
    pythons = dict.fromkeys(names, sys.executable)
    other = os.environ.get("STRATUM_AI_PYTHON")
    if other:  # it pins skrub 0.8 and scikit-learn 1.8
        names |= {"old": "the older skrub of stratum-ai", "stratum-ai": "stratum-ai"}
        pythons |= {"old": other, "stratum-ai": other}
    print("\n(c) skrub: 2 preparations x 4 models x 3 folds, then 6 settings of one")
    costs: dict[str, list[Cost]] = {side: [] for side in names}
    scores: dict[str, list[float]] = {}
    for _ in range(rounds):
        for side, python in pythons.items():
            done = subprocess.run(
                [python, script, side.replace("old", "skrub"), rows],
                # Threads of OpenMP wait in a loop: minutes where a core is shared.
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                check=True,
            )
            found = json.loads(done.stdout.splitlines()[-1])
            costs[side].append(Cost(found["wall"], found["cpu"]))
            scores[side] = found["scores"]
    show({names[side]: found for side, found in costs.items()})
    for side in ("ours", "lazy"):
        np.testing.assert_array_equal(scores[side], scores["skrub"], err_msg=side)
    print("  ours are equal to skrub's")
    if other:
        differ = np.abs(np.subtract(scores["stratum-ai"], scores["old"])).max()
        print(f"  stratum-ai's differ from its own skrub's by up to {differ:.2g}")


PARTS: dict[str, Callable[[bool], None]] = {
    "a": one_search,
    "b": twelve_searches,
    "c": skrub_search,
    "n": nothing_shared,
}


def machine() -> str:
    names = ("scikit-learn", "dask", "dask-ml", "numpy", "pandas")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python "
        f"{platform.python_version()}, {versions}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="|".join(PARTS))
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    for name in chosen.parts:
        if name not in PARTS:
            parser.error(f"there is no part {name!r}; there are: {', '.join(PARTS)}")
    print(machine())
    for part in chosen.parts or PARTS:
        PARTS[part](chosen.quick)


if __name__ == "__main__":
    main()
