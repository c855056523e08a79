"""Kinds of nodes whose children depend on the mode, or on a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

from stratum_dask.frontends.skrub import parts, private, steps
from stratum_dask.frontends.skrub.alike import UnlikeError, alike, own_inside
from stratum_dask.frontends.skrub.quiet import label, spares
from stratum_dask.frontends.skrub.templates import SMALL, NotUnderstood, has_data, refs

if TYPE_CHECKING:
    from stratum_dask.frontends.skrub.lowering import Lowering

__all__ = ["OWN"]


def _var(lower: Lowering, impl: Any) -> Any:
    usual = getattr(impl, "becomes_default", False)
    usual = usual or lower.environment.get("_skrub_use_var_values", False)
    if usual and impl.value is not private.NULL:
        return lower.from_environment(impl.value)
    raise NotUnderstood(f"no value for the variable {impl.name!r}")


def _value(lower: Lowering, impl: Any) -> Any:
    made = lower(impl.value)
    if type(made) in SMALL or refs(made) or isinstance(made, BaseEstimator):
        return made
    return lower.builder.data(made) if has_data(made) else made


def _if_else(lower: Lowering, impl: Any) -> Any:
    condition = lower(impl.condition)
    if refs(condition) or type(condition) not in SMALL:
        raise NotUnderstood("a condition that is a result")
    return lower(impl.value_if_true if condition else impl.value_if_false)


def _match(lower: Lowering, impl: Any) -> Any:
    query = lower(impl.query)
    if refs(query) or type(query) not in SMALL:
        raise NotUnderstood("a match on a result")
    if impl.has_default():
        return lower(impl.targets.get(query, impl.default))
    return lower(impl.targets[query])


def _frozen(lower: Lowering, impl: Any) -> Any:
    if lower.fits:
        lower.learned[id(impl)] = lower.data(lower(impl.target))
    return lower.learned[id(impl)]


def _passed_on(lower: Lowering, impl: Any) -> Any:
    return lower(getattr(impl, impl._fields[0]))


def _mode(lower: Lowering, impl: Any) -> Any:
    return lower.mode


def _subsamples(lower: Lowering, impl: Any) -> Any:
    return private.subsamples(lower.mode, lower.environment)


def _subsample(lower: Lowering, impl: Any) -> Any:
    fields = {n: lower(getattr(impl, n)) for n in impl._fields}
    if not private.subsamples(lower.mode, lower.environment):
        return fields["target"]
    lower.settings = {**lower.settings, "enable_subsampling": "force"}
    try:
        return lower.task("SubsamplePreviews", fields, "subsample", copies=False)
    finally:
        lower.settings = private.configuration()


def _concat(lower: Lowering, impl: Any) -> Any:
    fields = {n: lower(getattr(impl, n)) for n in impl._fields}
    known = None if lower.fits else lower.learned.get(id(impl))
    made = lower.task(
        "Concat",
        fields,
        "concat",
        known=known,
        keeps=lower.fits,
        copies=False,
        mode="fit_transform" if lower.fits else "transform",
    )
    if lower.fits:
        lower.learned[id(impl)] = made
    return made


def _applied(lower: Lowering, impl: Any) -> Any:
    lower(impl.target)
    if own_inside(_unfitted(lower, impl.target._skrub_impl)):
        raise UnlikeError("a fitted estimator, whose methods may write into it")
    fitted = lower.learned[id(impl.target._skrub_impl)]
    return lower.builder.call(steps.learned, fitted, "estimator_")


def _apply(lower: Lowering, impl: Any) -> Any:
    estimator = lower(impl.estimator) if lower.fits else None
    if not alike(estimator):  # skrub fits it where it stands
        raise UnlikeError(f"a {type(estimator).__name__} as an estimator")
    last = estimator if lower.fits else _unfitted(lower, impl)
    mode = lower.mode
    if mode not in impl.supported_modes(last):
        mode = "fit_transform" if lower.fits else "transform"
    lower.followed += 1
    try:
        fields = {"X": lower(impl.X), "estimator": estimator}
        unsupervised = bool(lower(impl.unsupervised))
        if (lower.fits and not unsupervised) or mode == "score":
            fields["y"] = lower(impl.y)
        for name in impl._fields:
            if name not in ("X", "estimator", "y"):
                fields[name] = lower(getattr(impl, name))
    finally:
        lower.followed -= 1
    known = None
    if lower.fits:
        made = parts.fitted(lower, impl, estimator, fields, mode)
        if made is not None:
            lower.learned[id(impl)] = made
            return made
    else:
        known = lower.learned[id(impl)]
        known, fields = parts.asked(lower, impl, fields, known, mode)
    made = lower.task(
        "Apply",
        fields,
        label(last, mode),
        known=known,
        keeps=lower.fits,
        copies=not spares(last),
        mode=mode,
    )
    if lower.fits:
        lower.learned[id(impl)] = made
    return made


def _unfitted(lower: Lowering, impl: Any) -> Any:
    chosen = impl.estimator
    while isinstance(chosen, private.BaseChoice | private.ChoiceMatch):
        chosen = lower(chosen)
    if isinstance(chosen, steps.Parameters):
        chosen = chosen.estimator
    return chosen


OWN: dict[str, Any] = {
    "Apply": _apply,
    "AppliedEstimator": _applied,
    "Concat": _concat,
    "EvalMode": _mode,
    "FreezeAfterFit": _frozen,
    "IfElse": _if_else,
    "Match": _match,
    "Scoring": _passed_on,
    "ShouldSubsample": _subsamples,
    "SplitX": _passed_on,
    "SubsamplePreviews": _subsample,
    "Value": _value,
    "Var": _var,
}
