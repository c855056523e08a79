"""Estimators that fit one model for each output, class, or pair of them, taken apart.

How many there are only the target can tell. So this is done where the target is at
hand when a search is planned: not with Dask collections, and not inside of what makes
a target of its own for its members.

>>> from sklearn.datasets import load_linnerud
>>> from sklearn.linear_model import Lasso
>>> from sklearn.multioutput import MultiOutputRegressor
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from stratum_dask.sklearn import GridSearchCV, count_tasks
>>> model = MultiOutputRegressor(make_pipeline(StandardScaler(), Lasso()))
>>> grid = {"estimator__lasso__alpha": [0.1, 1.0, 10.0]}
>>> with count_tasks() as tasks:
...     search = GridSearchCV(model, grid, cv=2)
...     search = search.fit(*load_linnerud(return_X_y=True))

In 2 folds and for 3 outputs, data is scaled once for all 3 candidates:

>>> tasks.asked["fit_transform"], tasks.run["fit_transform"]
(18, 6)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy.sparse import issparse
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.preprocessing import LabelBinarizer

from stratum_dask.frontends.sklearn import private, steps
from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref
from stratum_dask.frontends.sklearn.careful import pairwise
from stratum_dask.frontends.sklearn.models import Given, Model, fit, kind
from stratum_dask.frontends.sklearn.standins import Bound, Past, Probe, with_members
from stratum_dask.frontends.sklearn.work import (
    Done,
    Fitted,
    Timer,
    seconds,
    task,
    value,
)
from stratum_dask.graph import DataNode, Task

__all__: list[str] = []


# ------------------------------------------------------------------------- tasks
class _Clones(Past):
    """Stands in for an estimator: its clones are given, one after the other."""

    def __init__(self, like: Any, clones: Iterator[Any]) -> None:
        super().__init__(like)
        self.clones = clones

    def __sklearn_clone__(self) -> Any:
        return next(self.clones)


class _Noting(Probe):
    """What a member of a `MultiOutputClassifier` is asked for once it is fitted."""

    classes_ = None


def _noted(spec: Any, X: Any, y: Any, number: int) -> list[Any]:
    """Probes that were fitted as the members would be."""
    members = [copy.copy(spec.estimator) for _ in range(number)]
    shell = with_members(spec, "estimator", _Clones(spec.estimator, iter(members)))
    shell.fit(X, y)
    pairs = list(zip(shell.estimators_, members, strict=True))
    if any(one is not other for one, other in pairs):
        raise ValueError("other members than expected")
    return members


@task
def outputs(spec: Any, y: Any, number: int) -> Any:
    """The targets that the members are fitted to."""
    timer = Timer()
    found = [each.y for each in _noted(spec, None, value(y), number)]
    return Done(found, timer.seconds)


@task
def pairs(spec: Any, y: Any, number: int) -> Any:
    """The rows of each pair of classes, and then the targets."""
    timer = Timer()
    numbered = np.arange(len(value(y))).reshape(-1, 1)
    members = _noted(spec, numbered, value(y), number)
    found = [m.X[:, 0] for m in members] + [m.y for m in members]
    return Done(found, timer.seconds)


@task
def checked(spec: Any, X: Any) -> Any:
    """The data as a `OneVsOneClassifier` makes it: all rows are in a pair of two."""
    timer = Timer()
    data = value(X)
    halves = np.arange(_length(data)) % 2
    return Done(_noted(spec, data, halves, 1)[0].X, seconds(X) + timer.seconds)


def _length(X: Any) -> int:
    shape = getattr(X, "shape", None)
    return int(shape[0]) if shape else len(X)


@task
def output(targets: Any, number: int) -> Any:
    """One of them."""
    return Done(value(targets)[number])


@task
def join_outputs(template: Any, X: Any, y: Any, *members: Any) -> Any:
    """A fitted estimator of its fitted members."""
    timer = Timer()
    fitted = [m.estimator for m in members]
    clones = _Clones(template.estimator, map(Past, fitted))
    shell = with_members(template, "estimator", clones, n_jobs=1)
    shell.fit(value(X), value(y))
    shell.estimators_ = type(shell.estimators_)(fitted)
    shell.estimator, shell.n_jobs = template.estimator, template.n_jobs
    before = seconds(X)
    spent = sum(max(m.seconds - before, 0.0) for m in members)
    return Fitted(shell, None, before + spent + timer.seconds)


@task
def join_outputs_bound(fitted: Any, *members: Any) -> Any:
    """One whose members have the data of their own that they will be asked about."""
    pairs = zip(members[::2], members[1::2], strict=True)
    new = copy.copy(fitted.estimator)
    new.estimators_ = [Bound(m.estimator, value(X)) for m, X in pairs]
    new.n_jobs = 1
    return Fitted(new, None, fitted.seconds)


# ------------------------------------------------------------------------- graphs
class OutputsModel(Model):
    """A fitted estimator, and its members."""

    binds = True

    def __init__(
        self, builder: Builder, template: Any, given: Given, members: list[Model]
    ) -> None:
        self.members = members
        spec, wholes = builder.literal(template), [m.whole() for m in members]
        node = builder.call(join_outputs, spec, given.X, given.y, *wholes)
        super().__init__(builder, template, node)

    def reduced(self, X: Ref) -> tuple[Ref, Ref]:
        bound = [part for m in self.members for part in m.reduced(X)]
        return self.builder.call(join_outputs_bound, self.node, *bound), X


def _at_hand(builder: Builder, ref: Any) -> Any:
    """A target that is known already, or the rows of one; None where it is not."""
    node = getattr(builder, "graph", {}).get(getattr(ref, "key", None))
    if isinstance(node, DataNode):
        return node()
    if isinstance(node, Task) and node.func is steps.rows:
        _, data, rows = (_at_hand(builder, each) for each in node.args)
        if data is not None and rows is not None:
            return private.safe_indexing(data, rows)
    return None


def _columns(y: Any) -> int:
    """How many members a `MultiOutputRegressor` has."""
    shape = np.shape(y)
    return shape[1] if len(shape) == 2 else 0


def _labels(y: Any) -> int:
    """How many a `MultiOutputClassifier` has; 0 where it may warn of its target."""
    return 0 if _are_many(y) else _columns(y)


def _are_many(y: Any) -> bool:
    """Whether there is a warning of labels that look like numbers."""
    return 2 * len(np.unique(np.asarray(y))) + 1 > len(y)


def _classes(y: Any) -> int:
    """How many a `OneVsRestClassifier` has; 0 where it may warn, or one is constant."""
    if np.shape(y)[1:] == (1,) or _are_many(y):
        return 0
    if np.ndim(y) == 1:
        classes = len(np.unique(y))
        return classes if classes > 2 else classes - 1
    binary = LabelBinarizer(sparse_output=True).fit_transform(y).tocsc()
    ones = np.diff(binary.indptr)
    return 0 if ((ones == 0) | (ones == len(y))).any() else len(ones)


def _pairs(y: Any) -> int:
    """How many a `OneVsOneClassifier` has."""
    if np.ndim(y) != 1 or _are_many(y):
        return 0
    classes = len(np.unique(y))
    return classes * (classes - 1) // 2


_MOST = 100
"""Members that are tasks: with more of them, tasks cost more than they share."""

_COUNTS: dict[type, Callable[[Any], int]] = {
    MultiOutputClassifier: _labels,
    MultiOutputRegressor: _columns,
    OneVsOneClassifier: _pairs,
    OneVsRestClassifier: _classes,
}
_known: WeakKeyDictionary[Builder, dict[Any, int]] = WeakKeyDictionary()


def _number(builder: Builder, cls: type, y: Any) -> int:
    """How many members one has; 0 where it stays whole. Many candidates have one y."""
    found = _known.setdefault(builder, {})
    if (cls, y) not in found:
        target = _at_hand(builder, y)
        try:
            known = target is not None and not issparse(target)
            found[cls, y] = _COUNTS[cls](target) if known else 0
        except Exception:  # noqa: BLE001 it will raise again where it is fitted
            found[cls, y] = 0
    return found[cls, y]


def _spec(template: Any) -> Any:
    """It with a probe in place of its estimator; None where it stays whole."""
    try:
        private.validate(template)
        if getattr(template, "verbose", 0) or pairwise(template.estimator):
            return None
        probe = _Noting(template.estimator)
        return with_members(template, "estimator", probe, n_jobs=1)
    except Exception:  # noqa: BLE001 it will raise again where it is fitted
        return None


@kind(MultiOutputClassifier)
@kind(MultiOutputRegressor)
@kind(OneVsOneClassifier)
@kind(OneVsRestClassifier)
def fit_outputs(builder: Builder, template: Any, given: Given) -> Model | None:
    spec = builder.once(template, _spec)
    if spec is None or given.params.names or private.routing_enabled():
        return None
    if not isinstance(given.y, Ref):
        return None
    number, call = _number(builder, type(template), given.y), builder.call
    if not 0 < number <= _MOST:
        return None
    if type(template) is OneVsOneClassifier:
        return _fit_pairs(builder, template, builder.literal(spec), given, number)
    targets = call(outputs, builder.literal(spec), given.y, number)
    members = [
        fit(builder, template.estimator, Given(given.X, call(output, targets, i)))
        for i in range(number)
    ]
    return OutputsModel(builder, template, given, members)


def _fit_pairs(
    builder: Builder, template: Any, spec: Literal, given: Given, number: int
) -> Model:
    call = builder.call
    found, X = call(pairs, spec, given.y, number), call(checked, spec, given.X)
    members = []
    for i in range(number):
        rows, y = (call(output, found, n) for n in (i, number + i))
        members.append(
            fit(builder, template.estimator, Given(call(steps.rows, X, rows), y))
        )
    args = [builder.literal(template), given.X, given.y, *[m.whole() for m in members]]
    return Model(builder, template, call(join_outputs, *args))
