"""Votes warn of their target as often as scikit-learn's."""

import collections
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as theirs
from fitted import assert_equal_models
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import stratum_dask.sklearn as ours
from stratum_dask.frontends.sklearn import evaluate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
NUMBERS = X[:, :1] + RNG.normal(size=(60, 1))
LABELS = np.where(NUMBERS > 0, "yes", "no")


@pytest.fixture(autouse=True)
def by_graphs(monkeypatch):
    """Nothing is left to scikit-learn, so that all of this is tested."""
    monkeypatch.setattr(evaluate.Sharing, "always", True)


def classifier(**more):
    steps = make_pipeline(StandardScaler(), LogisticRegression())
    return VotingClassifier([("bayes", GaussianNB()), ("steps", steps)], **more)


def regressor():
    return VotingRegressor(
        [
            ("ridge", Ridge()),
            ("tree", DecisionTreeRegressor(max_depth=2, random_state=0)),
        ]
    )


MODELS = {
    "hard": (classifier(), LABELS),
    "soft": (classifier(voting="soft"), LABELS),
    "numbers": (regressor(), NUMBERS),
    "a frame": (classifier(), pd.DataFrame(LABELS)),
    "lists": (regressor(), NUMBERS.tolist()),
    "in steps": (make_pipeline(StandardScaler(), classifier()), LABELS),
    "of a target": (TransformedTargetRegressor(regressor(), func=np.cbrt,
                                               inverse_func=lambda y: y**3), NUMBERS),
    "a row": (classifier(), LABELS.ravel()),
}  # fmt: skip


def counted(run):
    """What was warned of, and how often."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        run()
    told = [str(w.message) for w in seen if w.category is DataConversionWarning]
    return collections.Counter(told)


def validates(home, model, y):
    home.cross_validate(clone(model), X, y, cv=2, return_train_score=True)


def returns(home, model, y):
    home.cross_validate(clone(model), X, y, cv=2, return_estimator=True)


def predicts(home, model, y):
    home.cross_val_predict(clone(model), X, y, cv=2)


def searches(home, model, y):
    name = next(n for n in model.get_params() if n.endswith("weights"))
    home.GridSearchCV(model, {name: [[1, 2], [2, 1]]}, cv=2).fit(X, y)


@pytest.mark.parametrize("run", [validates, returns, predicts, searches])
@pytest.mark.parametrize("name", MODELS)
def test_a_target_in_a_column_is_warned_of_as_often(name, run):
    model, y = MODELS[name]
    assert counted(lambda: run(ours, model, y)) == counted(
        lambda: run(theirs, model, y)
    )


@pytest.mark.parametrize("name", ["hard", "numbers"])
def test_it_is_warned_of_as_often_later(name):
    model, y = MODELS[name]
    search = theirs.GridSearchCV(model, {"weights": [[1, 2], [2, 1]]}, cv=2)
    for later, now in (
        (ours.lazy.cross_validate, theirs.cross_validate),
        (lambda m, X, y, cv: ours.lazy.fit(search, X, y),
         lambda m, X, y, cv: search.fit(X, y)),
    ):  # fmt: skip
        expected = counted(lambda: now(model, X, y, cv=2))  # noqa: B023
        found = counted(lambda: later(model, X, y, cv=2).compute(scheduler="sync"))  # noqa: B023
        assert found == expected


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("name", ["hard", "soft", "numbers", "in steps"])
def test_they_are_scikit_learns_to_the_bit(name):
    assert_equal_models(MODELS[name][0], X, MODELS[name][1])
