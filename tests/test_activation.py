"""Every way of switching on is enough by itself; off is Dask as shipped.

All of it in fresh processes, whose programs know nothing of stratum_dask unless the
way demands it. Runs are counted by Dask: local schedulers tell a callback, a
scheduler tells a plugin.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from textwrap import dedent, indent

import pytest

PROGRAM = """
import json, os, sys, warnings
from concurrent.futures import ThreadPoolExecutor
import dask
from dask.callbacks import Callback

def load(n): return list(range(n))
def add(x): x.append(100); return x
def total(x): return sum(x)

def program():
    x = dask.delayed(load)(5)
    return dask.delayed(total)(x), dask.delayed(total)(dask.delayed(add)(dask.delayed(load)(5)))

def programs():
    return [each for _ in range(3) for each in program()]

def local(**options):
    keys = []
    with Callback(posttask=lambda key, *rest: keys.append(key)):
        found = dask.compute(*programs(), **options)
    assert found == (10, 110) * 3, found
    return len(keys)

def locals_():
    with ThreadPoolExecutor(2) as pool:
        return {
            "threads": local(scheduler="threads"),
            "sync": local(scheduler="sync"),
            "processes": local(scheduler="processes", num_workers=1),
            "executor": local(scheduler=pool),
            "default": local(),
        }

def loads(dask_scheduler):
    return dask_scheduler.plugins["count"].loads

def remote(client):
    from distributed import SchedulerPlugin
    class Count(SchedulerPlugin):
        name, idempotent, loads = "count", True, 0
        def transition(self, key, start, finish, *args, **kwargs):
            self.loads += (start, finish) == ("processing", "memory") and "load" in key
    client.register_plugin(Count())
    before = client.run_on_scheduler(loads)
    found = tuple(client.gather(client.compute(programs())))
    assert found == (10, 110) * 3, found
    return client.run_on_scheduler(loads) - before

def cluster(processes):
    from distributed import Client, LocalCluster
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=processes, dashboard_address=None
    ) as made, Client(made) as client:
        return remote(client)

def ours():
    return sorted(m for m in sys.modules if m.startswith("stratum_dask"))

def tell(**facts):
    print(json.dumps(facts))
