"""Estimators that notice their copies: plans have skrub's results with them, too."""

import datetime
import pathlib

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("skrub")

import skrub
from noticing import MODELS, Above, ClonesItself
from sklearn.linear_model import LogisticRegression

import stratum_dask
from stratum_dask import from_skrub
from stratum_dask.frontends.sklearn.evaluate import Sharing
from stratum_dask.frontends.skrub import plans
from stratum_dask.skrub import (
    cross_validate,
    lazy_cross_validate,
    lazy_fit,
    make_grid_search,
)

LAZY = {"eager_data_ops": False} if "eager_data_ops" in skrub.get_config() else {}

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(40, 3)), columns=list("abc"))
Y = pd.Series((X.a + RNG.normal(size=40) / 2 > 0).astype(int), name="label")
DATA = {"X": X, "y": Y}


@pytest.fixture(autouse=True)
def by_graphs(monkeypatch):
    """Nothing is left to scikit-learn because nothing is shared."""
    monkeypatch.setattr(Sharing, "always", True)


def lazily(build):
    with skrub.config_context(**LAZY):
        return build(skrub.X(X), skrub.y(Y))


def once(model):
    return lazily(lambda x, y: x.skb.apply(model, y=y))


def scaled(model):
    factor = skrub.choose_from([0.5, 1.0], name="factor")
    return lazily(lambda x, y: (x * factor).skb.apply(model, y=y))


def in_two_places(model):
    def build(x, y):
        first = x.skb.apply(model, y=y).skb.apply_func(pd.DataFrame)
        return first.skb.concat([x], axis=1).skb.apply(model, y=y)

    return lazily(build)


def asked_again(model):
    def build(x, y):
        made = x.skb.apply(model, y=y)
        fitted = made.skb.applied_estimator
        return skrub.as_data_op([made, fitted.predict(x), fitted.predict(x)])

    return lazily(build)


def by_itself(model):
    def build(x, y):
        fitted = skrub.as_data_op(model).fit(x, y)
        return skrub.as_data_op([fitted.predict(x), fitted.fit(-x, y).predict(x)])

    return lazily(build)


@pytest.mark.parametrize("build", [once, in_two_places, asked_again, by_itself])
@pytest.mark.parametrize("name", MODELS)
def test_a_plan_gives_what_skrub_gives(name, build):
    expected = build(MODELS[name]()).skb.eval()
    later = from_skrub(build(MODELS[name]()))
    np.testing.assert_array_equal(later.compute(), expected)
    with stratum_dask.enabled():
        later = from_skrub(build(MODELS[name]()))
        np.testing.assert_array_equal(later.compute(scheduler="sync"), expected)


def states(learner):
    """What a learner answers, then again, then once it is fitted again."""
    yield learner.predict(DATA)
    yield learner.predict(DATA)
    learner.fit(DATA)
    yield learner.predict(DATA)


def validated(found):
    learners = found.pop("learner")
    scores = [found[n].tolist() for n in ("test_score", "train_score")]
    return [scores, [list(states(each)) for each in learners]]


@pytest.mark.parametrize("name", MODELS)
def test_a_cross_validation_gives_what_skrub_gives(name):
    options = {"cv": 3, "return_learner": True, "return_train_score": True}
    expected = validated(once(MODELS[name]()).skb.cross_validate(**options))
    found = cross_validate(once(MODELS[name]()), **options)
    np.testing.assert_equal(validated(found), expected)
    later = lazy_cross_validate(once(MODELS[name]()), **options)
    np.testing.assert_equal(validated(later.compute()), expected)


def searched(search):
    found = search.cv_results_
    scores = [found[n].tolist() for n in ("mean_test_score", "mean_train_score")]
    return [scores, list(states(search.best_learner_))]


@pytest.mark.parametrize("name", MODELS)
def test_a_search_gives_what_skrub_gives(name):
    options = {"cv": 3, "return_train_score": True}
    own = scaled(MODELS[name]()).skb.make_grid_search(**options).fit(DATA)
    expected = searched(own)
    found = make_grid_search(scaled(MODELS[name]()), **options).fit(DATA)
    np.testing.assert_equal(searched(found), expected)
    later = lazy_fit(make_grid_search(scaled(MODELS[name]()), **options), DATA)
    np.testing.assert_equal(searched(later.compute()), expected)


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (Above(), 0),
        (Above(log=[1, (2, {"three": LogisticRegression()})]), 0),
        (Above(log=[pathlib.Path("here"), datetime.date(2026, 1, 1)]), 0),
        (LogisticRegression(), 0),
        (Above(log=np.zeros(1)), 1),
        (Above(log=[np.random.RandomState(0)]), 1),
        (ClonesItself(), 1),
    ],
)
def test_only_what_could_notice_is_left_to_skrub(model, left, monkeypatch):
    found = []
    monkeypatch.setattr(plans, "_whole", lambda *args: found.append(1))
    from_skrub(once(model)).compute(scheduler="sync")
    assert len(found) == left
