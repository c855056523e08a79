"""A plan as an estimator of a cross-validation: fitted in steps, scored in steps."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from stratum_dask.frontends.sklearn import models
from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref
from stratum_dask.frontends.sklearn.cloning import LATE
from stratum_dask.frontends.sklearn.private import (
    MultimetricScorer,
    PassthroughScorer,
    Scorer,
    routing_enabled,
)
from stratum_dask.frontends.skrub import private, steps
from stratum_dask.frontends.skrub.alike import UnlikeError
from stratum_dask.frontends.skrub.lowering import Learned, Lowering
from stratum_dask.frontends.skrub.tapes import Noted, Tape
from stratum_dask.frontends.skrub.templates import NotUnderstood, left_to_skrub

__all__ = ["Plan", "PlanModel"]

_RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")


LATE.add(private.XyPipeline)


@models.kind(private.XyPipeline)
def _fit(builder: Builder, pipeline: Any, given: models.Given) -> models.Model | None:
    if given.params.names or routing_enabled():
        return None
    plan = builder.once(pipeline, Plan)
    known = {FITTED.X: given.X}
    if isinstance(given.y, Ref):
        known[FITTED.y] = given.y
    try:
        found = plan.fitted(builder, known)
    except UnlikeError as e:
        raise models.LeftError from e
    except Exception as e:  # noqa: BLE001 skrub itself does it, or tells why not
        left_to_skrub(e)
        return None
    return PlanModel(builder, plan, found) if plan.learned else None


class Names(NamedTuple):
    """What stands for the data while a plan is lowered."""

    X: Ref
    y: Ref


FITTED = Names(Ref("X that is fitted to"), Ref("y that is fitted to"))
ASKED = Names(Ref("X that is asked about"), Ref("y that is asked about"))


class Plan:
    """A plan, its choices made, lowered once for all the data that it is given.

    Parameters
    ----------
    pipeline
        skrub's estimator.

    Attributes
    ----------
    learned
        What its nodes learn: results on the tape.
    """

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.learned = Learned()
        self._tape: Tape | None = None
        self._fit: tuple[list[Noted], bool] | None = None
        self._asked: dict[tuple[str, bool], tuple[list[Noted], Ref]] = {}

    def fitted(self, builder: Builder, known: Mapping[Ref, Ref]) -> dict[Ref, Ref]:
        """The results of fitting it, by what stands for them on the tape."""
        with_y = FITTED.y in known
        if self._tape is None or self._fit is None or self._fit[1] is not with_y:
            self._tape = tape = Tape(builder)
            calls, learned = tape.record(), Learned()
            environment = self._environment(FITTED, with_y)
            Lowering(tape, "fit", environment, learned)(self._data_op)
            self._fit, self.learned, self._asked = (calls, with_y), learned, {}
        return self._tape.play(self._fit[0], known)

    def evaluated(self, mode: str, known: Mapping[Ref, Ref]) -> Ref:
        """What it evaluates to, once it is fitted."""
        tape, with_y = self._tape, ASKED.y in known
        assert tape is not None
        pair = self._asked.get((mode, with_y))
        if pair is None:
            calls, environment = tape.record(), self._environment(ASKED, with_y)
            lower = Lowering(tape, mode, environment, self.learned)
            pair = self._asked[mode, with_y] = calls, lower.data(lower(self._data_op))
        calls, last = pair
        return tape.play(calls, known).get(last, last)

    @property
    def _data_op(self) -> Any:
        return self.pipeline.data_op

    def _environment(self, names: Names, with_y: bool) -> dict[Any, Any]:
        found = {**self.pipeline.environment, private.X_NAME: names.X}
        if with_y:
            found[private.Y_NAME] = names.y
        return found

    @functools.cached_property
    def scores_itself(self) -> bool:
        """Whether it has scorers of its own."""
        from skrub._data_ops._evaluation import find_node

        def scores(each: Any) -> bool:
            return private.is_kind(each, "Scoring")

        return find_node(self._data_op, scores) is not None


class PlanModel(models.Model):
    """A fitted plan.

    Parameters
    ----------
    builder
        Builds the graph.
    plan
        The plan.
    found
        The results of fitting it.
    """

    def __init__(self, builder: Builder, plan: Plan, found: dict[Ref, Ref]) -> None:
        self.learned = {i: found.get(r, r) for i, r in plan.learned.items()}
        last = next(reversed(self.learned.values()))
        super().__init__(builder, plan.pipeline, last)
        self.plan = plan
        self.found = found
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
        if params is not None or self.plan.scores_itself:
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
        known = {**self.found, ASKED.X: X}
        if isinstance(y, Ref):
            known[ASKED.y] = y
        return self.plan.evaluated(mode, known)


def _is_default(scorer: Any) -> bool:
    if private.default_score is not None and scorer is private.default_score:
        return True
    return type(scorer) is PassthroughScorer


def _inside(scorer: Any) -> list[Any]:
    many = type(scorer) is MultimetricScorer
    found = list(scorer._scorers.values()) if many else [scorer]
    return found if all(type(each) is Scorer for each in found) else []
