"""Lazy searches: one submission, data to come, clusters; and code that is patched."""

import contextlib
import sys
import textwrap
import types

import dask
import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as theirs
from dask.delayed import Delayed
from distributed import Client
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import stratum_dask
import stratum_dask.sklearn as ours
from stratum_dask.reporting import reset

pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(90, 3)), columns=list("abc"))
y = np.array(X["a"] + RNG.normal(size=90) > 0)
MODEL = make_pipeline(StandardScaler(), LogisticRegression())
GRID = {"logisticregression__C": [0.1, 1.0]}


def load(n):
    return X.copy(), y.copy()


def score(search):
    return search.cv_results_["mean_test_score"].tolist()


def names(*delayed):
    keys = {str(k) for d in delayed for k in d.dask}
    found = [k.rpartition("-")[0] for k in keys]
    return {n: found.count(n) for n in ("fit", "fit_transform", "rows", "respond")}


@pytest.fixture(scope="module")
def expected():
    return score(theirs.GridSearchCV(MODEL, GRID, cv=3).fit(X, y))


def test_two_searches_share_what_they_have_in_common(expected):
    more = {"logisticregression__C": [0.1, 1.0, 10.0]}
    one = ours.lazy.fit(ours.GridSearchCV(MODEL, GRID, cv=3), X, y)
    other = ours.lazy.fit(theirs.GridSearchCV(MODEL, more, cv=3), X.copy(), y.copy())
    assert isinstance(one, Delayed)
    assert names(one) == {"fit": 6, "fit_transform": 3, "rows": 12, "respond": 6}
    assert names(one, other) == {
        "fit": 9, "fit_transform": 3, "rows": 12, "respond": 9,
    }  # fmt: skip
    a, b = dask.compute(one, other)
    assert score(a) == expected
    assert score(b)[:2] == expected
    assert type(b) is theirs.GridSearchCV
    assert type(a) is ours.GridSearchCV
    assert a.cv == 3
    assert "_run_search" not in vars(a)
    np.testing.assert_array_equal(
        b.predict(X), theirs.GridSearchCV(MODEL, more, cv=3).fit(X, y).predict(X)
    )


def test_data_that_is_yet_to_come_is_the_same_data(expected):
    def built(name):
        data = dask.delayed(load, pure=False)(1, dask_key_name=name)
        return ours.lazy.fit(ours.GridSearchCV(MODEL, GRID, cv=3), data[0], data[1])

    with stratum_dask.enabled():
        one, other = built("mine"), built("yours")
        shared = {str(key) for key in set(one.dask) & set(other.dask)}
        assert all(key.startswith("data-") for key in shared)  # no parameters
        reset()
        a, b = dask.compute(one, other, scheduler="sync")
        report = stratum_dask.report()
    assert score(a) == score(b) == expected
    assert a is not b
    assert a.best_estimator_ is not b.best_estimator_
    assert report.tasks == 2 * report.ran  # the second search asks for nothing new


@pytest.mark.parametrize("known", [True, False])
def test_cross_validations_are_lazy_too(known):
    data = dask.delayed(load)(1)
    given = (X, y) if known else (data[0], data[1])
    a, b, c = dask.compute(
        ours.lazy.cross_validate(MODEL, *given, return_train_score=True),
        ours.lazy.cross_val_score(MODEL, *given, scoring="roc_auc"),
        ours.lazy.cross_val_predict(MODEL, *given, method="predict_proba"),
    )
    # the last bit depends on how a frame lies in memory, which a copy changes
    given = (X, y) if known else load(1)
    expected = theirs.cross_validate(MODEL, *given, return_train_score=True)
    assert list(a) == list(expected)
    for name in ("test_score", "train_score"):
        np.testing.assert_array_equal(a[name], expected[name])
    np.testing.assert_array_equal(
        b, theirs.cross_val_score(MODEL, *given, scoring="roc_auc")
    )
    np.testing.assert_array_equal(
        c, theirs.cross_val_predict(MODEL, *given, method="predict_proba")
    )


@pytest.mark.parametrize(
    ("cv", "fit"),
    [
        (theirs.LeaveOneGroupOut(), {"groups": np.repeat(range(3), 30)}),
        (theirs.ShuffleSplit(2, random_state=0), {}),
        ([(np.arange(60), np.arange(60, 90))], {}),
        (2, {"logisticregression__sample_weight": np.linspace(1, 2, 90)}),
    ],
    ids=str,
)
def test_any_splitter_of_data_to_come(cv, fit):
    data = dask.delayed(load)(1)
    model, grid = MODEL, {"logisticregression__C": [0.1]}
    search = ours.GridSearchCV(model, grid, cv=cv)
    found = ours.lazy.fit(search, data[0], data[1], **fit).compute()
    assert score(found) == score(
        theirs.GridSearchCV(model, grid, cv=cv).fit(X, y, **fit)
    )


