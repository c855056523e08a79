"""Tasks that only hand on a result under another key."""

from __future__ import annotations

from typing import Any

from stratum_dask.graph import Task, is_identity

__all__ = ["handed_on"]


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
