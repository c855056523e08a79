"""Searches and cross-validations of `stratum_dask.sklearn` equal scikit-learn's."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as theirs
from naming import spelled
from scipy import sparse, stats
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import stratum_dask.sklearn as ours
from stratum_dask.frontends.sklearn.evaluate import Sharing

pytestmark = pytest.mark.filterwarnings(
    "default", "ignore:Couldn't detect:RuntimeWarning"
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
y = (X[:, 0] + RNG.normal(size=120) > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(
    k=RNG.choice(["p", "q", "r"], 120), gap=np.where(X[:, 1] > 1, np.nan, X[:, 2])
)
LABELS = np.where(y, "yes", "no")
WEIGHTS = RNG.uniform(0.5, 2, size=120)


@pytest.fixture(autouse=True)
def by_graphs(monkeypatch):
    """Nothing is left to scikit-learn, so that all of this is tested."""
    monkeypatch.setattr(Sharing, "always", True)


def columns(**more):
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "gap"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["k"]),
            ("none", StandardScaler(), make_column_selector(dtype_include="datetime")),
            ("away", "drop", ["b"]),
        ],
        remainder="passthrough",
        **more,
    )


def steps(*before, model=None):
    return Pipeline(
        [*before, ("model", LogisticRegression() if model is None else model)]
    )


CASES = {
    "leaf": (DecisionTreeClassifier(random_state=0), {"max_depth": [1, 3]}, X, y),
    "columns": (
        steps(("columns", columns())),
        {"model__C": [0.1, 1], "columns__numbers__simpleimputer__strategy": ["mean", "median"]},
        FRAME,
        LABELS,
    ),
    "columns, weights and frames": (
        steps(
            ("columns", columns(transformer_weights={"numbers": 2.0}, sparse_threshold=0)
             .set_params(words__sparse_output=False).set_output(transform="pandas"))
        ),
        {"model__C": [0.1, 1]},
        FRAME,
        y,
    ),
    "columns that differ": (
        steps(("columns", columns())),
        {"columns__words": ["drop", "passthrough", TargetEncoder(random_state=0)], "model": [DecisionTreeClassifier(random_state=0)]},
        FRAME[["a", "b", "gap"]].assign(k=FRAME["k"].map({"p": 0, "q": 1, "r": 2})),
        y,
    ),
    "union": (
        steps(
            ("union", FeatureUnion([("pca", PCA(2)), ("as_is", "passthrough"), ("no", "drop")], transformer_weights={"pca": 3})),
            ("through", "passthrough"),
        ),
        {"union__pca__n_components": [1, 2], "through": ["passthrough", StandardScaler()]},
        X,
        y,
    ),
    "nested pipelines": (
        steps(
            ("inner", make_pipeline(StandardScaler(), make_pipeline(PCA(3), MinMaxScaler()))),
            model=make_pipeline(StandardScaler(), KNeighborsClassifier()),
        ),
        {"model__kneighborsclassifier__n_neighbors": [1, 5]},
        X,
        LABELS,
    ),
    "target": (
        TransformedTargetRegressor(make_pipeline(StandardScaler(), Ridge()), func=np.sinh, inverse_func=np.arcsinh),
        {"regressor__ridge__alpha": [0.1, 10]},
        X,
        X[:, 1] * 3,
    ),
    "voting": (
        VotingClassifier(
            [
                ("a", make_pipeline(StandardScaler(), LogisticRegression())),
                ("b", "drop"),
                ("c", DecisionTreeClassifier(max_depth=2, random_state=0)),
            ],
            voting="soft",
        ),
        {"weights": [None, [1, 0, 3]], "voting": ["soft", "hard"]},
        X,
        LABELS,
    ),
    "voting, numbers": (
        VotingRegressor([("a", make_pipeline(PCA(2), Ridge())), ("b", DecisionTreeRegressor(max_depth=2, random_state=0))]),
        {"a__ridge__alpha": [1, 100]},
        X,
        X[:, 0],
    ),
    "stacking": (
        StackingClassifier(
            [("a", make_pipeline(StandardScaler(), LogisticRegression())), ("b", GaussianNB())],
            final_estimator=LogisticRegression(),
        ),
        {"final_estimator__C": [0.1, 1], "passthrough": [False, True]},
        X,
        LABELS,
    ),
    "whole ones": (
        steps(("scale", StandardScaler()), model=OneVsRestClassifier(LogisticRegression())),
        {"model": [OneVsRestClassifier(SVC()), CalibratedClassifierCV(GaussianNB(), cv=2)]},
        X,
        RNG.integers(0, 3, 120),
    ),
    "another candidate's class": (
        steps(("scale", StandardScaler())),
        [{"model": [LogisticRegression(), GaussianNB()]}, {"scale": ["passthrough"], "model__C": [2]}],
        X,
        y,
    ),
    "sparse": (steps(("scale", StandardScaler(with_mean=False))), {"model__C": [1, 2]}, sparse.csr_matrix(X), y),
    "lists": (steps(("scale", StandardScaler())), {"model__C": [1, 2]}, X.tolist(), y.tolist()),
    "kernel": (SVC(kernel="precomputed"), {"C": [1, 2]}, X @ X.T, y),
    "kernels, some of them": (SVC(), {"kernel": ["precomputed", "rbf"]}, X @ X.T, y),
    "encoder": (steps(("encode", TargetEncoder(random_state=0))), {"model__C": [1, 2]}, FRAME[["k"]], y),
    "no target": (PCA(), {"n_components": [1, 2]}, X, None),
    "memory": (Pipeline([("s", StandardScaler()), ("m", GaussianNB())], memory=None, verbose=False), {"s__with_mean": [True, False]}, X, y),
}  # fmt: skip


def assert_equal_results(one, other):
    assert list(one) == list(other)
    for name, expected in one.items():
        if "time" in name:
            assert np.all(np.isfinite(other[name]))
            assert np.all(other[name] >= 0)
        elif name == "params":
            assert [sorted(p) for p in expected] == [sorted(p) for p in other[name]]
        elif name.startswith("param_"):
            assert [str(v) for v in expected] == [str(v) for v in other[name]]
        else:
            np.testing.assert_array_equal(expected, other[name], err_msg=name)


def both(
    estimator, grid, X, y, search="GridSearchCV", fit=None, n_jobs=None, **options
):
    """The same search, theirs and ours, and whether they are equal."""
    found = []
    for home in (theirs, ours):
        # not theirs: its processes take seconds to start
        options["n_jobs"] = n_jobs if home is ours else None
        made = getattr(home, search)(clone(estimator), grid, **options)
        found.append(made.fit(X, y, **(fit or {})))
    one, other = found
    assert_equal_results(one.cv_results_, other.cv_results_)
    assert one.multimetric_ == other.multimetric_
    for name in ("best_index_", "best_score_"):
        assert getattr(one, name, None) == getattr(other, name, None)
    if hasattr(one, "best_params_"):
        assert str(one.best_params_) == str(other.best_params_)
    if hasattr(one, "best_estimator_") and hasattr(one, "predict"):
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
    return one, other


@pytest.mark.parametrize("name", CASES)
def test_a_search_has_scikit_learns_results(name):
    estimator, grid, data, target = CASES[name]
    both(estimator, grid, data, target, cv=2, return_train_score=True)


@pytest.mark.parametrize("name", ["columns", "union", "voting", "target"])
def test_nothing_fails_on_the_way(name):
    """A failure of a task would be hidden: scikit-learn does the fit again."""
    from stratum_dask.frontends.sklearn import evaluate

    estimator, grid, data, target = CASES[name]
    failures = []
    real = evaluate.told

    def told(calls, results, again):
        failures.extend(r for r in results if evaluate.failed(r))
        return real(calls, results, again)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(evaluate, "told", told)
        ours.GridSearchCV(estimator, grid, cv=2).fit(data, target)
    assert failures == []


@pytest.mark.parametrize(
    "options",
    [
        {"scoring": ["accuracy", "roc_auc", "neg_log_loss"], "refit": "roc_auc"},
        {"scoring": "f1", "refit": lambda results: 1},
        {"scoring": make_scorer(lambda y, p: float(np.mean(y == p)))},
        {"scoring": lambda e, X, y: e.score(X, y) + e.named_steps["model"].C},
        {"scoring": lambda e, X, y: {"a": e.score(X, y), "b": 1}, "refit": "b"},
        {"refit": False, "return_train_score": True},
        {"cv": theirs.StratifiedKFold(3, shuffle=True, random_state=1)},
        {"cv": theirs.TimeSeriesSplit(3)},
        {"cv": theirs.ShuffleSplit(2, random_state=0)},
        {"cv": theirs.GroupKFold(3), "fit": {"groups": np.repeat(range(12), 10)}},
        {
            "cv": [
                (np.arange(60), np.arange(60, 120)),
                (list(range(30, 120)), [0, 1, 2]),
            ]
        },
        {"fit": {"model__sample_weight": WEIGHTS}},
        {"n_jobs": 2},
    ],
    ids=spelled,
)
def test_options_mean_what_they_mean(options):
    model = steps(("scale", StandardScaler()))
    both(model, {"model__C": [0.01, 1.0]}, X, y, **{"cv": 2, **options})


def test_random_and_halving_searches():
    model = steps(("scale", StandardScaler()))
    where = {"model__C": stats.loguniform(0.01, 10)}
    both(model, where, X, y, "RandomizedSearchCV", n_iter=3, random_state=3, cv=2)
    grid = {"model__C": [0.01, 0.1, 1.0]}
    both(model, grid, X, y, "HalvingGridSearchCV", cv=2, random_state=0)
    both(
        model, where, X, y, "HalvingRandomSearchCV",
        cv=2, random_state=0, n_candidates=4,
    )  # fmt: skip


def test_live_generators_are_drawn_from_as_scikit_learn_does():
    model = steps(("scale", StandardScaler()), model=DecisionTreeClassifier())
    model.set_params(model__random_state=np.random.RandomState(1))
    grid = {"model__max_depth": [2, 3]}
    cv = theirs.ShuffleSplit(2, random_state=np.random.RandomState(5))
    found = []
    for home in (theirs, ours):
        search = home.GridSearchCV(clone(model), grid, cv=clone(cv, safe=False))
        found.append(search.fit(X, y))
        found.append(clone(search).fit(X, y))
    for one, other in zip(found[:2], found[2:], strict=True):
        assert_equal_results(one.cv_results_, other.cv_results_)


def test_unseeded_estimators_draw_as_they_would_and_are_not_merged():
    model = steps(("scale", StandardScaler()), model=RandomForestClassifier(5))
    found = []
    grid = {"model__max_depth": [3, 3]}
    for home in (theirs, ours):
        np.random.seed(0)
        found.append(home.GridSearchCV(model, grid, cv=3, refit=False).fit(X, y))
    assert_equal_results(found[0].cv_results_, found[1].cv_results_)
    with ours.count_tasks() as tasks:
        ours.GridSearchCV(model, grid, cv=3).fit(X, y)
    assert (tasks.asked["fit"], tasks.run["fit"]) == (6, 6)
    assert (tasks.asked["fit_transform"], tasks.run["fit_transform"]) == (6, 3)


def test_equal_steps_run_once():
    estimator, grid, data, target = CASES["columns"]
    with ours.count_tasks() as tasks:
        ours.GridSearchCV(estimator, grid, cv=3).fit(data, target)
    # 4 candidates x 3 folds; 2 settings of the imputer, 4 of the whole
    assert (tasks.asked["fit"], tasks.run["fit"]) == (12, 12)
    assert (tasks.asked["rows"], tasks.run["rows"]) == (48, 12)
    assert tasks.asked["join_columns"] == 12
    assert tasks.run["join_columns"] == 2 * 3
    assert tasks.run["columns"] == 3
    # imputer and scaler by setting; the encoder, and what has no columns, once
    assert tasks.run["fit_transform"] == 3 * (2 * 2 + 1 + 1)
    assert tasks.left == 0


def test_where_nothing_is_shared_it_is_left_to_scikit_learn(monkeypatch):
    monkeypatch.setattr(Sharing, "always", False)
    grid = {"max_depth": [1, 2]}
    with ours.count_tasks() as tasks:
        ours.GridSearchCV(DecisionTreeClassifier(), grid, cv=3).fit(X, y)
    assert (tasks.left, tasks.run) == (6, {})


class Adds(TransformerMixin, BaseEstimator):
    """Writes into what it is given."""

    def __init__(self, by=1.0):
        self.by = by

    def fit(self, X, y=None):
        X += self.by
        return self

    def transform(self, X):
        X *= 2
        return X


class Counts(TransformerMixin, BaseEstimator):
    """Makes something else each time it transforms."""

    def fit(self, X, y=None):
        self.count_ = 0
        return self

    def transform(self, X):
        self.count_ += 1
        return X * self.count_


def writes(estimator, X, y):
    estimator[-1].classes_ = None
    score = float(X.sum())
    X[:] = 0
    y[:] = 0
    return score


def spoils(y, found):
    score = float(np.mean(y == found))
    y[:] = found[:] = 0
    return score


@pytest.mark.parametrize(
    "before", [Adds(), Counts(), StandardScaler(copy=False), FunctionTransformer(lambda X: X.__iadd__(1))]
)  # fmt: skip
def test_who_writes_into_data_or_estimators_is_seen_by_nobody(before):
    model = steps(("scale", StandardScaler()), ("adds", before))
    scoring = {"acc": "accuracy", "s": make_scorer(spoils), "w": writes}
    mine = X.copy()
    for scorer in (scoring, ["roc_auc", "accuracy"]):
        both(
            model, {"model__C": [0.1, 1]}, mine, y.copy(),
            cv=2, scoring=scorer, refit=False, return_train_score=True,
        )  # fmt: skip
    np.testing.assert_array_equal(mine, X)


CALLS = []


class Tells(LogisticRegression):
    """Tells everybody what it does."""

    def fit(self, X, y):
        CALLS.append(("fit", self.C, len(X)))
        return super().fit(X, y)

    def predict(self, X):
        CALLS.append(("predict", self.C, len(X)))
        return super().predict(X)


def test_estimators_with_effects_have_them_once_and_in_order():
    model = steps(("scale", StandardScaler()), model=Tells())
    found = []
    for home in (theirs, ours):
        CALLS.clear()
        home.GridSearchCV(model, {"model__C": [0.1, 1]}, cv=2).fit(X, y)
        found.append(list(CALLS))
    assert found[0] == found[1]
    assert len(found[0]) == 2 * 2 * 2 + 1


class Fails(ClassifierMixin, BaseEstimator):
    def __init__(self, when=0):
        self.when = when

    def fit(self, X, y):
        if len(self.when) and y[0] in self.when:
            raise ValueError(f"no {self.when}")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def told(search, X, y):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        try:
            search.fit(X, y)
        except ValueError as e:
            return repr(e), e.args
    return [(w.category, without_lines(str(w.message))) for w in found]


def without_lines(text):
    """Tracebacks name the frames between; those of scikit-learn count."""
    return [line for line in text.splitlines() if "File" not in line]


@pytest.mark.parametrize("error_score", [np.nan, 0.5, "raise"])
@pytest.mark.parametrize("when", [[()], [(0, 1)], [(), (0, 1)], [(), (0,)]], ids=str)
def test_failing_fits_are_told_as_scikit_learn_does(error_score, when):
    model = steps(("scale", StandardScaler()), model=Fails())
    grid = {"model__when": when}
    one, other = (
        told(home.GridSearchCV(model, grid, cv=3, error_score=error_score), X, y)
        for home in (theirs, ours)
    )
    assert one == other


def test_a_score_that_is_no_number_and_parameters_that_do_not_exist():
    for options in (
        {"scoring": lambda e, X, y: "much"},
        {"scoring": make_scorer(lambda y, p: "much")},
    ):
        one, other = (
            told(home.GridSearchCV(steps(), {"model__C": [1]}, **options), X, y)
            for home in (theirs, ours)
        )
        assert one == other
    for home in (theirs, ours):
        with pytest.raises(ValueError, match="Invalid parameter 'D'"):
            home.GridSearchCV(steps(), {"model__D": [1]}).fit(X, y)


def test_folds_are_told_of_in_order(capsys):
    model = steps(("scale", StandardScaler()))
    texts = []
    for home in (theirs, ours):
        home.GridSearchCV(model, {"model__C": [1, 2]}, cv=2, verbose=10).fit(X, y)
        lines = capsys.readouterr().out.splitlines()
        texts.append(
            [line.partition(" total time")[0].replace(".", "") for line in lines]
        )
    assert texts[0] == texts[1]


def test_cross_validation():
    estimator, _, data, target = CASES["columns"]
    options = {"cv": 3, "return_train_score": True, "return_indices": True}
    one, other = (
        home.cross_validate(estimator, data, target, return_estimator=True, **options)
        for home in (theirs, ours)
    )
    assert list(one) == list(other)
    for name in ("test_score", "train_score"):
        np.testing.assert_array_equal(one[name], other[name])
    for a, b in zip(one["estimator"], other["estimator"], strict=True):
        assert type(b) is Pipeline
        np.testing.assert_array_equal(a.predict_proba(data), b.predict_proba(data))
        assert [n for n, _ in a.steps] == [n for n, _ in b.steps]
        names = vars(a["columns"]).keys()
        assert names == vars(b["columns"]).keys()
        assert list(a[:-1].get_feature_names_out()) == list(
            b[:-1].get_feature_names_out()
        )
    for method in ("predict", "decision_function"):
        one, other = (
            home.cross_val_predict(estimator, data, target, cv=2, method=method)
            for home in (theirs, ours)
        )
        np.testing.assert_array_equal(one, other)
    one, other = (
        home.cross_val_score(estimator, data, target, scoring="f1_macro")
        for home in (theirs, ours)
    )
    np.testing.assert_array_equal(one, other)


def test_estimators_that_are_handed_out_are_nobody_elses():
    model = steps(("scale", StandardScaler()))
    same = [(np.arange(100), np.arange(100, 120))] * 2
    found = ours.cross_validate(model, X, y, cv=same, return_estimator=True)
    one, other = found["estimator"]
    assert one["scale"] is not other["scale"]
    one["scale"].mean_[:] = 7
    assert other["scale"].mean_[0] != 7


def test_searches_in_searches():
    model = steps(("scale", StandardScaler()))
    grid = {"model__C": [0.1, 10]}
    one, other = (
        home.cross_val_score(home.GridSearchCV(model, grid, cv=2), X, y, cv=2)
        for home in (theirs, ours)
    )
    np.testing.assert_array_equal(one, other)


def test_metadata_is_routed():
    with config_context(enable_metadata_routing=True):
        model = steps(
            ("scale", StandardScaler().set_fit_request(sample_weight=False)),
            model=LogisticRegression().set_fit_request(sample_weight=True),
        )
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        grid = {"model__C": [0.01, 1]}
        fit = {"sample_weight": WEIGHTS, "groups": np.repeat(range(12), 10)}
        cv = theirs.GroupKFold(3)
        both(model, grid, X, y, cv=cv, scoring=scorer, fit=fit)


def test_scikit_learns_configuration_holds_in_the_tasks():
    model = steps(
        ("scale", StandardScaler()), ("names", FunctionTransformer(Named.call))
    )
    with config_context(transform_output="pandas"):
        both(model, {"model__C": [0.1, 1]}, FRAME[list("abcd")], y, n_jobs=2, cv=3)


class Named:
    @staticmethod
    def call(X):
        return X[["a", "b"]]


def test_polars_frames():
    polars = pytest.importorskip("polars")
    data = polars.DataFrame({"a": X[:, 0], "k": FRAME["k"].tolist()})
    prepare = ColumnTransformer(
        [
            ("a", StandardScaler(), ["a"]),
            ("k", OneHotEncoder(sparse_output=False), ["k"]),
        ]
    ).set_output(transform="polars")
    both(steps(("prepare", prepare)), {"model__C": [0.1, 1]}, data, y, cv=3)


def test_searches_are_scikit_learns_and_can_be_cloned_and_pickled():
    import pickle

    search = ours.GridSearchCV(steps(), {"model__C": [1]}).fit(X, y)
    assert isinstance(search, theirs.GridSearchCV)
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    assert str(clone(search)) == str(
        clone(theirs.GridSearchCV(steps(), {"model__C": [1]}))
    )
    assert pickle.loads(pickle.dumps(ours.cross_validate)) is ours.cross_validate


def test_a_plan_that_fails_does_not_fail_the_search(monkeypatch):
    import dask

    from stratum_dask.errors import StratumWarning
    from stratum_dask.frontends.sklearn import evaluate

    def broken(calls, ordered):
        raise RuntimeError("broken")

    monkeypatch.setattr(evaluate, "plan_all", broken)
    with (
        dask.config.set({"stratum.on-fail": "warn"}),
        pytest.warns(StratumWarning, match="runs as scikit-learn runs it"),
    ):
        both(steps(), {"model__C": [1, 2]}, X, y)
    with pytest.raises(RuntimeError, match="broken"):
        ours.cross_val_score(steps(), X, y)
