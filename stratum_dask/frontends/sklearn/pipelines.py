"""Pipelines, unions and column transformers, taken apart."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline

from stratum_dask.frontends.sklearn import composites
from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.sklearn.models import (
    Given,
    Model,
    Params,
    fit,
    fit_transform,
    kind,
    transforms,
)
from stratum_dask.frontends.sklearn.standins import Probe, with_members

__all__: list[str] = []

_THROUGH = (None, "passthrough")


def _through(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


class PipelineModel(Model):
    """A fitted `Pipeline`: its steps are shared, not it."""

    def __init__(self, builder: Builder, template: Any, models: list[Model]) -> None:
        super().__init__(builder, template, models[-1].node)
        self.models = models

    def whole(self) -> Ref:
        template = self.builder.literal(self.template)
        parts = [m.whole() for m in self.models]
        return self.builder.call(composites.join_pipeline, template, *parts)

    def transform(self, X: Ref) -> Ref:
        for model in self.models:
            X = model.transform(X)
        return X

    def reduced(self, X: Ref) -> tuple[Ref, Ref]:
        for model in self.models[:-1]:
            X = model.transform(X)
        return self.models[-1].reduced(X)

    @property
    def quiet(self) -> bool:
        return self.models[-1].quiet

    @property
    def only_predicts(self) -> bool:
        return self.models[-1].only_predicts


def _steps(pipeline: Any) -> list[tuple[str, Any]] | None:
    """The steps of a pipeline that can be taken apart."""
    if pipeline.memory is not None or pipeline.verbose:
        return None
    if getattr(pipeline, "transform_input", None) is not None:
        return None
    try:
        steps = [(name, step) for name, step in pipeline.steps]
        probes = [(n, s if _through(s) else Probe(s)) for n, s in steps]
        # Let scikit-learn complain of what is wrong with it.
        with_members(pipeline, "steps", probes).fit(None, None)
    except Exception:  # noqa: BLE001 it will raise again where it is fitted
        return None
    return None if not steps or _through(steps[-1][1]) else steps


def _begin(
    builder: Builder, pipeline: Any, given: Given
) -> tuple[list[Model], Any, Given] | None:
    """Fit all steps but the last one; that one, and what it is to be fitted to."""
    steps = builder.once(pipeline, _steps)
    if steps is None:
        return None
    params: dict[str, dict[str, str]] = {name: {} for name, _ in steps}
    for name, place in given.params.names.items():
        step, split, rest = name.partition("__")
        if not split or step not in params:
            return None
        params[step][rest] = place
    models = []
    X = given.X
    for name, step in steps[:-1]:
        if not _through(step):
            here = Given(X, given.y, Params(given.params.given, params[name]))
            model, X = fit_transform(builder, step, here)
            models.append(model)
    name, last = steps[-1]
    return models, last, Given(X, given.y, Params(given.params.given, params[name]))


@kind(Pipeline)
def fit_pipeline(builder: Builder, pipeline: Any, given: Given) -> Model | None:
    begun = _begin(builder, pipeline, given)
    if begun is None:
        return None
    models, last, rest = begun
    return PipelineModel(builder, pipeline, [*models, fit(builder, last, rest)])


@transforms(Pipeline)
def fit_transform_pipeline(
    builder: Builder, pipeline: Any, given: Given
) -> tuple[Model, Ref] | None:
    begun = _begin(builder, pipeline, given)
    if begun is None:
        return None
    models, last, rest = begun
    model, X = fit_transform(builder, last, rest)
    return PipelineModel(builder, pipeline, [*models, model]), X


class ColumnsModel(Model):
    """A fitted `ColumnTransformer`, and its parts."""

    def __init__(
        self, builder: Builder, template: Any, node: Ref, shell: Ref,
        branches: dict[str, Model],
    ) -> None:  # fmt: skip
        super().__init__(builder, template, node)
        self.shell = shell
        self.branches = branches

    def transform(self, X: Ref) -> Ref:
        call = self.builder.call
        parts = call(composites.columns_again, self.shell, X)
        made = [
            model.transform(call(composites.part, parts, name))
            for name, model in self.branches.items()
        ]
        names = tuple(self.branches)
        return call(composites.join_columns_again, self.node, names, X, parts, *made)


def _branches(template: Any) -> tuple[dict[str, Any], Any] | None:
    """The transformers by name, and a template with probes in place of them."""
    if template.verbose:
        return None
    try:
        entries = [(name, trans, cols) for name, trans, cols in template.transformers]
        inner = {n: t for n, t, _ in entries if not isinstance(t, str)}
        if len({n for n, *_ in entries}) < len(entries) or "remainder" in inner:
            return None
        if not isinstance(template.remainder, str):
            inner["remainder"] = template.remainder
        probes = [
            # Whatever is handed on as it is need not be put together twice.
            (n, Probe(inner[n]) if n in inner else _drop(t), c)
            for n, t, c in entries
        ]
        spec = with_members(template, "transformers", probes, n_jobs=None)
        spec.transformer_weights = None
        spec.remainder = Probe(template.remainder) if "remainder" in inner else "drop"
        spec.set_output(transform="default")
    except Exception:  # noqa: BLE001 it will raise again where it is fitted
        return None
    return inner, spec


@transforms(ColumnTransformer)
def fit_transform_columns(
    builder: Builder, template: Any, given: Given
) -> tuple[Model, Ref] | None:
    found = builder.once(template, _branches)
    if found is None or given.params.names:
        return None
    inner, spec = found
    call = builder.call
    shell = call(composites.columns, builder.literal(spec), given.X, given.y)
    branches, made = {}, []
    for name, trans in inner.items():
        X = call(composites.part, shell, name)
        branches[name], Xt = fit_transform(builder, trans, Given(X, given.y))
        made.append(Xt)
    wholes = [m.whole() for m in branches.values()]
    node = call(
        composites.join_columns,
        builder.literal(template), tuple(inner), given.X, given.y, shell, *wholes, *made,
    )  # fmt: skip
    return ColumnsModel(builder, template, node, shell, branches), node


def _drop(trans: Any) -> Any:
    return "drop" if isinstance(trans, str) and trans == "passthrough" else trans


class UnionModel(Model):
    """A fitted `FeatureUnion`, and its parts."""

    def __init__(
        self, builder: Builder, template: Any, node: Ref, branches: list[Model]
    ) -> None:
        super().__init__(builder, template, node)
        self.branches = branches

    def transform(self, X: Ref) -> Ref:
        made = [model.transform(X) for model in self.branches]
        opened = tuple(
            not isinstance(t, str) for _, t in self.template.transformer_list
        )
        return self.builder.call(
            composites.join_union_again, self.node, opened, X, *made
        )


@transforms(FeatureUnion)
def fit_transform_union(
    builder: Builder, template: Any, given: Given
) -> tuple[Model, Ref] | None:
    if template.verbose or given.params.names:
        return None
    try:
        inner = [t for _, t in template.transformer_list if not isinstance(t, str)]
    except (TypeError, ValueError):
        return None
    if not inner:
        return None
    pairs = [fit_transform(builder, t, given) for t in inner]
    branches = [model for model, _ in pairs]
    wholes = [model.whole() for model in branches]
    node = builder.call(
        composites.join_union,
        builder.literal(template), given.X, given.y, *wholes, *[X for _, X in pairs],
    )  # fmt: skip
    return UnionModel(builder, template, node, branches), node