def test_random_and_halving_searches_are_lazy_too():
    where = {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]}
    random = {"n_iter": 2, "random_state": 1, "cv": 3}
    halving = {"random_state": 1, "cv": 3}
    a, b = dask.compute(
        ours.lazy.fit(ours.RandomizedSearchCV(MODEL, where, **random), X, y),
        ours.lazy.fit(ours.HalvingGridSearchCV(MODEL, where, **halving), X, y),
    )
    one = theirs.RandomizedSearchCV(MODEL, where, **random).fit(X, y)
    assert score(a) == score(one)
    other = theirs.HalvingGridSearchCV(MODEL, where, **halving).fit(X, y)
    assert score(b) == score(other)


def test_an_error_is_raised_where_the_search_is_computed():
    grid = {"logisticregression__C": [-1.0]}
    search = ours.GridSearchCV(MODEL, grid, error_score="raise")
    with pytest.raises(ValueError, match="'C' parameter"):
        ours.lazy.fit(search, X, y).compute()
    with pytest.raises(ValueError, match="Invalid parameter 'D'"):
        ours.lazy.fit(ours.GridSearchCV(MODEL, {"D": [1]}), X, y).compute()


def test_unseeded_searches_share_only_what_is_seeded():
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier())
    searches = [ours.GridSearchCV(model, {}, cv=3) for _ in range(2)]
    lazy = [ours.lazy.fit(s, X, y) for s in searches]
    found = names(*lazy)
    assert (found["fit"], found["fit_transform"]) == (6, 3)


def test_on_a_cluster(expected, tmp_path):
    with (
        dask.config.set({"stratum.enabled": True}),
        Client(
            processes=False, n_workers=2, threads_per_worker=1,
            dashboard_address=None, local_directory=str(tmp_path),
        ) as client,
    ):  # fmt: skip
        with ours.count_tasks() as tasks:
            search = ours.GridSearchCV(MODEL, GRID, cv=3).fit(X, y)
        assert tasks.run["fit_transform"] == 3
        assert score(search) == expected
        futures = client.compute(
            [ours.lazy.fit(ours.GridSearchCV(MODEL, GRID, cv=3), X, y) for _ in "ab"]
        )
        for found in client.gather(futures):
            assert score(found) == expected
        # A search in a task of its own does not wait for another worker.
        nested = dask.delayed(ours.cross_val_score)(MODEL, X, y, cv=3)
        assert nested.compute().mean() == expected[1]


# ---------------------------------------------------------------------- patch
@pytest.fixture
def program(monkeypatch):
    """A module of somebody's that has imported a search before."""
    module = types.ModuleType("their_program")
    module.Search = theirs.GridSearchCV
    monkeypatch.setitem(sys.modules, "their_program", module)
    return module


def test_a_patch_reaches_code_that_is_not_edited_and_is_undone(program):
    later = types.ModuleType("their_later_program")
    before = {k: v for k, v in vars(theirs).items() if not k.startswith("_")}
    with contextlib.suppress(KeyError), ours.patch():
        assert theirs.GridSearchCV is program.Search is ours.GridSearchCV
        assert theirs.cross_val_score is ours.cross_val_score
        with ours.patch():
            sys.modules[later.__name__] = later
            from sklearn.model_selection import GridSearchCV

            later.mine = later.GridSearchCV = GridSearchCV
        assert later.mine is program.Search is ours.GridSearchCV
        program.other = ours.GridSearchCV
        raise KeyError
    try:
        assert {
            k: v for k, v in vars(theirs).items() if not k.startswith("_")
        } == before
        assert program.Search is theirs.GridSearchCV
        assert later.mine is later.GridSearchCV is theirs.GridSearchCV
    finally:
        del sys.modules[later.__name__]


def test_a_patch_leaves_what_meant_ours_before(program):
    program.mine = ours.GridSearchCV
    with ours.patch():
        program.Search = print
    assert program.mine is ours.GridSearchCV
    assert program.Search is print


def test_other_packages_keep_theirs():
    import sklearn.linear_model._logistic as inside

    with ours.patch():
        assert not hasattr(inside, "GridSearchCV")
        import dask_ml.model_selection as other

        assert other.GridSearchCV is not ours.GridSearchCV


def test_an_unknown_scikit_learn_is_used_as_it_is(fresh_python):
    code = """
        import warnings
        import sklearn.model_selection._search as search
        del search._fit_and_score, search.Parallel
        import sklearn.model_selection._validation as validation
        del validation._fit_and_score
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            from stratum_dask.sklearn import GridSearchCV, count_tasks, lazy, patch
        print([str(w.message)[:30] for w in found])
        print(GridSearchCV.__module__)
        with patch(), count_tasks() as tasks:
            print(tasks.left)
    """
    out = fresh_python(textwrap.dedent(code)).stdout.splitlines()
    assert out[0] == "['stratum does not fit this vers']"
    assert out[1:] == ["sklearn.model_selection._search", "0"]
