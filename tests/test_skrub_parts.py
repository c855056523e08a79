"""Stacks, votes and other composites at the end of a plan: fitted in parts."""

import contextlib
import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("skrub")

import skrub
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Perceptron, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from skrub import selectors as s

import stratum_dask
from stratum_dask import from_skrub
from stratum_dask.frontends.sklearn.evaluate import Sharing
from stratum_dask.sklearn import count_tasks
from stratum_dask.skrub import cross_validate, lazy_fit, make_grid_search

LAZY = {"eager_data_ops": False} if "eager_data_ops" in skrub.get_config() else {}

RNG = np.random.default_rng(0)
N = 80
X = pd.DataFrame(RNG.normal(size=(N, 3)), columns=list("abc"))
X["kind"] = RNG.choice(list("xyz"), N)
NUMBERS = X["b"] * X["c"] + RNG.normal(size=N)
LABELS = pd.Series(np.where(NUMBERS > 0, "yes", "no"), name="label")


def tree(depth=2):
    return DecisionTreeClassifier(max_depth=depth, random_state=0)


def choice(*values):
    return skrub.choose_from(list(values), name="choice")


def members(*more):
    return [("bayes", GaussianNB()), ("tree", tree()), *more]


def trees(*more):
    return [("tree", DecisionTreeRegressor(max_depth=2, random_state=0)), *more]


CLASSIFIERS = {
    "a stack": lambda: StackingClassifier(
        members(), LogisticRegression(C=choice(0.1, 1.0)), cv=2
    ),
    "a stack that passes its data on": lambda: StackingClassifier(
        members(), tree(choice(1, 3)), cv=2, passthrough=True
    ),
    "members": lambda: StackingClassifier(
        members(("other", tree(choice(3, 4)))), LogisticRegression(), cv=2
    ),
    "a member that is dropped": lambda: StackingClassifier(
        members(("other", choice("drop", LogisticRegression()))), tree(), cv=2
    ),
    "its default estimator": lambda: StackingClassifier(
        members(("other", tree(choice(3, 4)))), cv=2
    ),
    "a stack of steps": lambda: StackingClassifier(
        [("steps", make_pipeline(StandardScaler(), Perceptron(random_state=0)))],
        LogisticRegression(C=choice(0.1, 1.0)),
        cv=2,
        stack_method="decision_function",
    ),
    "a stack in a stack": lambda: StackingClassifier(
        members(("inner", StackingClassifier(members(), tree(), cv=2))),
        LogisticRegression(C=choice(0.1, 1.0)),
        cv=2,
    ),
    "a stack of frames": lambda: StackingClassifier(
        members(), LogisticRegression(C=choice(0.1, 1.0)), cv=2
    ).set_output(transform="pandas"),
    "a hard vote": lambda: VotingClassifier(
        members(("other", tree(choice(3, 4)))), weights=[1, 2, 1]
    ),
    "a soft vote": lambda: VotingClassifier(
        members(), voting="soft", flatten_transform=choice(True, False)
    ),
    "calibration": lambda: CalibratedClassifierCV(
        GaussianNB(), method=choice("sigmoid", "isotonic"), cv=2
    ),
    "calibration of one model": lambda: CalibratedClassifierCV(
        GaussianNB(), method=choice("sigmoid", "isotonic"), cv=2, ensemble=False
    ),
    "steps": lambda: make_pipeline(
        StandardScaler(), LogisticRegression(C=choice(0.1, 1.0))
    ),
    "steps of a stack": lambda: make_pipeline(
        StandardScaler(),
        StackingClassifier(members(), LogisticRegression(C=choice(0.1, 1.0)), cv=2),
    ),
    "no seed": lambda: StackingClassifier(
        members(("forest", RandomForestClassifier(3))),
        LogisticRegression(C=choice(0.1, 1.0)),
        cv=2,
    ),
    "a seed that goes on": lambda: VotingClassifier(
        [
            ("trees", ExtraTreesClassifier(3, random_state=np.random.RandomState(0))),
            ("tree", tree(choice(2, 3))),
        ]
    ),
}
REGRESSORS = {
    "a stack": lambda: StackingRegressor(trees(), Ridge(alpha=choice(0.1, 1.0)), cv=2),
    "a vote": lambda: VotingRegressor(trees(("ridge", Ridge(alpha=choice(0.1, 1.0))))),
    "a target": lambda: TransformedTargetRegressor(
        Ridge(alpha=choice(0.1, 1.0)), transformer=PowerTransformer()
    ),
}


def plan(model, y=LABELS, data=X):
    with skrub.config_context(**LAZY):
        made = skrub.X(data)
        if hasattr(data, "columns"):
            made = made.skb.select(s.numeric())
        return made.skb.apply(model, y=skrub.y(y))


