"""Where the objects of a graph go, and what may happen to them on the way."""

from __future__ import annotations

import operator
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stratum_dask.graph import (
    Alias,
    Graph,
    GraphNode,
    Key,
    Task,
    execute_subgraph,
    is_identity,
    is_plain,
    roots,
    subgraph,
)
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.purity.effects import computes
from stratum_dask.optimizations.purity.places import installed
from stratum_dask.optimizations.stored import Stored
from stratum_dask.optimizations.submission import Submission
from stratum_dask.optimizations.verdict import Effect

__all__ = ["Flow", "effect_of"]


class Flow:
    """Where the objects of one graph go.

    Parameters
    ----------
    submission
        Knows what functions do to their arguments.
    graph
        The graph to look at.

    Attributes
    ----------
    aliases
        Alias -> the key it stands for.
    outputs
        The keys whose results go to the user.
    """

    def __init__(self, submission: Submission, graph: Graph) -> None:
        self._submission = submission
        self._graph = graph
        self.aliases = roots(graph)
        self._users = _users(graph, self.aliases)
        self._effects: dict[Key, Effect] = {}
        self._user_classes: bool | None = None
        outputs = set(map(submission.home, submission.outputs))
        self.outputs = {self.aliases.get(k, k) for k in outputs | submission.outputs}
        # Beyond this much looking around, suspect everybody: being careful costs
        # time, and being wrong costs more.
        self._budget = 20 * len(graph) + 1000

    def inputs(self, key: Key) -> list[Key]:
        """The results that go into ``key``."""
        node = self._graph.get(key)
        if node is None:
            return []
        return [self.aliases.get(d, d) for d in node._dependencies]

    def users(self, key: Key) -> Iterable[Key]:
        """The tasks that the result of ``key`` goes into."""
        return self._users.get(key, ())

    def effect(self, key: Key) -> Effect:
        """What ``key`` may do to what it receives."""
        known = self._effects.get(key)
        if known is None:
            node = self._graph.get(key)
            known = Effect.FRESH
            if isinstance(node, Task) and isinstance(node.func, Stored):
                return known
            if self._writes(node):
                known = Effect.WRITE
            elif node is not None:
                known = effect_of(self._submission, node, self._meets_users)
            if known is not Effect.WRITE and type(node) is Task:
                known = max(known, self._operators())
            self._effects[key] = known
        return known

    def _writes(self, node: GraphNode | None) -> bool:
        """Whether ``node`` may write whatever its arguments, as most users' may."""
        if type(node) is not Task or type(node.func) is not types.FunctionType:
            return False
        func = node.func
        if func is execute_subgraph or is_identity(func):
            return False
        return self._submission.encoder.effect(func) is Effect.WRITE

    def _operators(self) -> Effect:
        """What operators may do here, whose work depends on the classes they meet."""
        encoder = self._submission.encoder
        return encoder.judge.operators(lambda: _met(encoder.encoder))

    def _meets_users(self) -> bool:
        """Whether the graph leads to a class of the user's."""
        if self._user_classes is None:
            met = _met(self._submission.encoder.encoder)
            self._user_classes = any(
                isinstance(o, type) and not installed(o.__module__.partition(".")[0])
                for o in met
            )
        return self._user_classes

    def handed_on(self, key: Key) -> list[Key]:
        """The inputs of ``key`` that its result may be, or look into."""
        if self.effect(key) is Effect.FRESH or self._counts(key):
            return []
        return self.inputs(key)

    def writers(self, key: Key) -> set[Key]:
        """The tasks that may write into what ``key`` hands on."""

        def handing_on(k: Key) -> list[Key]:
            return [user for user in self.users(k) if self.handed_on(user)]

        region = self.reach([key], handing_on) or ()
        users = {user for k in region for user in self.users(k)} - {key}
        return {user for user in users if self.effect(user) is Effect.WRITE}

    def _counts(self, key: Key) -> bool:
        """Whether the result of ``key`` is seen to be a number or a constant."""
        node = self._graph.get(key)
        if type(node) is not Task or type(node.func) is not types.FunctionType:
            return False
        return self._submission.encoder.judge.evidence(node.func).makes == "scalar"

    def reach(
        self, start: Iterable[Key], step: Callable[[Key], Iterable[Key]]
    ) -> set[Key] | None:
        """All that ``step`` leads to, ``start`` included; None if it is too much."""
        seen = set(start)
        stack = list(seen)
        while stack:
            for key in step(stack.pop()):
                if key not in seen:
                    seen.add(key)
                    stack.append(key)
        self._budget -= len(seen)
        return None if self._budget < 0 else seen


def effect_of(
    submission: Submission, node: GraphNode, meets_users: Callable[[], bool]
) -> Effect:
    """What a node may do to what it receives.

    Parameters
    ----------
    submission
        Knows what functions do to their arguments.
    node
        The node.
    meets_users
        Whether it may get objects of the user's own classes.
    """
    if not isinstance(node, Task) or not is_plain(node):
        # Dask's own special nodes do not write; nobody knows what others do.
        home = type(node).__module__.partition(".")[0]
        return Effect.ALIAS if home in ("dask", "distributed") else Effect.WRITE
    if (parts := subgraph(node)) is not None:
        found = parts.inner.values()
        return max(effect_of(submission, n, meets_users) for n in found)
    effect = Effect.ALIAS
    if not is_identity(node.func):
        effect = _of_call(submission, node, meets_users)
    for a in (*node.args, *node.kwargs.values()):
        if effect is Effect.WRITE:
            break
        if isinstance(a, Task):
            effect = max(effect, effect_of(submission, a, meets_users))
    if effect is not Effect.WRITE and _sorts(submission, node.kwargs.get("key")):
        return Effect.WRITE
    return effect


def _of_call(
    submission: Submission, node: Task, meets_users: Callable[[], bool]
) -> Effect:
    """What a function may do, where it gets these arguments.

    A function of numpy that only computes may hand on a cell of an array of objects,
    and calls the methods of other classes than numpy's own.
    """
    known = submission.encoder.effect(node.func)
    if known is not Effect.WRITE or not computes(node.func, node.args, node.kwargs):
        return known
    return Effect.WRITE if meets_users() else Effect.ALIAS


def _sorts(submission: Submission, key: Any) -> bool:
    """Whether ``sorted(x, key=...)`` and the like call what may write."""
    if key is None or type(key) in (operator.itemgetter, operator.attrgetter):
        return False
    if not isinstance(key, types.FunctionType | types.BuiltinFunctionType):
        return True
    judge = submission.encoder.judge
    return bool(judge.evidence(key).writes) or judge.takes_care(key)


def _met(encoder: Encoder) -> list[object]:
    """The functions and classes that the encoder has looked into."""
    # A list stands for those of which an encoding is not to be used again.
    found: list[object] = []
    for obj, _ in list(encoder.memo.values()):
        found += obj if type(obj) is list else (obj,)
    return [o for o in found if isinstance(o, type | types.FunctionType)]


def _users(graph: Graph, aliases: Mapping[Key, Key]) -> dict[Key, list[Key]]:
    users: dict[Key, list[Key]] = {}
    for key, node in graph.items():
        if type(node) is not Alias:
            for dependency in node._dependencies:
                users.setdefault(aliases.get(dependency, dependency), []).append(key)
    return users