"""
MAIN = '\nif __name__ == "__main__":\n'
# Another test run on this machine may have the port of the dashboard.
WARNINGS = "error::UserWarning,ignore:Port:UserWarning"
LOCALS = ("threads", "sync", "processes", "executor", "default")
# Two programs, three times: four kinds of tasks, of 15 in all.
MERGED, PLAIN = dict.fromkeys(LOCALS, 4), dict.fromkeys(LOCALS, 15)


@pytest.fixture
def tell(fresh_python, tmp_path):
    """Run a program in a new process; return what it tells."""

    def run(main, **environment):
        script = tmp_path / "program.py"
        script.write_text(PROGRAM + MAIN + indent(dedent(main), "    "))
        code = f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')"
        done = fresh_python(
            code, check=False, **{"PYTHONWARNINGS": WARNINGS, **environment}
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_off_is_dask_as_shipped(tell):
    said = tell(
        """
        from distributed import Client, LocalCluster, Scheduler
        here = locals_()
        with LocalCluster(
            n_workers=1, processes=False, dashboard_address=None
        ) as made, Client(made) as client:
            handler = made.scheduler.stream_handlers["update-graph"]
            tell(
                here=here,
                there=remote(client),
                handler=handler == made.scheduler.update_graph,
                plugin="stratum" in made.scheduler.plugins,
                preload=dask.config.get("distributed.scheduler.preload"),
                heavy=[m for m in ours() if "optimizations" in m or "plugins" in m],
            )
        """
    )
    assert said == {
        "here": PLAIN,
        "there": 6,
        "handler": True,
        "plugin": False,
        "preload": [],
        "heavy": [],
    }


@pytest.mark.parametrize("way", ["environment", "yaml"])
def test_no_code_local(tell, tmp_path, way):
    assert tell("tell(**locals_())", **switch(way, tmp_path)) == MERGED


@pytest.mark.slow
@pytest.mark.parametrize("way", ["environment", "yaml"])
def test_no_code_cluster(tell, tmp_path, way):
    said = tell(
        "tell(threads=cluster(False), processes=cluster(True))", **switch(way, tmp_path)
    )
    assert said == {"threads": 1, "processes": 1}


def test_a_users_own_preload_stays(tell, tmp_path):
    preload = tmp_path / "mine.py"
    preload.write_text("def dask_setup(scheduler): scheduler.mine = True\n")
    said = tell(
        """
        from distributed import LocalCluster
        with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as made:
            tell(mine=made.scheduler.mine, ours="stratum" in made.scheduler.plugins)
        """,
        DASK_STRATUM__ENABLED="True",
        DASK_DISTRIBUTED__SCHEDULER__PRELOAD=json.dumps([str(preload)]),
    )
    assert said == {"mine": True, "ours": True}


def switch(way, tmp_path):
    if way == "environment":
        return {"DASK_STRATUM__ENABLED": "True"}
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "mine.yaml").write_text("stratum: {enabled: true}\n")
    return {"DASK_CONFIG": str(folder)}


def test_config_set_switches_exactly_there(tell):
    said = tell(
        """
        first = local()
        with dask.config.set({"stratum.enabled": True}):
            inside = local()
            with dask.config.set({"stratum.enabled": False}):
                off = local()
            again = local()
        after = local()
        dask.config.set({"stratum.enabled": True})
        tell(got=[first, inside, off, again, after, local()])
        """
    )
    assert said == {"got": [15, 4, 15, 4, 15, 4]}


def test_own_functions_switch(tell):
    said = tell(
        """
        import stratum_dask
        got = [local()]
        stratum_dask.enable(); stratum_dask.enable(); got.append(local())
        with stratum_dask.enabled(False): got.append(local())
        stratum_dask.disable(); got.append(local())
        with stratum_dask.enabled(): got.append(local())
        got.append(local())
        tell(got=got)
        """
    )
    assert said == {"got": [15, 4, 15, 15, 4, 15]}


def test_own_functions_need_no_entry_point(tell):
    """A Dask that never called our entry point (a zipped or vendored install)."""
    said = tell(
        """
        import stratum_dask, stratum_dask.activation as activation
        import dask.local, dask.threaded, dask.multiprocessing
        from stratum_dask.seams import local as seam
        seam.uninstall()
        activation._registered = False
        plain = local()
        stratum_dask.enable()
        tell(plain=plain, on=local())
        """
    )
    assert said == {"plain": 15, "on": 4}


def test_config_set_on_a_cluster_switches_exactly_there(tell):
    said = tell(
        """
        from distributed import Client, LocalCluster
        with LocalCluster(
            n_workers=1, processes=False, dashboard_address=None
        ) as made, Client(made) as client, Client(made, set_as_default=False) as other:
            got = [remote(client)]
            with dask.config.set({"stratum.enabled": True}):
                got.append(remote(client))
                with dask.config.set({"stratum.enabled": False}):
                    got.append(remote(client))
                got.append(remote(client))
            got.append(remote(client))
            tell(got=got, handlers=hasattr(
                made.scheduler.stream_handlers["update-graph"].__stratum_original__,
                "__stratum_original__",
            ))
        """
    )
    assert said == {"got": [6, 1, 6, 1, 6], "handlers": False}


def test_client_made_while_on_means_off_when_off(tell):
    said = tell(
        """
        import stratum_dask
        from distributed import Client, LocalCluster
        with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as made:
            with stratum_dask.enabled(), Client(made) as client:
                got = [remote(client)]
                with stratum_dask.enabled(False):
                    got.append(remote(client))
                    from distributed import wait
                    x = client.submit(load, 5)
                    tell_ = made.scheduler.tasks
                    wait(x)
                    skipped = made.scheduler.tasks[x.key].annotations
                got.append(remote(client))
        tell(got=got, annotations=skipped or {})
        """
    )
    assert said == {"got": [1, 6, 1], "annotations": {}}


def test_register_plugin_on_a_running_cluster(tell):
    said = tell(
        """
        from distributed import Client, LocalCluster
        with LocalCluster(
            n_workers=1, processes=False, dashboard_address=None
        ) as made, Client(made) as client, Client(made) as other:
            got = [remote(client)]
            from stratum_dask.scheduler_plugins import StratumPlugin
            client.register_plugin(StratumPlugin())
            client.register_plugin(StratumPlugin())
            got.append(remote(client))
            while made.scheduler.tasks:  # else the other client is given what lives
                client.run_on_scheduler(list)
            got.append(remote(other))
            one = made.scheduler.plugins["stratum"]
            other.register_plugin(StratumPlugin())
            same = made.scheduler.plugins["stratum"] is one
            client.unregister_scheduler_plugin("stratum")
            got.append(remote(client))
            client.register_plugin(StratumPlugin())
            got.append(remote(client))
            tell(got=got, same=same)
        """
    )
    assert said == {"got": [6, 1, 1, 6, 1], "same": True}


def test_twice_is_harmless(tell):
    """In the client and the scheduler, by environment, code and plugin."""
    said = tell(
        """
        import stratum_dask
        stratum_dask.enable()
        from distributed import Client, LocalCluster
        from stratum_dask.scheduler_plugins import StratumPlugin
        with LocalCluster(
            n_workers=1, processes=False, dashboard_address=None
        ) as made, Client(made) as client:
            client.register_plugin(StratumPlugin())
            got = [remote(client), local(scheduler="sync")]
            with dask.config.set({"stratum.distributed": "client"}), Client(made) as both:
                got.append(remote(both))
            plugins = [p for p in made.scheduler.plugins if "stratum" in p.lower()]
            tell(got=got, plugins=plugins)
        """,
        DASK_STRATUM__ENABLED="True",
    )
    assert said == {"got": [1, 4, 1], "plugins": ["stratum"]}


def test_unknown_values_are_told_at_compute(tell):
    said = tell(
        """
        from distributed import Client, LocalCluster
        def trouble(**wrong):
            try:
                with dask.config.set(wrong):
                    dask.compute(*programs(), **how)
            except ValueError as e:
                return str(e)
        dask.config.set({"stratum.enabled": True})
        told = []
        def both():
            told.append(trouble(**{"stratum.rules": ["marge", "isolate"]}))
            told.append(trouble(**{"stratum.on-fail": "rais"}))
            told.append(trouble(**{"stratum.enabled": "perhaps"}))
        how = {"scheduler": "sync"}
        both()
        how = {}
        with LocalCluster(
            n_workers=1, processes=False, dashboard_address=None
        ) as made, Client(made) as client:
            both()
            fine = remote(client)
        tell(told=told, fine=fine)
        """
    )
    for rules, on_fail, enabled in (said["told"][:3], said["told"][3:]):
        assert all(name in rules for name in ("marge", "unfuse", "merge", "isolate"))
        assert all(name in on_fail for name in ("rais", "warn", "raise"))
        assert all(name in enabled for name in ("perhaps", "true", "false"))
    assert said["fine"] == 1


def test_missing_seam_is_one_warning_and_plain_dask(fresh_python):
    """A Dask without the function that we wrap."""
    done = fresh_python(
        """
