"""Searches on a cluster of real processes: scikit-learn's results, equal steps once."""

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as theirs
from distributed import Client, LocalCluster
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import stratum_dask
import stratum_dask.sklearn as ours
from clusters import Ran

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(60, 2)), columns=["a", "b"]).assign(
    k=RNG.choice(["p", "q"], 60)
)
y = np.where(X["a"] + RNG.normal(size=60) > 0, "yes", "no")


class Clipped(TransformerMixin, BaseEstimator):
    """A transformer of somebody's own."""

    def __init__(self, top=1.0):
        self.top = top

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X.clip(upper=self.top)


class Fails(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise ValueError("this one is broken")


def model(last):
    numbers = make_pipeline(Clipped(), StandardScaler())
    columns = [("n", numbers, ["a", "b"]), ("k", OneHotEncoder(), ["k"])]
    return make_pipeline(ColumnTransformer(columns), last)


STACK = StackingClassifier([("bayes", GaussianNB())], LogisticRegression(), cv=2)
SEARCHES = [
    (model(LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}),
    (model(STACK), {"stackingclassifier__final_estimator__C": [0.1, 1.0]}),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with (
        stratum_dask.enabled(),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("workers")),
        ) as cluster,
        Client(cluster) as found,
    ):  # fmt: skip
        yield found


def assert_same(one, other):
    for name, expected in one.cv_results_.items():
        if "time" not in name:
            assert list(map(str, expected)) == list(map(str, other.cv_results_[name]))
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("number", range(len(SEARCHES)))
def test_a_search_has_scikit_learns_results(client, number):
    estimator, grid = SEARCHES[number]
    with ours.count_tasks() as tasks:
        found = ours.GridSearchCV(estimator, grid, cv=3).fit(X, y)
    assert_same(theirs.GridSearchCV(estimator, grid, cv=3).fit(X, y), found)
    # in each fold: the encoder, and two steps for numbers
    assert (tasks.asked["fit_transform"], tasks.run["fit_transform"]) == (18, 9)
    assert tasks.left == 0


def test_a_search_that_fails_is_told_as_scikit_learn_does(client):
    texts = []
    for home in (theirs, ours):
        search = home.GridSearchCV(model(Fails()), {}, cv=2, error_score="raise")
        with pytest.raises(ValueError, match="this one is broken") as raised:
            search.fit(X, y)
        texts.append(str(raised.value))
    assert texts[0] == texts[1]


def test_lazy_searches_of_two_share_their_steps(client):
    estimator, grid = SEARCHES[0]
    grids = [grid, {**grid, "logisticregression__tol": [1e-4, 1e-3]}]
    searches = [
        ours.lazy.fit(ours.GridSearchCV(estimator, g, cv=4), X, y) for g in grids
    ]
    scheduler = client.cluster.scheduler
    scheduler.add_plugin(ran := Ran(scheduler), name="ran")
    found = client.gather(client.compute(searches))
    scheduler.remove_plugin("ran")
    assert ran.names["fit_transform"] == 4 * 3
    assert ran.names["fit"] == 4 * 4  # two candidates are in both searches
    for one, other in zip(grids, found, strict=True):
        assert_same(theirs.GridSearchCV(estimator, one, cv=4).fit(X, y), other)
