"""Estimators that notice their copies: searches have scikit-learn's results with them."""

import numpy as np
import pytest
import sklearn.model_selection as theirs
from noticing import MODELS, ClonesItself
from sklearn.ensemble import VotingClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import stratum_dask.sklearn as ours
from stratum_dask.frontends.sklearn import evaluate

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = (X[:, 0] + RNG.normal(size=40) / 2 > 0).astype(int)


@pytest.fixture(autouse=True)
def by_graphs(monkeypatch):
    """Nothing is left to scikit-learn because nothing is shared."""
    monkeypatch.setattr(evaluate.Sharing, "always", True)


PLACES = {
    "": lambda model: model,
    "last__": lambda model: Pipeline([("scale", StandardScaler()), ("last", model)]),
    "vote__": lambda model: VotingClassifier(
        [("vote", model), ("bayes", GaussianNB())], weights=[2, 1]
    ),
}


def states(model):
    """What a model answers, then again, then once it is fitted again."""
    return [model.predict(X), model.predict(X), model.fit(X, Y).predict(X)]


def validated(validate, model):
    options = {"cv": 3, "return_estimator": True, "return_train_score": True}
    found = validate(model, X, Y, **options)
    scores = [found["test_score"], found["train_score"]]
    return [*scores, *map(states, found["estimator"])]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", MODELS)
def test_cross_validations(name, place):
    def found(validate):
        return validated(validate, PLACES[place](MODELS[name]()))

    expected = found(theirs.cross_validate)
    np.testing.assert_equal(found(ours.cross_validate), expected)
    later = found(
        lambda *args, **more: ours.lazy.cross_validate(*args, **more).compute()
    )
    np.testing.assert_equal(later, expected)


def searched(search):
    found = search.cv_results_
    scores = [found[n] for n in ("mean_test_score", "mean_train_score")]
    return [*scores, states(search.best_estimator_)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", MODELS)
def test_searches(name, place):
    def search(home):
        model = MODELS[name]()
        grid = (
            {"shift": [0.0, 0.3]} if hasattr(model, "shift") else {"max_depth": [1, 2]}
        )
        grid = {f"{place}{n}": values for n, values in grid.items()}
        options = {"cv": 3, "return_train_score": True}
        return home.GridSearchCV(PLACES[place](model), grid, **options)

    expected = searched(search(theirs).fit(X, Y))
    np.testing.assert_equal(searched(search(ours).fit(X, Y)), expected)
    later = ours.lazy.fit(search(ours), X, Y).compute()
    np.testing.assert_equal(searched(later), expected)


def test_candidates_that_clone_themselves():
    def found(home):
        grid = [{"vote": [GaussianNB(), ClonesItself()]}]
        search = home.GridSearchCV(PLACES["vote__"](GaussianNB()), grid, cv=3)
        return search.fit(X, Y).cv_results_["mean_test_score"]

    np.testing.assert_equal(found(ours), found(theirs))
