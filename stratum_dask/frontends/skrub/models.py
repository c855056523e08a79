"""A plan as an estimator of a cross-validation: fitted in steps, scored in steps."""

from __future__ import annotations

from typing import Any

from stratum_dask.frontends.sklearn import models
from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref
from stratum_dask.frontends.sklearn.private import (
    MultimetricScorer,
    PassthroughScorer,
    Scorer,
    routing_enabled,
)
from stratum_dask.frontends.skrub import private, steps
from stratum_dask.frontends.skrub.lowering import Learned, Lowering
from stratum_dask.frontends.skrub.templates import NotUnderstood, left_to_skrub

__all__ = ["PlanModel"]

_RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")


@models.kind(private.XyPipeline)
def _fit(builder: Builder, pipeline: Any, given: models.Given) -> models.Model | None:
    if given.params.names or routing_enabled():
        return None
    learned: Learned = {}
    environment = _with_data(pipeline.environment, given.X, given.y)
    try:
        Lowering(builder, "fit", environment, learned)(pipeline.data_op)
    except Exception as e:  # noqa: BLE001 skrub itself does it, or tells why not
        left_to_skrub(e)
        return None
    return PlanModel(builder, pipeline, learned) if learned else None


def _with_data(environment: Any, X: Ref, y: Any) -> dict[Any, Any]:
    found = {**environment, private.X_NAME: X}
    if isinstance(y, Ref):
        found[private.Y_NAME] = y
    return found


class PlanModel(models.Model):
    """A fitted plan.

    Parameters
    ----------
    builder
        Builds the graph.
    pipeline
        skrub's estimator, with its choices made.
    learned
        What its nodes have learned.
    """

    def __init__(self, builder: Builder, pipeline: Any, learned: Learned) -> None:
        super().__init__(builder, pipeline, next(reversed(learned.values())))
        self.learned = learned
        self._whole: Ref | None = None

    def whole(self) -> Ref:
        if self._whole is None:
            nodes = steps.nodes_of(self.template.data_op)
            found = [
                (number, self.learned[id(node._skrub_impl)])
                for number, node in enumerate(nodes)
                if id(node._skrub_impl) in self.learned
            ]
            numbers = tuple(number for number, _ in found)
            self._whole = self.builder.call(
                steps.whole,
                self.builder.literal(self.template),
                numbers,
                *[ref for _, ref in found],
            )
        return self._whole

    @property
    def quiet(self) -> bool:
        return False

    @property
    def only_predicts(self) -> bool:
        return False

    def scored(
        self, scorer: Any, X: Ref, y: Ref | Literal, params: Ref | None
    ) -> Ref | None:
        if params is not None or self._scores_itself():
            return None
        try:
            if _is_default(scorer):
                made = self._evaluated("score", X, y)
                return self.builder.call(steps.score_own, made, self._last())
            inside = _inside(scorer)
            if not inside:
                return None
            methods = dict.fromkeys(map(self._method, inside))
            answers = [
                self.builder.call(
                    steps.respond, self._evaluated(m, X, None), m, self._last()
                )
                for m in methods
            ]
        except Exception as e:  # noqa: BLE001 skrub itself does it, or tells why not
            left_to_skrub(e)
            return None
        what, target = self.builder.literal(scorer), y
        if isinstance(y, Literal):
            return None
        return self.builder.call(steps.score, what, self._last(), target, *answers)

    def _scores_itself(self) -> bool:
        from skrub._data_ops._evaluation import find_node

        return (
            find_node(
                self.template.data_op, lambda each: private.is_kind(each, "Scoring")
            )
            is not None
        )

    def _last(self) -> Ref:
        return self.node

    def _method(self, scorer: Any) -> str:
        """The method that a scorer will ask for."""
        asked = scorer._response_method
        if asked == "default":
            asked = ("predict",)
        for name in (asked,) if isinstance(asked, str) else asked:
            if name in _RESPONSES and hasattr(self.template, name):
                return str(name)
        raise NotUnderstood(f"a scorer that asks for {asked}")

    def _evaluated(self, mode: str, X: Ref, y: Any) -> Ref:
        environment = _with_data(self.template.environment, X, y)
        lower = Lowering(self.builder, mode, environment, self.learned)
        return lower.data(lower(self.template.data_op))


def _is_default(scorer: Any) -> bool:
    if private.default_score is not None and scorer is private.default_score:
        return True
    return type(scorer) is PassthroughScorer


def _inside(scorer: Any) -> list[Any]:
    many = type(scorer) is MultimetricScorer
    found = list(scorer._scorers.values()) if many else [scorer]
    return found if all(type(each) is Scorer for each in found) else []
