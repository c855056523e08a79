"""What the plugin did."""

from __future__ import annotations

import json
import random
import threading

import dask
import pytest

from stratum_dask import reporting
from stratum_dask.reporting import report
from stratum_dask.tally import Refusal, Tally


@pytest.fixture(autouse=True)
def anew():
    reporting.reset()
    with dask.config.set({"stratum.enabled": True}):
        yield
    reporting.reset()


def slow(n):
    return sum(range(n))


def compute(n=3, **options):
    options = {"scheduler": "sync", **options}
    return dask.compute(*[dask.delayed(slow)(200_000) for _ in range(n)], **options)


def test_it_begins_with_nothing():
    r = report()
    assert (r.tasks, r.ran, r.merged, r.seconds_saved) == (0, 0, 0, 0)


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_counts_and_seconds(scheduler):
    compute(scheduler=scheduler)
    r = report()
    assert (r.total.graphs, r.tasks, r.ran, r.merged) == (1, 3, 1, 2)
    assert r.seconds_saved > 0


def test_it_adds_up():
    compute()
    before = report()
    compute(2)
    assert (report().tasks, report().ran, report().total.graphs) == (5, 2, 2)
    assert before.tasks == 3


def test_off_means_not_counted():
    with dask.config.set({"stratum.enabled": False}):
        compute()
    assert report().tasks == 0


def test_refusals_have_reasons():
    dask.compute(dask.delayed(random.random)(), scheduler="sync")
    (refusal,) = report().total.refused
    assert refusal.function == "random"
    assert refusal.reason


def test_as_text_html_and_plain_data():
    compute()
    r = report()
    assert "  merged                      2   an equal task" in repr(r)
    assert "<td style='text-align: left'>slow</td>" in r._repr_html_()
    plain = json.loads(json.dumps(r.to_dict()))
    assert plain["merged_by_function"] == {"slow": 2}
    assert plain["tasks"] == 3


def test_threads_that_compute_at_once_lose_no_count():
    threads = [threading.Thread(target=compute) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (report().tasks, report().merged) == (24, 16)


def test_a_tally_survives_the_way_to_another_process():
    tally = Tally(graphs=2, asked=5, run=3, isolated=1, seconds_saved=1.5)
    tally.merged["f"] = 2
    tally.refused[Refusal("g", "not merged", "why", "")] = 1
    plain = json.loads(json.dumps(tally.to_plain()))
    assert Tally.from_plain(plain) == tally
