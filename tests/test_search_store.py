"""The door with retention and the store on: what has been paid for is read."""

import dask
import numpy as np
import pandas as pd
import pytest
from dask import delayed
from distributed import Client, LocalCluster
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import stratum_dask.sklearn as ours
from stratum_dask.scheduler_plugins.store import flush
from stratum_dask.search import Search

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(60, 3)), columns=list("abc"))
y = X["a"] * 2 + RNG.normal(size=60)
MODEL = make_pipeline(StandardScaler(), Ridge())
GRID = {"ridge__alpha": [0.1, 10.0]}


def work():
    """Take long enough for reading to be cheaper."""
    return sum(i * i for i in range(600_000)) > 0


def load(n):
    work()
    return pd.DataFrame({"a": np.arange(float(n))})


def features(frame, weight):
    work()
    frame["b"] = frame["a"] * weight
    return frame


def score(frame):
    work()
    return float(frame["b"].sum())


@pytest.fixture
def cluster(tmp_path):
    """Makes clusters whose schedulers know of each other only by the store."""

    def make(**options):
        return LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None,
            local_directory=str(tmp_path / "workers"),
            **{"processes": False, **options},
        )  # fmt: skip

    options = {
        "stratum.store.url": str(tmp_path / "store"),
        "stratum.store.min-seconds": 0,
        "stratum.retention.budget": 0.2,
        "stratum.retention.min-seconds": 0,
    }
    with dask.config.set(options):
        yield make


def candidates(search):
    for weight in (1, 2):
        made = delayed(score)(delayed(features)(delayed(load)(10), weight))
        search.add(made, name=f"weight {weight}")
    search.add(MODEL, X, y, cv=3, name="model")
    search.add(ours.lazy.fit(ours.GridSearchCV(MODEL, GRID, cv=3), X, y), name="grid")
    search.add(delayed(score)(delayed(load)(3)), name="broken")


def searched(place):
    """Search there; how many tasks ran for it."""
    with Search(place, window=0.3) as search:
        candidates(search)
    assert [search[f"weight {w}"].value for w in (1, 2)] == [45.0, 90.0]
    expected = cross_val_score(MODEL, X, y, cv=3)
    np.testing.assert_array_equal(search["model"].value, expected)
    best = GridSearchCV(MODEL, GRID, cv=3).fit(X, y)
    found = search["grid"].value
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(found.cv_results_[name], best.cv_results_[name])
    np.testing.assert_array_equal(found.predict(X), best.predict(X))
    assert search["broken"].status == "failed"
    assert isinstance(search["broken"].error, KeyError)
    assert search.best.name == "weight 2"
    return {c.name: c.cost.ran for c in search.candidates}


@pytest.mark.parametrize(
    "processes", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_another_cluster_reads_what_one_has_computed(cluster, processes):
    with cluster(processes=processes) as one, Client(one) as client:
        first, plugin = searched(one), one.scheduler.plugins["stratum"]
        # load and, for each weight, two steps
        assert first["weight 1"] + first["weight 2"] == 5
        assert first["broken"] == 2
        again = searched(one)
        # What retention has kept is handed out; what was let go of sooner runs again.
        assert 2 <= again["weight 1"] + again["weight 2"] < 5
        assert plugin.retention.figures().hits >= 1
        assert flush(client) == 0
        assert plugin.store.figures().written >= 2
        assert plugin.store.figures().failures == 0
    with cluster(processes=processes) as other:
        read = searched(other)
        plugin = other.scheduler.plugins["stratum"]
        assert (read["weight 1"], read["weight 2"]) == (1, 1)
        assert plugin.total.read["score"] == 2
        assert plugin.store.figures().failures == 0
