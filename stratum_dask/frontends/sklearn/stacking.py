"""Stacked estimators, taken apart: members, the folds of each, the final estimator.

A stack is fitted in scikit-learn by ``cross_val_predict`` of each member. Here each
fold of each member is a task, so that candidates that differ in one member, or in
the final estimator, fit the others once. The answers are put together by
scikit-learn's own ``fit`` of a stack whose members are ``"prefit"``: stand-ins that
answer what the folds have answered.

>>> from sklearn.datasets import load_iris
>>> from sklearn.ensemble import StackingClassifier
>>> from sklearn.linear_model import LogisticRegression
>>> from sklearn.naive_bayes import GaussianNB
>>> from stratum_dask.sklearn import GridSearchCV, count_tasks
>>> stack = StackingClassifier([("bayes", GaussianNB())], LogisticRegression(), cv=2)
>>> with count_tasks() as tasks:
...     search = GridSearchCV(stack, {"final_estimator__C": [0.1, 1, 10]}, cv=3)
...     search = search.fit(*load_iris(return_X_y=True))

In each of 3 folds, bayes is fitted to all rows and in 2 folds of them; the final
estimator is fitted in each of them for each of 3 candidates:

>>> tasks.asked["fit"], tasks.run["fit"]
(36, 18)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sklearn.ensemble import StackingClassifier, StackingRegressor

from stratum_dask.frontends.sklearn import private, stacks, steps
from stratum_dask.frontends.sklearn.builder import Builder, Ref
from stratum_dask.frontends.sklearn.careful import folds_of, pairwise
from stratum_dask.frontends.sklearn.models import Given, Model, fit, kind
from stratum_dask.frontends.sklearn.standins import with_members

__all__: list[str] = []

_ANY = ("predict_proba", "decision_function", "predict")


class _Parts(NamedTuple):
    """What is known of a stack before it is fitted."""

    members: list[Any]
    methods: list[str]
    """What each member will be asked."""
    final: Any
    spec: Any
    """The stack without its final estimator."""
    folds: int


class StackModel(Model):
    """A fitted stack, its members and its final estimator."""

    binds = True

    def __init__(
        self,
        builder: Builder,
        template: Any,
        shell: Ref,
        members: Sequence[tuple[Model, str]],
        final: Model,
    ) -> None:
        spec = builder.literal(template)
        node = builder.call(stacks.join_stack, spec, shell, final.whole())
        super().__init__(builder, template, node)
        self.members = members

    def reduced(self, X: Ref) -> tuple[Ref, Ref]:
        call = self.builder.call
        answers = [_asked(self.builder, m, X, method)[0] for m, method in self.members]
        bound = call(stacks.join_stack_bound, self.node, *answers)
        return bound, call(stacks.answered, X, *answers)


def _asked(builder: Builder, model: Model, X: Ref, method: str) -> tuple[Ref, Ref]:
    """What a model answers about ``X``, and who it is that answers."""
    node, X = model.reduced(X)
    return builder.call(steps.respond, node, X, (method,), not model.quiet), node


def _parts(template: Any) -> _Parts | None:
    """The parts of a stack that can be taken apart."""
    folds = folds_of(template.cv)
    if template.verbose or folds < 2:
        return None
    try:
        private.validate(template)
        entries = [(n, e) for n, e in template.estimators if not _dropped(e)]
        names = [name for name, _ in template.estimators]
        final = private.final_of(template)
        methods = [_method(e, template.stack_method) for _, e in entries]
    except Exception:  # noqa: BLE001 it will raise again where it is fitted
        return None
    members = [member for _, member in entries]
    if not members or len(set(names)) < len(names) or any(map(pairwise, members)):
        return None
    spec = with_members(template, "final_estimator", None)
    return _Parts(members, methods, final, spec, folds)


def _dropped(member: Any) -> bool:
    return isinstance(member, str) and member == "drop"


def _method(member: Any, asked: str) -> str:
    """The method of a member that a stack asks."""
    return next(
        m for m in (_ANY if asked == "auto" else (asked,)) if hasattr(member, m)
    )


@kind(StackingClassifier)
@kind(StackingRegressor)
def fit_stack(builder: Builder, template: Any, given: Given) -> Model | None:
    parts = builder.once(template, _parts)
    if parts is None or given.params.names:
        return None
    cv = builder.literal(template.cv)
    if cv.token is None:  # other folds each time
        return None
    call = builder.call
    y = call(stacks.target_of_stack, type(template), given.y)
    # In the order in which scikit-learn fits them, for those who draw.
    members = [fit(builder, each, Given(given.X, y)) for each in parts.members]
    predicted = []
    for member, method in zip(parts.members, parts.methods, strict=True):
        folds = call(
            stacks.folds_of_stack,
            cv, given.X, y, type(template), method, parts.folds,
        )  # fmt: skip
        target = call(stacks.target_of_folds, folds)
        answers: list[Ref] = []
        for number in range(parts.folds):
            train, test = (call(stacks.fold, folds, number, i) for i in (0, 1))
            rows = Given(
                call(steps.rows, given.X, train), call(steps.rows, target, train)
            )
            model = fit(builder, member, rows)
            answers += _asked(builder, model, call(steps.rows, given.X, test), method)
        args = (given.X, y, folds, type(template), method, *answers)
        predicted.append(call(stacks.predictions, *args))
    wholes = [m.whole() for m in members]
    shell = call(
        stacks.stack,
        builder.literal(parts.spec), tuple(parts.methods), given.X, given.y,
        *wholes, *predicted,
    )  # fmt: skip
    final = fit(builder, parts.final, Given(shell, y))
    asked = list(zip(members, parts.methods, strict=True))
    return StackModel(builder, template, shell, asked, final)
