"""``dask stratum doctor``: what it finds, what it says, and its exit status."""

import importlib.metadata
import json
import subprocess
import sys

import dask.config
import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.utils import open_port

from stratum_dask import cluster_facts, doctor
from stratum_dask.cli import stratum
from stratum_dask.scheduler_plugins.store.options import options
from stratum_dask.scheduler_plugins.store.store import Store


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        dashboard_address=None,
    ) as cluster:
        yield cluster


@pytest.fixture
def plain(monkeypatch):
    """An environment in which nothing is wrong, whatever this one has."""
    monkeypatch.setattr(doctor, "_runs_of_two_equal_tasks", lambda: 1)


def whats(facts):
    return [finding["what"] for finding in facts["findings"]]


def todos(facts):
    return [finding["todo"] for finding in facts["findings"]]


def test_an_installed_package_that_is_off_is_healthy():
    facts = doctor.examine()
    assert facts["healthy"], facts["findings"]
    assert facts["here"]["enabled"] is False
    assert facts["here"]["decided_by"] == "the default"
    assert facts["here"]["entry_point"] is True
    assert facts["cluster"] is None


def test_versions_are_those_installed():
    versions = doctor.examine()["here"]["versions"]
    assert versions == {
        name: importlib.metadata.version(name)
        for name in ("dask", "distributed", "stratum-dask")
    }


def test_optional_libraries_that_are_missing_are_listed_as_such(monkeypatch):
    monkeypatch.setattr(doctor, "_OPTIONAL", ("pytest", "no-such-library"))
    facts = doctor.examine()
    assert facts["here"]["optional"] == {
        "pytest": pytest.__version__,
        "no-such-library": None,
    }
    text = doctor.render(facts)
    assert "optional        pytest" in text
    assert "not installed   no-such-library" in text


def test_switched_on_by_this_program(plain):
    with dask.config.set({"stratum.enabled": True}):
        facts = doctor.examine()
    assert facts["healthy"]
    assert facts["here"]["decided_by"] == "this program"
    assert "stratum         on, says this program" in doctor.render(facts)


@pytest.mark.parametrize(
    "place", ["environment variable DASK_STRATUM__ENABLED", "stratum.yaml"]
)
def test_switched_on_from_outside_it_works_and_names_the_place(
    fresh_python, tmp_path, place
):
    folder = tmp_path / "dask"
    folder.mkdir()
    environment = {"DASK_CONFIG": str(folder)}
    if place == "stratum.yaml":
        (folder / place).write_text("stratum: {enabled: true}")
    else:
        environment["DASK_STRATUM__ENABLED"] = "True"
    code = "from dask.__main__ import main; main()"
    done = fresh_python(code, "stratum", "doctor", "--json", check=False, **environment)
    facts = json.loads(done.stdout)
    assert facts["here"]["decided_by"].endswith(place)
    assert facts["here"]["runs_of_two_equal_tasks"] == 1
    assert facts["findings"] == []
    assert done.returncode == 0


def test_switched_on_without_effect_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor, "_runs_of_two_equal_tasks", lambda: 2)
    with dask.config.set({"stratum.enabled": True}):
        facts = doctor.examine()
    assert not facts["healthy"]
    assert "two equal tasks ran 2 times" in whats(facts)[0]
    assert "two equal tasks ran twice" in doctor.render(facts)


def test_a_failure_of_the_proof_is_told_and_not_raised(monkeypatch):
    def fail():
        raise RuntimeError("rule 'merge' failed")

    monkeypatch.setattr(doctor, "_runs_of_two_equal_tasks", fail)
    with dask.config.set({"stratum.enabled": True}):
        facts = doctor.examine()
    assert not facts["healthy"]
    assert whats(facts)[0].endswith("RuntimeError: rule 'merge' failed")
    assert "proof" not in doctor.render(facts)


def test_the_proof_counts_what_plain_dask_runs():
    with dask.config.set({"stratum.enabled": False}):
        assert doctor._runs_of_two_equal_tasks() == 2


def test_a_wrong_configuration_is_told_and_fatal():
    with dask.config.set({"stratum.on-fail": "wran"}):
        facts = doctor.examine()
    assert not facts["healthy"]
    assert "did you mean 'warn'" in whats(facts)[0]


