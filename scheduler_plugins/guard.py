"""Who may write into whose result, and how to see to it that nobody does.

A result that others are given, now or later, must be what its function returned. It
is not where a task that may write has its very object, or that of a result which it
may be a part of: a function may return what it was given, or a view of it.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from stratum_dask.graph import Key, Task, called, with_func
from stratum_dask.optimizations.isolate import places
from stratum_dask.optimizations.private import Isolated, Own
from stratum_dask.optimizations.wrapping import Wrapper
from stratum_dask.scheduler_plugins.registry import Registry

if TYPE_CHECKING:
    from distributed.scheduler import TaskState

__all__ = ["Guard", "copyable", "is_atom"]

_LIBRARIES = frozenset({"numpy", "pandas", "pyarrow", "scipy", "sklearn"})
_CONTAINERS = frozenset(["tuple", "list", "dict", "set", "frozenset"])
_ATOMS = frozenset(
    ["NoneType", "bool", "int", "float", "complex", "str", "bytes"]
    + [f"numpy.{kind}{n}" for kind in ("int", "uint") for n in (8, 16, 32, 64)]
    + ["numpy.float16", "numpy.float32", "numpy.float64", "numpy.bool"]
)
# States of a task that no worker has got yet.
_NOT_SENT = ("released", "waiting", "queued", "no-worker")
_WAITING = ("waiting", "queued", "no-worker")
_FARTHEST = 1000


def is_atom(ts: TaskState) -> bool:
    """Whether nobody can write into a result, whoever has it."""
    return ts.type in _ATOMS


def copyable(ts: TaskState) -> bool:
    """Whether a result is of a kind that can always be copied."""
    kind = ts.type or ""
    library, dot, _ = kind.partition(".")
    return library in _LIBRARIES if dot else kind in _CONTAINERS or kind in _ATOMS


class Guard:
    """Knows which results are as their functions returned them, and keeps them so.

    Parameters
    ----------
    registry
        Who has which object.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def sent(self, ts: TaskState) -> None:
        """Remember that ``ts`` gets the very objects it depends on."""
        registry = self._registry
        if not ts.dependencies or ts.key in registry.harmless:
            return
        known, harmless = registry.fingerprints, registry.harmless
        stack = [ts]
        while stack:
            user = stack.pop()
            copied = registry.private.get(user.key, ())
            for dependency in user.dependencies:
                key = dependency.key
                if dependency.type in _ATOMS or key in copied:
                    continue
                if key in known:
                    registry.expose(key, user.key)
                if key in harmless:  # but may have handed on what it got
                    stack.append(dependency)

    def isolate(self, ts: TaskState, keys: Collection[Key]) -> bool:
        """Let ``ts``, which was not sent yet, get private copies of ``keys``."""
        if not isinstance(ts.run_spec, Task):
            return False
        spec = called(ts.key, ts.run_spec)
        func: Callable[..., Any] = spec.func
        where = places(spec, set(keys), {})
        looks = self._registry.functions.looks(ts.run_spec)
        if not where:
            return False
        if isinstance(func, Isolated):  # one act of copying: what is one stays one
            if func.cow:
                return False
            where = tuple(dict.fromkeys((*func.which, *where)))
            looks, func = func.looks, func.func
        ts.run_spec = with_func(spec, Isolated(func, where, looks=looks))
        private = self._registry.private
        private[ts.key] = private.get(ts.key, frozenset()) | frozenset(keys)
        return True

    def let_own(self, ts: TaskState, limit: int) -> None:
        """Let the result of ``ts``, which was not sent yet, be an object of its own."""
        spec = ts.run_spec
        if type(spec) is not Task or isinstance(spec.func, Wrapper):
            return
        if not inspect.iscoroutinefunction(spec.func):
            ts.run_spec = with_func(spec, Own(spec.func, limit))
            # what Dask measures may differ a little from what the worker does
            self._registry.own[ts.key] = limit // 2

    def is_intact(self, ts: TaskState, known: dict[Key, bool] | None = None) -> bool:
        """Whether a result is still what its function returned.

        Parameters
        ----------
        known
            Carries over from one call to the next while nothing happens in between.
        """
        if is_atom(ts):
            return True
        if ts.key in self._registry.exposed:
            return False
        return self._is_its_own({} if known is None else known, ts)

    def keep_intact(self, ts: TaskState, known: dict[Key, bool] | None = None) -> bool:
        """See to it that a result stays what its function returned, if it still is.

        Isolates those who would get it, or what it may be a part of, and were not
        sent yet; later ones are isolated because its key is shared from here on.
        """
        if is_atom(ts):
            return True
        if ts.key in self._registry.exposed:
            return False
        if not self._is_its_own({} if known is None else known, ts):
            # Somebody has what it is made of, but a copy of that will do.
            keys = [d.key for d in self._held_by(ts)]
            if ts.state not in _WAITING or not self.isolate(ts, keys):
                return False
        held = list(itertools.islice(self._may_hold(ts), _FARTHEST))
        if len(held) == _FARTHEST:
            return False  # to look at all of it would take too long
        pairs = [(user, ts) for user in self._writers(ts)]
        for user, dependency in held:
            others = (u for u in self._writers(dependency) if u is not user)
            pairs += [(other, dependency) for other in others]
        if any(user.state not in _NOT_SENT for user, _ in pairs):
            return False  # one may be writing already
        if not all(self.isolate(user, {of.key}) for user, of in pairs):
            return False
        self._registry.shared.add(ts.key)
        self._registry.shared.update(dependency.key for _, dependency in held)
        return True

    def is_unseen(self, ts: TaskState) -> bool:
        """Whether nobody can count on seeing what ``ts`` writes into its inputs.

        In plain Dask a task that comes after it and gets the same object does, where
        one worker runs both, and so does a client that asks for it later.
        """
        others: set[TaskState] = set()
        for i, (user, dependency) in enumerate(self._may_hold(ts)):
            if i == _FARTHEST or dependency.who_wants:
                return False
            others |= dependency.dependents - {user}
        seen = {ts}
        stack = [ts]
        while stack and others:
            for later in stack.pop().dependents:
                if later in others or len(seen) == _FARTHEST:
                    return False
                if later not in seen:
                    seen.add(later)
                    stack.append(later)
        return True

    def _is_its_own(self, known: dict[Key, bool], ts: TaskState) -> bool:
        """Whether nobody else has an object that the result may be a part of."""
        beyond = self._registry.exposed_beyond
        stack = [ts]
        while stack:
            user = stack[-1]
            if user.key in known:
                stack.pop()
                continue
            held = self._held_by(user)
            if any(known.get(d.key) is False or beyond(d.key, user.key) for d in held):
                known[user.key] = False
            elif missing := [d for d in held if d.key not in known]:
                stack += missing
            else:
                known[user.key] = True
        return known[ts.key]

    def _held_by(self, ts: TaskState) -> list[TaskState]:
        """The tasks whose very objects may be in the result of another."""
        most = self._registry.own.get(ts.key, 0)
        if ts.state == "memory" and ts.nbytes < most:
            return []
        copied = self._registry.copied_for(ts.key)
        return [d for d in ts.dependencies if d.key not in copied and not is_atom(d)]

    def _may_hold(self, ts: TaskState) -> Iterator[tuple[TaskState, TaskState]]:
        """Pairs of tasks: the result of the first may be a part of the second's.

        All that lead from ``ts`` to what it may be a part of, as far as that is there.
        """
        seen = {ts.key}
        stack = [ts]
        while stack:
            user = stack.pop()
            for dependency in self._held_by(user):
                if dependency.state == "released" and user.state == "memory":
                    continue  # if it comes back it is another object
                yield user, dependency
                if dependency.key not in seen:
                    seen.add(dependency.key)
                    stack.append(dependency)

    def _writers(self, ts: TaskState) -> list[TaskState]:
        """The tasks that get the object of ``ts`` and may write into it."""
        registry = self._registry
        return [
            user
            for user in ts.dependents
            if user.key not in registry.harmless
            and ts.key not in registry.copied_for(user.key)
        ]
