"""One graph on its way through the optimizer, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from stratum_dask.graph import Graph, Key
from stratum_dask.optimizations.fingerprint.mounts import Elsewhere
from stratum_dask.optimizations.fingerprint.order import LARGE
from stratum_dask.optimizations.fingerprint.tasks import TaskFingerprints
from stratum_dask.optimizations.fingerprint.values import Encoder
from stratum_dask.optimizations.looking import Looker
from stratum_dask.optimizations.purity import Declared, Judge
from stratum_dask.optimizations.stored import Offer
from stratum_dask.optimizations.verdict import Verdict

__all__ = ["Submission"]


@dataclass
class Submission:
    """A graph, what is asked of it, and what the rules found out.

    Parameters
    ----------
    tasks
        The graph. A rule never edits it in place: it returns another one.
    outputs
        The keys that were asked for. They are there in every graph a rule
        returns, or have an entry in ``replaced``.
    by_reference
        Results reach the user as the very objects that tasks worked on (threads
        in this process), so a write is seen by whoever holds the object.
    renames_outputs
        The seam can hand out the result of another key in place of an output,
        so an output that is a duplicate needs no task.
    live
        Fingerprint -> key of a result that exists, or is being computed, outside
        this graph and may be used in it.
    external
        Fingerprint of a key that is not in the graph, where it is known.
    salt
        What sets a task apart besides what it computes: its hard restrictions.
    stored
        Fingerprint -> how to get the result from elsewhere, where that is possible.
    beyond
        How to make again what is not in the graph: key -> task, down to the leaves.
    only_here
        Keys outside the graph that cannot be made again.
    lent
        Whether others than this submission look, or will look, at the result of a
        key (an output, or a key outside the graph), so that nobody may write into
        it.
    refused
        Why no task of this graph may be merged, where the user has said so.
    apart
        Keys of tasks that must stay their pipeline's own.
    said
        Role of a task by its annotation, see `TaskFingerprints`.
    declared
        What the user declared of functions, if not what the configuration says.
    elsewhere
        Where the tasks run, and read their files.
    algorithm
        The hash, see ``stratum.fingerprint`` in the configuration.

    Attributes
    ----------
    fingerprints
        Key -> fingerprint, for every key of the graph and those it refers to.
    unique
        Whether no two tasks of the graph as it came are equal as a whole.
    loaded
        Key whose result comes from elsewhere -> its fingerprint.
    remade
        The graph that computes what is ``loaded``, should it not come.
    replaced
        Key that is computed no more -> key that has its result.
    named
        Output that was only another name of a result -> key of the task it is of.
    copies
        Key that is a private copy of an equal result -> key it is copied from.
    handed_out
        Output -> key of the private copy that the user gets for it.
    held
        Key whose result may hold shared ones, or parts of them, as they are -> which.
    unmerged
        The graph before the merge.
    isolated
        Consumer -> keys of which it gets private handles.
    watched
        Isolated tasks that are watched for a write which another one reads later.
    lookers
        Consumers of shared results that are known only to look at them.
    split
        Key of a task that was cut out of a fused one -> key of that one.
    verdicts
        Key -> why it may not be merged, or not for longer than this submission.
    """

    tasks: Graph
    outputs: frozenset[Key]
    by_reference: bool = False
    renames_outputs: bool = False
    live: Mapping[bytes, Key] = field(default_factory=dict)
    stored: Mapping[bytes, Offer] = field(default_factory=dict)
    beyond: Graph = field(default_factory=dict)
    only_here: frozenset[Key] = frozenset()
    external: Callable[[Key], bytes | None] | None = None
    salt: Callable[[Key], bytes | None] | None = None
    lent: Callable[[Key], bool] | None = None
    refused: Verdict | None = None
    apart: frozenset[Key] = frozenset()
    said: Callable[[Key], str | None] | None = None
    declared: Declared | None = None
    elsewhere: Elsewhere = Elsewhere.NO
    algorithm: str = "xxh3_128"

    original: Graph = field(init=False)
    encoder: TaskFingerprints = field(init=False)
    fingerprints: dict[Key, bytes] = field(init=False)
    unique: bool = field(init=False)
    loaded: dict[Key, bytes] = field(default_factory=dict)
    remade: Graph = field(default_factory=dict)
    replaced: dict[Key, Key] = field(default_factory=dict)
    named: dict[Key, Key] = field(default_factory=dict)
    copies: dict[Key, Key] = field(default_factory=dict)
    handed_out: dict[Key, Key] = field(default_factory=dict)
    held: dict[Key, set[Key]] = field(default_factory=dict)
    unmerged: Graph = field(default_factory=dict)
    isolated: dict[Key, frozenset[Key]] = field(default_factory=dict)
    watched: set[Key] = field(default_factory=set)
    lookers: set[Key] = field(default_factory=set)
    split: dict[Key, Key] = field(default_factory=dict)
    looker: Looker = field(default_factory=Looker, init=False)
    _inside: dict[Key, dict[Key, bytes]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.original = self.tasks
        self.encoder = TaskFingerprints(
            Encoder(self.algorithm),
            Judge(self.declared),
            nonce=os.urandom(16),
            external=self.external,
            salt=self.salt,
            refused=self.refused,
            apart=self.apart,
            said=self.said,
            elsewhere=self.elsewhere,
        )
        self.fingerprints = works = self.encoder.graph(self.tasks)
        self.unique = len(set(works.values())) == len(works)
        if len(self.tasks) >= LARGE and not self.unique:
            # There is more to do: in the order in which this was quick.
            graph = self.tasks
            self.original = {key: graph[key] for key in works if key in graph}
            self.tasks = self.original

    def home(self, output: Key) -> Key:
        """The key of the rewritten graph that has the result of ``output``."""
        key = self.named.get(output, output)
        return self.replaced.get(key, key)

    def names(self) -> dict[Key, Key]:
        """Key that is not there any more, or may not be handed out -> key that is."""
        found = {**self.replaced, **self.handed_out}
        found.update((k, found.get(root, root)) for k, root in self.named.items())
        return found

    def inside(self) -> dict[Key, dict[Key, bytes]]:
        """Fingerprints inside fused tasks, one of each that are equal as a whole."""
        if self._inside is None and not self.encoder.fused:
            self._inside = {}
        elif self._inside is None:
            first: dict[bytes, Key] = {}
            # In the order of the merge: it is the one that will stay.
            asked = [key for key in self.original if key in self.outputs]
            for key in (*asked, *self.original):
                if key in self.encoder.fused:
                    first.setdefault(self.fingerprints[key], key)
            inner, graph = self.encoder.inner, self.original
            self._inside = {
                key: known
                for key in first.values()
                if (known := inner(key, graph[key], self.fingerprints))
            }
        return self._inside

    def set_apart(self, keys: Iterable[Key]) -> None:
        """Let ``keys`` equal nothing any more, nor what is made of them."""
        self.apart = self.encoder.apart = self.apart | frozenset(keys)
        self.fingerprints.update(self.encoder.graph(self.tasks))
        self._inside = None

    @property
    def verdicts(self) -> dict[Key, Verdict]:
        return self.encoder.verdicts
