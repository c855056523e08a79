"""What the plugin would do, told before it does it."""

from __future__ import annotations

import functools
import json
import random

import dask
import pytest

import stratum_dask
from stratum_dask import explain

d = dask.delayed


def load(n):
    return list(range(n))


def total(x):
    return sum(x)


def roll():
    return random.random()


def programs():
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
    assert [r["rule"] for r in found["rules"]] == [
        "unfuse",
        "merge",
        "reuse",
        "isolate",
    ]


def test_the_html_is_escaped():
    html = explain(dask.delayed(lambda: random.random())())._repr_html_()
    assert "&lt;lambda&gt;" in html or "lambda" in html
    assert "<lambda>" not in html
    assert "1 tasks before" in html


def test_private_handles_are_told():
    def add(x, y):
        x.append(y)
        return x

    e = explain(d(add)(d(load)(3), 1), d(add)(d(load)(3), 2))
    assert e.counts.isolated == 2
    assert "private handles on shared results: 2 tasks" in repr(e)


# -- twins: the same name, but not merged -----------------------------------


def agent(source, name="step"):
    """A function of another program."""
    scope = {"__name__": "agent"}
    exec(source, scope)  # noqa: S102
    return scope[name]


def step(x, n=2, how="mean"):
    return [v**n for v in x]


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            lambda: d(step)([1], 3),
            lambda: d(step)([1], 4),
            "argument n: 3, not 4",
        ),
        (lambda: d(step)([1]), lambda: d(step)([1], 3), "argument n: 2, not 3"),
        (
            lambda: d(step)([1], 2, "a" * 99),
            lambda: d(step)([1], 2, "b"),
            f"argument how: '{'a' * 36}..., not 'b'",
        ),
        (
            lambda: d(step)(d(load)(1)),
            lambda: d(step)(d(load)(2)),
            "its input load: argument n: 1, not 2",
        ),
        (
            lambda: d(step)(d(load)(1)),
            lambda: d(step)([d(total)([1])]),
            "argument x: the result of load, not a list",
        ),
        (
            lambda: d(step)(d(roll)()),
            lambda: d(step)(d(roll)()),
            "its input roll: random.random draws from global random state",
        ),
        (
            lambda: d(agent("def step(x):\n    return x + 1"))(1),
            lambda: d(agent("def step(x):\n    return x + 2"))(1),
            "another constant in its code: 1, not 2",
        ),
        (
            lambda: d(agent("def step(x):\n    return [v + 1 for v in x]"))([1]),
            lambda: d(agent("def step(x):\n    return [v + 2 for v in x]"))([1]),
            "another constant in its code: 1, not 2",
        ),
        (
            lambda: d(agent("K = 1\ndef step(x):\n    return x + K"))(1),
            lambda: d(agent("K = 2\ndef step(x):\n    return x + K"))(1),
            "another value of the global K: 1, not 2",
        ),
        (
            lambda: d(agent("def f(): return 1\ndef step():\n    return f()"))(),
            lambda: d(agent("def f(): return 2\ndef step():\n    return f()"))(),
            "another value of the global f",
        ),
        (
            lambda: d(agent("def step(x, n=1):\n    return x + n"))(1),
            lambda: d(agent("def step(x, n=2):\n    return x + n"))(1),
            "another default of n: 1, not 2",
        ),
        (
            lambda: d(agent("def step(x):\n    return x * 2"))(1),
            lambda: d(agent("def step(x):\n    return x + 2"))(1),
            "other code by that name",
        ),
        (
            lambda: d(functools.partial(step, n=1), name="step")([1]),
            lambda: d(functools.partial(step, n=2), name="step")([1]),
            "other arguments in its partial",
        ),
        (
            lambda: d(map_)(lambda v: v + 1, 2),
            lambda: d(map_)(lambda v: v + 3, 2),
            "argument f: another constant in its code: 1, not 3",
        ),
    ],
)
def test_what_sets_twins_apart_is_told(one, other, said):
    a, b = one(), other()
    found = explain(a, b)
    assert said in {t.reason for t in found.twins}
    assert f": {said}" in repr(found)
    assert all(t.remedy for t in found.twins)


