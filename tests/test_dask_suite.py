"""The program that runs Dask's own tests: it finds what differs, and only that."""

import sys
from types import SimpleNamespace

import pytest


@pytest.fixture
def suite(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "tests" / "witness")
    import dask_suite

    yield dask_suite
    sys.modules.pop("dask_suite")


def lines(**outcomes):
    return {n: {"id": n, "outcome": o, "why": ""} for n, o in outcomes.items()}


def test_what_differs_is_found(suite):
    off, on = lines(a="passed", b="passed", c="failed"), lines(a="passed", b="failed")
    found = suite.differences(off, on, "m.py")
    assert [(d.name, d.off["outcome"], d.on["outcome"]) for d in found] == [
        ("b", "passed", "failed"),
        ("c", "failed", "no outcome"),
    ]
    assert all(d.outcomes_differ for d in found)


def test_what_is_listed_is_expected_and_nothing_else(suite, tmp_path, capsys):
    table = tmp_path / "table.md"
    table.write_text("| test | why |\n| --- | --- |\n| `m.py::b[*]` | because |\n")
    listed = suite.expected(table)
    names = ["m.py::b", "m.py::b[1-x]", "m.py::bc", "m.py::flaky"]
    found = [
        SimpleNamespace(
            name=name,
            off={"outcome": "passed", "why": ""},
            on={"outcome": "failed", "why": "it broke"},
            outcomes_differ=True,
        )
        for name in names
    ]
    assert suite.tell(found, set(names[:3]), listed) == 1
    labels = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert labels == ["LISTED", "LISTED", "DIFFERS", "it", "FLAKY"]


def test_a_module_is_run_off_and_on(suite, tmp_path):
    module = tmp_path / "test_mine.py"
    module.write_text(
        "import dask\n"
        "def test_same(): pass\n"
        "def test_on(): assert not dask.config.get('stratum.enabled')\n"
    )
    there = suite.Suite(tmp_path, tmp_path / "results", 100)
    found = there.compare([("test_mine.py", str(module))], jobs=2)
    assert [d.name.rpartition("::")[2] for d in found] == ["test_on"]
    assert (found[0].off["outcome"], found[0].on["outcome"]) == ("passed", "failed")