def test_a_store_is_told_of(tmp_path):
    assert doctor.examine()["here"]["store"] is None
    folder = tmp_path / "store"
    with dask.config.set({"stratum.store.url": str(folder)}):
        assert doctor.examine()["here"]["store"]["new"]
        store = Store(options(), create=True)
        store.put("ab" * 20, 0.5, seconds=3.0)
        store.close()
        facts = doctor.examine()
        assert facts["healthy"]
        assert facts["here"]["store"]["entries"] == 1
        assert "1 results, " in " ".join(doctor.render(facts).split())


def test_a_store_without_models_is_noted_and_one_that_cannot_be_is_a_problem(tmp_path):
    folder = tmp_path / "store"
    with dask.config.set({"stratum.store.url": str(folder)}):
        Store(options(), create=True).close()
        folder.chmod(0o755)
        facts = doctor.examine()
        assert facts["healthy"]
        assert any("holds no models" in what for what in whats(facts))
    (tmp_path / "file").write_text("")
    with dask.config.set({"stratum.store.url": str(tmp_path / "file" / "store")}):
        facts = doctor.examine()
        assert not facts["healthy"]
        assert any("nothing can be made" in what for what in whats(facts))
    with dask.config.set({"stratum.store.url": "nothing://here"}):
        assert any("cannot be used" in what for what in whats(doctor.examine()))


@pytest.mark.parametrize(
    ("version", "said", "healthy"),
    [("2025.3.1", "is older than 2025.4.0", False), ("2099.1.0", "is newer", True)],
)
def test_dask_versions_outside_the_tried_ones(monkeypatch, version, said, healthy):
    real = doctor._version
    monkeypatch.setattr(
        doctor, "_version", lambda name: version if name == "dask" else real(name)
    )
    facts = doctor.examine()
    assert f"dask {version} {said}" in whats(facts)[0]
    assert facts["healthy"] is healthy


def test_a_package_that_is_not_installed_cannot_be_switched_on(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [])
    facts = doctor.examine()
    assert not facts["healthy"]
    assert todos(facts) == ["pip install --force-reinstall --no-deps stratum-dask"]


def test_json_has_the_facts_and_the_exit_status_the_verdict(plain):
    done = CliRunner().invoke(stratum, ["doctor", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.output)["healthy"] is True


def test_a_scheduler_that_is_not_there():
    address = f"tcp://127.0.0.1:{open_port()}"
    arguments = ["doctor", "--scheduler", address, "--timeout", "0.2"]
    done = CliRunner().invoke(stratum, arguments)
    assert done.exit_code == 1
    assert f"The scheduler at {address}" in done.output
    assert "could not be asked" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("address", ["nonsense:/x", "foo://127.0.0.1:1"])
def test_an_address_that_means_nothing(address):
    facts = cluster_facts.cluster_facts(address, timeout=1)
    assert set(facts) == {"address", "error"}
    assert facts["error"].startswith("ValueError")


def test_a_scheduler_where_it_is_not_active(cluster):
    facts = doctor.examine(cluster.scheduler_address)
    assert not facts["healthy"]
    assert facts["cluster"]["scheduler"]["active"] is False
    assert "not active there" in whats(facts)[0]
    assert "dask scheduler --preload stratum_dask.scheduler_plugins" in todos(facts)[0]
    assert "stratum there   not active" in doctor.render(facts)


def test_a_client_that_rewrites_its_own_graphs_needs_no_scheduler(cluster, plain):
    with dask.config.set({"stratum.enabled": True, "stratum.distributed": "client"}):
        facts = doctor.examine(cluster.scheduler_address)
    assert facts["healthy"]
    # looked at, and not activated by looking
    assert facts["cluster"]["scheduler"]["active"] is False
    assert "graphs of this client are rewritten all the same" in whats(facts)[0]


def test_a_client_that_will_ask_the_scheduler_to_load_it(cluster, plain):
    with dask.config.set({"stratum.enabled": True}):
        facts = doctor.examine(cluster.scheduler_address)
    assert facts["healthy"]
    assert facts["cluster"]["scheduler"]["active"] is False
    assert "will ask it to load it" in whats(facts)[0]


def test_a_scheduler_where_it_is_active(cluster):
    class Plugin(SchedulerPlugin):
        name = "stratum"

    with Client(cluster, set_as_default=False) as client:
        client.register_plugin(Plugin())
        try:
            facts = doctor.examine(cluster.scheduler_address)
        finally:
            client.unregister_scheduler_plugin("stratum")
    assert facts["healthy"], facts["findings"]
    assert facts["cluster"]["scheduler"]["active"] is True
    assert len(facts["cluster"]["workers"]) == 2
    text = doctor.render(facts)
    assert "stratum there   active" in text
    assert text.count("\n  worker ") == 2


@pytest.mark.slow
def test_a_scheduler_that_does_not_have_the_package(tmp_path):
    """The question travels by value: the other side never imports our package."""
    blocked = (
        "import sys, dask, distributed\n"
        "for name in [n for n in sys.modules if n.startswith('stratum_dask')]:\n"
        "    sys.modules[name] = None\n"
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = "
        "lambda name, *rest: None if name == 'stratum_dask' else find(name, *rest)\n"
        "import asyncio\n"
        "from distributed import Scheduler\n"
        "async def main():\n"
        "    async with Scheduler(host='127.0.0.1', dashboard=False) as scheduler:\n"
        "        print(scheduler.address, flush=True)\n"
        "        await scheduler.finished()\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", blocked],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    )
    try:
        address = process.stdout.readline().strip()
        facts = doctor.examine(address)
    finally:
        process.kill()
        process.communicate()
    assert facts["cluster"]["scheduler"]["importable"] is False
    assert "does not have stratum-dask" in whats(facts)[0]
    assert "pip install stratum-dask==" in todos(facts)[0]
    assert "workers         none connected" in doctor.render(facts)


