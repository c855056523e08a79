"""Fingerprints of tasks: a Merkle hash over a whole graph, with roles.

The fingerprint of a task covers its function, its arguments, the fingerprints of
what it depends on, and its hard annotations. A fused task gets the fingerprint
of its un-fused equivalent, so that equal work meets however Dask packed it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from stratum_dask.graph import (
    CONTAINERS,
    Alias,
    DataNode,
    Graph,
    GraphNode,
    Key,
    Task,
    is_identity,
    subgraph,
)
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.optimizations.fingerprint.nodes import NodeFingerprints
from stratum_dask.optimizations.fingerprint.quick import fill
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.private import Isolated
from stratum_dask.optimizations.purity import Judge
from stratum_dask.optimizations.stored import Stored
from stratum_dask.optimizations.verdict import Refused, Role, Verdict

__all__ = ["TaskFingerprints"]

APART = Verdict(
    Role.REFUSE,
    "it may write into an input that its own program reads afterwards, in a "
    "computation that cannot simply be run again to find out",
    "if it does not: @stratum_dask.pure, or stratum.purity.pure in the configuration",
)

_ANNOTATED = "it is annotated: stratum ="

# See callees.py for what the other tags are.
_OWN, _SALT, _BATCH, _EXTERNAL = b"O", b"S", b"B", b"X"


class TaskFingerprints(NodeFingerprints):
    """Fingerprint every task of a graph.

    Parameters
    ----------
    encoder
        Encodes functions and values.
    judge
        Tells the role of a function.
    nonce
        Unlike in any other submission. It enters the fingerprints of what must
        not be taken for work of another submission.
    external
        Fingerprint of a key that is not in the graph, where it is known.
    salt
        Bytes for what besides the computation sets a task apart: its hard
        restrictions.
    refused
        Why no task at all may be merged, where the user has said so.
    apart
        Keys of tasks that must stay their pipeline's own.
    said
        Role of a key by the annotation of its task: ``impure``, ``batch``, ``pure``,
        empty if it is known to have none; None for a part that is not known, which
        has that of the fused task.
    elsewhere
        Where the tasks run, and read their files.

    Attributes
    ----------
    verdicts
        Key -> verdict, of the tasks whose role is not to be merged.
    """

    def __init__(
        self,
        encoder: Encoder,
        judge: Judge,
        nonce: bytes,
        external: Callable[[Key], bytes | None] | None = None,
        salt: Callable[[Key], bytes | None] | None = None,
        refused: Verdict | None = None,
        apart: Container[Key] = (),
        said: Callable[[Key], str | None] | None = None,
        elsewhere: Elsewhere = Elsewhere.NO,
    ) -> None:
        super().__init__(encoder, judge)
        self._callees.elsewhere = elsewhere
        self.nonce = nonce
        self.external = external
        self.salt = salt
        self.refused = refused
        self.apart = apart
        self.said = said
        self.verdicts: dict[Key, Verdict] = {}

    def graph(self, graph: Graph) -> dict[Key, bytes]:
        """Fingerprint of every key of ``graph``, and of the keys it refers to."""
        found: dict[Key, bytes] = {}
        self._scopes = [(graph, {})]
        self._fill(graph, found)
        return found

    def functions(self) -> list[Callable[..., Any]]:
        """The functions of all graphs so far that have an identity."""
        return self._callees.functions()

    def inner(
        self, key: Key, node: GraphNode, known: Mapping[Key, bytes]
    ) -> dict[Key, bytes]:
        """Fingerprints of the tasks inside the fused task ``node``."""
        self._owner = key
        if self.said is not None:
            self._annotated = self.said(key) or None
        try:
            parts = subgraph(node)
            if parts is None:  # it is one among the arguments that is fused
                return {}
            return self._inner_graph(parts, known)
        except Refused:  # something that is passed in: it stays as it is
            return {}
        finally:
            self._owner = self._annotated = None

    # -- one graph ---------------------------------------------------------

    def _fill(self, graph: Graph, found: dict[Key, bytes]) -> None:
        outermost = self._owner is None
        one = self._outer if outermost else self._inner
        plain = outermost and self.salt is None and self.refused is None
        plain = plain and self.said is None
        fill(
            graph,
            found,
            self.encoder,
            self._callees.plain if plain and not self.apart else {},
            lambda key, node: one(key, node, found),
            self._external,
        )

    def _outer(self, key: Key, node: GraphNode, found: Mapping[Key, bytes]) -> bytes:
        if type(node) is Alias:
            return found[node.target]
        if (copied := _copied(node)) is not None:  # the salt is part of it already
            return self._argument(copied, found)
        if isinstance(node, Task) and isinstance(node.func, Stored):
            return node.func.fingerprint
        if self.refused is not None:
            self.verdicts[key] = self.refused
            return self._own(key)
        if key in self.apart:
            self.verdicts[key] = APART
            return self._own(key)
        self._owner = key
        try:
            result = self._inner(key, node, found)
        finally:
            self._owner = None
        if self.salt is not None and (salt := self.salt(key)) is not None:
            result = self.encoder.digest(_SALT + result + salt)
        return result

    def _inner(self, key: Key, node: GraphNode, found: Mapping[Key, bytes]) -> bytes:
        around, self._batch = self._batch, None
        passed_on = bool(self._outputs) and key != self._outputs[-1]
        outside, self._inside = self._inside, key if passed_on else None
        above = self._annotated
        try:
            if self.said is not None:
                self._listen(key, node)
            result = self._node(node, found)
        except Refused as e:
            self.verdicts[self._owner] = Verdict(Role.REFUSE, e.reason, e.remedy)
            return self._own(key)
        except RecursionError:
            self.verdicts[self._owner] = Verdict(
                Role.REFUSE, "its arguments are nested too deeply to be read"
            )
            return self._own(key)
        finally:
            batch = self._take_batch(around)
            self._inside = outside
            self._annotated = above
        if batch is not None:
            self.verdicts.setdefault(self._owner, batch)
            result = self.encoder.digest(_BATCH + result + self.nonce)
        return result

    def _listen(self, key: Key, node: GraphNode) -> None:
        """Take the role of a task from its annotation, if it has one."""
        assert self.said is not None
        word = self.said(key)
        if word is None:
            word = self._annotated  # what is fused of equally annotated tasks
        self._annotated = word or None
        if type(node) in (Alias, DataNode):
            return  # nothing runs
        if word == "impure":
            raise Refused(f"{_ANNOTATED} 'impure'", "annotate it otherwise")
        if word == "batch":
            self._batch = Verdict(Role.BATCH, f"{_ANNOTATED} 'batch'")

    def _take_batch(self, around: Verdict | None) -> Verdict | None:
        batch, self._batch = self._batch, around
        return batch

    def _own(self, key: Key) -> bytes:
        """A fingerprint that nothing else has: of this key, here and now."""
        if self._outputs and key == self._outputs[-1]:
            key = self._owner  # the last part of a fused task is the whole
        name = f"{self._owner!r}|{key!r}".encode("utf-8", "surrogatepass")
        return self.encoder.digest(_OWN + self.nonce + name)

    def _external(self, key: Key) -> bytes:
        if self.external is not None and (known := self.external(key)) is not None:
            return known
        # What a key held in another submission may be gone by now, and the key
        # may hold something else.
        name = repr(key).encode("utf-8", "surrogatepass")
        return self.encoder.digest(_EXTERNAL + self.nonce + name)


def _copied(node: GraphNode) -> Any:
    """What ``node`` is a private copy of, if the `Merge` rule made it one."""
    if not isinstance(node, Task) or type(node.func) is not Isolated:
        return None
    if not is_identity(node.func.func) or type(node.args[0]) in CONTAINERS:
        return None  # a container is made here, and of what is private
    return node.args[0]
