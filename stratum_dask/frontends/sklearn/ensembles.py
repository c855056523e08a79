"""Regressors of a transformed target, and voting ensembles, taken apart."""

from __future__ import annotations

from typing import Any

from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier, VotingRegressor

from stratum_dask.frontends.sklearn import composites
from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.sklearn.careful import quiet
from stratum_dask.frontends.sklearn.models import Given, Model, fit, kind
from stratum_dask.frontends.sklearn.standins import Probe, with_members

__all__: list[str] = []


class TargetModel(Model):
    """A fitted `TransformedTargetRegressor`, and its regressor."""

    def __init__(
        self, builder: Builder, template: Any, shell: Ref, regressor: Model
    ) -> None:
        self.shell = shell
        self.regressor = regressor
        self.join = (composites.join_target, builder.literal(template), shell)
        super().__init__(builder, template, builder.call(*self.join, regressor.whole()))

    def reduced(self, X: Ref) -> tuple[Ref, Ref]:
        inner, X = self.regressor.reduced(X)
        return self.builder.call(*self.join, inner), X


def _target_spec(template: Any) -> tuple[Any, bool] | None:
    """One with a probe in place of its regressor; whether it may write."""
    if template.regressor is None:
        return None
    try:
        spec = with_members(template, "regressor", Probe(template.regressor))
    except Exception:  # noqa: BLE001 it will raise again where it is fitted
        return None
    # By itself: what the regressor does to its target is another question.
    return spec, not quiet(with_members(template, "regressor", None))


@kind(TransformedTargetRegressor)
def fit_target(builder: Builder, template: Any, given: Given) -> Model | None:
    found = builder.once(template, _target_spec)
    if found is None or given.params.names:
        return None
    spec, copies = found
    shell = builder.call(
        composites.target, builder.literal(spec), given.y, copies, fit=True
    )
    regressor = fit(builder, template.regressor, Given(given.X, shell))
    return TargetModel(builder, template, shell, regressor)


class EnsembleModel(Model):
    """A fitted voting ensemble, and its members."""

    binds = True

    def __init__(
        self, builder: Builder, template: Any, given: Given, members: list[Model]
    ) -> None:
        self.members = members
        spec, wholes = builder.literal(template), [m.whole() for m in members]
        join = composites.join_ensemble
        node = builder.call(join, spec, given.X, given.y, *wholes)
        super().__init__(builder, template, node)

    def reduced(self, X: Ref) -> tuple[Ref, Ref]:
        bound = [part for m in self.members for part in m.reduced(X)]
        return self.builder.call(composites.join_ensemble_bound, self.node, *bound), X


def _members(template: Any) -> tuple[list[Any], Any] | None:
    """The members of an ensemble, and a template with probes in place of them."""
    if template.verbose:
        return None
    try:
        names = [name for name, _ in template.estimators]
        inner = [est for _, est in template.estimators if not isinstance(est, str)]
        probes = [
            (n, e if isinstance(e, str) else Probe(e)) for n, e in template.estimators
        ]
        spec = with_members(template, "estimators", probes, n_jobs=None)
        # What they are fitted to does not depend on how they will vote.
        weights = template.weights
        spec.weights = None if weights is None else [1] * len(weights)
    except Exception:  # noqa: BLE001 it will raise again where it is fitted
        return None
    if not inner or len(set(names)) < len(names):
        return None
    return inner, spec


@kind(VotingClassifier)
@kind(VotingRegressor)
def fit_ensemble(builder: Builder, template: Any, given: Given) -> Model | None:
    found = builder.once(template, _members)
    if found is None or given.params.names:
        return None
    inner, spec = found
    y = builder.call(composites.target_of_ensemble, builder.literal(spec), given.y)
    members = [fit(builder, e, Given(given.X, y)) for e in inner]
    return EnsembleModel(builder, template, given, members)