def cluster_of(**worker):
    versions = {"dask": "2026.8.0", "distributed": "2026.8.0", "stratum-dask": "0.1.0"}
    node = {"python": "3.11.7", "versions": versions, "importable": True}
    return {
        "address": "tcp://10.0.0.1:8786",
        "scheduler": {**node, "enabled": None, "active": True},
        "workers": {"tcp://10.0.0.2:1": node, "tcp://10.0.0.3:1": {**node, **worker}},
    }


@pytest.fixture
def findings(monkeypatch):
    """What the doctor finds in a cluster whose facts are given."""

    def find(facts):
        monkeypatch.setattr(doctor, "cluster_facts", lambda address, timeout: facts)
        monkeypatch.setattr(doctor, "_version", facts["scheduler"]["versions"].get)
        return doctor.examine("tcp://10.0.0.1:8786")

    return find


def test_a_worker_that_lacks_the_package_is_named(findings):
    versions = {"dask": "2026.8.0", "distributed": "2026.8.0", "stratum-dask": None}
    facts = findings(cluster_of(importable=False, versions=versions))
    assert whats(facts) == ["1 of 2 workers lack stratum-dask: tcp://10.0.0.3:1"]
    assert todos(facts) == ["On their machines: pip install stratum-dask==0.1.0"]
    assert not facts["healthy"]
    assert "no stratum-dask" in doctor.render(facts)


def test_other_versions_on_a_worker_are_noted(findings):
    versions = {"dask": "2026.7.0", "distributed": "2026.8.0", "stratum-dask": "0.0.9"}
    facts = findings(cluster_of(versions=versions))
    assert whats(facts) == [
        "This environment has dask 2026.8.0, but tcp://10.0.0.3:1 has 2026.7.0",
        "This environment has stratum-dask 0.1.0, but tcp://10.0.0.3:1 has 0.0.9",
    ]
    assert facts["healthy"]


def test_a_worker_that_does_not_answer_is_shown(findings):
    broken = cluster_of()
    broken["workers"]["tcp://10.0.0.3:1"] = {"error": "OSError('gone')"}
    facts = findings(broken)
    assert "could not be asked: OSError('gone')" in doctor.render(facts)


def test_lines_fit_a_terminal(findings):
    versions = {"dask": "2026.7.0", "distributed": "2026.8.0", "stratum-dask": "0.0.9"}
    text = doctor.render(findings(cluster_of(versions=versions)))
    long = [line for line in text.splitlines() if len(line) > 88]
    assert all(sys.executable in line for line in long)
    assert "Problem" not in text
    assert text.endswith("All is well.")
