"""Whether models that were fitted in parts are those that scikit-learn fits."""

from unittest import mock

import numpy as np
import sklearn.model_selection as theirs
from sklearn.base import clone

import stratum_dask.sklearn as ours
from stratum_dask.frontends.sklearn import evaluate
from stratum_dask.frontends.sklearn.work import Failed
from stratum_dask.optimizations.fingerprint.values import Encoder


def assert_equal_models(model, X, y):
    """Fit and score it in folds, here and there: all is equal, and no task fails."""
    failures = []  # would be hidden: scikit-learn does such a fit again
    real = evaluate.told

    def told(calls, results, again):
        failures.extend(f.why for r in results for f in r if isinstance(f, Failed))
        failures.extend("left" for r in results if not r)
        return real(calls, results, again)

    with mock.patch.object(evaluate, "told", told):
        expected, found = (
            home.cross_validate(
                clone(model), X, y, cv=2, return_estimator=True,
                return_train_score=True, error_score="raise",
            )
            for home in (theirs, ours)
        )  # fmt: skip
    assert not failures, failures
    for key in ("test_score", "train_score"):
        np.testing.assert_array_equal(expected[key], found[key])
    for one, other in zip(expected["estimator"], found["estimator"], strict=True):
        assert_same(one, other)
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
        if hasattr(one, "predict_proba"):
            answers = one.predict_proba(X), other.predict_proba(X)
            np.testing.assert_equal(*answers)


def assert_same(one, other, where="model"):
    """Everything in a fitted model is equal to the bit, with what is inside of it."""
    assert type(one) is type(other), where
    if hasattr(one, "get_params") and not isinstance(one, type):
        one, other = vars(one), vars(other)
    if isinstance(one, dict):
        assert set(one) == set(other), where
        for name, value in one.items():
            assert_same(value, other[name], f"{where}.{name}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for number, value in enumerate(one):
            assert_same(value, other[number], f"{where}[{number}]")
    elif hasattr(one, "get_n_splits"):  # a stack writes a new generator into it
        assert one.get_n_splits() == other.get_n_splits()
    elif type(one).__name__ == "_CalibratedClassifier":
        assert_same(vars(one), vars(other), where)
    elif isinstance(one, np.ndarray):  # a copy may lose gaps between its rows
        one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
        assert Encoder().value(one) == Encoder().value(other), where
    else:
        assert Encoder().value(one) == Encoder().value(other), where
