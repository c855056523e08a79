"""The only module that reaches for private names of skrub.

skrub has no public place where somebody else could evaluate a plan. A plan is read
here by its nodes (``_skrub_impl``) and their fields, and each node is evaluated by
its own code of skrub's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from typing import Any

from stratum_dask.errors import StratumError
from stratum_dask.frontends.sklearn.work import INSIDE
from stratum_dask.optimizations.purity.words import words

__all__ = [
    "EVALUATED_ALONE",
    "FITTED",
    "NULL",
    "X_NAME",
    "Y_NAME",
    "Apply",
    "BaseChoice",
    "ChoiceMatch",
    "Cloner",
    "DataOp",
    "Fields",
    "ParamSearch",
    "SharedDict",
    "SkrubError",
    "XyPipeline",
    "blank",
    "caches",
    "cheap_clones",
    "chosen",
    "config_context",
    "configuration",
    "cross_validate",
    "default_score",
    "environment_of",
    "environment_to_evaluate",
    "evaluate",
    "find_X",
    "find_y",
    "given",
    "is_kind",
    "learned",
    "names",
    "run",
    "subsamples",
    "with_subsampling",
]

OLDEST = (0, 8)


class SkrubError(StratumError, ImportError):
    """skrub is missing, too old, or not as it is known."""


def _check() -> None:
    try:
        found = version("skrub")
    except ImportError as e:
        raise SkrubError(
            "stratum_dask.from_skrub needs skrub: pip install 'stratum-dask[skrub]'"
        ) from e
    numbers = tuple(int(n) for n in found.split(".")[:2] if n.isdigit())
    if numbers < OLDEST:
        raise SkrubError(
            f"this is skrub {found}; stratum-dask needs 0.8 or newer: "
            "pip install --upgrade skrub"
        )


_check()

try:
    from skrub._config import config_context, get_config
    from skrub._data_ops import (
        _choosing,
        _data_ops,
        _estimator,
        _evaluation,
        _skrub_namespace,
        _utils,
    )
    from skrub._data_ops._estimator import ParamSearch
    from skrub._data_ops._evaluation import evaluate, find_X, find_y
    from skrub._data_ops._subsampling import (
        ShouldSubsample,
        SubsamplePreviews,
        _should_subsample,
    )
    from skrub._data_ops._subsampling import env_with_subsampling as with_subsampling

    cross_validate: Any = _estimator.cross_validate
    DataOp: Any = _data_ops.DataOp
    Apply: Any = _data_ops.Apply
    BaseChoice: Any = _choosing.BaseChoice
    ChoiceMatch: Any = _choosing.Match
    Cloner: Any = _evaluation._Cloner
    XyPipeline: Any = _estimator._XyPipeline
    SharedDict: Any = _estimator._SharedDict
    # Until 0.8 a search without scoring= has none.
    default_score: Any = getattr(_estimator, "default_score", None)
    FITTED: tuple[str, ...] = tuple(
        _estimator._SKLEARN_SEARCH_FITTED_ATTRIBUTES_TO_COPY
    )
    X_NAME: str = _utils.X_NAME
    Y_NAME: str = _utils.Y_NAME
    NULL: Any = _utils.NULL
    KINDS: dict[str, Any] = {
        name: getattr(_data_ops, name)
        for name in (
            *("Var", "Value", "IfElse", "Match", "FreezeAfterFit", "Apply"),
            *("AppliedEstimator", "GetAttr", "GetItem", "Call", "CallMethod"),
            *("Concat", "BinOp", "UnaryOp", "EvalMode", "SplitX"),
        )
    }
    # Newer than 0.8:
    for _name in ("AsTuple", "Scoring"):
        if hasattr(_data_ops, _name):
            KINDS[_name] = getattr(_data_ops, _name)
    KINDS["ShouldSubsample"] = ShouldSubsample
    KINDS["SubsamplePreviews"] = SubsamplePreviews
except (ImportError, AttributeError) as e:
    raise SkrubError(
        f"stratum-dask does not know the insides of skrub {version('skrub')} "
        f"({type(e).__name__}: {e}). Use skrub itself (`.skb.eval()`, "
        "`.skb.make_grid_search()`), or a version from 0.8 to 0.11."
    ) from e

Fields = dict[str, Any]
EVALUATED_ALONE = frozenset(
    ["GetAttr", "GetItem", "Call", "CallMethod", "BinOp", "UnaryOp", "AsTuple"]
)
"""Kinds whose result depends on their fields, and on nothing else."""


_cloning: ContextVar[bool] = ContextVar("cloning", default=False)


@contextmanager
def cheap_clones() -> Iterator[None]:
    """Clone plans without finding out, for each node, where the program stands.

    skrub does that for every new node, and a clone then gets what its original
    has: most of the time of a search with many small fits.
    """
    token = _cloning.set(True)
    try:
        yield
    finally:
        _cloning.reset(token)


def _without_stack(original: Callable[[], Any]) -> Callable[[], Any]:
    @functools.wraps(original)
    def creation_stack() -> Any:
        return None if _cloning.get() or INSIDE.get() else original()

    return creation_stack


if hasattr(_data_ops, "_data_op_creation_stack"):
    _data_ops._data_op_creation_stack = _without_stack(
        _data_ops._data_op_creation_stack
    )


def names(impl: Any) -> str | None:
    """The kind of a node, None where it is not known."""
    for name, kind in KINDS.items():
        if type(impl) is kind:
            return name
    return None


def is_kind(obj: Any, name: str) -> bool:
    """Whether ``obj`` is a plan whose last node is of this kind."""
    return isinstance(obj, DataOp) and names(obj._skrub_impl) == name


def given(impl: Any, environment: Fields) -> Any:
    """The key of ``environment`` that holds the result of a node, or None."""
    if impl.is_X and X_NAME in environment:
        return X_NAME
    if impl.is_y and Y_NAME in environment:
        return Y_NAME
    if getattr(impl, "uuid", None) in environment:
        return impl.uuid
    if impl.name is not None and impl.name in environment:
        return impl.name
    return None


def chosen(choice: Any, environment: Fields) -> Any:
    """What has been chosen, or is the default."""
    if choice.name is not None and choice.name in environment:
        return environment[choice.name]
    return choice.chosen_outcome_or_default()


def subsamples(mode: str, environment: Fields) -> bool:
    """Whether ``.skb.subsample()`` does anything."""
    return bool(_should_subsample(mode, environment))


def configuration() -> Fields:
    """skrub's configuration of this thread, as far as it bears upon results."""
    config = get_config()
    return {name: config[name] for name in _MATTERS if name in config}