def seeded(run):
    np.random.seed(0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = run()
    return made, sorted({(w.category, str(w.message)) for w in told}, key=str)


def alike(one, other):
    """Whether two fitted things have the same contents."""
    assert type(one) is type(other)
    if isinstance(one, BaseEstimator) or type(one).__name__ == "_CalibratedClassifier":
        assert vars(one).keys() == vars(other).keys()
        for name in vars(one):
            alike(getattr(one, name), getattr(other, name))
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            alike(*pair)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            alike(one[name], other[name])
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, (str, int, float, type(None))):
        np.testing.assert_equal(one, other)


def last_of(learner):
    return learner.data_op._skrub_impl.estimator_


def same(found, expected):
    names = [c for c in expected.results_ if "time" not in c]
    pd.testing.assert_frame_equal(found.results_[names], expected.results_[names])
    ours, theirs = found.best_learner_, expected.best_learner_
    if hasattr(theirs, "predict"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names of features
            answers = ours.predict({"X": X}), theirs.predict({"X": X})
        np.testing.assert_array_equal(*answers)
    alike(last_of(ours), last_of(theirs))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_grid_of_classifiers_is_searched_with_skrub_s_results(name):
    options = {"fitted": True, "cv": StratifiedKFold(2), "scoring": "accuracy"}
    expected, before = seeded(
        lambda: plan(CLASSIFIERS[name]()).skb.make_grid_search(**options)
    )
    found, told = seeded(lambda: make_grid_search(plan(CLASSIFIERS[name]()), **options))
    same(found, expected)
    assert told == before


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_grid_of_regressors_is_searched_with_skrub_s_results(name):
    options = {"fitted": True, "cv": KFold(2), "scoring": "r2"}
    expected = plan(REGRESSORS[name](), NUMBERS).skb.make_grid_search(**options)
    same(make_grid_search(plan(REGRESSORS[name](), NUMBERS), **options), expected)


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("name", ["a stack", "a soft vote", "calibration", "steps"])
def test_lazy_searches_with_probabilities(name, enabled):
    options = {"cv": 2, "scoring": "roc_auc"}
    made = plan(CLASSIFIERS[name]())
    expected = made.skb.make_grid_search(fitted=True, **options)
    later = lazy_fit(make_grid_search(made, **options), {"X": X, "y": LABELS})
    with stratum_dask.enabled(enabled):
        for _ in range(2):
            same(later.compute(), expected)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("kind", ["default", "learners"])
def test_folds_learn_what_those_of_skrub_learn(name, kind):
    options = {"cv": StratifiedKFold(2), "return_learner": kind == "learners"}
    expected, _ = seeded(
        lambda: plan(CLASSIFIERS[name]()).skb.cross_validate(**options)
    )
    found, _ = seeded(lambda: cross_validate(plan(CLASSIFIERS[name]()), **options))
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    if kind == "learners":
        for ours, theirs in zip(found["learner"], expected["learner"], strict=True):
            alike(last_of(ours), last_of(theirs))


@pytest.mark.parametrize("name", [*CLASSIFIERS, *REGRESSORS])
@pytest.mark.parametrize("enabled", [False, True])
def test_plans_evaluate_to_the_same(name, enabled):
    classifies = name in CLASSIFIERS
    made = (CLASSIFIERS if classifies else REGRESSORS)[name]
    y = LABELS if classifies else NUMBERS
    expected, _ = seeded(lambda: plan(made(), y).skb.eval())
    with stratum_dask.enabled(enabled):
        found, _ = seeded(lambda: from_skrub(plan(made(), y)).compute(scheduler="sync"))
    assert type(found) is type(expected)
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    else:
        np.testing.assert_array_equal(found, expected)


TARGETS = {
    "a column": LABELS.to_frame(),
    "an array": LABELS.to_numpy(),
    "a flat column": LABELS.to_numpy().reshape(-1, 1),
    "numbers": (LABELS == "yes").astype(int),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", ["a stack", "a hard vote", "calibration"])
@pytest.mark.parametrize("frame", [True, False])
def test_targets_and_data_of_other_kinds(name, target, frame):
    data = X if frame else X[["b", "c"]].to_numpy()
    options = {"fitted": True, "cv": KFold(2), "refit": False}

    def made():
        return plan(CLASSIFIERS[name](), TARGETS[target], data)

    expected, before = seeded(lambda: made().skb.make_grid_search(**options))
    found, told = seeded(lambda: make_grid_search(made(), **options))
    names = [c for c in expected.results_ if "time" not in c]
    pd.testing.assert_frame_equal(found.results_[names], expected.results_[names])
    assert told == before


def test_what_a_stack_makes_of_the_data_may_go_on():
    def made():
        with skrub.config_context(**LAZY):
            data, y = skrub.X(X[["b", "c"]]), skrub.y(LABELS)
            stacked = data.skb.apply(CLASSIFIERS["a stack"](), y=y)
            return stacked.skb.apply(tree(), y=y)

    options = {"fitted": True, "cv": StratifiedKFold(2), "scoring": "accuracy"}
    options["refit"] = False
    # an older skrub fits such a plan, and then can not predict
    expected, _ = seeded(lambda: made().skb.make_grid_search(**options))
    found, _ = seeded(lambda: make_grid_search(made(), **options))
    names = [c for c in expected.results_ if "time" not in c]
    pd.testing.assert_frame_equal(found.results_[names], expected.results_[names])


class Fails(ClassifierMixin, BaseEstimator):
    def __init__(self, rows=1000):
        self.rows = rows

    def fit(self, X, y):
        if len(X) > self.rows:
            raise ValueError("too many rows")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


@pytest.mark.parametrize("kind", [StackingClassifier, VotingClassifier])
@pytest.mark.parametrize("values", [(1000, 10), (10, 5)])
def test_a_member_that_fails_fails_as_in_skrub(kind, values):
    def made():
        stacks = kind is StackingClassifier
        more = {"cv": 2, "final_estimator": tree()} if stacks else {}
        return plan(kind(members(("fails", Fails(choice(*values)))), **more))

    def outcome(search):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return search(made(), fitted=True, cv=2, refit=False).results_
        except ValueError as e:
            return str(e)

    expected = outcome(lambda it, **options: it.skb.make_grid_search(**options))
    found = outcome(make_grid_search)
    if isinstance(expected, str):
        assert found == expected
    else:
        assert found["mean_test_score"].isna().tolist() == [False, True]
        np.testing.assert_array_equal(
            found["mean_test_score"], expected["mean_test_score"]
        )


def test_what_fails_in_a_part_is_raised_by_its_step():
    with pytest.raises(ValueError, match="too many rows"):
        from_skrub(plan(VotingClassifier(members(("fails", Fails(1)))))).compute()


def test_a_vote_that_can_not_transform_is_not_fitted():
    """skrub asks what has a ``transform`` for it, once it is fitted."""
    vote = VotingClassifier([("svm", Perceptron())], voting="soft")
    vote.set_params(weights=choice(None, [1]))
    outcomes = []
    for search in (
        lambda it, **options: it.skb.make_grid_search(**options),
        make_grid_search,
    ):
        with pytest.raises(ValueError, match="All the 4 fits failed") as problem:
            search(plan(vote), fitted=True, cv=2, refit=False)
        outcomes.append(str(problem.value))
    assert outcomes[0].splitlines()[:4] == outcomes[1].splitlines()[:4]


WHOLE = {"no seed", "a seed that goes on", "its default estimator"}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_parts_do_not_fail_where_the_whole_does_not(name, monkeypatch):
    again = []
    monkeypatch.setattr(Sharing, "_left", lambda self, raw: again.extend(raw) or [])
    options = {"cv": 2, "fitted": True, "refit": False, "scoring": "accuracy"}
    with count_tasks() as tasks, contextlib.suppress(ValueError):
        seeded(lambda: make_grid_search(plan(CLASSIFIERS[name]()), **options))
    # the default estimator has no step in common; what draws on skrub fits itself
    assert bool(again) is (name in ("its default estimator", "a seed that goes on"))
    assert ("noted" not in tasks.run) is (name in WHOLE)


def asked(model, **options):
    with count_tasks() as tasks:
        make_grid_search(plan(model), cv=2, fitted=True, refit=False, **options)
    return tasks


@pytest.mark.parametrize(
    ("name", "fits"),
    # in each of 2 folds; members are fitted to all rows and in 2 folds of these
    [
        ("a stack", 2 * (2 * 3 + 2)),
        ("members", 2 * (2 * 3 + 2 * 3 + 2)),
        ("a hard vote", 2 * (2 + 2)),
        ("calibration", 2 * 2),
        ("calibration of one model", 2 * (2 + 1)),
        ("steps", 2 * 2),
    ],
)
def test_candidates_share_the_parts_of_a_model(name, fits):
    tasks = asked(CLASSIFIERS[name]())
    assert tasks.run["fit"] == fits < tasks.asked["fit"] + tasks.asked["fit_transform"]
    assert not tasks.left


def test_what_draws_stays_whole():
    tasks = asked(CLASSIFIERS["no seed"]())
    assert "fit" not in tasks.run


def test_members_are_asked_once_for_all_final_estimators():
    tasks = asked(CLASSIFIERS["a stack"]())
    # 2 members answer in 2 folds, about all that they are fitted to, and the rest
    assert tasks.run["respond"] == 2 * 2 * (2 + 1 + 1)
