"""Estimators of a plan that are fitted in parts, as `stratum_dask.sklearn` fits them.

Stacks, votes, calibrated classifiers, pipelines that end in a model, and models of a
transformed target. What their ``fit`` is given, and what becomes of it afterwards,
is decided by skrub's own code: it runs with an estimator that only notes what it is
asked, and again with one that is fitted already.

>>> import skrub
>>> from sklearn.datasets import load_iris
>>> from sklearn.ensemble import StackingClassifier
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.naive_bayes import GaussianNB
>>> from stratum_dask.skrub import make_grid_search
>>> from stratum_dask.sklearn import count_tasks
>>> X, y = load_iris(return_X_y=True)
>>> final = LogisticRegression(C=skrub.choose_from([0.1, 1.0, 10.0], name="C"))
>>> stack = StackingClassifier([("bayes", GaussianNB())], final, cv=2)
>>> plan = skrub.X(X).skb.apply(stack, y=skrub.y(y))
>>> with count_tasks() as tasks:
...     search = make_grid_search(plan, cv=3, fitted=True, refit=False)

In each of 3 folds, bayes is fitted to all rows and in 2 folds of them; the final
estimator is fitted in each of them for each of 3 candidates:

>>> tasks.asked["fit"], tasks.run["fit"]
(36, 18)
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import sklearn

from stratum_dask.frontends.sklearn import evaluate, models
from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.sklearn.careful import (
    has_callbacks,
    is_library,
    pairwise,
    writes,
)
from stratum_dask.frontends.sklearn.private import routing_enabled
from stratum_dask.frontends.sklearn.work import (
    Done,
    Failed,
    Fitted,
    Timer,
    seconds,
    task,
    value,
)
from stratum_dask.frontends.skrub import private, steps
from stratum_dask.frontends.skrub.tapes import Tape

if TYPE_CHECKING:
    from stratum_dask.frontends.skrub.lowering import Lowering

__all__ = ["asked", "fitted"]

_KINDS = (evaluate,)  # imported for what it registers


# ------------------------------------------------------------------------- tasks
class _Noted(Exception):
    """Carries what an estimator is asked out of skrub's code."""

    def __init__(self, X: Any, y: Any) -> None:
        super().__init__()
        self.X, self.y = X, y


class _Notes:
    """An estimator that tells what it is fitted to, or asked about."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def fit(self, X: Any, y: Any = None) -> Any:
        raise _Noted(X, y)

    predict = predict_proba = predict_log_proba = decision_function = fit
    score = transform = fit


@task
def noted(spec: Any, *results: Any) -> Any:
    """What an estimator is given in a step."""
    impl = steps.node(spec, results, estimator=_Notes())
    impl.estimator_, impl.estimator_id_ = impl.estimator, None
    try:
        steps.run(spec, impl)
    except _Noted as told:
        return Done((told.X, told.y), max(map(seconds, results)))
    raise ValueError("an estimator that is asked nothing")


@task
def one(pair: Any, which: int) -> Any:
    """0 for X, 1 for y."""
    return Done(value(pair)[which], seconds(pair))


@task
def adopt(spec: Any, fitted: Any, asked: Any, *results: Any) -> Any:
    """A step whose estimator is fitted.

    Parameters
    ----------
    fitted
        The estimator.
    asked
        The same, which transforms the data that it was fitted to.
    """
    return _adopted(spec, fitted, asked, results)


@steps.raising
def adopt_or_raise(spec: Any, fitted: Any, asked: Any, *results: Any) -> Any:
    """The same; where a part has failed all of it is done, and raises."""
    if isinstance(fitted, Failed) or isinstance(asked, Failed):
        return steps.step_whole(spec, None, *results)
    return _adopted(spec, fitted, asked, results)


def _adopted(spec: Any, fitted: Any, asked: Any, results: Any) -> Any:
    timer = Timer()
    shell = copy.copy(asked.estimator)
    shell.fit = lambda *args, **kwargs: shell
    impl = steps.node(spec, results, estimator=shell)
    made = steps.run(spec, impl)
    if impl.estimator_ is not shell:
        raise ValueError("a step that fits another estimator")
    impl.estimator_ = fitted.estimator
    made = None if made is shell else made  # what ``fit`` returns nobody asks for
    return Fitted(private.learned(impl), made, fitted.seconds + timer.seconds)


@task
def bound(learned: Any, asked: Any) -> Any:
    """What a step has learned, with an estimator whose answers are there."""
    state = {**learned.estimator, "estimator_": asked.estimator}
    return Fitted(state, None, learned.seconds)


# ------------------------------------------------------------------------- graphs
def fitted(
    lower: Lowering, impl: Any, estimator: Any, fields: private.Fields, mode: str
) -> Ref | None:
    """The task that has fitted a node in parts; None where it stays whole."""
    if not _opens(lower.builder, estimator, fields):
        return None
    call = lower.builder.call
    X, y = _noted(lower, fields, mode)
    model = models.parts(lower.builder, estimator, models.Given(X, y))
    assert model is not None
    whole = asked = model.whole()
    if model.binds and hasattr(estimator, "fit_transform"):
        asked, _ = model.reduced(X)
    # As it was noted: skrub warns of names of columns as often as it changes them.
    given = {**fields, "X": X, "y": y}
    spec, results = lower.spec("Apply", given, True, False, mode)
    func = adopt_or_raise if lower.raises else adopt
    name = f"fit-{type(estimator).__name__}"
    lower.learned.models[id(impl)] = model
    return call(func, spec, whole, asked, *results, name=name)


def _opens(builder: Builder, estimator: Any, fields: private.Fields) -> bool:
    cls = type(estimator)
    if not (models.is_kind(cls) and is_library(cls) and hasattr(estimator, "predict")):
        return False
    if fields.get("y") is None or fields["unsupervised"] or not _plain(fields):
        return False
    if routing_enabled() or sklearn.get_config().get("array_api_dispatch"):
        return False
    if private.caches() or has_callbacks(estimator):
        return False
    if pairwise(estimator) or writes(estimator):
        return False
    seeded = builder.literal(estimator).token is not None
    return seeded and _has_parts(builder, estimator)


def _has_parts(builder: Builder, estimator: Any) -> bool:
    """Whether all that it is made of is understood."""
    given = models.Given(Ref("X"), Ref("y"))
    try:
        return models.parts(Tape(builder), estimator, given) is not None
    except models.LeftError:
        return False


def _plain(fields: private.Fields) -> bool:
    """Whether no method gets more arguments than its data."""
    given = fields.get("kwargs")
    return not given or (type(given) is dict and all(v is None for v in given.values()))


def _noted(lower: Lowering, fields: private.Fields, mode: str) -> tuple[Ref, Ref]:
    """What skrub gives to the estimator of a node, whichever that is."""
    given = {**fields, "estimator": None}
    spec, results = lower.spec("Apply", given, False, False, mode)
    pair = lower.builder.call(noted, spec, *results)
    X, y = (lower.builder.call(one, pair, which) for which in (0, 1))
    return X, y


def asked(
    lower: Lowering, impl: Any, fields: private.Fields, known: Ref, mode: str
) -> tuple[Ref, private.Fields]:
    """What a node has learned, and its fields, to ask it about other data."""
    model = lower.learned.models.get(id(impl))
    if model is None or not model.binds or not _plain(fields):
        return known, fields
    X, _ = _noted(lower, {**fields, "y": None}, mode)
    node, X = model.reduced(X)
    return lower.builder.call(bound, known, node), {**fields, "X": X}
