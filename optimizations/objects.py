"""Which keys are names of one object, so that a merge may not make it two, or two one.

Dask gives results other keys by aliases, and by tasks that compute nothing. Their
object is the same one under all its keys. Taken for tasks of their own they would be
merged with each other, wait for themselves, or become copies of what they are: before
a merge they are taken out of the graph, and what was asked for under such a key is an
alias.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from collections.abc import Set as AbstractSet

from stratum_dask.graph import (
    Alias,
    DataNode,
    Graph,
    Key,
    Task,
    identity,
    reference,
    rekey,
)
from stratum_dask.optimizations.flow import Flow
from stratum_dask.optimizations.handing import is_container, passed_on
from stratum_dask.optimizations.submission import Submission

__all__ = ["direct", "doubles", "spelled_out"]


def direct(submission: Submission) -> Graph:
    """The graph where each task takes a result from the very task that makes it.

    Examples
    --------
    >>> from stratum_dask.graph import as_graph
    >>> graph = as_graph({"a": (list, "ab"), "b": (identity, "a"), "x": (len, "b")})
    >>> graph = direct(Submission(graph, frozenset({"x"})))
    >>> list(graph), sorted(graph["x"].dependencies)
    (['a', 'x'], ['a'])
    """
    graph, works = submission.tasks, submission.fingerprints
    handing = submission.encoder.hands_on
    if not handing and not any(type(node) is Alias for node in graph.values()):
        return graph
    below: dict[Key, Key] = {}
    for key, node in graph.items():
        source = passed_on(node) if node._dependencies else None
        # A task that must run elsewhere, say, is no mere name.
        if source is not None and (type(node) is Alias or works[source] == works[key]):
            below[key] = source
    if not below:
        return graph
    names: dict[Key, Key] = {}
    for key in below:
        root = key
        while root in below:
            root = below[root]
        names[key] = root
    stay = {*submission.outputs, *submission.live.values()}
    new: Graph = {}
    for key, node in graph.items():
        if key not in names:
            apart = names.keys().isdisjoint(node._dependencies)
            new[key] = node if apart else rekey(node, key, names)
        elif key in stay:
            new[key] = Alias(key, names[key])
    return new


def spelled_out(graph: Graph, before: Graph) -> Graph:
    """``graph`` with tasks for what was a task ``before`` and became an alias.

    An alias that was asked for costs a scheduler more than a task does.
    """
    return {
        key: Task(key, identity, reference(node.target))
        if type(node) is Alias and type(before.get(key)) is Task
        else node
        for key, node in graph.items()
    }


def doubles(
    graph: Graph,
    users: Iterable[Key],
    gone: Mapping[Key, Key],
    aliases: Mapping[Key, Key],
) -> set[Key]:
    """Merged keys that stay as copies: one task takes two equal results.

    Two equal results are two objects. A task that takes both and writes into one
    must not find the other one changed, and one that compares them must not find
    them to be the same.
    """
    copies: set[Key] = set()
    for key in users:
        node = graph[key]
        objects = {aliases.get(d, d) for d in node.dependencies}
        if len({gone.get(d, d) for d in objects}) == len(objects) or not _tells(node):
            continue
        known: dict[Key, list[Key]] = {}
        for one in sorted(objects, key=lambda d: d in gone):
            known.setdefault(gone.get(one, one), []).append(one)
        for target, names in known.items():
            stays = target if target in names else names[0]
            copies.update(name for name in names if name != stays)
    return copies


def consist(
    submission: Submission,
    gone: dict[Key, Key],
    copies: set[Key],
    asked: AbstractSet[Key],
) -> list[Key]:
    """Take back merges of tasks that hand on results of which there are copies.

    A copy of a list would hold copies: two lists of one frame are two lists, and hold
    one frame. And of two pipelines whose lists are merged, both have the frame that is
    in the list, and not an equal one.

    Parameters
    ----------
    submission
        The graph, without other names of its results.
    gone, copies
        Merged keys, and those of them that stay as copies: what is found is removed,
        and what has to be a copy then is added.
    asked
        Keys whose results go to the user.
    """
    graph = submission.tasks
    stay: list[Key] = []
    if submission.by_reference:  # the user sees what is in a list
        stay = [k for k in asked & gone.keys() - copies if is_container(graph[k])]
    if not copies and not stay:
        return stay
    flow = Flow(submission, graph)
    # Where somebody writes into what is in it, a copy at the end shows that.
    stay = [k for k in stay if not any(map(flow.writers, flow.inputs(k)))]

    def differ(key: Key, target: Key) -> bool:
        return _mapped(flow, key, gone, copies) != _mapped(flow, target, gone, copies)

    found = stay
    while True:
        found = found + [key for key in copies if flow.handed_on(key)]
        if submission.by_reference:
            found += [
                key
                for key, target in gone.items()
                if key not in copies
                and target in graph
                and flow.handed_on(key)
                and differ(key, target)
                and _meet_later(flow, key)
            ]
        if not found:
            return stay
        copies.difference_update(found)
        found = [key for key in found if gone.pop(key, None) is not None]
        stay = stay + [key for key in found if key not in stay]
        copies.update(doubles(graph, found, gone, flow.aliases))
        found = []


def _mapped(
    flow: Flow, key: Key, gone: Mapping[Key, Key], copies: Container[Key]
) -> set[Key]:
    return {d if d in copies else gone.get(d, d) for d in flow.inputs(key)}


def _meet_later(flow: Flow, key: Key) -> bool:
    """Whether the result of ``key`` meets what it may hold, in a task or at the user."""

    def handing_on(k: Key) -> list[Key]:
        return [user for user in flow.users(k) if flow.handed_on(user)]

    down, held = flow.reach([key], handing_on), set(flow.inputs(key))
    if down is None or not (
        flow.outputs.isdisjoint(down) or flow.outputs.isdisjoint(held)
    ):
        return True
    others = {k for d in down for u in flow.users(d) for k in flow.inputs(u)} - down
    above = flow.reach(others, flow.handed_on)
    return above is None or not above.isdisjoint(held)


def _tells(node: object) -> bool:
    """Whether ``node`` may see that two of its inputs became one object.

    Also one that only looks: it may ask whether the two are one object.
    """
    return not isinstance(node, Alias | DataNode)
