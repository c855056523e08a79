"""One side of part (c) of ``frontends.py``, in a process of its own.

    python benchmarks/frontends_skrub.py SIDE ROWS

SIDE is "skrub", "ours", "lazy" or "stratum-ai". The last one is another package,
which needs skrub 0.8 and so an environment of its own; this file runs in all of them
and prints one line of JSON: seconds, CPU seconds, scores.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import psutil
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

N_JOBS = 2


def table(rows: int) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        rng.normal(size=(rows, 8)), columns=[f"n{i}" for i in range(8)]
    )
    y = frame["n0"] * frame["n1"] + rng.normal(size=rows)
    frame = frame.mask(rng.random(frame.shape) < 0.03)
    for i in range(5):
        frame[f"c{i}"] = rng.choice([f"v{j}" for j in range(10)], rows)
    return frame, y.rename("y")


def features(frame: pd.DataFrame) -> pd.DataFrame:
    means = frame.groupby("c0")["n2"].transform("mean")
    return frame.assign(mean=means, product=frame["n3"] * frame["n4"])


def plan(skrub: Any, frame: pd.DataFrame, target: pd.Series, model: Any) -> Any:
    s = importlib.import_module("skrub.selectors")
    X, y = skrub.X(frame), skrub.y(target)
    made = X.skb.apply_func(features)
    ways = {
        name: make_pipeline(
            SimpleImputer(strategy=name), StandardScaler(), PolynomialFeatures(2)
        ).set_output(transform="pandas")
        for name in ("mean", "median")
    }
    numbers = made.skb.select(s.numeric()).skb.apply(
        skrub.choose_from(ways, name="preparation")
    )
    categories = made.skb.select(s.string()).skb.apply(
        OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    return numbers.skb.concat([categories], axis=1).skb.apply(model, y=y)


def plans(skrub: Any, rows: int) -> list[Any]:
    """2 preparations of 4 models, and 6 settings of one of them."""
    frame, y = table(rows)
    models = {
        "ridge": Ridge(),
        "tree": DecisionTreeRegressor(max_depth=8, random_state=0),
        "trees": ExtraTreesRegressor(10, max_depth=8, random_state=0),
        "boosting": HistGradientBoostingRegressor(max_iter=20, random_state=0),
    }
    # Not a choice inside of one tree, which stratum-ai does not understand.
    settings = {
        f"depth {n}": DecisionTreeRegressor(max_depth=n, random_state=0)
        for n in (2, 4, 6, 8, 10, 12)
    }
    best = skrub.choose_from(settings, name="tree")
    return [
        plan(skrub, frame, y, skrub.choose_from(models, name="model")),
        plan(skrub, frame, y, best),
    ]


def search(side: str, made: list[Any]) -> list[Any]:
    options = {"cv": KFold(3), "scoring": "r2", "refit": False}
    if side == "lazy":
        import dask

        import stratum_dask
        from stratum_dask.skrub import lazy_fit, make_grid_search

        later = [
            lazy_fit(make_grid_search(each, **options), each.skb.get_data())
            for each in made
        ]
        with (
            stratum_dask.enabled(),
            dask.config.set(scheduler="threads", num_workers=N_JOBS),
        ):
            return list(dask.compute(*later))
    if side == "ours":
        from stratum_dask.skrub import make_grid_search

        return [
            make_grid_search(each, fitted=True, n_jobs=N_JOBS, **options)
            for each in made
        ]
    more = {} if side == "stratum-ai" else {"n_jobs": N_JOBS}
    return [each.skb.make_grid_search(fitted=True, **options, **more) for each in made]


def cpu() -> float:
    me = psutil.Process()
    found = 0.0
    for process in (me, *me.children(recursive=True)):
        times = process.cpu_times()
        found += times.user + times.system
    return found


def main() -> None:
    side, rows = sys.argv[1], int(sys.argv[2])
    warnings.simplefilter("ignore")
    skrub = importlib.import_module("stratum" if side == "stratum-ai" else "skrub")
    if side == "stratum-ai":
        skrub.set_config(scheduler=True)
    elif side != "skrub":  # no side pays for imports
        importlib.import_module("stratum_dask.skrub")
    with importlib.import_module("skrub").config_context(**_lazily()):
        made = plans(skrub, rows)
        start, before = time.perf_counter(), cpu()
        found = search(side, made)
        wall, spent = time.perf_counter() - start, cpu() - before
    scores = [round(float(v), 12) for each in found for v in _scores(each.results_)]
    print(json.dumps({"wall": wall, "cpu": spent, "scores": sorted(scores)}))


def _scores(results: Any) -> list[float]:
    """The mean scores; the frame is of polars with stratum-ai."""
    (name,) = [c for c in results.columns if "score" in c][:1]
    return list(results[name])


def _lazily() -> dict[str, bool]:
    """No previews, where this skrub can do without."""
    known = importlib.import_module("skrub").get_config()
    return {"eager_data_ops": False} if "eager_data_ops" in known else {}


if __name__ == "__main__":
    main()
