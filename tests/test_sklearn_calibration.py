"""Calibrated classifiers are fitted in parts, and equal scikit-learn's to the bit."""

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as theirs
from fitted import assert_equal_models
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

import stratum_dask.sklearn as ours
from stratum_dask.frontends.sklearn import evaluate

pytestmark = pytest.mark.filterwarnings(
    "default", "ignore:Couldn't detect:RuntimeWarning"
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
y = np.where(X[:, 0] + RNG.normal(size=80) > 0, "yes", "no")
THREE = RNG.choice(["p", "q", "r"], 80)
FRAME = pd.DataFrame(X, columns=list("abc")).assign(k=RNG.choice(["u", "v"], 80))
COLUMNS = [("n", StandardScaler(), list("abc")), ("k", OneHotEncoder(), ["k"])]


@pytest.fixture(autouse=True)
def by_graphs(monkeypatch):
    """Nothing is left to scikit-learn, so that all of this is tested."""
    monkeypatch.setattr(evaluate.Sharing, "always", True)


def calibrated(model=None, **more):
    model = make_pipeline(StandardScaler(), GaussianNB()) if model is None else model
    return CalibratedClassifierCV(model, **{"cv": 2, **more})


CASES = {
    "probabilities": (calibrated(), X, y),
    "decisions": (calibrated(LinearSVC(random_state=0)), X, y),
    "three classes": (calibrated(SVC(), method="isotonic", cv=3), X, THREE),
    "default classifier": (CalibratedClassifierCV(), X, y),
    "frames": (
        calibrated(make_pipeline(ColumnTransformer(COLUMNS), LogisticRegression())),
        FRAME, pd.Series(y),
    ),
    "shuffled folds": (
        calibrated(cv=theirs.StratifiedKFold(2, shuffle=True, random_state=1)), X, y,
    ),
    "lists": (calibrated(), X.tolist(), y.tolist()),
    "in steps": (make_pipeline(StandardScaler(), calibrated(GaussianNB())), X, THREE),
    "in a stack": (
        StackingClassifier([("c", calibrated()), ("n", GaussianNB())], cv=2), X, THREE,
    ),
    "of a stack": (
        calibrated(StackingClassifier([("n", GaussianNB())], LogisticRegression(), cv=2)),
        X, y,
    ),
    "not an ensemble": (calibrated(ensemble=False), X, y),
    "one of decisions": (calibrated(LinearSVC(random_state=0), ensemble=False), X, y),
    "one of three classes": (
        calibrated(SVC(), method="isotonic", cv=3, ensemble=False), X, THREE,
    ),
    "one default classifier": (CalibratedClassifierCV(ensemble=False), X, y),
    "one of frames": (
        calibrated(
            make_pipeline(ColumnTransformer(COLUMNS), LogisticRegression()),
            ensemble=False,
        ),
        FRAME, pd.Series(y),
    ),
    "one of numbers": (calibrated(GaussianNB(), ensemble=False), X, (y == "no") + 3),
    "one of lists": (calibrated(ensemble=False), X.tolist(), y.tolist()),
    "one in steps": (
        make_pipeline(StandardScaler(), calibrated(GaussianNB(), ensemble=False)),
        X, THREE,
    ),
    "one in a stack": (
        StackingClassifier([("c", calibrated(ensemble=False))], cv=2), X, THREE,
    ),
    "one of a stack": (
        calibrated(
            StackingClassifier([("n", GaussianNB())], LogisticRegression(), cv=2),
            ensemble=False,
        ),
        X, y,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_calibrated_one_is_scikit_learns_to_the_bit(name):
    assert_equal_models(*CASES[name])


def needs(method):
    methods = CalibratedClassifierCV._parameter_constraints["method"][0].options
    if method not in methods:
        pytest.skip("an older scikit-learn")


@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize(
    "target",
    [y, THREE, y.tolist(), (y == "no") * 1],
    ids=["two", "three", "list", "numbers"],
)
def test_temperatures(target, ensemble):
    needs("temperature")
    model = calibrated(method="temperature", ensemble=ensemble)
    assert_equal_models(model, X, target)


def test_candidates_share_the_classifiers_and_what_comes_before_them():
    model = calibrated(make_pipeline(StandardScaler(), LogisticRegression()))
    grid = {
        "method": ["sigmoid", "isotonic"],
        "estimator__logisticregression__C": [0.1, 1.0],
    }
    one = theirs.GridSearchCV(model, grid, cv=3).fit(X, y)
    with ours.count_tasks() as tasks:
        other = ours.GridSearchCV(model, grid, cv=3).fit(X, y)
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(one.cv_results_[name], other.cv_results_[name])
    # 4 candidates x 3 folds x 2 folds: a classifier by its C, one scaler for all
    assert (tasks.asked["fit"], tasks.run["fit"]) == (24, 12)
    assert (tasks.asked["fit_transform"], tasks.run["fit_transform"]) == (24, 6)
    assert tasks.left == 0


class OwnFolds(theirs.StratifiedKFold):
    """Nobody knows what it does when it is copied."""


@pytest.mark.parametrize(
    "more",
    [
        {"cv": OwnFolds(2)},
        {"cv": theirs.StratifiedKFold(2, shuffle=True)},
        {"ensemble": False, "cv": OwnFolds(2)},
        {"ensemble": False, "cv": theirs.StratifiedKFold(2, shuffle=True)},
        {"ensemble": False, "model": FrozenEstimator(GaussianNB().fit(X, y))},
        {"model": FrozenEstimator(GaussianNB().fit(X, y))},
    ],
    ids=[
        "own folds",
        "other folds each time",
        "own folds of one",
        "other folds of one each time",
        "one frozen",
        "frozen",
    ],
)
def test_what_is_not_understood_stays_whole(more):
    with ours.count_tasks() as tasks:
        ours.cross_val_score(calibrated(**more), X, y, cv=2)
    joined = tasks.asked["join_calibrated"] + tasks.asked["join_one"]
    assert (joined, tasks.asked["fit"]) == (0, 2)


def test_one_classifier_is_fitted_to_all_rows_and_in_folds():
    model = calibrated(LogisticRegression(), ensemble=False)
    with ours.count_tasks() as tasks:
        grid = {"method": ["sigmoid", "isotonic"]}
        ours.GridSearchCV(model, grid, cv=3).fit(X, y)
    # 2 candidates x 3 folds: in 2 folds, and all rows
    assert (tasks.asked["fit"], tasks.run["fit"]) == (18, 9)


@pytest.mark.parametrize("ensemble", [True, False])
def test_weights_go_to_all_of_it(ensemble):
    weights = {"sample_weight": RNG.uniform(0.5, 2, 80)}
    one, other = (
        home.cross_validate(
            calibrated(GaussianNB(), ensemble=ensemble),
            X,
            y,
            params=weights,
            cv=2,
            error_score="raise",
        )
        for home in (theirs, ours)
    )
    np.testing.assert_array_equal(one["test_score"], other["test_score"])


@pytest.mark.parametrize(("ensemble", "fits"), [(True, 8), (False, 12)])
def test_unseeded_classifiers_draw_as_they_would_and_are_not_merged(ensemble, fits):
    grid = {"method": ["sigmoid", "isotonic"]}
    found = []
    for home in (theirs, ours):
        np.random.seed(0)
        search = home.GridSearchCV(
            calibrated(RandomForestClassifier(3), ensemble=ensemble),
            grid,
            cv=2,
            refit=False,
        )
        with ours.count_tasks() as tasks:
            found.append(search.fit(X, y).cv_results_["mean_test_score"])
    np.testing.assert_array_equal(*found)
    assert (tasks.asked["fit"], tasks.run["fit"]) == (fits, fits)


class Writer(ClassifierMixin, BaseEstimator):
    """Writes into what it is fitted to."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        X[:, 0] = 0.0
        return self

    def predict_proba(self, X):
        first = 1 / (1 + np.exp(X[:, 0]))
        return np.column_stack([first, 1 - first])


@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize(
    "model",
    [
        calibrated(Writer()),
        calibrated(DecisionTreeClassifier(max_depth=-1)),
        calibrated(cv=50),
        calibrated(method="no such method"),
    ],
    ids=["writes", "fails", "too many folds", "no method"],
)
def test_what_writes_or_fails_does_so_as_in_scikit_learn(model, ensemble):
    found, model = [], clone(model).set_params(ensemble=ensemble)
    for home in (theirs, ours):
        try:
            scores = home.cross_val_score(model, X.copy(), y, cv=2, error_score="raise")
            found.append(scores.tolist())
        except Exception as e:  # noqa: BLE001 any
            found.append(f"{type(e).__name__}: {e}")
    assert found[0] == found[1]


def test_with_metadata_routing():
    with config_context(enable_metadata_routing=True):
        assert_equal_models(calibrated(), X, y)
        assert_equal_models(CalibratedClassifierCV(), X, y)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_a_target_in_a_column_is_warned_of_as_often(method):
    needs(method)
    model = calibrated(GaussianNB(), method=method)
    target = (y == "yes").astype(int)[:, None]

    def counted(home):
        with pytest.warns(DataConversionWarning) as seen:
            home.cross_val_score(clone(model), X, target, cv=2)
        return sum(w.category is DataConversionWarning for w in seen)

    assert counted(ours) == counted(theirs)
