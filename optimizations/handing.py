"""Tasks that only hand on a result under another key."""

from __future__ import annotations

from typing import Any

from stratum_dask.graph import (
    CONTAINERS,
    Alias,
    Key,
    Task,
    TaskRef,
    is_identity,
    subgraph,
)

__all__ = ["handed_on", "is_container", "passed_on"]


def handed_on(node: object) -> Any:
    """The one argument of a task that only gives it another key; None of others.

    It need not be a result: what a container among the arguments holds is handed
    on in a new one.

    Examples
    --------
    >>> from stratum_dask.graph import TaskRef, identity
    >>> handed_on(Task("y", identity, TaskRef("x"))).key
    'x'
    >>> handed_on(Task("y", abs, TaskRef("x")))
    """
    if type(node) is not Task or not is_identity(node.func):
        return None
    given = (*node.args, *node.kwargs.values())
    return given[0] if len(given) == 1 else None


def is_container(node: object) -> bool:
    """Whether a node only puts results into a list, a tuple, a set or a dict."""
    return type(node) in CONTAINERS or type(handed_on(node)) in CONTAINERS


def passed_on(node: object) -> Key | None:
    """The key whose very result ``node`` is another name of, if it is one.

    An alias is, an identity, and a fused task all of whose parts are.

    Examples
    --------
    >>> from stratum_dask.graph import TaskRef, identity
    >>> one, two = Task("y", identity, TaskRef("x")), Task("z", identity, TaskRef("y"))
    >>> passed_on(one), passed_on(Task.fuse(one, two, key="z"))
    ('x', 'x')
    >>> passed_on(Task("y", abs, TaskRef("x")))
    """
    while True:
        if isinstance(node, TaskRef):
            return node.key
        if type(node) is Alias:
            return node.target
        if type(node) is not Task:
            return None
        below = handed_on(node)
        if below is None:
            if (parts := subgraph(node)) is None:
                return None
            key, below = parts.output, None
            while key in parts.inner and key not in parts.inputs:
                if (target := passed_on(parts.inner[key])) is None:
                    return None
                key = target
            below = parts.inputs.get(key)
        node = below
