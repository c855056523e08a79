"""What must hold after every rule."""

from __future__ import annotations

from stratum_dask.graph import Graph, Key
from stratum_dask.optimizations.submission import Submission

__all__ = ["broken"]


def broken(submission: Submission, before: Graph, after: Graph) -> str | None:
    """Say what is wrong with the step from ``before`` to ``after``, if anything is.

    Examples
    --------
    >>> from stratum_dask.graph import as_graph
    >>> graph = as_graph({"a": 1, "b": (abs, "a")})
    >>> s = Submission(graph, frozenset({"b"}))
    >>> broken(s, graph, graph)
    >>> broken(s, graph, {"a": graph["a"]})
    "the requested key 'b' is gone"
    """
    live = set(submission.live.values())
    for key in submission.outputs & before.keys() - after.keys() - live:
        if submission.home(key) not in after.keys() | live:
            return f"the requested key {key!r} is gone"
    outside = {d for node in before.values() for d in node.dependencies}
    allowed = after.keys() | live | (outside - before.keys())
    for key, node in after.items():
        if node.key != key and before.get(key) is not node:
            return f"the task under {key!r} calls itself {node.key!r}"
        for dependency in sorted(node.dependencies - allowed, key=str):
            return f"task {key!r} depends on {dependency!r}, which is gone"
    if (cycle := _cycle(after)) is not None:
        return f"task {cycle!r} depends on itself"
    return _changed(submission, after)


def _changed(submission: Submission, after: Graph) -> str | None:
    """A key that computes something else than before."""
    encoder = submission.encoder
    verdicts, external = dict(encoder.verdicts), encoder.external
    lives = {key: fingerprint for fingerprint, key in submission.live.items()}

    def known(key: Key) -> bytes | None:
        if key in lives or external is None:
            return lives.get(key)
        return external(key)

    encoder.external = known
    try:
        now = encoder.graph(after)
    finally:
        encoder.external = external
        encoder.verdicts.clear()
        encoder.verdicts.update(verdicts)
    for key, fingerprint in submission.fingerprints.items():
        if key in after and now[key] != fingerprint:
            return f"task {key!r} does not compute what it computed before"
    for key in submission.outputs:
        target = submission.home(key)
        if target in after and now[target] != submission.fingerprints[key]:
            return f"{target!r} does not compute what the requested {key!r} is"
    return None


def _cycle(graph: Graph) -> Key | None:
    done: set[Key] = set()
    for root in graph:
        path: set[Key] = set()
        stack: list[tuple[Key, bool]] = [(root, False)]
        while stack:
            key, leaving = stack.pop()
            if leaving:
                path.discard(key)
                done.add(key)
            elif key in path:
                return key
            elif key not in done and key in graph:
                path.add(key)
                stack.append((key, True))
                stack.extend((d, False) for d in graph[key].dependencies)
    return None
