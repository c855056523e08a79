"""Split fused tasks where an inner task also occurs elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from stratum_dask.graph import (
    Alias,
    Graph,
    Key,
    Subgraph,
    content_key,
    is_plain,
    reference,
    subgraph,
    subgraph_task,
)
from stratum_dask.optimizations.rule import Rule
from stratum_dask.optimizations.submission import Submission

__all__ = ["Unfuse"]


class Unfuse(Rule):
    """Cut fused tasks open, but only at inner tasks that somebody else needs.

    Dask fuses chains of tasks early (bags, arrays, persisted frames), so equal
    work hides inside them. Two chains that begin alike and end differently

    >>> from operator import neg, abs
    >>> from dask._task_spec import Task, TaskRef
    >>> first = Task.fuse(Task("a", abs, -1), Task("b", neg, TaskRef("a")), key="b")
    >>> second = Task.fuse(Task("c", abs, -1), Task("d", str, TaskRef("c")), key="d")

    become four tasks, of which the `Merge` rule then finds two to be equal:

    >>> s = Submission({"b": first, "d": second}, frozenset({"b", "d"}))
    >>> graph = Unfuse().apply(s)
    >>> sorted(len(node.dependencies) for node in graph.values())
    [0, 0, 1, 1]

    Where nobody else needs an inner task the chain stays fused.
    """

    name: ClassVar[str] = "unfuse"
    needs: ClassVar[tuple[str, ...]] = ()

    def apply(self, submission: Submission) -> Graph | None:
        graph = submission.tasks
        if not submission.encoder.fused:
            return None
        fused = {k: s for k, n in graph.items() if (s := subgraph(n)) is not None}
        top = submission.fingerprints
        inside = submission.inside()
        owners = _owners(graph, top, fused, inside)
        # What is stored is as good as what lives: it is read without the rest.
        live = {**submission.stored, **submission.live}
        new = dict(graph)
        for key, known in inside.items():
            if submission.salt is not None and submission.salt(key) is not None:
                continue  # a part must run where the whole must
            parts = fused[key]
            cuts = _cuts(parts, known, owners, live)
            # What can be read once only stays where it is read.
            cuts -= submission.encoder.iterators.get(key, set())
            if cuts:
                new.update(_split(key, parts, known, cuts, submission))
        return new if submission.split else None


def _owners(
    graph: Graph,
    top: Mapping[Key, bytes],
    fused: Mapping[Key, Subgraph],
    inside: Mapping[Key, Mapping[Key, bytes]],
) -> dict[bytes, set[bytes]]:
    """Fingerprint -> fingerprints of the whole tasks in which that work is done."""
    owners: dict[bytes, set[bytes]] = {}
    for key, node in graph.items():
        if type(node) is not Alias:
            owners.setdefault(top[key], set()).add(top[key])
    for key, known in inside.items():
        parts = fused[key]
        for name in parts.inner:
            if name != parts.output:
                owners.setdefault(known[name], set()).add(top[key])
    return owners


def _cuts(
    parts: Subgraph,
    known: Mapping[Key, bytes],
    owners: Mapping[bytes, set[bytes]],
    live: Mapping[bytes, object],
) -> set[Key]:
    """The outermost inner tasks that are also needed elsewhere."""
    shared = {
        name
        for name, node in parts.inner.items()
        if name != parts.output
        and name not in parts.inputs
        and is_plain(node)
        and (len(owners[known[name]]) > 1 or known[name] in live)
    }
    if not shared:
        return shared
    consumers: dict[Key, list[Key]] = {}
    for name, node in parts.inner.items():
        for dependency in node.dependencies:
            consumers.setdefault(dependency, []).append(name)
    # A shared task whose consumers are all shared by the same owners is fetched
    # together with them, and needs no result of its own.
    return {
        name
        for name in shared
        if any(
            (c not in shared and c != parts.output)
            or owners[known[c]] != owners[known[name]]
            or (known[name] in live and known[c] not in live)
            for c in consumers.get(name, ())
        )
    }


def _split(
    key: Key,
    parts: Subgraph,
    known: dict[Key, bytes],
    cuts: set[Key],
    submission: Submission,
) -> Graph:
    digest = submission.encoder.encoder.digest
    own = repr(key).encode("utf-8", "surrogatepass")
    # Each fused task had its own copy of what we cut out of it, so each gets a
    # task of its own, also for two equal parts of one: whether they may become
    # one is for the merge to say.
    seen: dict[bytes, int] = {}
    names = {}
    for c in parts.inner:
        if c in cuts:
            seen[known[c]] = n = seen.get(known[c], -1) + 1
            names[c] = content_key(c, digest(known[c] + own + bytes([0] * n)))
    result: Graph = {key: _piece(key, parts.output, parts, names)}
    for cut, name in names.items():
        result[name] = _piece(name, cut, parts, names)
        submission.fingerprints[name] = known[cut]
        submission.split[name] = key
    return result


def _piece(key: Key, output: Key, parts: Subgraph, names: Mapping[Key, Key]) -> Any:
    """The part of a fused task that computes ``output``, down to the next cuts."""
    inner: Graph = {}
    inputs: dict[Key, Any] = {}
    stack = [output]
    while stack:
        name = stack.pop()
        if name in inner or name in inputs:
            continue
        if name in parts.inputs:
            inputs[name] = parts.inputs[name]
        elif name in names and name != output:
            inputs[name] = reference(names[name])
        else:
            inner[name] = parts.inner[name]
            stack.extend(parts.inner[name].dependencies)
    return subgraph_task(key, inner, output, inputs)
