"""The tasks of composite estimators: take them apart, and put them together again.

Each runs scikit-learn's own ``fit`` or ``transform`` of the composite, with
stand-ins for what is inside of it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import Bunch, column_or_1d

from stratum_dask.frontends.sklearn.standins import Bound, Past, Probe, with_members
from stratum_dask.frontends.sklearn.work import (
    Done,
    Fitted,
    Missing,
    Timer,
    joining,
    private,
    seconds,
    task,
    value,
)

__all__ = [
    "columns",
    "columns_again",
    "join_columns",
    "join_columns_again",
    "join_ensemble",
    "join_ensemble_bound",
    "join_pipeline",
    "join_target",
    "join_union",
    "join_union_again",
    "part",
    "target",
    "target_of_ensemble",
]


def _total(start: Any, parts: Sequence[Any], timer: Timer) -> float:
    """What a composite has cost: its parts each count what came before them."""
    before = seconds(start)
    return before + sum(max(seconds(p) - before, 0.0) for p in parts) + timer.seconds


# ---------------------------------------------------------------- Pipeline
@task
def join_pipeline(template: Any, *steps: Any) -> Any:
    """A fitted `Pipeline` of its fitted steps."""
    inside = iter(steps)
    new = with_members(
        template,
        "steps",
        [
            (n, s if s in (None, "passthrough") else next(inside).estimator)
            for n, s in template.steps
        ],
    )
    return Fitted(new, None, seconds(steps[-1]))


# ------------------------------------------------------- ColumnTransformer
@task
def columns(spec: Any, X: Any, y: Any) -> Any:
    """The columns that each transformer gets: a `ColumnTransformer` of probes."""
    timer = Timer()
    shell = copy.deepcopy(spec)
    shell.fit_transform(value(X), value(y))
    return Fitted(shell, _seen(shell), timer.seconds)


@task
def columns_again(fitted: Any, X: Any) -> Any:
    """The columns that each transformer gets of other data."""
    timer = Timer()
    shell = copy.copy(fitted.estimator)
    shell.transformers_ = copy.deepcopy(shell.transformers_)
    for _, probe, _ in shell.transformers_:
        if isinstance(probe, Probe):
            probe.X = Missing()
    shell.transform(value(X))
    return Done(_seen(shell), timer.seconds)


def _seen(shell: Any) -> dict[str, Any]:
    seen = {}
    for name, probe, _ in shell.transformers_:
        if isinstance(probe, Probe):
            seen[name] = probe.X
            probe.X = probe.y = Missing()
    return seen


@task
def part(parts: Any, name: str) -> Any:
    """What one transformer gets."""
    found = parts.value.get(name, Missing())
    return found if isinstance(found, Missing) else Done(found)


@joining
def join_columns(
    template: Any, names: Sequence[str], X: Any, y: Any, parts: Any, *branches: Any
) -> Any:
    """A fitted `ColumnTransformer` of its fitted transformers."""
    timer = Timer()
    fitted, made = branches[: len(names)], branches[len(names) :]
    inside = _by_name(names, list(zip(fitted, made, strict=True)))
    pasts = {n: Past(b.estimator, value(made)) for n, (b, made) in inside.items()}
    entries = [
        (name, pasts.get(name, trans), cols)
        for name, trans, cols in template.transformers
    ]
    shell = with_members(template, "transformers", entries, n_jobs=None)
    shell.remainder = pasts.get("remainder", template.remainder)
    out = shell.fit_transform(value(X), value(y))
    shell.transformers, shell.remainder = template.transformers, template.remainder
    shell.n_jobs = template.n_jobs
    shell.transformers_ = [
        (name, trans.fitted if isinstance(trans, Past) else trans, cols)
        for name, trans, cols in shell.transformers_
    ]
    if hasattr(shell, "_remainder"):
        shell._remainder = (
            shell._remainder[0],
            template.remainder,
            *shell._remainder[2:],
        )
    spent = seconds(X) + seconds(parts) + sum(map(seconds, made)) + timer.seconds
    return Fitted(shell, out, spent)


@joining
def join_columns_again(
    fitted: Any, names: Sequence[str], X: Any, parts: Any, *branches: Any
) -> Any:
    """What a fitted `ColumnTransformer` makes of other data."""
    timer = Timer()
    shell = copy.copy(fitted.estimator)
    inside = _by_name(names, branches)
    shell.transformers_ = [
        (name, Past(trans, value(inside[name])) if name in inside else trans, cols)
        for name, trans, cols in shell.transformers_
    ]
    shell.n_jobs = None
    made = shell.transform(value(X))
    spent = seconds(X) + seconds(parts) + sum(map(seconds, branches)) + timer.seconds
    return Done(made, spent)


def _by_name(names: Sequence[str], branches: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(names, branches, strict=True))
    return {n: b for n, b in found.items() if not _missing(b)}


def _missing(branch: Any) -> bool:
    return isinstance(branch[0] if type(branch) is tuple else branch, Missing)


# ------------------------------------------------------------ FeatureUnion
@task
def join_union(template: Any, X: Any, y: Any, *branches: Any) -> Any:
    """A fitted `FeatureUnion` of its fitted transformers."""
    timer = Timer()
    half = len(branches) // 2
    made = branches[half:]
    pairs = zip(branches[:half], made, strict=True)
    inside = (Past(b.estimator, value(x)) for b, x in pairs)
    entries = [
        (name, trans if isinstance(trans, str) else next(inside))
        for name, trans in template.transformer_list
    ]
    shell = with_members(template, "transformer_list", entries, n_jobs=None)
    out = shell.fit_transform(value(X), value(y))
    shell.transformer_list = [
        (name, trans.fitted if isinstance(trans, Past) else trans)
        for name, trans in shell.transformer_list
    ]
    shell.n_jobs = template.n_jobs
    return Fitted(shell, out, _total(X, made, timer))


@task
def join_union_again(
    fitted: Any, opened: Sequence[bool], X: Any, *branches: Any
) -> Any:
    """What a fitted `FeatureUnion` makes of other data."""
    timer = Timer()
    shell = copy.copy(fitted.estimator)
    inside = iter(branches)
    shell.transformer_list = [
        (name, Past(trans, value(next(inside))) if ours else trans)
        for ours, (name, trans) in zip(opened, shell.transformer_list, strict=True)
    ]
    shell.n_jobs = None
    return Done(shell.transform(value(X)), _total(X, branches, timer))


# ------------------------------------- TransformedTargetRegressor, ensembles
@task
def target(spec: Any, y: Any, copies: bool) -> Any:
    """A `TransformedTargetRegressor` without its regressor, and the target for it."""
    timer = Timer()
    shell = copy.deepcopy(spec)
    shell.fit(None, private(value(y)) if copies else value(y))
    made = shell.regressor_.y
    shell.regressor_ = None
    return Fitted(shell, made, timer.seconds)


@task
def join_target(template: Any, shell: Any, regressor: Any) -> Any:
    """A fitted `TransformedTargetRegressor` of its parts."""
    inner = regressor.estimator
    new = with_members(
        shell.estimator, "regressor", template.regressor, regressor_=inner
    )
    if hasattr(inner, "feature_names_in_"):
        new.feature_names_in_ = inner.feature_names_in_
    return Fitted(new, None, regressor.seconds + shell.seconds)


@task
def target_of_ensemble(spec: Any, y: Any) -> Any:
    """The target that the members of a voting ensemble are fitted to."""
    timer = Timer()
    shell, target = copy.deepcopy(spec), value(y)
    if np.shape(target)[1:] == (1,):  # `join_ensemble` warns of it
        target = column_or_1d(target)
    shell.fit(None, target)
    return Done(shell.estimators_[0].y, timer.seconds)


@task
def join_ensemble(template: Any, X: Any, y: Any, *members: Any) -> Any:
    """A fitted voting ensemble of its fitted members."""
    timer = Timer()
    inside = iter(members)
    entries = [
        (name, est if est == "drop" else Past(next(inside).estimator))
        for name, est in template.estimators
    ]
    shell = with_members(template, "estimators", entries, n_jobs=None)
    shell.fit(None, value(y))
    shell.estimators_ = [e.fitted for e in shell.estimators_]
    named = {
        name: e.fitted if isinstance(e, Past) else e
        for name, e in shell.named_estimators_.items()
    }
    shell.named_estimators_ = Bunch(**named)
    shell.estimators, shell.n_jobs = template.estimators, template.n_jobs
    return Fitted(shell, None, _total(X, members, timer))


@task
def join_ensemble_bound(fitted: Any, *members: Any) -> Any:
    """One whose members have the data of their own that they will be asked about."""
    pairs = zip(members[::2], members[1::2], strict=True)
    new = copy.copy(fitted.estimator)
    new.estimators_ = [Bound(m.estimator, value(X)) for m, X in pairs]
    return Fitted(new, None, fitted.seconds)
