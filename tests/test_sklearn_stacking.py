"""Stacks are fitted in parts, and equal what scikit-learn fits to the bit."""

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as theirs
from fitted import assert_equal_models
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.exceptions import DataConversionWarning, FitFailedWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import stratum_dask.sklearn as ours
from stratum_dask.frontends.sklearn import evaluate

pytestmark = pytest.mark.filterwarnings(
    "default", "ignore:Couldn't detect:RuntimeWarning"
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
y = (X[:, 0] + RNG.normal(size=60) > 0).astype(int)
LABELS = np.where(y, "yes", "no")
THREE = RNG.choice(["p", "q", "r"], 60)
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(k=RNG.choice(["u", "v"], 60))
BOTH = np.column_stack([y, X[:, 1] > 0]).astype(int)


@pytest.fixture(autouse=True)
def by_graphs(monkeypatch):
    """Nothing is left to scikit-learn, so that all of this is tested."""
    monkeypatch.setattr(evaluate.Sharing, "always", True)


def scaled(model=None):
    return make_pipeline(StandardScaler(), model or LogisticRegression())


def tree(depth=2):
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


def stack(*members, final=None, cls=StackingClassifier, **more):
    members = members or (scaled(), GaussianNB())
    named = [(f"m{i}", member) for i, member in enumerate(members)]
    return cls(named, final or LogisticRegression(), **{"cv": 2, **more})


def numbers(*members, **more):
    members = members or (
        scaled(Ridge()),
        DecisionTreeRegressor(max_depth=2, random_state=0),
    )
    return stack(*members, cls=StackingRegressor, final=more.pop("final", Ridge()), **more)  # fmt: skip


FRAMES = make_pipeline(
    ColumnTransformer([("n", StandardScaler(), list("abcd")), ("k", OneHotEncoder(), ["k"])]),
    LogisticRegression(),
)  # fmt: skip

CASES = {
    "two classes": (stack(), X, LABELS),
    "three classes": (stack(scaled(), tree(), KNeighborsClassifier(3)), X, THREE),
    "decision function": (stack(scaled(SVC()), GaussianNB()), X, THREE),
    "predict": (stack(stack_method="predict"), X, y),
    "passthrough": (stack(passthrough=True), X, LABELS),
    "sparse passthrough": (
        stack(tree(), LogisticRegression(), passthrough=True), sparse.csr_matrix(X), y,
    ),
    "dropped": (stack(scaled(), "drop", GaussianNB()), X, y),
    "frames": (stack(FRAMES, FRAMES), FRAME, pd.Series(LABELS)),
    "frames, passthrough": (
        stack(scaled(), tree(), passthrough=True), FRAME[list("abcd")], LABELS,
    ),
    "lists": (stack(), X.tolist(), LABELS.tolist()),
    "default final": (StackingClassifier([("a", GaussianNB())]), X, y),
    "final in steps": (stack(final=scaled(tree())), X, THREE),
    "shuffled folds": (
        stack(cv=theirs.StratifiedKFold(2, shuffle=True, random_state=3)), X, y,
    ),
    "folds": (stack(cv=theirs.KFold(4)), X, y),
    "given folds": (
        stack(cv=[(np.arange(9, 30), np.arange(9)), (np.arange(9), np.arange(9, 30))]),
        X, y,
    ),
    "stack in stack": (stack(stack(tree()), GaussianNB()), X, THREE),
    "stack in steps": (make_pipeline(StandardScaler(), stack(tree())), X, y),
    "stack in vote": (VotingClassifier([("s", stack()), ("t", tree())]), X, y),
    "vote in stack": (stack(VotingClassifier([("t", tree()), ("n", GaussianNB())])), X, y),
    "numbers": (numbers(), X, X[:, 1] + X[:, 2] ** 2),
    "numbers, passthrough": (numbers(passthrough=True, final=RidgeCV()), X, X[:, 1]),
    "regressors in a classifier": (stack(LinearRegression(), tree()), X, y),
    "several targets": (
        stack(tree(), KNeighborsClassifier(3), final=tree()), X, BOTH,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_stack_is_scikit_learns_to_the_bit(name):
    assert_equal_models(*CASES[name])


def test_candidates_share_members_and_their_folds():
    model = stack(scaled(), tree(), cv=2)
    grid = {"m0__logisticregression__C": [0.1, 1], "final_estimator__C": [0.1, 1]}
    expected = theirs.GridSearchCV(model, grid, cv=3).fit(X, LABELS)
    with ours.count_tasks() as tasks:
        found = ours.GridSearchCV(model, grid, cv=3).fit(X, LABELS)
    for name in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(
            expected.cv_results_[name], found.cv_results_[name]
        )
    assert expected.best_params_ == found.best_params_
    # 4 candidates x 3 folds, each member in all rows and in 2 folds; final ones
    assert tasks.asked["fit"] == 12 * (2 * 3 + 1)
    assert tasks.run["fit"] == 3 * (2 * 3 + 3) + 12
    assert (tasks.asked["fit_transform"], tasks.run["fit_transform"]) == (36, 9)
    # each member by its settings in each fold: 2 folds inside, the rows for testing,
    # and the whole
    assert tasks.run["respond"] == 3 * (2 + 1) * (2 + 1) + 12
    assert tasks.left == 0


def test_what_is_not_understood_stays_whole(tmp_path):
    class Own(theirs.KFold):
        """Nobody knows what it does when it is copied."""

    for more in (
        {"cv": Own(2)},
        {"cv": theirs.KFold(2, shuffle=True)},  # other folds each time
        {"cv": theirs.LeaveOneOut()},  # only the data can tell how many
        {"verbose": 1},
    ):
        with ours.count_tasks() as tasks:
            ours.cross_val_score(stack(tree(), **more), X[:20], y[:20], cv=2)
        assert (tasks.asked["stack"], tasks.asked["fit"]) == (0, 2), more


def test_weights_go_to_all_of_a_stack():
    weights = {"sample_weight": RNG.uniform(0.5, 2, 60)}
    one, other = (
        home.cross_validate(
            stack(tree(), GaussianNB()), X, y, params=weights, cv=2, error_score="raise"
        )
        for home in (theirs, ours)
    )
    np.testing.assert_array_equal(one["test_score"], other["test_score"])


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_predictions_of_folds(method):
    one, other = (
        home.cross_val_predict(stack(), X, THREE, cv=2, method=method)
        for home in (theirs, ours)
    )
    np.testing.assert_array_equal(one, other)


def test_unseeded_members_draw_as_they_would_and_are_not_merged():
    model = stack(RandomForestClassifier(3), scaled(), cv=2, final=tree())
    grid = {"final_estimator__max_depth": [1, 1]}
    found = []
    for home in (theirs, ours):
        np.random.seed(0)
        found.append(home.GridSearchCV(model, grid, cv=2, refit=False).fit(X, y))
    one, other = (search.cv_results_["mean_test_score"] for search in found)
    np.testing.assert_array_equal(one, other)
    with ours.count_tasks() as tasks:
        ours.GridSearchCV(model, grid, cv=2, refit=False).fit(X, y)
    # forests for each candidate; the other member once; final ones see what differs
    assert (tasks.asked["fit"], tasks.run["fit"]) == (28, 12 + 6 + 4)


def test_members_that_fail_are_told_as_scikit_learn_does():
    for model in (
        stack(DecisionTreeClassifier(max_depth=-1)),
        stack(LinearRegression(), stack_method="predict_proba"),
        stack(final=LinearRegression()),
        StackingClassifier([("a", tree()), ("a", tree())]),
        StackingClassifier([("a", "drop")]),
        stack(cv=[(np.arange(10), np.arange(10, 20))]),  # no partition
        stack(cv="prefit"),
    ):
        texts = []
        for home in (theirs, ours):
            with pytest.raises(Exception) as raised:  # noqa: PT011 any of them
                home.cross_validate(model, X, y, cv=2, error_score="raise")
            texts.append(f"{raised.type.__name__}: {raised.value}")
        assert texts[0] == texts[1]


def test_lazy_searches_over_data_to_come_share_their_members():
    import dask

    data = dask.delayed(lambda: (X, LABELS))()
    grids = [{"final_estimator__C": [0.1, c]} for c in (1.0, 10.0)]
    searches = [ours.lazy.fit(ours.GridSearchCV(stack(), g, cv=2), data[0], data[1]) for g in grids]  # fmt: skip
    for grid, found in zip(
        grids, dask.compute(*searches, scheduler="sync"), strict=True
    ):
        expected = theirs.GridSearchCV(stack(), grid, cv=2).fit(X, LABELS)
        for name in ("split0_test_score", "split1_test_score"):
            np.testing.assert_array_equal(
                expected.cv_results_[name], found.cv_results_[name]
            )
    keys = {k for s in searches for k in map(str, s.dask) if k.startswith("fit-")}
    # 2 folds of: one member in steps, one alone, in all rows and 2 folds; 3 final ones
    assert len(keys) == 2 * (2 * 3 + 3)


class Writer(ClassifierMixin, BaseEstimator):
    """Writes into what it is fitted to, or into itself when it is asked."""

    def __init__(self, into="data"):
        self.into = into

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.asked_ = 0
        if self.into == "data":
            X[:, 0] = 0.0
        return self

    def predict(self, X):
        self.asked_ += 1
        return self.classes_[(X[:, 0] + self.asked_ > 1).astype(int)]


@pytest.mark.parametrize("into", ["data", "itself"])
def test_members_that_write_are_seen_by_nobody_else(into):
    model = stack(Writer(into), tree(), stack_method="predict")
    grid = {"final_estimator__C": [0.1, 1]}
    one, other = (
        home.GridSearchCV(model, grid, cv=2, error_score="raise").fit(X.copy(), LABELS)
        for home in (theirs, ours)
    )
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(one.cv_results_[name], other.cv_results_[name])


def test_with_metadata_routing():
    with config_context(enable_metadata_routing=True):
        assert_equal_models(stack(), X, THREE)
        assert_equal_models(numbers(), X, X[:, 1])


class Majority(ClassifierMixin, BaseEstimator):
    """A classifier of somebody's own, which writes nothing."""

    def fit(self, X, y):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / counts.sum()
        return self

    def predict_proba(self, X):
        return np.tile(self.shares_, (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_members_of_ones_own_are_shared():
    model = stack(Majority(), tree(), cv=2)
    assert_equal_models(model, X, THREE)
    with ours.count_tasks() as tasks:
        ours.GridSearchCV(model, {"final_estimator__C": [0.1, 1]}, cv=2).fit(X, y)
    # 2 candidates x 2 folds x (2 members x 3 + 1), of which the members are shared
    assert (tasks.asked["fit"], tasks.run["fit"]) == (28, 2 * (2 * 3 + 2))


@pytest.mark.parametrize(
    ("model", "target"),
    [(stack(), LABELS), (stack(), y), (numbers(), X[:, 1])],
    ids=["texts", "classes", "numbers"],
)
@pytest.mark.parametrize("wrap", [np.asarray, pd.DataFrame])
def test_a_target_in_a_column_is_warned_of_as_often(model, target, wrap):
    def counted(home):
        with pytest.warns(DataConversionWarning) as seen:
            home.cross_val_score(clone(model), X, wrap(target[:, None]), cv=2)
        return sum(w.category is DataConversionWarning for w in seen)

    assert counted(ours) == counted(theirs)


@pytest.mark.parametrize(
    ("model", "grid"),
    [
        (stack(RandomForestClassifier(3), GaussianNB()), {"m1__var_smoothing": [-1, 1e-9]}),
        (stack(GaussianNB(), RandomForestClassifier(3)), {"m0__var_smoothing": [-1, 1e-9]}),
        (stack(RandomForestClassifier(3)), {"final_estimator__C": [-1, 1]}),
        (stack(RandomForestClassifier(3)), {"passthrough": ["maybe", True, False]}),
        (
            CalibratedClassifierCV(RandomForestClassifier(3), cv=2),
            {"method": ["unknown", "sigmoid", "isotonic"]},
        ),
    ],
)  # fmt: skip
def test_once_a_part_has_failed_the_others_draw_as_they_would(model, grid):
    def found(home):
        np.random.seed(5)
        search = home.GridSearchCV(model, grid, cv=2)
        with pytest.warns(FitFailedWarning):
            search.fit(X, LABELS)
        return search.cv_results_["mean_test_score"], search.predict_proba(X)

    for one, other in zip(found(ours), found(theirs), strict=True):
        np.testing.assert_array_equal(one, other)
