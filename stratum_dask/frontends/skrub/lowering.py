"""From the nodes of a plan to the tasks of a graph.

One `Lowering` evaluates one plan in one mode, in the order and with the choices in
which skrub would. What it does not understand it says so of (`NotUnderstood`), and
then skrub evaluates the plan as a whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from dask.base import is_dask_collection
from dask.utils import funcname
from sklearn.base import BaseEstimator, clone

from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.sklearn.careful import is_library, quiet
from stratum_dask.frontends.skrub import private, steps
from stratum_dask.graph import Task, reference
from stratum_dask.optimizations.purity.places import installed, root_of
from stratum_dask.optimizations.purity.words import words

__all__ = ["Learned", "Lowering", "NotUnderstood"]

_WRAPPING = (steps.step_or_raise, steps.learned)
_SMALL = (type(None), bool, int, float, complex, str, bytes)
_QUIET = frozenset({"pandas", "numpy", "scipy", "sklearn", "skrub", "operator"})
_WRITES = frozenset(
    words("""
    append extend insert add update pop popitem clear remove discard sort reverse
    setdefault fill put resize setflags partition itemset
    """)
)
"""Methods that write into their object."""


class NotUnderstood(Exception):
    """A part of a plan that only skrub itself can evaluate."""


Learned = dict[int, Ref]
"""Id of a node -> the task that has fitted it."""


class Lowering:
    """Evaluates a plan, later.

    Parameters
    ----------
    builder
        Builds the graph.
    mode
        Name of the method: "fit_transform", "fit", "predict", ….
    environment
        Variables and other names -> values, or `Ref` of a result.
    learned
        What nodes have learned; filled where ``mode`` fits.
    raises
        Whether steps raise what goes wrong in them, or hand it on.
    """

    def __init__(
        self,
        builder: Builder,
        mode: str,
        environment: Mapping[Any, Any],
        learned: Learned,
        raises: bool = False,
    ) -> None:
        self.builder = builder
        self.mode = mode
        self.fits = "fit" in mode
        self.environment = dict(environment)
        self.learned = learned
        self.raises = raises
        self.settings = private.configuration()
        self.followed = 0
        self._known: dict[int, tuple[Any, Any]] = {}

    def __call__(self, obj: Any) -> Any:
        """Evaluate: a `Ref`, or a value in which there may be some."""
        kind = type(obj)
        if kind is Ref or kind in _SMALL:
            return obj
        if isinstance(obj, private.DataOp):
            known = self._known.get(id(obj))
            if known is None:
                known = self._known[id(obj)] = obj, self._node(obj)
            return known[1]
        if kind is dict:
            return {k: self(v) for k, v in obj.items()}
        if kind in (list, tuple, set, frozenset):
            return kind([self(v) for v in obj])
        if kind is slice:
            return slice(self(obj.start), self(obj.stop), self(obj.step))
        if isinstance(obj, private.BaseChoice):
            return self(private.chosen(obj, self.environment))
        if isinstance(obj, private.ChoiceMatch):
            outcome = self(obj.choice)
            if _refs(outcome):
                raise NotUnderstood("a match on a result")
            return self(obj.outcome_mapping[outcome])
        if isinstance(obj, BaseEstimator):
            return self._estimator(obj)
        if is_dask_collection(obj):
            raise NotUnderstood("a Dask collection inside of a plan")
        return obj

    # -- values ------------------------------------------------------------

    def _estimator(self, estimator: Any) -> Any:
        params = {k: self(v) for k, v in estimator.get_params().items()}
        made = clone(estimator)
        results = {k: v for k, v in params.items() if _refs(v)}
        made.set_params(**{k: v for k, v in params.items() if k not in results})
        return steps.Parameters(made, results) if results else made

    def data(self, made: Any) -> Ref:
        """A value as a result in the graph."""
        if type(made) is Ref:
            return made
        if _refs(made):
            return self._task("Value", {"value": made}, "Value")
        return self.builder.data(made)

    # -- nodes -------------------------------------------------------------

    def _node(self, data_op: Any) -> Any:
        impl = data_op._skrub_impl
        kind = private.names(impl)
        name = private.given(impl, self.environment)
        if name is not None:
            return self._from_environment(self.environment[name])
        if kind is None or (hasattr(impl, "eval") and kind not in _OWN):
            raise NotUnderstood(f"a node of kind {type(impl).__name__}")
        if kind in _OWN:
            return _OWN[kind](self, impl)
        fields = {n: self(getattr(impl, n)) for n in impl._fields}
        if kind not in private.EVALUATED_ALONE:
            raise NotUnderstood(f"a node of kind {kind}")
        return self._alone(kind, fields)

    def _from_environment(self, found: Any) -> Any:
        if type(found) in _SMALL or type(found) is Ref:
            return found
        return self.builder.data(found)

    def _alone(self, kind: str, fields: private.Fields) -> Any:
        if kind in ("BinOp", "UnaryOp") and not _refs(fields) and _small(fields):
            return private.run(private.blank(kind, fields), self.mode, {}, False)
        if kind == "Call":
            if self.raises and (made := self._direct(fields)) is not None:
                return made
            label = funcname(fields["func"]) if callable(fields["func"]) else "call"
            return self._task(kind, fields, label, copies=not _is_quiet(fields["func"]))
        if kind == "CallMethod":
            method = str(fields["method_name"])
            writes = method in _WRITES or bool(fields["kwargs"].get("inplace"))
            handed = [*_functions(fields["args"]), *_functions(fields["kwargs"])]
            copies = writes or not all(map(_is_quiet, handed))
            return self._task(kind, fields, method, copies=copies)
        return self._task(kind, fields, kind, copies=False)

    def _direct(self, fields: private.Fields) -> Ref | None:
        """A call as a task of its function itself: readers look at their files."""
        func, args = fields["func"], fields["args"]
        kwargs = {**(fields.get("kwdefaults") or {}), **fields["kwargs"]}
        flat = [*args, *kwargs.values()]
        bound = fields["globals"] or fields["closure"] or fields["defaults"]
        if bound or any(_refs(v) and type(v) is not Ref for v in flat):
            return None
        key = f"{funcname(func)}-{uuid.uuid4()}"
        for number, each in enumerate(flat):
            if type(each) is Ref:  # what our own steps hand on is wrapped
                flat[number] = self._plain(each)
        refs = [reference(v.key) if type(v) is Ref else v for v in flat]
        given = dict(zip(kwargs, refs[len(args) :], strict=True))
        self.builder.graph[key] = Task(key, func, *refs[: len(args)], **given)
        return Ref(key)

    def _plain(self, ref: Ref) -> Ref:
        node = self.builder.graph.get(ref.key)
        if isinstance(node, Task) and node.func in _WRAPPING:
            return self.builder.call(steps.result, ref)
        return ref

    def _task(
        self,
        kind: str,
        fields: private.Fields,
        label: str,
        *,
        known: Ref | None = None,
        keeps: bool = False,
        copies: bool = True,
        mode: str = "fit_transform",
    ) -> Ref:
        results: list[Ref] = []
        template = _template(fields, results)
        spec = steps.Spec(
            kind,
            template,
            mode,
            {},
            self.followed > 0,
            keeps,
            copies,
            self.settings,
        )
        func = steps.step_or_raise if self.raises else steps.step
        return self.builder.call(
            func, self.builder.literal(spec), known, *results, fit=keeps, name=label
        )

    # -- kinds that are evaluated in their own way --------------------------

    def _var(self, impl: Any) -> Any:
        usual = getattr(impl, "becomes_default", False)
        usual = usual or self.environment.get("_skrub_use_var_values", False)
        if usual and impl.value is not private.NULL:
            return self._from_environment(impl.value)
        raise NotUnderstood(f"no value for the variable {impl.name!r}")

    def _value(self, impl: Any) -> Any:
        made = self(impl.value)
        if type(made) in _SMALL or _refs(made) or isinstance(made, BaseEstimator):
            return made
        return self.builder.data(made) if _is_data(made) else made

    def _if_else(self, impl: Any) -> Any:
        condition = self(impl.condition)
        if _refs(condition) or type(condition) not in _SMALL:
            raise NotUnderstood("a condition that is a result")
        return self(impl.value_if_true if condition else impl.value_if_false)

    def _match(self, impl: Any) -> Any:
        query = self(impl.query)
        if _refs(query) or type(query) not in _SMALL:
            raise NotUnderstood("a match on a result")
        if impl.has_default():
            return self(impl.targets.get(query, impl.default))
        return self(impl.targets[query])

    def _frozen(self, impl: Any) -> Any:
        if self.fits:
            self.learned[id(impl)] = self.data(self(impl.target))
        return self.learned[id(impl)]

    def _passed_on(self, impl: Any) -> Any:
        return self(getattr(impl, impl._fields[0]))

    def _mode(self, impl: Any) -> Any:
        return self.mode

    def _subsamples(self, impl: Any) -> Any:
        return private.subsamples(self.mode, self.environment)

    def _subsample(self, impl: Any) -> Any:
        fields = {n: self(getattr(impl, n)) for n in impl._fields}
        if not private.subsamples(self.mode, self.environment):
            return fields["target"]
        self.settings = {**self.settings, "enable_subsampling": "force"}
        try:
            return self._task("SubsamplePreviews", fields, "subsample", copies=False)
        finally:
            self.settings = private.configuration()

    def _concat(self, impl: Any) -> Any:
        fields = {n: self(getattr(impl, n)) for n in impl._fields}
        known = None if self.fits else self.learned.get(id(impl))
        made = self._task(
            "Concat",
            fields,
            "concat",
            known=known,
            keeps=self.fits,
            copies=False,
            mode="fit_transform" if self.fits else "transform",
        )
        if self.fits:
            self.learned[id(impl)] = made
        return made

    def _applied(self, impl: Any) -> Any:
        self(impl.target)
        fitted = self.learned[id(impl.target._skrub_impl)]
        return self.builder.call(steps.learned, fitted, "estimator_")

    def _apply(self, impl: Any) -> Any:
        estimator = self(impl.estimator) if self.fits else None
        last = estimator if self.fits else self._unfitted(impl)
        mode = self.mode
        if mode not in impl.supported_modes(last):
            mode = "fit_transform" if self.fits else "transform"
        self.followed += 1
        try:
            fields = {"X": self(impl.X), "estimator": estimator}
            unsupervised = bool(self(impl.unsupervised))
            if (self.fits and not unsupervised) or mode == "score":
                fields["y"] = self(impl.y)
            for name in impl._fields:
                if name not in ("X", "estimator", "y"):
                    fields[name] = self(getattr(impl, name))
        finally:
            self.followed -= 1
        known = None if self.fits else self.learned[id(impl)]
        made = self._task(
            "Apply",
            fields,
            _label(last, mode),
            known=known,
            keeps=self.fits,
            copies=not _spares(last),
            mode=mode,
        )
        if self.fits:
            self.learned[id(impl)] = made
        return made

    def _unfitted(self, impl: Any) -> Any:
        chosen = impl.estimator
        while isinstance(chosen, private.BaseChoice | private.ChoiceMatch):
            chosen = self(chosen)
        if isinstance(chosen, steps.Parameters):
            chosen = chosen.estimator
        return chosen


_OWN: dict[str, Any] = {
    "Apply": Lowering._apply,
    "AppliedEstimator": Lowering._applied,
    "Concat": Lowering._concat,
    "EvalMode": Lowering._mode,
    "FreezeAfterFit": Lowering._frozen,
    "IfElse": Lowering._if_else,
    "Match": Lowering._match,
    "Scoring": Lowering._passed_on,
    "ShouldSubsample": Lowering._subsamples,
    "SplitX": Lowering._passed_on,
    "SubsamplePreviews": Lowering._subsample,
    "Value": Lowering._value,
    "Var": Lowering._var,
}


def _refs(made: Any) -> bool:
    """Whether there is a result in a value."""
    kind = type(made)
    if kind is Ref or kind is steps.Parameters:
        return True
    if kind is dict:
        return any(map(_refs, made.values()))
    if kind in (list, tuple, set, frozenset):
        return any(map(_refs, made))
    if kind is slice:
        return any(map(_refs, (made.start, made.stop, made.step)))
    return False


def _template(made: Any, results: list[Ref]) -> Any:
    kind = type(made)
    if kind is Ref:
        if made not in results:
            results.append(made)
        return steps.Slot(results.index(made))
    if kind is dict:
        return {k: _template(v, results) for k, v in made.items()}
    if kind in (list, tuple):
        return kind([_template(v, results) for v in made])
    if kind is slice:
        return slice(
            *[_template(v, results) for v in (made.start, made.stop, made.step)]
        )
    if kind is steps.Parameters:
        return steps.Parameters(made.estimator, _template(made.given, results))
    return made


def _small(fields: private.Fields) -> bool:
    return all(type(v) in _SMALL or callable(v) for v in fields.values())


def _is_data(made: Any) -> bool:
    return hasattr(made, "shape") or hasattr(made, "columns")


def _functions(made: Any) -> list[Any]:
    if type(made) is dict:
        return [f for v in made.values() for f in _functions(v)]
    if type(made) in (list, tuple):
        return [f for v in made for f in _functions(v)]
    return [made] if callable(made) and type(made) is not Ref else []


def _is_quiet(func: Any) -> bool:
    root = root_of(getattr(func, "__module__", None) or "")
    return root in _QUIET and installed(root)


def _spares(estimator: Any) -> bool:
    """Whether an estimator is known to write into nothing that it is given."""
    if estimator is None or isinstance(estimator, str):
        return True
    if isinstance(estimator, steps.Parameters):
        return False
    if is_library(type(estimator)):
        return quiet(estimator)
    root = root_of(type(estimator).__module__)
    if root != "skrub" or not installed("skrub"):
        return False
    inner = [v for v in estimator.get_params().values() if isinstance(v, BaseEstimator)]
    handed = _functions(list(estimator.get_params(deep=False).values()))
    return all(map(_spares, inner)) and all(map(_is_quiet, handed))


def _label(estimator: Any, mode: str) -> str:
    if isinstance(estimator, steps.Parameters):
        estimator = estimator.estimator
    if estimator is None or isinstance(estimator, str):
        return f"{mode}-passthrough"
    return f"{mode}-{type(estimator).__name__}"