import sys, types, dask
import stratum_dask.seams.local as seam
def install(): raise AttributeError("module 'dask.local' has no 'get_async'")
seam.install = install
import stratum_dask.seams.client as seam
seam.install = install
import dask.threaded, distributed
print(dask.compute(dask.delayed(abs)(-1), dask.delayed(abs)(-1)))
""",
        DASK_STRATUM__ENABLED="True",
        DASK_STRATUM__ON_FAIL="warn",
    )
    assert done.stdout.strip() == "(1, 1)"
    assert done.stderr.count("steps aside") == 1, done.stderr


# -- deployments -----------------------------------------------------------


def until(holds, seconds=30.0):
    """Wait for a state, and no longer than ``seconds``."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "this state never came"
        time.sleep(0.02)
    return found


@contextmanager
def deployed(folder, scheduler=(), scheduler_env=None, worker_env=None):
    """``dask scheduler`` and ``dask worker`` as processes of their own."""
    where = folder / "scheduler.json"
    common = ["--scheduler-file", str(where), "--no-dashboard"]
    commands = [
        (
            ["scheduler", "--host", "127.0.0.1", "--port", "0", *scheduler],
            scheduler_env,
        ),
        (["worker", "--nthreads", "2", "--no-nanny"], worker_env),
    ]
    processes = []
    try:
        for command, environment in commands:
            with open(folder / f"{command[0]}.log", "w") as log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "dask", *command, *common],
                        env={**os.environ, "HOME": str(folder), **(environment or {})},
                        cwd=folder,
                        stdout=log,
                        stderr=log,
                    )
                )
            until(lambda: where.exists() or processes[0].poll() is not None)
            assert processes[0].poll() is None, (folder / "scheduler.log").read_text()
        yield json.loads(where.read_text())["address"]
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def preloaded(tmp_path_factory, without):
    """A scheduler with the plugin; its workers cannot import the package."""
    with deployed(
        tmp_path_factory.mktemp("preloaded"),
        scheduler=["--preload", "stratum_dask.scheduler_plugins"],
        worker_env=without,
    ) as address:
        yield address


@pytest.fixture(scope="module")
def plain(tmp_path_factory, without):
    """A scheduler and a worker that cannot import the package."""
    with deployed(
        tmp_path_factory.mktemp("plain"), scheduler_env=without, worker_env=without
    ) as address:
        yield address


CONNECT = """
from distributed import Client
try:
    import stratum_dask
    importable = True
except ModuleNotFoundError:
    importable = False
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    with Client(os.environ["AT"]) as client:
        got = [remote(client), remote(client)]
said = [str(w.message) for w in caught if "stratum" in str(w.message)]
tell(got=got, importable=importable, said=said)
"""


def test_preloaded_scheduler_serves_clients_that_know_nothing(tell, preloaded, without):
    said = tell(CONNECT, AT=preloaded, **without)
    assert said == {"got": [1, 1], "importable": False, "said": []}


def test_client_and_scheduler_at_once(tell, preloaded):
    said = tell(CONNECT, AT=preloaded, DASK_STRATUM__ENABLED="True")
    assert said == {"got": [1, 1], "importable": True, "said": []}


def test_scheduler_without_the_package_is_one_warning(tell, plain):
    said = tell(CONNECT, AT=plain, DASK_STRATUM__ENABLED="True")
    assert said["got"] == [6, 6]
    (warning,) = said["said"]
    assert "ModuleNotFoundError" in warning
    assert "stratum.distributed: client" in warning


def test_client_only(tell, plain):
    said = tell(
        CONNECT,
        AT=plain,
        DASK_STRATUM__ENABLED="True",
        DASK_STRATUM__DISTRIBUTED="client",
    )
    assert said == {"got": [1, 1], "importable": True, "said": []}
