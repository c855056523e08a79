"""Estimators that notice how often they are copied, or asked."""

import collections

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier


class Above(ClassifierMixin, BaseEstimator):
    """Whether the first column is above its mean."""

    def __init__(self, shift=0.0, log=None):
        self.shift = shift
        self.log = log
        self.fits = 0

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.fits += 1
        self.above_ = np.asarray(X)[:, 0].mean() + self.shift + self.fits / 3
        return self

    def predict(self, X):
        return (np.asarray(X)[:, 0] > self.above_).astype(int)


class DeepCopiesAnother(Above):
    def __deepcopy__(self, memo):
        new = type(self)()
        new.__dict__.update(vars(self), shift=self.shift + 0.5)
        return new


class DeepCopiesItself(Above):
    def __deepcopy__(self, memo):
        return self


class ClonesAnother(Above):
    def __sklearn_clone__(self):
        return type(self)(self.shift + 0.5)


class ClonesItself(Above):
    def __sklearn_clone__(self):
        return self


class WritesWhereItPredicts(Above):
    def predict(self, X):
        self.log.append(1)
        self.above_ += len(self.log) / 5
        return super().predict(X)


class WritesWhereItFits(Above):
    def fit(self, X, y):
        self.log.append(1)
        self.shift_before, self.shift = self.shift, self.shift + len(self.log) / 5
        super().fit(X, y)
        self.shift = self.shift_before
        return self


class Drifts(Above):
    def predict(self, X):
        self.above_ += 0.4
        return super().predict(X)


def forest():
    state = np.random.RandomState(0)
    return RandomForestClassifier(3, max_depth=2, random_state=state)


MODELS = {
    "sets more than its parameters": Above,
    "deep copies another": DeepCopiesAnother,
    "deep copies itself": DeepCopiesItself,
    "clones another": ClonesAnother,
    "clones itself": ClonesItself,
    "predicts into a list": lambda: WritesWhereItPredicts(log=[]),
    "predicts into a deque": lambda: WritesWhereItPredicts(log=collections.deque()),
    "fits into a list": lambda: WritesWhereItFits(log=[]),
    "fits into a deque": lambda: WritesWhereItFits(log=collections.deque()),
    "drifts": Drifts,
    "draws on": forest,
}
