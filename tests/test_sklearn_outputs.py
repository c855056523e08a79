"""Models of each output or class are fitted in parts, and equal scikit-learn's."""

import collections
import warnings

import dask
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn.model_selection as theirs
from fitted import assert_equal_models
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier

import stratum_dask.sklearn as ours
from stratum_dask.frontends.sklearn import evaluate

RNG = np.random.default_rng(0)
N = 80
X = RNG.normal(size=(N, 3))
NUMBERS = X[:, :2] @ RNG.normal(size=(2, 4)) + RNG.normal(size=(N, 4))
TWO = np.where(X[:, 0] + RNG.normal(size=N) > 0, "yes", "no")
THREE = RNG.choice(["p", "q", "r"], N)
TABLE = np.column_stack([RNG.choice([0, 1], N), RNG.choice([5, 6, 7], N)])
TAGS = (NUMBERS > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abc")).assign(k=RNG.choice(["u", "v"], N))
COLUMNS = [("n", StandardScaler(), list("abc")), ("k", OneHotEncoder(), ["k"])]


@pytest.fixture(autouse=True)
def by_graphs(monkeypatch):
    """Nothing is left to scikit-learn, so that all of this is tested."""
    monkeypatch.setattr(evaluate.Sharing, "always", True)


def steps(model):
    return make_pipeline(StandardScaler(), model)


def of_columns(model):
    return make_pipeline(ColumnTransformer(COLUMNS), model)


CASES = {
    "numbers": (MultiOutputRegressor(Ridge()), X, NUMBERS),
    "one column of numbers": (MultiOutputRegressor(Ridge()), X, NUMBERS[:, :1]),
    "numbers in steps": (MultiOutputRegressor(steps(SVR())), X, NUMBERS),
    "numbers of frames": (
        MultiOutputRegressor(of_columns(Ridge())), FRAME, pd.DataFrame(NUMBERS),
    ),
    "numbers of lists": (
        MultiOutputRegressor(Ridge()), X.tolist(), NUMBERS.tolist(),
    ),
    "some jobs": (MultiOutputRegressor(steps(Ridge()), n_jobs=2), X, NUMBERS),
    "labels": (MultiOutputClassifier(steps(LogisticRegression())), X, TABLE),
    "labels of frames": (
        MultiOutputClassifier(of_columns(GaussianNB())), FRAME,
        pd.DataFrame({"one": TWO, "other": THREE}),
    ),
    "tags in columns": (MultiOutputClassifier(GaussianNB()), X, TAGS),
    "two classes": (OneVsRestClassifier(steps(LogisticRegression())), X, TWO),
    "three classes": (OneVsRestClassifier(steps(LogisticRegression())), X, THREE),
    "decisions": (OneVsRestClassifier(LinearSVC(random_state=0)), X, THREE),
    "predictions": (OneVsRestClassifier(LinearRegression()), X, THREE),
    "classes of frames": (
        OneVsRestClassifier(of_columns(SVC())), FRAME, pd.Series(THREE),
    ),
    "classes of lists": (
        OneVsRestClassifier(GaussianNB()), X.tolist(), THREE.tolist(),
    ),
    "tags": (OneVsRestClassifier(steps(LogisticRegression())), X, TAGS),
    "some jobs for classes": (
        OneVsRestClassifier(steps(GaussianNB()), n_jobs=2), X, THREE,
    ),
    "a pair": (OneVsOneClassifier(steps(LogisticRegression())), X, TWO),
    "pairs": (OneVsOneClassifier(steps(LogisticRegression())), X, THREE),
    "pairs of decisions": (OneVsOneClassifier(LinearSVC(random_state=0)), X, THREE),
    "pairs of frames": (
        OneVsOneClassifier(steps(SVC())), FRAME[list("abc")], pd.Series(THREE),
    ),
    "pairs of lists": (OneVsOneClassifier(GaussianNB()), X.tolist(), THREE.tolist()),
    "pairs of sparse rows": (
        OneVsOneClassifier(LogisticRegression()), scipy.sparse.csr_array(X), THREE,
    ),
    "pairs of what is missing": (
        OneVsOneClassifier(DecisionTreeClassifier(random_state=0)),
        np.where(X > 1, np.nan, X), THREE,
    ),
    "some jobs for pairs": (
        OneVsOneClassifier(steps(GaussianNB()), n_jobs=2), X, THREE,
    ),
    "at the end of steps": (steps(OneVsRestClassifier(GaussianNB())), X, THREE),
    "of votes": (
        OneVsRestClassifier(VotingClassifier([("n", GaussianNB())], voting="soft")), X, THREE,
    ),
    "of a stack": (
        MultiOutputClassifier(
            StackingClassifier([("n", GaussianNB())], LogisticRegression(), cv=2)
        ), X, TABLE,
    ),
    "of targets": (
        MultiOutputRegressor(
            TransformedTargetRegressor(Ridge(), transformer=StandardScaler())
        ), X, NUMBERS,
    ),
    "of each other": (MultiOutputClassifier(OneVsRestClassifier(GaussianNB())), X, TABLE),
    "in votes": (
        VotingClassifier([("o", OneVsRestClassifier(GaussianNB()))]), X, THREE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_scikit_learns_to_the_bit(name):
    model, data, target = CASES[name]
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        assert_equal_models(model, data, target)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("numbers", 4),
        ("one column of numbers", 1),
        ("labels", 2),
        ("two classes", 1),
        ("three classes", 3),
        ("tags", 4),
        ("a pair", 1),
        ("pairs", 3),
        ("at the end of steps", 3),
    ],
)
def test_each_part_is_a_task(name, parts):
    model, data, target = CASES[name]
    with ours.count_tasks() as tasks:
        ours.cross_validate(model, data, target, cv=2)
    assert (tasks.run["join_outputs"], tasks.run["fit"]) == (2, 2 * parts)


def test_candidates_share_what_comes_before_the_models():
    grid = {"estimator__logisticregression__C": [0.1, 1.0, 10.0]}
    search = theirs.GridSearchCV(CASES["three classes"][0], grid, cv=3)
    with ours.count_tasks() as tasks:
        found = ours.GridSearchCV(CASES["three classes"][0], grid, cv=3).fit(X, THREE)
    expected = search.fit(X, THREE)
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(
            expected.cv_results_[name], found.cv_results_[name]
        )
    # 3 candidates x 3 folds x 3 classes
    assert (tasks.asked["fit"], tasks.run["fit"]) == (27, 27)
    assert (tasks.asked["fit_transform"], tasks.run["fit_transform"]) == (27, 9)
    assert tasks.run["transform"] == 9
    assert tasks.left == 0


class Own(OneVsRestClassifier):
    """Nobody knows what else it does."""


WHOLE = {
    "subclasses": (Own(GaussianNB()), THREE),
    "messages": (OneVsRestClassifier(GaussianNB(), verbose=1), THREE),
    "sparse tags": (OneVsRestClassifier(GaussianNB()), scipy.sparse.csr_array(TAGS)),
    "a column": (OneVsRestClassifier(GaussianNB()), (TWO == "yes").reshape(-1, 1) * 1),
    "a column of pairs": (
        OneVsOneClassifier(GaussianNB()), (TWO == "yes").reshape(-1, 1) * 1,
    ),
    "one class of pairs": (OneVsOneClassifier(GaussianNB()), np.ones(N, int)),
    "too many pairs": (OneVsOneClassifier(GaussianNB()), np.arange(N) % 16),
    "kernels of pairs": (OneVsOneClassifier(SVC(kernel="precomputed")), THREE),
    "a constant": (
        OneVsRestClassifier(GaussianNB()), np.column_stack([TAGS, np.ones(N, int)]),
    ),
    "almost as many classes as rows": (
        OneVsRestClassifier(GaussianNB()), np.append(np.arange(N - 30), np.arange(30)),
    ),
    "kernels": (MultiOutputRegressor(SVR(kernel="precomputed")), NUMBERS),
    "one row of numbers": (MultiOutputRegressor(Ridge()), NUMBERS[:, 0]),
    "labels of their own in each column": (
        MultiOutputClassifier(GaussianNB()),
        np.column_stack([np.arange(N) % 12, 12 + np.arange(N) % 12]),
    ),
    "numbers for labels": (MultiOutputClassifier(GaussianNB()), NUMBERS),
}  # fmt: skip


def outcome(home, model, target):
    """Scores or an error, and what was warned of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            folds = theirs.KFold(2)
            found = home.cross_val_score(
                clone(model), X, target, cv=folds, error_score="raise"
            ).tolist()
        except Exception as e:  # noqa: BLE001 any
            found = f"{type(e).__name__}: {e}"
    told = collections.Counter((w.category.__name__, str(w.message)) for w in seen)
    return found, told


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_unusual_stays_whole(name, capsys):
    model, target = WHOLE[name]
    expected = outcome(theirs, model, target)
    with ours.count_tasks() as tasks:
        np.testing.assert_equal(outcome(ours, model, target), expected)
    assert tasks.asked["join_outputs"] == 0


@pytest.mark.parametrize("name", CASES)
def test_warnings_are_as_many(name):
    model, data, target = CASES[name]
    if isinstance(data, np.ndarray):
        assert outcome(ours, model, target) == outcome(theirs, model, target)


class Writer(ClassifierMixin, BaseEstimator):
    """Writes into what it is fitted to."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        X[:, 0] += 1.0
        self.mean_ = X[:, 0].mean()
        return self

    def predict_proba(self, X):
        first = 1 / (1 + np.exp(X[:, 0] - self.mean_))
        return np.column_stack([first, 1 - first])


class FailsForSome(GaussianNB):
    def fit(self, X, y):
        if np.mean(y) > 0.36:
            raise ValueError(f"a mean of {np.mean(y)}")
        return super().fit(X, y)


@pytest.mark.parametrize(
    "model", [Writer(), FailsForSome(), DecisionTreeClassifier(max_depth=-1)]
)
def test_what_writes_or_fails_does_so_as_in_scikit_learn(model):
    for kind in (OneVsRestClassifier, OneVsOneClassifier):
        expected = outcome(theirs, kind(model), THREE)
        assert outcome(ours, kind(model), THREE) == expected


def test_unseeded_models_draw_as_they_would():
    grid = {"estimator__max_depth": [2, 3]}
    found = []
    for home in (theirs, ours):
        np.random.seed(0)
        model = MultiOutputRegressor(RandomForestRegressor(3))
        search = home.GridSearchCV(model, grid, cv=2, refit=False)
        found.append(search.fit(X, NUMBERS).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*found)


def test_weights_go_to_all_of_it():
    weights = {"sample_weight": RNG.uniform(0.5, 2, N)}
    one, other = (
        home.cross_validate(
            MultiOutputRegressor(Ridge()), X, NUMBERS, params=weights, cv=2
        )["test_score"]
        for home in (theirs, ours)
    )
    np.testing.assert_array_equal(one, other)


def test_with_metadata_routing():
    with config_context(enable_metadata_routing=True):
        assert_equal_models(*CASES["three classes"])
        assert_equal_models(*CASES["pairs"])


@pytest.mark.parametrize("name", ["numbers in steps", "three classes", "pairs"])
@pytest.mark.parametrize("known", [True, False])
def test_later(name, known):
    model, data, target = CASES[name]
    expected = theirs.cross_validate(model, data, target, cv=2)["test_score"]
    given = (data, target) if known else map(dask.delayed, (data, target))
    with ours.count_tasks() as tasks:
        later = ours.lazy.cross_validate(model, *given, cv=2)
    np.testing.assert_array_equal(later.compute()["test_score"], expected)
    assert bool(tasks.asked["join_outputs"]) is known
