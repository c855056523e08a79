"""What the plugin would do, told before it does it."""

from __future__ import annotations

import json
import random

import dask
import pytest

import stratum_dask
from stratum_dask import explain


def load(n):
    return list(range(n))


def total(x):
    return sum(x)


def roll():
    return random.random()


def programs():
    d = dask.delayed
    return [d(total)(d(load)(3)), d(total)(d(load)(3)), d(roll)(), d(roll)()]


@pytest.mark.parametrize("on", [True, False])
def test_counts_whether_switched_on_or_not(on):
    with dask.config.set({"stratum.enabled": on}):
        e = explain(*programs())
    assert (e.tasks_before, e.tasks_after) == (6, 4)
    assert dict(e.counts.merged) == {"load": 1, "total": 1}


def test_nothing_is_run():
    assert explain(dask.delayed(lambda: 1 / 0)()).tasks_before == 1


def test_the_text():
    text = repr(explain(*programs()))
    assert text.startswith("6 tasks before, 4 after (1.50x fewer)")
    assert "merged, by function:" in text
    assert "roll not merged: " in text


def test_the_dict_is_plain_data():
    found = json.loads(json.dumps(explain(*programs()).to_dict()))
    assert found["tasks_before"] == 6
    assert found["merged"] == {"load": 1, "total": 1}
    (refused,) = found["refused"]
    assert (refused["function"], refused["tasks"]) == ("roll", 2)
    assert refused["reason"]
    assert [r["rule"] for r in found["rules"]] == ["unfuse", "merge", "isolate"]


def test_the_html_is_escaped():
    html = explain(dask.delayed(lambda: random.random())())._repr_html_()
    assert "&lt;lambda&gt;" in html or "lambda" in html
    assert "<lambda>" not in html
    assert "1 tasks before" in html


def test_private_handles_are_told():
    def add(x, y):
        x.append(y)
        return x

    d = dask.delayed
    e = explain(d(add)(d(load)(3), 1), d(add)(d(load)(3), 2))
    assert e.counts.isolated == 2
    assert "private handles on shared results: 2 tasks" in repr(e)


def test_no_collections():
    e = explain(1, "a")
    assert (e.tasks_before, e.tasks_after) == (0, 0)
    assert "nothing to merge" in repr(e)


def test_collections_inside_containers():
    a, b = programs()[:2]
    assert explain({"x": [a, (b,)]}).tasks_after == 2
    assert explain([a, b], traverse=False).tasks_before == 0


def test_rules_that_are_left_out_are_not_run():
    with dask.config.set({"stratum.rules": []}):
        e = explain(*programs())
    assert (e.tasks_before, e.tasks_after, e.steps) == (6, 6, [])


def test_drawing(tmp_path):
    pytest.importorskip("graphviz")
    explain(*programs(), visualize=tmp_path / "seen")
    before, after = (tmp_path / f"seen-{w}.svg" for w in ("before", "after"))
    assert before.read_text().count("<ellipse") > after.read_text().count("<ellipse")


def test_it_is_public():
    assert stratum_dask.explain is explain