_MATTERS = ("subsampling_seed", "enable_subsampling", "cardinality_threshold")


def caches() -> bool:
    """Whether skrub keeps the fits of plans on disk."""
    memory = getattr(_data_ops, "_MEMORY", None)
    return memory is not None and bool(memory.has_memory())


def environment_of(data_op: Any, environment: Any = None) -> Fields:
    """The environment of a search or cross-validation of a plan."""
    if environment is not None:
        return dict(environment)
    own = getattr(data_op.skb, "_get_env", data_op.skb.get_data)
    return dict(own())


def environment_to_evaluate(data_op: Any, environment: Any = None) -> Fields:
    """The environment in which ``.skb.eval()`` evaluates a plan."""
    found = environment_of(data_op, environment)
    if environment is not None:
        given = _skrub_namespace._var_values_provided(data_op, found)
        found["_skrub_use_var_values"] = not given
    return found


def blank(kind: str, fields: Fields, learned: Fields | None = None) -> Any:
    """A node of its own whose fields are evaluated already."""
    impl = object.__new__(KINDS[kind])
    impl.__dict__.update(results={}, errors={}, metadata={}, name=None)
    impl.__dict__.update(is_X=False, is_y=False, uuid=None, description=None)
    impl.__dict__.update(_creation_stack=None, checked=True)
    impl.__dict__.update({name: None for name in KINDS[kind]._fields})
    impl.__dict__.update(fields)
    impl.__dict__.update(learned or {})
    return impl


def learned(impl: Any) -> Fields:
    """What a node has found out while it was fitted."""
    known = {*type(impl)._fields, *_ALWAYS}
    return {name: v for name, v in vars(impl).items() if name not in known}


_ALWAYS = frozenset(
    words("""
    results errors metadata name is_X is_y uuid description _creation_stack checked
    """)
)


def run(impl: Any, mode: str, environment: Fields, followed: bool) -> Any:
    """Evaluate a node whose fields are evaluated, by skrub's own code.

    Parameters
    ----------
    followed
        Whether another estimator waits for its result.
    """
    if not hasattr(impl, "eval"):
        from types import SimpleNamespace

        e = SimpleNamespace(**{name: getattr(impl, name) for name in impl._fields})
        return impl.compute(e, mode=mode, environment=environment)
    asking = impl.eval(mode=mode, environment=environment)
    answer = None
    while True:
        try:
            asked = asking.send(answer)
        except StopIteration as end:
            return end.value
        wants_place = type(asked).__name__ == "HasRunningApplyAncestor"
        answer = followed if wants_place else asked
