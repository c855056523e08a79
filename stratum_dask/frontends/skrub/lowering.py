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

from stratum_dask.frontends.sklearn.builder import Builder, Literal, Ref
from stratum_dask.frontends.sklearn.models import Model
from stratum_dask.frontends.skrub import private, steps
from stratum_dask.frontends.skrub.alike import UnlikeError, alike
from stratum_dask.frontends.skrub.kinds import OWN
from stratum_dask.frontends.skrub.quiet import WRITES, functions, is_quiet
from stratum_dask.frontends.skrub.templates import (
    SMALL,
    NotUnderstood,
    refs,
    small,
    template,
)
from stratum_dask.graph import Task, reference

__all__ = ["Learned", "Lowering"]

_WRAPPING = (steps.step_or_raise, steps.learned)


class Learned(dict[int, Ref]):
    """Id of a node -> the task that has fitted it.

    Attributes
    ----------
    models
        Id of a node -> its estimator, where it was fitted in parts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.models: dict[int, Model] = {}


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
        if kind is Ref or kind in SMALL:
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
            if refs(outcome):
                raise NotUnderstood("a match on a result")
            return self(obj.outcome_mapping[outcome])
        if isinstance(obj, BaseEstimator):
            return self._estimator(obj)
        if is_dask_collection(obj):
            raise NotUnderstood("a Dask collection inside of a plan")
        return obj

    # -- values ------------------------------------------------------------

    def _estimator(self, estimator: Any) -> Any:
        self._checked(estimator)
        params = {k: self(v) for k, v in estimator.get_params().items()}
        made = clone(estimator)
        results = {k: v for k, v in params.items() if refs(v)}
        made.set_params(**{k: v for k, v in params.items() if k not in results})
        self._checked(made)  # what was chosen for its parameters
        return steps.Parameters(made, results) if results else made

    @staticmethod
    def _checked(estimator: Any) -> None:
        if not alike(estimator):
            name = type(estimator).__name__
            raise UnlikeError(f"a {name}, which could tell its copies apart")

    def data(self, made: Any) -> Ref:
        """A value as a result in the graph."""
        if type(made) is Ref:
            return made
        if refs(made):
            return self.task("Value", {"value": made}, "Value")
        return self.builder.data(made)

    # -- nodes -------------------------------------------------------------

    def _node(self, data_op: Any) -> Any:
        impl = data_op._skrub_impl
        kind = private.names(impl)
        name = private.given(impl, self.environment)
        if name is not None:
            return self.from_environment(self.environment[name])
        if kind is None or (hasattr(impl, "eval") and kind not in OWN):
            raise NotUnderstood(f"a node of kind {type(impl).__name__}")
        if kind in OWN:
            return OWN[kind](self, impl)
        fields = {n: self(getattr(impl, n)) for n in impl._fields}
        if kind not in private.EVALUATED_ALONE:
            raise NotUnderstood(f"a node of kind {kind}")
        return self._alone(kind, fields)

    def from_environment(self, found: Any) -> Any:
        """A value that the user has given."""
        if type(found) in SMALL or type(found) is Ref:
            return found
        return self.builder.data(found)

    def _alone(self, kind: str, fields: private.Fields) -> Any:
        if kind in ("BinOp", "UnaryOp") and not refs(fields) and small(fields):
            return private.run(private.blank(kind, fields), self.mode, {}, False)
        if kind == "Call":
            if self.raises and (made := self._direct(fields)) is not None:
                return made
            label = funcname(fields["func"]) if callable(fields["func"]) else "call"
            return self.task(kind, fields, label, copies=not is_quiet(fields["func"]))
        if kind == "CallMethod":
            method = str(fields["method_name"])
            if isinstance(fields["obj"], BaseEstimator | steps.Parameters):
                raise UnlikeError("an estimator that is asked by itself")
            writes = method in WRITES or bool(fields["kwargs"].get("inplace"))
            handed = [*functions(fields["args"]), *functions(fields["kwargs"])]
            copies = writes or not all(map(is_quiet, handed))
            return self.task(kind, fields, method, copies=copies)
        return self.task(kind, fields, kind, copies=False)

    def _direct(self, fields: private.Fields) -> Ref | None:
        """A call as a task of its function itself: readers look at their files."""
        func, args = fields["func"], fields["args"]
        kwargs = {**(fields.get("kwdefaults") or {}), **fields["kwargs"]}
        flat = [*args, *kwargs.values()]
        bound = fields["globals"] or fields["closure"] or fields["defaults"]
        if bound or any(refs(v) and type(v) is not Ref for v in flat):
            return None
        key = f"{funcname(func)}-{uuid.uuid4()}"
        for number, each in enumerate(flat):
            if type(each) is Ref:  # what our own steps hand on is wrapped
                flat[number] = self._plain(each)
        values = [reference(v.key) if type(v) is Ref else v for v in flat]
        given = dict(zip(kwargs, values[len(args) :], strict=True))
        self.builder.graph[key] = Task(key, func, *values[: len(args)], **given)
        return Ref(key)

    def _plain(self, ref: Ref) -> Ref:
        node = self.builder.graph.get(ref.key)
        if isinstance(node, Task) and node.func in _WRAPPING:
            return self.builder.call(steps.result, ref)
        return ref

    def task(
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
        """The task of one node, see `steps.Spec`."""
        spec, results = self.spec(kind, fields, keeps, copies, mode)
        func = steps.step_or_raise if self.raises else steps.step
        return self.builder.call(func, spec, known, *results, fit=keeps, name=label)

    def spec(
        self, kind: str, fields: private.Fields, keeps: bool, copies: bool, mode: str
    ) -> tuple[Literal, list[Ref]]:
        """A `steps.Spec` and the results for its slots."""
        results: list[Ref] = []
        filled = template(fields, results)
        followed = self.followed > 0
        made = steps.Spec(
            kind, filled, mode, {}, followed, keeps, copies, self.settings
        )
        return self.builder.literal(made), results
