"""Which tasks score a model: predictions once, whatever they are asked for."""

from __future__ import annotations

from typing import Any

from stratum_dask.frontends.sklearn import steps
from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref
from stratum_dask.frontends.sklearn.careful import quiet_scorer
from stratum_dask.frontends.sklearn.models import Model
from stratum_dask.frontends.sklearn.private import (
    MultimetricScorer,
    PassthroughScorer,
    Scorer,
    routing_enabled,
)

__all__ = ["score"]


def score(
    builder: Builder,
    scorer: Any,
    model: Model,
    X: Ref,
    y: Ref | Literal,
    params: Ref | None,
) -> Ref:
    """Score a fitted model on some data."""
    made = model.scored(scorer, X, y, params)
    if made is not None:
        return made
    given: Any = {} if params is None else params
    inside = builder.once(scorer, _inside)
    own = [
        s for s in inside if type(s) is PassthroughScorer and not model.only_predicts
    ]
    if not inside or (own and len(inside) > 1) or (own and own[0] is not scorer):
        what = builder.literal(scorer)
        return builder.call(steps.score_whole, what, model.whole(), X, y, given)
    if own:
        node, X = model.reduced(X)
        return builder.call(steps.score_own, node, X, y, given, not model.quiet)
    node, X = model.reduced(X)
    asked = dict.fromkeys(map(_methods, inside))
    answers = [
        builder.call(steps.respond, node, X, methods, not model.quiet)
        for methods in asked
    ]
    copies = not all(type(s) is PassthroughScorer or quiet_scorer(s) for s in inside)
    shared = scorer if params is not None else builder.once(scorer, _shared)
    what = builder.literal(shared)
    return builder.call(steps.score, what, node, y, given, copies, *answers)


def _inside(scorer: Any) -> list[Any]:
    """The scorers that make a scorer up, if all of them are understood."""
    many = type(scorer) is MultimetricScorer
    found = list(scorer._scorers.values()) if many else [scorer]
    known = all(type(s) in (Scorer, PassthroughScorer) for s in found)
    return found if known else []


def _methods(scorer: Any) -> tuple[str, ...]:
    if type(scorer) is PassthroughScorer:
        return ("predict",)
    method = scorer._response_method
    return (method,) if isinstance(method, str) else tuple(method)


def _shared(scorer: Any) -> Any:
    """``scorer`` without the estimator that it holds, and that it does not look at."""
    if routing_enabled():
        return scorer
    if type(scorer) is PassthroughScorer:
        return PassthroughScorer(None)
    if type(scorer) is not MultimetricScorer:
        return scorer
    inside = {name: _shared(s) for name, s in scorer._scorers.items()}
    return MultimetricScorer(scorers=inside, raise_exc=scorer._raise_exc)