def map_(f, x):
    return f(x)


def test_refused_twins_are_named_with_reason_and_remedy():
    found = explain(d(roll)(), d(roll)(), d(load)(1))
    assert [(t.function, t.refused) for t in found.twins] == [("roll", True)] * 2
    first, second = found.twins
    assert (first.task, first.twin) == (second.twin, second.task)
    assert "random" in first.reason
    assert first.remedy


def test_what_was_merged_has_no_twin():
    assert explain(d(load)(1), d(load)(1), d(total)([1])).twins == []


def test_two_functions_of_two_names_that_meet_are_merged():
    a = agent("def step(x):\n    return x + 1")
    b = agent("def other(x):\n    return x + 1", "other")
    c = agent("def other(x):\n    return x + 2", "other")
    found = explain(d(a)(1), d(b)(1), d(c)(1))
    assert found.tasks_after == 2
    assert [t.function for t in found.twins] == ["other"]


def test_blocks_of_one_collection_are_no_twins():
    da = pytest.importorskip("dask.array")
    a = da.arange(8, chunks=2) + 1
    assert [t for t in explain(a).twins if t.function in ("add", "arange")] == []
    found = explain(da.arange(8, chunks=2) + 1, da.arange(8, chunks=2) + 2)
    added = [t for t in found.twins if "add" in t.function]
    assert {t.reason for t in added} == {
        "argument number 2: 1, not 2",
        "argument number 2: 2, not 1",
    }
    assert all(t.task[1:] == t.twin[1:] for t in added)


def test_twins_inside_fused_tasks():
    db = pytest.importorskip("dask.bag")

    def bag(n):
        return db.from_sequence([1, 2], npartitions=1).map(lambda v: v + n).sum()

    found = explain(bag(1), bag(2)).twins
    assert len(found) == 2
    assert all("another value of the closure, n: " in t.reason for t in found)


def test_twins_are_told_in_dict_and_html():
    found = explain(d(step)([1], 2, "<a>"), d(step)([1], 2, "b"), d(roll)(), d(roll)())
    twins = json.loads(json.dumps(found.to_dict()))["twins"]
    assert [(t["function"], t["refused"]) for t in twins] == [
        ("step", False),
        ("step", False),
        ("roll", True),
        ("roll", True),
    ]
    assert all(t["reason"] and t["remedy"] and t["task"] != t["twin"] for t in twins)
    html = found._repr_html_()
    assert "argument how: &#x27;&lt;a&gt;&#x27;, not &#x27;b&#x27;" in html
    assert "<a>" not in html


def test_many_kinds_of_difference_are_cut_short():
    found = explain(
        *[
            d(agent(f"def s{n}(x): return {n}", f"s{n}"))(m)
            for n in range(30)
            for m in (1, 2)
        ]
    )
    assert len(found.twins) == 60
    assert "and 10 more; see .twins" in repr(found)


def test_asking_for_twins_changes_no_verdict():
    found = explain(*programs(), d(step)(d(roll)()), d(step)(d(roll)()))
    before = dict(found.counts.refused)
    assert found.twins
    assert found.counts.refused == before


def test_nothing_of_the_users_is_run_to_tell_twins_apart():
    class Loud:
        def __init__(self, n):
            self.n = n

        def __repr__(self):
            raise AssertionError

        __eq__ = __hash__ = None

    assert explain(d(len)([Loud(1)]), d(len)([Loud(2)])).twins


def test_a_declared_function_is_told_with_the_way_back():
    @stratum_dask.impure
    def f():
        return 1

    (refused,) = explain(d(f)(), d(f)()).to_dict()["refused"]
    assert "is declared impure" in refused["reason"]
    assert "@stratum_dask.impure" in refused["remedy"]


@pytest.mark.parametrize("word", ["impure", "batch"])
def test_an_annotated_task_is_told(word):
    with dask.annotate(stratum=word):
        tasks = [d(load)(1), d(load)(1)]
    (refused,) = explain(*tasks).to_dict()["refused"]
    assert refused["reason"] == f"it is annotated: stratum = '{word}'"


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
