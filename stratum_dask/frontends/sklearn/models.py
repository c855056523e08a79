"""Estimators as they will be, once fitted: which tasks fit them, and what these give.

`fit` and `fit_transform` look at an estimator and take apart what is known; every
other estimator is one task as a whole (`Model`). Each is taken apart only where all
of it is understood: no cache, no messages, no callbacks, no parameters of ``fit``
but a pipeline's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from stratum_dask.frontends.sklearn import steps
from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref
from stratum_dask.frontends.sklearn.careful import is_known, only_predicts, quiet

__all__ = [
    "Given",
    "LeftError",
    "Model",
    "Params",
    "fit",
    "fit_transform",
    "is_kind",
    "kind",
    "parts",
    "transforms",
]


class Params(NamedTuple):
    """The parameters of a ``fit``."""

    given: Ref | None = None
    """All of them, cut to the rows of the fold."""
    names: Mapping[str, str] = {}
    """Name here -> name in ``given``."""


class Given(NamedTuple):
    """What an estimator is fitted to."""

    X: Ref
    y: Ref | Literal
    params: Params = Params()


class Model:
    """A fitted estimator, as a whole.

    Parameters
    ----------
    builder
        Builds the graph.
    template
        The estimator before it is fitted.
    node
        The task that gives it.
    """

    binds = False
    """Whether what `reduced` gives answers about the same data as the whole."""

    def __init__(self, builder: Builder, template: Any, node: Ref) -> None:
        self.builder = builder
        self.template = template
        self.node = node

    def whole(self) -> Ref:
        """The fitted estimator, such as scikit-learn would have made it."""
        return self.node

    def transform(self, X: Ref) -> Ref:
        """What it makes of ``X``."""
        copies = not self.builder.once(self.template, quiet)
        return self.builder.call(steps.transform, self.node, X, copies)

    def reduced(self, X: Ref) -> tuple[Ref, Ref]:
        """An estimator and data, of which the one answers about the other.

        The same as the whole one answers about ``X``: what comes before its last
        step has been done.
        """
        return self.whole(), X

    def scored(
        self, scorer: Any, X: Ref, y: Ref | Literal, params: Ref | None
    ) -> Ref | None:
        """Its score, where the model knows better than anybody how that is made."""
        return None

    @property
    def quiet(self) -> bool:
        """Whether what `reduced` gives writes into nothing."""
        return self.builder.once(self.template, quiet)

    @property
    def only_predicts(self) -> bool:
        """Whether its ``score`` needs no more than what it predicts."""
        return only_predicts(self.template)


Fit = Callable[[Builder, Any, Given], Model | None]
FitTransform = Callable[[Builder, Any, Given], tuple[Model, Ref] | None]

_FITS: dict[type, Fit] = {}
_TRANSFORMS: dict[type, FitTransform] = {}


def kind(cls: type) -> Callable[[Fit], Fit]:
    """Register how estimators of exactly this class are fitted in parts."""

    def register(func: Fit) -> Fit:
        _FITS[cls] = func
        return func

    return register


def is_kind(cls: type) -> bool:
    """Whether it is known how estimators of this class are fitted in parts."""
    return cls in _FITS


def transforms(cls: type) -> Callable[[FitTransform], FitTransform]:
    """Register how they are fitted and transform in parts."""

    def register(func: FitTransform) -> FitTransform:
        _TRANSFORMS[cls] = func
        return func

    return register


def fit(builder: Builder, estimator: Any, given: Given) -> Model:
    """Fit an estimator."""
    model = parts(builder, estimator, given)
    if model is not None:
        return model
    node = _call(builder, steps.fit, estimator, given)
    return Model(builder, estimator, node)


def parts(builder: Builder, estimator: Any, given: Given) -> Model | None:
    """Fit an estimator in parts; None where it stays whole."""
    opened = _FITS.get(type(estimator))
    return None if opened is None else opened(builder, estimator, given)


def fit_transform(builder: Builder, estimator: Any, given: Given) -> tuple[Model, Ref]:
    """Fit a transformer, and transform what it was fitted to."""
    opened = _TRANSFORMS.get(type(estimator))
    if opened is not None and (pair := opened(builder, estimator, given)) is not None:
        return pair
    node = _call(builder, steps.fit_transform, estimator, given)
    return Model(builder, estimator, node), node


class LeftError(Exception):
    """A fit that must happen once, and where scikit-learn would do it."""


def _call(builder: Builder, func: Any, estimator: Any, given: Given) -> Ref:
    literal = builder.literal(estimator)
    if literal.token is None and not is_known(type(estimator)):
        raise LeftError
    return builder.call(
        func,
        literal,
        given.X,
        given.y,
        given.params.given,
        dict(given.params.names),
        not builder.once(estimator, quiet),
        fit=True,
    )
