"""The door: candidates go in at any time, results come out as they finish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from stratum_dask.search import candidate as states
from stratum_dask.search import options
from stratum_dask.search.asked import as_collection
from stratum_dask.search.board import Board
from stratum_dask.search.candidate import Candidate, Cost
from stratum_dask.search.errors import OverBudget, SearchError
from stratum_dask.search.ownkeys import own_keys
from stratum_dask.search.places import INLINE, resolve
from stratum_dask.search.plan import Plan
from stratum_dask.search.scores import score_of

__all__ = ["Search"]


class Search(Board):
    """One door for the candidates of a search, whoever hands them in, and when.

    A candidate is a Dask collection (or a list or dict of some), an estimator with
    its data, a skrub DataOp, or a callable. `add` never waits. Candidates that come
    within ``window`` seconds go as one graph; work that is equal in several runs
    once, also when they come later. A candidate that fails, hangs, eats memory or
    returns nonsense is reported, and costs nobody else more than its own time.

    Parameters
    ----------
    scheduler
        "threads", "processes" or "sync" for a scheduler of the search's own, the
        address of a scheduler, a distributed ``Client``, or a cluster. By default
        the current client, else what Dask is configured to use, else threads.
    workers
        Number of threads or processes of a scheduler of its own.
    window
        Seconds to wait for more candidates before a graph is sent.
    timeout
        Seconds that the tasks of one candidate may run, of its own or shared,
        waiting not counted (also "30s"). None for no limit. `add` can override it.
    memory_limit
        Bytes by which a process may grow while a task of the candidate runs in it
        (also "2 GiB"). None for no limit. `add` can override it.
    seconds, candidates
        Budget of the whole search.
    in_flight
        How many candidates may be under way at a time. None for no limit.
    order
        ``order(candidate)`` gives a number each time something is sent; the highest
        goes first. By default the ``priority`` of `add`.
    score
        ``score(value)`` gives the score of a result. By default `score_of` finds it.
    greater_is_better
        Whether the best score is the highest.
    progress
        Whether to show a progress bar.

    Attributes
    ----------
    candidates
        Everything that was handed in, in that order.

    Examples
    --------
    >>> import stratum_dask
    >>> def load():
    ...     return list(range(10))
    >>> def fit(data, weight):
    ...     return sum(data) * weight
    >>> import dask
    >>> with stratum_dask.Search(scheduler="sync") as search:
    ...     for weight in (1, 2, 0):
    ...         data = dask.delayed(load)()  # each agent loads for itself
    ...         _ = search.add(dask.delayed(fit)(data, weight), name=f"w{weight}")
    ...     _ = search.add(lambda: 1 / 0, name="broken")
    >>> search.best.name, search.best.value
    ('w2', 90)
    >>> search["broken"]
    <Candidate 'broken': failed, in lambda>
    >>> sum(candidate.cost.ran for candidate in search.candidates[:3])  # loaded once
    4
    """

    def __init__(
        self,
        scheduler: Any = None,
        *,
        workers: int | None = None,
        window: float = 0.05,
        timeout: float | str | None = None,
        memory_limit: int | str | None = None,
        seconds: float | str | None = None,
        candidates: int | None = None,
        in_flight: int | None = None,
        order: Callable[[Candidate], float] | None = None,
        score: Callable[[Any], float] | None = None,
        greater_is_better: bool = True,
        progress: bool = False,
    ) -> None:
        super().__init__(greater_is_better, self._pull)
        self._place = resolve(scheduler)
        self._workers = options.positive("workers", workers)
        self._timeout = options.seconds("timeout", timeout)
        self._memory_limit = options.nbytes("memory_limit", memory_limit)
        self._seconds = options.seconds("seconds", seconds)
        self._most = options.positive("candidates", candidates)
        self._score = score
        self._plan = Plan(
            options.seconds("window", window) or 0.0,
            options.positive("in_flight", in_flight),
            order,
        )
        self._driver: Any = None
        self._closed = False
        self._bar: Any = None
        if progress:
            from stratum_dask.search.progress import Bar

            self._bar = Bar(lambda: self.best)

    # -- going in ----------------------------------------------------------

    def add(
        self,
        what: Any,
        /,
        *args: Any,
        name: str | None = None,
        priority: float = 0,
        timeout: float | str | None = None,
        memory_limit: int | str | None = None,
        **kwargs: Any,
    ) -> Candidate:
        """Hand in a candidate; never waits for anything to run.

        Parameters
        ----------
        what
            A Dask collection, a list or dict of some, an estimator (evaluated by
            ``cross_val_score(what, *args, **kwargs)``), a skrub DataOp, a callable.
        *args, **kwargs
            For what is called, or the data of an estimator.
        name
            For people, and for ``search[name]``; has to be new.
        priority
            Higher goes first; also Dask's priority of the tasks.
        timeout, memory_limit
            Of this candidate, if not those of the search.

        Returns
        -------
        Candidate
            With ``result()``, ``cancel()``, ``add_done_callback()``; awaitable.

        Raises
        ------
        SearchError
            What was handed in is no candidate, or the search is closed.
        """
        collection, kind = as_collection(what, args, kwargs)
        limit = options.seconds("timeout", timeout)
        memory = options.nbytes("memory_limit", memory_limit)
        with self._lock:
            if self._closed:
                raise SearchError("the search is closed: start another one")
            number = len(self.candidates)
            name = f"{kind}-{number}" if name is None else str(name)
            if name in self._names:
                raise SearchError(
                    f"there is a candidate called {name!r} already: leave name= out, "
                    "or give each a name of its own"
                )
            driver = self._start()
            candidate = Candidate(
                number,
                name,
                priority,
                self._timeout if limit is None else limit,
                self._memory_limit if memory is None else memory,
                drop=lambda each: driver.put("drop", each),
                pull=driver.pull if self._place == INLINE else None,
            )
            self.candidates.append(candidate)
            self._names[name] = candidate
            self._plan.collections[candidate] = own_keys(collection)
        self._stream.added()
        if self._bar is not None:
            self._bar.added()
        if self._most is not None and number >= self._most:
            error = OverBudget(f"the search takes {self._most} candidates")
            self._finish(candidate, states.OVER_BUDGET, None, error, None)
        else:
            driver.put("add", candidate)
        return candidate

    def _start(self) -> Any:
        if self._driver is None:
            if self._place == INLINE:
                from stratum_dask.search.inline import InlineDriver

                self._driver = InlineDriver(self._plan, self._finish, self._seconds)
            else:
                from stratum_dask.search.cluster import ClusterEngine
                from stratum_dask.search.driver import Driver

                def start(ended: Any) -> ClusterEngine:
                    return ClusterEngine(self._place, self._workers, ended)

                self._driver = Driver(self._plan, start, self._finish, self._seconds)
        return self._driver

    # -- coming out --------------------------------------------------------

    def _finish(
        self,
        candidate: Candidate,
        status: str,
        value: Any,
        error: BaseException | None,
        cost: Cost | None,
    ) -> None:
        if candidate.done():
            return
        score = None
        if error is None:
            try:
                found = (self._score or score_of)(value)
                score = None if found is None else float(found)
            except Exception as e:  # noqa: BLE001 the user's
                candidate.step = "score"
                status, value, error = states.FAILED, None, e
        candidate.end(status, value, error, score, cost)
        if self._bar is not None:
            self._bar.ended(candidate)
        self._stream.ended(candidate)

    def _pull(self, asked: Any) -> None:
        if self._place == INLINE and self._driver is not None:
            self._driver.pull(asked)

    # -- the end -----------------------------------------------------------

    def close(self, wait: bool = True) -> None:
        """Take no more candidates, and end the search's own threads and processes.

        Parameters
        ----------
        wait
            Let the candidates end that were handed in. Otherwise they are cancelled.
        """
        with self._lock:
            self._closed = True
            driver = self._driver
        try:
            if driver is not None:
                driver.close(wait)
        except BaseException:  # Ctrl-C while waiting
            driver.close(False)
            raise
        finally:
            if self._bar is not None:
                self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(wait=error is None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close, error is None)

    def __repr__(self) -> str:
        ended = sum(each.done() for each in self.candidates)
        best = self.best
        tail = "" if best is None else f", best {best.name!r} with {best.score:.6g}"
        return f"<Search: {ended} of {len(self)} candidates have ended{tail}>"
