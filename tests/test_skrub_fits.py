"""Fits of plans: what they draw, who owns their estimators, and what copies cost."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("skrub")

import skrub
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import StandardScaler

import stratum_dask
from stratum_dask.frontends.sklearn.evaluate import Sharing
from stratum_dask.skrub import (
    cross_validate,
    lazy_cross_validate,
    lazy_fit,
    make_grid_search,
)

LAZY = {"eager_data_ops": False} if "eager_data_ops" in skrub.get_config() else {}

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(90, 4)), columns=list("abcd"))
Y = X["a"] * X["b"] + RNG.normal(size=90)
OPTIONS = {"cv": KFold(3), "scoring": "r2"}


def plan(model, *steps):
    with skrub.config_context(**LAZY):
        made = skrub.X(X)
        for step in steps:
            made = made.skb.apply(step)
        return made.skb.apply(model, y=skrub.y(Y))


def depths(**more):
    return ExtraTreesRegressor(
        5, max_depth=skrub.choose_from([2, 3], name="depth"), **more
    )


def scores(search):
    return search.results_["mean_test_score"].tolist()


def draws():
    return np.random.RandomState(0)


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("warm", [False, True])
def test_what_a_fit_draws_or_keeps_no_other_fit_sees(warm, enabled):
    def model():
        return depths(warm_start=warm, random_state=0 if warm else draws())

    expected = plan(model()).skb.make_grid_search(fitted=True, **OPTIONS)
    later = lazy_fit(make_grid_search(plan(model()), **OPTIONS), {"X": X, "y": Y})
    with stratum_dask.enabled(enabled):
        for _ in range(2):  # the second time over the same graph
            assert scores(later.compute()) == scores(expected)


def test_folds_of_a_model_that_draws_start_alike():
    model = SGDRegressor(max_iter=5, tol=None, random_state=draws())
    expected = plan(model).skb.cross_validate(**OPTIONS)
    found = lazy_cross_validate(plan(model), **OPTIONS).compute()
    assert found["test_score"].tolist() == expected["test_score"].tolist()


@pytest.mark.parametrize("jobs", [None, 1])
def test_folds_draw_in_the_order_of_skrub(jobs):
    def found(validate):
        np.random.seed(0)
        made = plan(SGDRegressor(max_iter=5, tol=None), StandardScaler())
        return validate(made, cv=KFold(5), n_jobs=jobs)["test_score"].tolist()

    expected = found(lambda made, **options: made.skb.cross_validate(**options))
    assert found(cross_validate) == expected


def test_splits_that_depend_on_data():
    with skrub.config_context(**LAZY):
        data = skrub.var("data", X)
        marked = data.skb.mark_as_X(
            cv=GroupKFold(3), split_kwargs={"groups": data["a"].round()}
        )
        scaled = marked.skb.apply(StandardScaler())
        made = scaled.skb.apply(Ridge(), y=skrub.y(Y))
    found = cross_validate(made, return_learner=True, return_train_score=True)
    expected = made.skb.cross_validate(return_train_score=True)
    for name in ("test_score", "train_score"):
        assert found[name].tolist() == expected[name].tolist()


def test_candidates_that_are_left_to_scikit_learn_have_plans_of_their_own():
    """Nothing is shared here, and so all of it is left; fits set parameters."""
    made = plan(depths(random_state=0))
    expected = made.skb.make_grid_search(fitted=True, **OPTIONS)
    for jobs in (None, 2):
        found = make_grid_search(made, fitted=True, n_jobs=jobs, **OPTIONS)
        assert scores(found) == scores(expected)


def test_a_plan_is_cloned_for_each_candidate_and_not_for_each_fit(monkeypatch):
    from skrub._data_ops import _evaluation

    clones = []
    own = _evaluation.clone

    def counting(*args, **more):
        clones.append(1)
        return own(*args, **more)

    monkeypatch.setattr(_evaluation, "clone", counting)
    alphas = skrub.choose_from([0.1, 1.0, 10.0], name="alpha")
    made = plan(Ridge(alpha=alphas), StandardScaler())
    search = make_grid_search(made, refit=False, cv=KFold(10))
    before = len(clones)
    search.fit({"X": X, "y": Y})
    assert len(clones) - before < 3 * 10


def test_processes_are_started_only_where_they_are_needed(monkeypatch):
    entered = []
    monkeypatch.setattr(Sharing.__base__, "__enter__", lambda self: entered.append(1))
    monkeypatch.setattr(Sharing.__base__, "__exit__", lambda self, *how: None)
    with Sharing(n_jobs=2) as parallel:
        assert not entered
        assert list(parallel([])) == []
    assert entered == [1]
