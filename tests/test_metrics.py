"""Prometheus metrics, as they are scraped from schedulers over HTTP."""

import re

import pytest
from distributed import Scheduler
from distributed.utils_test import gen_cluster

from clusters import KEPT, STORED, fetch, part, programs
from stratum_dask.scheduler_plugins import StratumPlugin

prometheus_client = pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from stratum_dask.scheduler_plugins.metrics import METRICS, _collector


async def scrape(scheduler):
    """Our samples by name, and the types of all families."""
    code, text = await fetch(scheduler, "metrics")
    assert code == 200
    families = list(text_string_to_metric_families(text))
    samples = {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if "stratum_" in sample.name
    }
    return samples, {family.name: family.type for family in families}


@gen_cluster(client=True)
async def test_it_counts_what_the_plugin_does(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    before, _ = await scrape(s)
    assert before["dask_stratum_graphs_total"] == 0
    held = c.compute(programs(3))
    await c.gather(held)
    now, kinds = await scrape(s)
    assert now["dask_stratum_graphs_total"] == 1
    assert now["dask_stratum_tasks_asked_total"] == 6
    assert now["dask_stratum_tasks_run_total"] == 2
    assert now["dask_stratum_tasks_merged_total"] == 4
    assert now["dask_stratum_saved_seconds_total"] > 0
    assert now["dask_stratum_known_tasks"] >= 2
    assert kinds["dask_stratum_tasks_asked"] == "counter"
    assert kinds["dask_stratum_known_tasks"] == "gauge"
    assert "dask_scheduler_tasks" in kinds


@gen_cluster(client=True)
async def test_parts_appear_where_they_are_on(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    plugin = s.plugins["stratum"]
    plugin.retention = None
    now, _ = await scrape(s)
    assert not [name for name in now if "retention" in name or "store" in name]
    plugin.retention, plugin.store = part(**KEPT), part(**STORED)
    now, _ = await scrape(s)
    assert now.keys() == {f"dask_stratum_{metric.name}" for metric in METRICS}
    assert now["dask_stratum_retained_bytes"] == 100
    assert now["dask_stratum_retention_budget_bytes"] == 1_000
    assert now["dask_stratum_store_read_bytes_total"] == 300
    assert now["dask_stratum_store_failures_total"] == 1
    plugin.retention = plugin.store = None


@gen_cluster(client=True)
async def test_two_schedulers_of_one_process_tell_their_own(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    await c.gather(c.compute(programs(3)))
    async with Scheduler(port=0, dashboard=False, dashboard_address=":0") as other:
        assert (await scrape(other))[0] == {}
        await other.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        for _ in range(2):
            assert (await scrape(other))[0]["dask_stratum_tasks_asked_total"] == 0
            assert (await scrape(s))[0]["dask_stratum_tasks_asked_total"] == 6
    assert (await scrape(s))[0]["dask_stratum_tasks_asked_total"] == 6


@gen_cluster(client=True)
async def test_they_go_with_the_plugin(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    observer = s.plugins["stratum"].observer
    await c.unregister_scheduler_plugin("stratum")
    observer.look()
    assert (await scrape(s))[0] == {}
    assert not ours_registered()


@gen_cluster(client=True)
async def test_a_scheduler_that_closes_leaves_nothing_behind(c, s, *workers):
    async with Scheduler(port=0, dashboard=False, dashboard_address=":0") as other:
        await other.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        assert ours_registered()
    assert not ours_registered()


@gen_cluster(client=True)
async def test_a_plugin_unregistered_just_before_that_leaves_nothing(c, s, *workers):
    async with Scheduler(port=0, dashboard=False, dashboard_address=":0") as other:
        await other.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        await other.unregister_scheduler_plugin("stratum")
        assert ours_registered()
    assert not ours_registered()


def ours_registered():
    return _collector in prometheus_client.REGISTRY._collector_to_names


@gen_cluster(client=True, config={"distributed.dashboard.prometheus.namespace": "lab"})
async def test_the_namespace_is_that_of_dask(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    now, _ = await scrape(s)
    assert {name.split("_")[0] for name in now} == {"lab"}


def test_names_say_what_they_count_and_in_which_unit():
    for name, _, help in METRICS:
        assert re.fullmatch("[a-z_]+", name)
        words = name.removesuffix("_total").split("_")
        if "Bytes" in help or "Size" in help:
            assert words[-1] == "bytes"
        if "run time" in help.lower():
            assert words[-1] == "seconds"
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_the_documentation_lists_these_and_no_others(root):
    text = (root / "docs" / "observability.md").read_text()
    listed = re.findall(
        r"^\| `dask_stratum_(\w+)` \| (\w+) \| (.+) \|$", text, re.MULTILINE
    )
    assert listed == [
        (
            metric.name,
            "counter" if metric.name.endswith("_total") else "gauge",
            metric.help,
        )
        for metric in METRICS
    ]
