"""What agents that search for a model ask a scheduler for, graph after graph.

A trace is what `benchmarks/retention.py` replays: tasks with the seconds and bytes that
they take, and graphs of them. One was recorded (``agent_search.json``, from the
programs of ``examples/agent_search.py``), others are drawn:

    python benchmarks/traces.py --record 150 --rows 20000   # records it anew
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Node", "Trace", "Work", "recorded", "tree_search"]

HERE = Path(__file__).parent
RECORDED = HERE / "agent_search.json"

Work = Any
"""What stands for the fingerprint of a task."""


class Node(NamedTuple):
    """A task: what it takes, and what it is made of."""

    seconds: float
    nbytes: int
    needs: tuple[Work, ...]


class Trace(NamedTuple):
    """Graphs in the order in which they come; of each the works asked for."""

    name: str
    nodes: dict[Work, Node]
    graphs: list[tuple[Work, ...]]

    def contents(self, graph: tuple[Work, ...]) -> list[Work]:
        """All that a graph contains, what a work is made of before it."""
        seen: dict[Work, None] = {}

        def visit(work: Work) -> None:
            if work not in seen:
                for need in self.nodes[work].needs:
                    visit(need)
                seen[work] = None

        for work in graph:
            visit(work)
        return list(seen)


# Seconds and megabytes of the stages of a pipeline, and how many folds it has there.
STAGES = {
    "read": (0.8, 60, 1), "sample": (0.05, 12, 1), "clean": (0.2, 12, 1),
    "join": (0.4, 25, 1), "feature": (1.0, 30, 1), "split": (0.05, 12, 3),
    "impute": (0.1, 12, 3), "encode": (0.2, 16, 3), "scale": (0.1, 16, 3),
    "fit": (3.0, 2, 3), "score": (0.05, 0.0001, 3),
}  # fmt: skip


def tree_search(seed: int, graphs: int = 300, agents: int = 4) -> Trace:
    """Agents that change one stage of something that worked, at a time.

    They change later stages more often, follow fads (an option that many try for a
    while), go on from what was good lately, and start anew now and then.
    """
    dice = random.Random(seed)
    names = list(STAGES)
    nodes: dict[Work, Node] = {}
    factor: dict[tuple[str, int], tuple[float, float]] = {}
    start = (0,) * len(names)
    boards: list[list[tuple[float, tuple[int, ...]]]] = [
        [(0.5, start)] for _ in range(agents)
    ]
    fads = dict.fromkeys(names, 0)
    found = []
    for i in range(graphs):
        board = boards[i % agents]
        if i % 20 == 0:
            fads[dice.choice(names[2:])] = dice.randrange(8)
        if dice.random() < 0.04:
            options = tuple(dice.randrange(3) for _ in names)
        else:
            lately = sorted(board[-20:])[-5:]
            options = dice.choice(lately)[1]
        at = dice.choices(range(1, len(names)), range(1, len(names)))[0]
        stage = names[at]
        new = fads[stage] if dice.random() < 0.4 else dice.randrange(8)
        options = (*options[:at], new, *options[at + 1 :])
        board.append((dice.random(), options))
        found.append(_pipeline(nodes, factor, options, dice))
    return Trace(f"tree search, seed {seed}", nodes, found)


def _pipeline(
    nodes: dict[Work, Node],
    factor: dict[tuple[str, int], tuple[float, float]],
    options: tuple[int, ...],
    dice: random.Random,
) -> tuple[Work, ...]:
    before: list[Work] = []
    for at, (stage, (seconds, megabytes, folds)) in enumerate(STAGES.items()):
        slower, larger = factor.setdefault(
            (stage, options[at]),
            (dice.lognormvariate(0, 0.7), dice.lognormvariate(0, 0.4)),
        )
        works: list[Work] = []
        for fold in range(folds):
            work = (*options[: at + 1], fold)
            works.append(work)
            needs = () if not before else (before[fold if len(before) > 1 else 0],)
            node = Node(seconds * slower, int(megabytes * larger * 1e6) + 50, needs)
            nodes.setdefault(work, node)
        before = works
    end = ("mean", *options)
    nodes.setdefault(end, Node(0.001, 50, tuple(before)))
    return (end,)


def recorded(path: Path = RECORDED) -> Trace:
    """The trace that was recorded."""
    plain = json.loads(path.read_text())
    nodes = {
        i: Node(seconds, nbytes, tuple(needs))
        for i, (_, seconds, nbytes, needs) in enumerate(plain["tasks"])
    }
    return Trace("agent_search, recorded", nodes, [tuple(g) for g in plain["graphs"]])


def record(count: int, rows: int, path: Path) -> None:
    """Run the agents' programs, one process, one thread, and write down what it took."""
    sys.path.insert(0, str(HERE.parent / "examples"))
    import agent_search
    import agents
    import dask
    from agent_hand import write
    from dask.base import collections_to_expr
    from dask.core import flatten
    from dask.sizeof import sizeof
    from dask.utils import funcname

    from stratum_dask.graph import as_graph
    from stratum_dask.optimizations import Submission

    options = agent_search.parse(["--rows", str(rows), "--output", "/tmp"])
    every = max(1, agent_search.FLIGHTS // rows)
    tasks: list[list[Any]] = []
    known: dict[bytes, int] = {}
    results: dict[int, Any] = {}
    graphs = []
    for agent in agents.recruit(count, seed=0):
        built = agents.load(agent.name, write(agent, 0))(options.data, every)
        expr = collections_to_expr([built]).optimize()
        graph = as_graph(expr.__dask_graph__())
        outputs = list(flatten(expr.__dask_keys__()))
        submission = Submission(graph, frozenset(outputs))
        index: dict[Any, int] = {}
        below = {key: node.dependencies for key, node in graph.items()}
        for key in dask.core.toposort(graph, dependencies=below):
            fingerprint = submission.fingerprints[key]
            at = known.setdefault(fingerprint, len(tasks))
            index[key] = at
            if at == len(tasks):
                node = graph[key]
                needs = {d: results[index[d]] for d in node.dependencies}
                start = time.process_time()
                results[at] = node(needs)
                spent = round(time.process_time() - start, 6)
                name = funcname(node.func) if hasattr(node, "func") else "data"
                made_of = sorted({index[d] for d in node.dependencies})
                tasks.append([name, spent, int(sizeof(results[at])), made_of])
        graphs.append([index[key] for key in outputs])
        print(f"{agent.name}: {len(tasks)} unique tasks so far", flush=True)
    lines = ",\n".join(json.dumps(task) for task in tasks)
    path.write_text(f'{{"tasks": [\n{lines}\n], "graphs": {json.dumps(graphs)}}}\n')


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=int, metavar="N", required=True)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--output", type=Path, default=RECORDED)
    given = parser.parse_args()
    record(given.record, given.rows, given.output)
