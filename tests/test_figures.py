"""What the plugin knows about itself: counts, seconds by function, a short history."""

import random
from itertools import pairwise

import dask
import pytest
from distributed.utils_test import gen_cluster

from clusters import KEPT, STORED, load, part, programs, until
from stratum_dask.scheduler_plugins import StratumPlugin
from stratum_dask.scheduler_plugins.figures import figures, to_plain
from stratum_dask.scheduler_plugins.history import History, Sample
from stratum_dask.tally import OTHERS, Refusal, Tally

delayed = dask.delayed


@gen_cluster(client=True)
async def test_every_function_has_its_tasks_and_seconds(c, s, *workers):
    plugin = StratumPlugin()
    await c.register_plugin(plugin)
    plugin = s.plugins["stratum"]
    await c.gather(c.compute(programs(3)))
    await until(lambda: not plugin._counting)
    now = figures(plugin)
    assert (now.graphs, now.asked, now.run, now.merged) == (1, 6, 2, 4)
    assert {saving.function: saving.tasks for saving in now.savings} == {
        "load": 2,
        "half": 2,
    }
    assert now.savings[0].function == "load"
    assert sum(saving.seconds for saving in now.savings) == pytest.approx(
        now.seconds_saved
    )
    assert now.share_saved == pytest.approx(4 / 6)
    assert (now.retention is None, now.failures) == (plugin.retention is None, 0)
    assert to_plain(plugin)["total"]["seconds"].keys() == {"load", "half"}


