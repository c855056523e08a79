"""Which results to keep: replay searches under several policies and budgets.

    python benchmarks/retention.py            # about two minutes
    python benchmarks/retention.py --quick

For each trace (see ``traces.py``) and budget (part of the bytes of all its tasks) it
prints how many of the seconds that could be saved each policy saves. What could be
saved is what keeping everything saves: each task runs once. ``bound`` is more than any
policy can save, even one that knows the future: the optimum of a linear program in
which parts of results may be kept (the relaxation of the exact problem, in which each
result is kept whole or not at all).

The policy that is shipped is ``stratum``, and is run by the code that is shipped.
"""

from __future__ import annotations

import argparse
import platform
import statistics
from collections import Counter
from collections.abc import Callable, Iterable

import traces
from traces import Trace, Work

from stratum_dask.scheduler_plugins.retention.policy import History, Policy

BUDGETS = (0.05, 0.10, 0.25, 0.50)


class Cache:
    """Keeps results of a trace within a budget; a policy says which go first."""

    def __init__(self, trace: Trace, budget: float) -> None:
        self.trace = trace
        self.budget = budget
        self.kept: set[Work] = set()
        self.bytes = 0
        self.begin()

    def replay(self) -> float:
        """Seconds that are run for the whole trace."""
        return sum(map(self._graph, self.trace.graphs))

    def _graph(self, graph: tuple[Work, ...]) -> float:
        nodes = self.trace.nodes
        contents = self.trace.contents(graph)
        self.seen(contents)
        run: set[Work] = set()
        used: set[Work] = set()
        stack = list(graph)
        while stack:
            work = stack.pop()
            if work in self.kept:
                used.add(work)
            elif work not in run:
                run.add(work)
                stack.extend(nodes[work].needs)
        for work in used:
            self.used(work)
        for work in contents:
            if work in run:
                self._add(work)
        self._shrink()
        return sum(nodes[work].seconds for work in run)

    def _add(self, work: Work) -> None:
        self.kept.add(work)
        self.bytes += self.trace.nodes[work].nbytes
        self.made(work)

    def _shrink(self) -> None:
        while self.bytes > self.budget:
            scores = {work: self.score(work) for work in self.kept}
            for work in sorted(scores, key=scores.__getitem__):
                if self.bytes <= self.budget:
                    break
                now = self.score(work)
                if now > scores[work] * 1.000001:
                    continue  # what it is made of has gone: look at it again
                self.kept.remove(work)
                self.bytes -= self.trace.nodes[work].nbytes
                self.gone(now)

    def rebuild(
        self, work: Work, stays: Callable[[Work], bool] = lambda need: True
    ) -> float:
        """Seconds to compute a result again, with what is not kept, or will not be."""
        nodes, seen, total = self.trace.nodes, {work}, 0.0
        stack = [work]
        while stack:
            node = nodes[stack.pop()]
            total += node.seconds
            for need in node.needs:
                if need not in seen and not (need in self.kept and stays(need)):
                    seen.add(need)
                    stack.append(need)
        return total

    # -- what a policy says

    def begin(self) -> None: ...

    def seen(self, contents: Iterable[Work]) -> None: ...

    def made(self, work: Work) -> None: ...

    def used(self, work: Work) -> None: ...

    def gone(self, score: float) -> None: ...

    def score(self, work: Work) -> float:
        raise NotImplementedError


class Lru(Cache):
    def begin(self) -> None:
        self.clock = 0
        self.at: dict[Work, int] = {}

    def made(self, work: Work) -> None:
        self.clock += 1
        self.at[work] = self.clock

    used = made

    def score(self, work: Work) -> float:
        return self.at[work]


class Lfu(Cache):
    """How often it was made or used; of equals the one made first goes."""

    def begin(self) -> None:
        self.count: Counter[Work] = Counter()

    def made(self, work: Work) -> None:
        self.count[work] += 1

    used = made

    def score(self, work: Work) -> float:
        return self.count[work]


class OwnTime(Cache):
    """GreedyDual-Size with the task's own seconds: near to cachey and LIMA."""

    def begin(self) -> None:
        self.floor = 0.0
        self.at: dict[Work, float] = {}
        self.count: Counter[Work] = Counter()

    def made(self, work: Work) -> None:
        self.count[work] += 1
        self.at[work] = self.floor

    used = made

    def gone(self, score: float) -> None:
        self.floor = max(self.floor, score)

    def cost(self, work: Work) -> float:
        return self.trace.nodes[work].seconds

    def reuse(self, work: Work) -> float:
        return self.count[work]

    def score(self, work: Work) -> float:
        size = self.trace.nodes[work].nbytes + 4096
        return self.at[work] + self.cost(work) * self.reuse(work) / size


class Hits(OwnTime):
    """As shipped, but reuse is what was made or used, and not what graphs contained."""

    def cost(self, work: Work) -> float:
        return self.rebuild(work)


class NoReuse(Hits):
    """As shipped, but all are as likely to be used again: GreedyDual-Size."""

    def reuse(self, work: Work) -> float:
        return 1


class NoFloor(Hits):
    """As shipped, but nothing ages: Helix and Collab, with reuse."""

    def gone(self, score: float) -> None: ...


