"""Agents that search for a model, what they ask for, and how much of it differs.

Their task: predict how late a flight lands. How they write: ``agent_hand.py``; what
they have learnt to write: ``agent_steps.py``.
"""

import inspect
import random
import types
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

__all__ = [
    "BUILDERS",
    "MODELS",
    "STEPS",
    "Agent",
    "Asked",
    "ask",
    "kind",
    "load",
    "recruit",
]

STEPS = (
    *("read", "sample", "clean", "join", "feature"),
    *("split", "impute", "encode", "scale", "fit", "score"),
)
"""Kinds of steps, in the order of a pipeline."""

# With the weights that agents give them: they like some ideas better than others.
FEATURES = {
    "everything": 8,
    "weather": 4,
    "calendar": 3,
    "route": 1,
    "route_in_place": 1,
}
PREPARATIONS = {
    ("impute_median", "encode_onehot", "scale_standard"): 8,
    ("impute_median", "encode_onehot", "scale_robust"): 3,
    ("impute_mean", "encode_target", "scale_standard"): 2,
    ("impute_median", "encode_ordinal", "scale_standard"): 1,
}
MODELS = {
    "fit_ridge": [{"alpha": 1.0}, {"alpha": 10.0}, {"alpha": 100.0}],
    "fit_elastic_net": [
        {"alpha": 1.0, "l1_ratio": 0.5},
        {"alpha": 0.1, "l1_ratio": 0.5},
        {"alpha": 0.1, "l1_ratio": 0.9},
    ],
    "fit_random_forest": [
        {"n_estimators": 12, "max_depth": 10, "min_samples_leaf": 5},
        {"n_estimators": 12, "max_depth": 14, "min_samples_leaf": 5},
        {"n_estimators": 20, "max_depth": 10, "min_samples_leaf": 20},
    ],
    "fit_boosting": [
        {"max_iter": 40, "learning_rate": 0.1, "max_leaf_nodes": 31},
        {"max_iter": 60, "learning_rate": 0.05, "max_leaf_nodes": 31},
        {"max_iter": 40, "learning_rate": 0.2, "max_leaf_nodes": 15},
    ],
}
LIKED = [7, 2, 1]  # a model's parameters
BUILDERS = ("build", "pipeline", "make_pipeline", "main")
"""What agents call the function that builds their pipeline."""


class Agent(NamedTuple):
    """What one agent decided to try.

    Attributes
    ----------
    name
        Also the name of its module.
    features
        Which features it makes.
    preparation
        How it imputes, encodes and scales.
    model
        Its model's step.
    parameters
        Its model's parameters.
    """

    name: str
    features: str
    preparation: tuple[str, str, str]
    model: str
    parameters: dict[str, float]


class Asked(NamedTuple):
    """The steps of some programs, by kind.

    Attributes
    ----------
    total
        As many as the programs contain.
    unique
        How many of them differ in what they do.
    """

    total: Counter[str]
    unique: Counter[str]


def recruit(count: int, seed: int) -> list[Agent]:
    """Let ``count`` agents decide what to try.

    Examples
    --------
    >>> recruit(3, seed=0) == recruit(5, seed=0)[:3]
    True
    """
    dice = random.Random(seed)
    agents = []
    for number in range(count):
        model = dice.choice(list(MODELS))
        agent = Agent(
            f"agent_{number:03d}",
            dice.choices(list(FEATURES), list(FEATURES.values()))[0],
            dice.choices(list(PREPARATIONS), list(PREPARATIONS.values()))[0],
            model,
            dice.choices(MODELS[model], LIKED)[0],
        )
        agents.append(agent)
    return agents


def load(name: str, source: str) -> Callable[[str, int], Any]:
    """Execute a program and return the function that builds its pipeline.

    The module is not registered: a worker gets its functions by value, as it gets
    those of a notebook.
    """
    module = types.ModuleType(name)
    exec(compile(source, f"<{name}>", "exec"), vars(module))  # noqa: S102
    return next(vars(module)[name] for name in BUILDERS if name in vars(module))


def ask(builders: list[Callable[[str, int], Any]], folder: str, every: int) -> Asked:
    """Count the steps of programs, all of them and those that differ.

    Knows nothing of fingerprints: a step is told by the name that it has in
    ``agent_steps.py``, its constants, and the steps that it builds on.
    """
    total: Counter[str] = Counter()
    known: dict[Hashable, int] = {}

    def step(function: Callable[..., Any]) -> Callable[..., int]:
        def call(*args: Any, **kwargs: Any) -> int:
            bound = inspect.signature(function).bind(*args, **kwargs)
            bound.apply_defaults()
            total[kind(function.__name__)] += 1
            given = tuple(map(_hashable, bound.args))
            return _Step(known.setdefault((function.__name__, given), len(known)))

        return call

    for build in builders:
        namespace = {**build.__globals__, "delayed": step}
        types.FunctionType(build.__code__, namespace)(folder, every)
    return Asked(total, Counter(kind(name) for name, _ in known))


def kind(name: str) -> str:
    """The kind of a step: the first word of its name."""
    return name.partition("_")[0]


class _Step(int):
    """A number that stands for a step, and is no constant."""


def _hashable(value: Any) -> Hashable:
    value = tuple(value) if isinstance(value, list) else value
    return isinstance(value, _Step), value