@gen_cluster(client=True)
async def test_what_only_served_a_result_that_lives_counts_too(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    plugin = s.plugins["stratum"]
    held = c.compute(programs(1))
    await c.gather(held)
    before = figures(plugin)
    again = c.compute(programs(1))
    await c.gather(again)
    now = figures(plugin)
    assert (now.asked, now.run) == (4, 2)
    assert {saving.function: saving.tasks for saving in now.savings} == {
        "load": 1,
        "half": 1,
    }
    load_took = {saving.function: saving.seconds for saving in now.savings}["load"]
    assert now.seconds_saved - before.seconds_saved >= load_took > 0


@gen_cluster(client=True)
async def test_a_snapshot_does_not_change(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    plugin = s.plugins["stratum"]
    await c.gather(c.compute(programs(2)))
    now = figures(plugin)
    asked, savings = now.asked, now.savings
    await c.gather(c.compute([delayed(random.random)() for _ in range(2)]))
    assert (now.asked, now.savings, now.refused) == (asked, savings, ())
    (refused,) = figures(plugin).refused
    assert refused.tasks == 2
    assert refused.remedy


def test_parts_that_are_off_are_none():
    now = figures(StratumPlugin())
    assert (now.retention, now.store, now.share_saved) == (None, None, 0.0)
    assert now.savings == now.refused == ()


# -- bounds ------------------------------------------------------------------


def test_a_tally_of_many_functions_keeps_the_largest_and_every_sum():
    total = Tally()
    for start in range(0, 10_000, 500):
        part = Tally()
        for i in range(start, start + 500):
            part.merged[f"agent_{i}"] = 1
            part.save(f"agent_{i}", 1.0)
            part.refused[Refusal(f"agent_{i}", "not merged", "why", "")] = 1
        part.merged["shared"] = 7
        part.save("slow", 50.0)
        part.merged["slow"] = 1
        total.add(part)
    assert len(total.merged) < 3_000
    assert len(total.seconds) < 3_000
    assert len(total.refused) < 3_000
    assert total.merged["shared"] == 140
    assert total.seconds["slow"] == 1_000
    assert total.merged[OTHERS] > 5_000
    assert total.merged.total() == 10_000 + 20 * 8
    assert total.refused.total() == 10_000
    assert sum(total.seconds.values()) == pytest.approx(total.seconds_saved)
    assert Tally.from_plain(total.to_plain()) == total


def test_history_is_bounded_and_spans_everything():
    history = History(size=100)
    for second in range(100_000):
        history.add(Sample(float(second), asked=second))
    samples = history.samples()
    assert 40 < len(samples) <= 100
    assert (samples[0].time, samples[-1].time) == (0, 99_999)
    times = [sample.time for sample in samples]
    assert times == sorted(times)
    assert max(b - a for a, b in pairwise(times)) <= 4096


def test_history_where_nothing_happens_needs_no_room():
    history = History(size=100)
    for second in range(10_000):
        history.add(Sample(float(second), asked=second // 1_000))
    samples = history.samples()
    assert history.interval == 1
    assert len(samples) <= 20
    assert samples[-1] == Sample(9_999.0, asked=9)
    # the steps are where they were
    assert Sample(1_999.0, asked=1) in samples
    assert Sample(2_000.0, asked=2) in samples


def test_refusals_are_told_by_reason():
    total = Tally()
    for function, n in {"fit": 2, "load": 5}.items():
        total.refused[Refusal(function, "not merged", "reads the clock", "x")] = n
    total.refused[Refusal("load", "not merged", "writes", "")] = 6
    first, second = total.reasons()
    assert (first.reason, first.tasks, first.functions) == (
        "reads the clock",
        7,
        ("load", "fit"),
    )
    assert (second.reason, second.remedy) == ("writes", "")


# -- the observer ------------------------------------------------------------


@gen_cluster(client=True)
async def test_it_ends_where_dask_drops_the_plugin_without_a_word(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    observer = s.plugins["stratum"].observer
    assert "stratum_figures" in s.handlers
    await c.unregister_scheduler_plugin("stratum")
    observer.look()
    assert not observer.open
    assert not observer._tick.is_running()
    assert "stratum_figures" not in s.handlers


@gen_cluster(client=True)
async def test_another_plugin_takes_over_at_once(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    first = s.plugins["stratum"].observer
    await c.unregister_scheduler_plugin("stratum")
    await c.register_plugin(StratumPlugin())
    second = s.plugins["stratum"].observer
    assert (first.open, second.open) == (False, True)
    await c.gather(c.compute(programs(2)))
    first.look()
    answer = await c.scheduler.stratum_figures()
    assert answer["total"]["asked"] == 4


@gen_cluster(client=True)
async def test_a_part_that_fails_is_said_once_and_harms_nobody(c, s, *workers):
    class Broken:
        def figures(self):
            raise OSError("no such disk")

    await c.register_plugin(StratumPlugin())
    plugin = s.plugins["stratum"]
    said = []
    plugin.say_once = said.append
    plugin.store = Broken()
    plugin.observer.look()
    assert await c.gather(c.compute(programs(2))) == [load(300_000) / 2] * 2
    assert "no such disk" in said[0]
    plugin.store = None


# -- events ------------------------------------------------------------------


def told(s, action):
    return [e for _, e in s.get_events("stratum") if e["action"] == action]


@gen_cluster(client=True)
async def test_one_event_for_each_graph(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    await c.gather(c.compute([*programs(3), delayed(random.random)()]))
    await c.gather(c.compute(programs(2)))
    events = await c.get_events("stratum")
    first, second = (event for _, event in events)
    assert (first["action"], first["graph"], second["graph"]) == ("graph", 1, 2)
    assert (first["asked"], first["run"], first["merged"]) == (7, 3, 4)
    assert first["merged_by_function"] == {"half": 2, "load": 2}
    assert first["refused"] == 1
    assert first["refused_most"][0]["function"] == "random"
    assert second["seconds_saved"] >= 0


@gen_cluster(client=True)
async def test_retention_and_store_tell_what_has_changed_and_no_more(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    plugin = s.plugins["stratum"]
    plugin.retention, plugin.store = part(**KEPT), part(**STORED)
    plugin.observer.look()
    plugin.observer.look()
    plugin.retention = part(**{**KEPT, "hits": 10, "bytes": 50})
    plugin.observer.look()
    first, second = told(s, "retention")
    assert (first["hits"], first["evicted"], first["bytes"]) == (3, 1, 100)
    assert (second["hits"], second["evicted"], second["bytes"]) == (7, 0, 50)
    (stored,) = told(s, "store")
    assert (stored["written"], stored["bytes_read"], stored["failures"]) == (6, 300, 1)
    plugin.retention = plugin.store = None


@gen_cluster(client=True)
async def test_a_failure_of_ours_is_counted_and_told(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    plugin = s.plugins["stratum"]
    with dask.config.set({"stratum.rules": ["no-such-rule"]}):
        assert await c.gather(c.compute(programs(1))) == [load(300_000) / 2]
    assert figures(plugin).failures == 1
    (failure,) = told(s, "failure")
    assert "no-such-rule" in failure["what"]