class Stratum(Cache):
    """The shipped policy."""

    half_life = 100.0

    def begin(self) -> None:
        self.policy = Policy()
        self.policy.history = History(half_life=self.half_life)
        self.floors: dict[Work, float] = {}
        self.last: dict[Work, float] = {}

    def seen(self, contents: Iterable[Work]) -> None:
        self.policy.history.graph(contents)

    def made(self, work: Work) -> None:
        self.policy.history.add(work)
        self.used(work)

        self.last[work] = 0.0

    def used(self, work: Work) -> None:
        self.floors[work] = self.policy.floor

    def gone(self, score: float) -> None:
        self.policy.let_go(score)

    def score(self, work: Work) -> float:
        self.last[work] = self.policy.score(
            work,
            self.floors[work],
            self.trace.nodes[work].nbytes,
            lambda score: self.rebuild(work, lambda need: self.last[need] > score),
        )
        return self.last[work]


POLICIES: dict[str, Callable[[Trace, float], Cache]] = {
    "LRU": Lru,
    "LFU": Lfu,
    "own time": OwnTime,
    "no reuse": NoReuse,
    "hits only": Hits,
    "no ageing": NoFloor,
    "stratum": Stratum,
}


def bound(trace: Trace, budget: float) -> float:
    """Fewer seconds than any policy can run the trace in.

    For each work in each graph that contains it: which part of it is run, and which
    part of it is kept until the next graph that contains it.
    """
    import numpy as np
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    contents = [trace.contents(graph) for graph in trace.graphs]
    columns: list[tuple[int, Work]] = [
        (i, work) for i, works in enumerate(contents) for work in works
    ]
    run = {column: n for n, column in enumerate(columns)}
    keep = {column: n + len(columns) for n, column in enumerate(columns)}
    before: dict[tuple[int, Work], int] = {}
    last: dict[Work, int] = {}
    for i, work in columns:
        if work in last:
            before[i, work] = last[work]
        last[work] = i
    until = {(b, work): i for (i, work), b in before.items()}
    rows: list[int] = []
    cols: list[int] = []
    values: list[float] = []
    limits: list[float] = []

    def at_most(terms: list[tuple[int, float]], limit: float) -> None:
        for column, value in terms:
            rows.append(len(limits))
            cols.append(column)
            values.append(value)
        limits.append(limit)

    def there(i: int, work: Work, sign: float) -> list[tuple[int, float]]:
        terms = [(run[i, work], sign)]
        if (i, work) in before:
            terms.append((keep[before[i, work], work], sign))
        return terms

    for i, graph in enumerate(trace.graphs):
        for work in graph:
            at_most(there(i, work, -1.0), -1.0)
        for work in contents[i]:
            # what is kept from here on is run here or was kept until here
            at_most([(keep[i, work], 1.0), *there(i, work, -1.0)], 0.0)
            for need in trace.nodes[work].needs:
                at_most([(run[i, work], 1.0), *there(i, need, -1.0)], 0.0)
        if i + 1 < len(trace.graphs):
            across = [
                (keep[b, work], trace.nodes[work].nbytes / budget)
                for (b, work), end in until.items()
                if b <= i < end
            ]
            if across:
                at_most(across, 1.0)
    cost = np.zeros(2 * len(columns))
    for (_, work), n in run.items():
        cost[n] = trace.nodes[work].seconds
    upper = np.ones(2 * len(columns))
    for column, n in keep.items():
        if column not in until:
            upper[n] = 0.0
    matrix = coo_array((values, (rows, cols)), (len(limits), len(cost))).tocsr()
    found = linprog(
        cost,
        A_ub=matrix,
        b_ub=limits,
        bounds=np.column_stack([np.zeros_like(upper), upper]),
        method="highs",
    )
    if not found.success:
        raise RuntimeError(f"the bound of {trace.name} was not found: {found.message}")
    return float(found.fun)


def replay(trace: Trace, budgets: Iterable[float]) -> dict[str, list[float]]:
    """Policy -> part of what can be saved that it saves, for each budget."""
    nodes = trace.nodes
    contents = [trace.contents(graph) for graph in trace.graphs]
    asked = sum(nodes[work].seconds for works in contents for work in works)
    once = sum(node.seconds for node in nodes.values())
    size = sum(node.nbytes for node in nodes.values())
    print(
        f"\n{trace.name}: {len(trace.graphs)} graphs, {len(nodes):,} unique tasks, "
        f"{size / 1e9:.2f} GB in all; {asked:,.0f} s asked for, {once:,.0f} s if "
        f"everything is kept ({1 - once / asked:.0%} saved)"
    )
    print("  budget   " + "".join(f"{name:>11}" for name in (*POLICIES, "bound")))
    saved: dict[str, list[float]] = {name: [] for name in (*POLICIES, "bound")}
    for part in budgets:
        for name, policy in POLICIES.items():
            spent = policy(trace, part * size).replay()
            saved[name].append((asked - spent) / (asked - once))
        least = bound(trace, part * size)
        saved["bound"].append((asked - least) / (asked - once))
        cells = "".join(f"{saved[name][-1]:>11.1%}" for name in saved)
        print(f"  {part:>6.0%}   {cells}", flush=True)
    return saved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short trace each")
    given = parser.parse_args()
    graphs, seeds = (60, 1) if given.quick else (240, 5)
    print(
        f"Part of the seconds that can be saved; {platform.machine()}, Python "
        f"{platform.python_version()}. Counts, no timings: the same on every machine."
    )
    found = [replay(traces.recorded(), BUDGETS)]
    found += [replay(traces.tree_search(s, graphs), BUDGETS) for s in range(seeds)]
    print("\nmean of all traces")
    print("  budget   " + "".join(f"{name:>11}" for name in found[0]))
    for i, part in enumerate(BUDGETS):
        cells = [statistics.mean(one[name][i] for one in found) for name in found[0]]
        print(f"  {part:>6.0%}   " + "".join(f"{cell:>11.1%}" for cell in cells))


if __name__ == "__main__":
    main()
