"""Equal results that meet again, inside of others, in one task.

``x in [y]`` asks whether ``x`` *is* ``y`` before it asks whether they are equal: for
two equal objects without ``==``, or for two NaNs, merging ``x`` and ``y`` would change
the answer. Where one task is given both, and at least one of them inside another
result, both stay objects of their own. This is for schedulers that hand results on by
reference; others make objects of their own when they pickle them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from stratum_dask.graph import (
    CONTAINERS,
    Alias,
    Key,
    Task,
    TaskRef,
    roots,
)
from stratum_dask.optimizations.lent import Lent
from stratum_dask.optimizations.purity.blind import is_blind
from stratum_dask.optimizations.submission import Submission
from stratum_dask.optimizations.verdict import Role, Verdict

__all__ = ["Twins", "meet"]

_AS_IT_IS = frozenset({TaskRef, *CONTAINERS[:2]})  # lists and tuples compare nothing
MEET = Verdict(
    Role.REFUSE,
    "it gets two equal results, one of them inside another one, and could ask "
    "whether they are one object",
    "give it one of them only",
)


class Twins(NamedTuple):
    """What must stay as it is, for equal objects to stay two."""

    copied: frozenset[Key]
    """Results that may be copied from an equal one."""
    made: frozenset[Key]
    """Results that are made of these, each of its own."""


def meet(submission: Submission, lent: Lent) -> Twins | None:
    """Find the tasks in which equal results meet; None where it is too much to see.

    Those that equal others as far as fingerprints go get one of their own.

    Parameters
    ----------
    submission
        The graph; results are handed on by reference.
    lent
        Knows what its tasks hand on.

    Examples
    --------
    >>> from stratum_dask.graph import as_graph
    >>> def wrap(x): return [x]
    >>> def among(x, items): return x in items
    >>> graph = as_graph({"a": (float, "nan"), "b": (float, "nan"),
    ...                   "w": (wrap, "b"), "x": (among, "a", "w")})
    >>> s = Submission(graph, frozenset({"x"}), by_reference=True)
    >>> twins = meet(s, Lent(s.encoder.judge, graph))
    >>> sorted(twins.copied), sorted(twins.made)
    (['a', 'b'], ['w'])
    """
    graph, fingerprints = submission.tasks, submission.fingerprints
    aliases = roots(graph)
    copied: set[Key] = set()
    made: set[Key] = set()
    where: list[Key] = []
    blinds: dict[int, bool] = {}
    budget = 50 * len(graph) + 10_000
    for key, node in graph.items():
        if len(node._dependencies) < 2:
            continue
        if type(node) is Task:
            blind = blinds.get(id(node.func))
            if blind is None:
                blind = blinds[id(node.func)] = _is_blind(submission, node.func)
            if blind:
                for a in node.args:
                    if type(a) not in _AS_IT_IS and isinstance(a, Task):
                        break
                else:
                    continue
        if not _is_deep(submission, lent, node):
            continue
        above: dict[Key, list[Key]] = {}
        direct = {aliases.get(d, d) for d in node._dependencies}
        stack = list(direct)
        while stack:
            at = stack.pop()
            if at not in above:
                found = [aliases.get(k, k) for k in lent.passed_on(at)]
                above[at] = found
                stack += found
        budget -= len(above)
        if budget < 0:
            return None
        times = Counter(fingerprints[k] for k in above)
        inner = {fingerprints[k] for held in above.values() for k in held}
        twins = {k for k in above if times[fingerprints[k]] > 1}
        if not any(fingerprints[k] in inner for k in twins):
            continue
        where.append(key)
        on_the_way = _leading(above, twins)
        made |= {k for k in on_the_way if not on_the_way.isdisjoint(above[k])}
        copied |= on_the_way
    _set_apart(submission, where)
    return Twins(frozenset(copied - made), frozenset(made))


def _is_blind(submission: Submission, func: Callable[..., Any]) -> bool:
    """Whether neither a function nor who gets its result may compare two inputs."""
    if not is_blind(func):
        return False
    return len(submission.encoder.judge.evidence(func).whole) < 2


def _is_deep(submission: Submission, lent: Lent, node: object) -> bool:
    """Whether some input of a task may hold inputs of its own."""
    graph = submission.tasks
    for key in node._dependencies:  # type: ignore[attr-defined]
        above = graph.get(key)
        while type(above) is Alias:
            above = graph.get(above.target)
        if (
            isinstance(above, Task)
            and above._dependencies
            and (type(above) in CONTAINERS or lent.may_take(above))
        ):
            return True
    return False


def _leading(above: dict[Key, list[Key]], twins: set[Key]) -> set[Key]:
    """The twins, and all that may hold one."""
    holders: dict[Key, list[Key]] = {}
    for key, held in above.items():
        for k in held:
            holders.setdefault(k, []).append(key)
    found = set(twins)
    stack = list(twins)
    while stack:
        for key in holders.get(stack.pop(), ()):
            if key not in found:
                found.add(key)
                stack.append(key)
    return found


def _set_apart(submission: Submission, where: list[Key]) -> None:
    fingerprints = submission.fingerprints
    times = Counter(fingerprints.values())
    equal = frozenset(k for k in where if times[fingerprints[k]] > 1)
    if not equal:
        return
    submission.set_apart(equal)
    submission.verdicts.update(dict.fromkeys(equal, MEET))
