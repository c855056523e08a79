"""Pytest plugin of `dask_suite`: what became of each test, line by line, in a file.

It also stands in for Dask's root ``conftest.py``, which no wheel has.
"""

import json
import os
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "dask.array.utils", "dask.bag.utils", "dask.dataframe.utils"
)
# What a test may be marked with that this plugin leaves out, as Dask does by default.
LEFT_OUT = ("slow", "array_expr", "network", "gpu")


def pytest_runtest_setup(item):
    for name in LEFT_OUT:
        if name in item.keywords:
            pytest.skip(f"marked {name}")


@pytest.fixture(autouse=True, scope="session")
def asynchronous_clients():
    """Dask's own tests compute in the process where an asynchronous client is."""
    import dask

    with dask.config.set({"admin.async-client-fallback": "sync"}):
        yield


class Outcomes:
    """Appends to the file at once, so that a crash loses one test and not all."""

    def __init__(self, path):
        self.file = path.open("a", buffering=1)
        self.worst = {}
        self.did = {"tasks": 0, "merged": 0}
        self._count()

    def _count(self):
        """What the plugin does in this process, whichever seam it goes through."""
        from stratum_dask.tally import Tally

        add, did = Tally.add, self.did

        def counting(total, other):
            did["tasks"] += other.asked
            did["merged"] += other.merged.total()
            add(total, other)

        Tally.add = counting

    def pytest_runtest_logstart(self, nodeid):
        self.worst[nodeid] = ("passed", "")

    def pytest_runtest_logreport(self, report):
        outcome, why = _outcome(report)
        if outcome is not None and self.worst[report.nodeid][0] == "passed":
            self.worst[report.nodeid] = (outcome, why)

    def pytest_runtest_logfinish(self, nodeid):
        outcome, why = self.worst.pop(nodeid)
        line = {"id": short(nodeid), "outcome": outcome, "why": why}
        self.file.write(json.dumps(line) + "\n")

    def pytest_sessionfinish(self):
        self.file.write(json.dumps(self.did) + "\n")

    def pytest_collectreport(self, report):
        if report.failed:
            line = {
                "id": short(report.nodeid),
                "outcome": "not collected",
                "why": str(report.longrepr)[-4000:],
            }
            self.file.write(json.dumps(line) + "\n")


def short(nodeid):
    """The identifier from the package on: where it is installed does not count."""
    path, colons, name = nodeid.partition("::")
    for package in ("dask/", "distributed/", "sklearn/"):
        where = ("/" + path).rfind("/" + package)
        if where >= 0:
            return path[where:] + colons + name
    return nodeid


def _outcome(report):
    why = "" if report.passed else str(report.longrepr)[-4000:]
    if hasattr(report, "wasxfail"):
        return ("xfailed" if report.skipped else "xpassed"), why
    if report.failed:
        return ("failed" if report.when == "call" else "error"), why
    if report.skipped:
        return "skipped", why
    return None, why


def pytest_configure(config):
    path = os.environ.get("DASK_SUITE_OUTCOMES")
    if path:
        config.pluginmanager.register(Outcomes(Path(path)), "outcomes-file")
