"""Rules as a framework: chosen by name, checked as they run, named when they fail."""

from __future__ import annotations

import warnings
from operator import neg

import dask
import pytest
from dask._task_spec import Task, TaskRef

from stratum_dask import optimizations
from stratum_dask.config import settings
from stratum_dask.errors import ConfigError, RuleError, StratumWarning
from stratum_dask.optimizations import RULES, Rule, Submission, configured, optimize
from stratum_dask.optimizations.rule import available, chosen


def graph():
    return {
        "a": Task("a", neg, 1),
        "b": Task("b", neg, 1),
        "x": Task("x", str, TaskRef("a")),
        "y": Task("y", hex, TaskRef("b")),
    }


def submission(**options):
    return Submission(graph(), frozenset("xy"), renames_outputs=True, **options)


def names(rules):
    return [rule.name for rule in rules]


def test_the_defaults_are_the_rules_in_their_order():
    assert names(configured(settings().rules)) == names(RULES)


def test_rules_can_be_left_out():
    assert names(configured(("merge", "isolate"))) == ["merge", "isolate"]
    assert configured(()) == []


def test_rules_run_in_the_order_given():
    seen = []
    s = submission()
    optimize(
        s,
        configured(("merge", "isolate", "unfuse")),
        observe=lambda r, *_: seen.append(r.name),
    )
    assert seen == ["merge", "isolate", "unfuse"]


def test_left_out_by_configuration_nothing_is_merged():
    x = [dask.delayed(neg)(1), dask.delayed(neg)(1)]
    keys = []

    class Keys(dask.callbacks.Callback):
        def _pretask(self, key, dsk, state):
            keys.append(key)

    with dask.config.set({"stratum.enabled": True, "stratum.rules": []}), Keys():
        assert dask.compute(*x, scheduler="sync") == (-1, -1)
    assert len(keys) == 2
    keys.clear()
    with dask.config.set({"stratum.enabled": True}), Keys():
        assert dask.compute(*x, scheduler="sync") == (-1, -1)
    assert len(keys) == 1


def test_an_unknown_name_lists_the_valid_ones():
    with pytest.raises(ConfigError) as e:
        configured(("merg", "isolate"))
    for part in ("'merg'", "Did you mean 'merge'?", "unfuse, merge, reuse, isolate"):
        assert part in str(e.value)


def test_an_unknown_name_reaches_the_user_whatever_on_fail_says():
    with (
        dask.config.set(
            {
                "stratum.enabled": True,
                "stratum.on-fail": "warn",
                "stratum.rules": ["no"],
            }
        ),
        pytest.raises(ConfigError, match="There are: unfuse, merge, reuse, isolate"),
    ):
        dask.compute(dask.delayed(neg)(1), scheduler="sync")


def test_a_name_twice():
    with pytest.raises(ConfigError, match="'unfuse' twice"):
        configured(("unfuse", "unfuse"))


@pytest.mark.parametrize("rules", [("merge",), ("isolate", "merge")])
def test_a_rule_without_the_one_that_makes_it_right(rules):
    with pytest.raises(ConfigError, match="'merge' without 'isolate' after it"):
        configured(rules)


def test_two_rules_with_one_name(monkeypatch):
    from importlib.metadata import EntryPoint

    point = EntryPoint("merge", "other.package:Merge", "stratum_dask.rules")
    monkeypatch.setattr(optimizations.rule, "_offered", lambda: (point,))
    with pytest.raises(
        ConfigError, match=r"two rules are called 'merge'.*other\.package"
    ):
        available(RULES)


THIRD_PARTY = """
from stratum_dask.optimizations import Rule
class Count(Rule):
    name = "count"
    def apply(self, submission):
        print("counted", len(submission.tasks))
        return None
"""
USE = """
import sys; sys.path.insert(0, {folder!r})
import dask
from stratum_dask.optimizations import configured
x = dask.delayed(abs)(-1)
with dask.config.set({{"stratum.enabled": True, "stratum.on-fail": "raise",
                       "stratum.rules": {rules!r}}}):
    try:
        print("result", dask.compute(x, scheduler="sync"))
    except Exception as e:
        print(type(e).__name__, e)
"""


def install(folder, module, source, points):
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n"
    )
    (info / "entry_points.txt").write_text("[stratum_dask.rules]\n" + points)


def test_a_rule_of_another_package(tmp_path, fresh_python):
    install(tmp_path, "counting", THIRD_PARTY, "count = counting:Count\n")
    code = USE.format(folder=str(tmp_path), rules=["count", "merge", "isolate"])
    assert fresh_python(code).stdout.splitlines() == ["counted 1", "result (1,)"]


def test_a_broken_package_hurts_only_who_asks_for_its_rule(tmp_path, fresh_python):
    install(tmp_path, "halfway", "import nothing_like_it\n", "half = halfway:Half\n")
    code = USE.format(folder=str(tmp_path), rules=["merge", "isolate"])
    assert fresh_python(code).stdout == "result (1,)\n"
    code = USE.format(folder=str(tmp_path), rules=["half"])
    out = fresh_python(code).stdout
    assert out.startswith("ConfigError stratum.rules names 'half', and halfway.Half")
    assert "nothing_like_it" in out


def test_what_is_not_a_rule(tmp_path, fresh_python):
    install(tmp_path, "thing", "thing = 3\n", "thing = thing:thing\n")
    out = fresh_python(USE.format(folder=str(tmp_path), rules=["thing"])).stdout
    assert "no subclass of stratum_dask.optimizations.Rule" in out


def test_the_observer_sees_each_graph_before_and_after():
    seen = []
    s = submission()
    optimize(
        s, configured(("unfuse", "merge", "isolate")), observe=lambda *x: seen.append(x)
    )
    (r1, b1, a1), (r2, b2, a2), (r3, _, a3) = seen
    assert names([r1, r2, r3]) == ["unfuse", "merge", "isolate"]
    assert b1 is a1  # nothing to do
    assert a1 is b2
    assert (len(b2), len(a2)) == (4, 3)
    assert a3 is s.tasks


class Broken(Rule):
    name = "broken"

    def __init__(self, change):
        self.change = change

    def apply(self, submission):
        return self.change(submission, dict(submission.tasks))


def drops_output(s, g):
    del g["x"]
    return g


def hands_out_nothing(s, g):
    del g["x"]
    s.replaced["x"] = "nowhere"
    return g


def hands_out_another(s, g):
    del g["x"]
    s.replaced["x"] = "y"
    return g


def drops_dependency(s, g):
    del g["a"]
    return g


def makes_cycle(s, g):
    g["a"] = Task("a", neg, TaskRef("x"))
    return g


def computes_other(s, g):
    g["a"] = Task("a", neg, 2)
    return g


def wrong_key(s, g):
    g["a"] = Task("z", neg, 1)
    return g


def raises(s, g):
    raise KeyError("oh")


def no_graph(s, g):
    return {**g, "z": 3}


BREAKS = [
    (drops_output, "the requested key 'x' is gone"),
    (hands_out_nothing, "the requested key 'x' is gone"),
    (hands_out_another, "'y' does not compute what the requested 'x' is"),
    (drops_dependency, "task 'x' depends on 'a', which is gone"),
    (makes_cycle, "depends on itself"),
    (computes_other, "task 'a' does not compute what it computed before"),
    (wrong_key, "the task under 'a' calls itself 'z'"),
    (raises, "KeyError: 'oh'"),
    (no_graph, "AttributeError"),
]


@pytest.mark.parametrize(
    ("change", "problem"), BREAKS, ids=lambda p: getattr(p, "__name__", "")
)
def test_a_rule_that_breaks_its_contract_is_named(change, problem):
    with pytest.raises(RuleError) as e:
        optimize(submission(), [Broken(change)], check=True)
    assert "stratum rule 'broken' failed" in str(e.value)
    assert problem in str(e.value)


@pytest.mark.parametrize("change", [b[0] for b in BREAKS], ids=lambda p: p.__name__)
def test_a_broken_rule_costs_one_warning_and_no_result(change, monkeypatch):
    from stratum_dask.seams import rewrite

    monkeypatch.setattr(rewrite, "configured", lambda names: [Broken(change)])
    options = {"stratum.enabled": True, "stratum.on-fail": "warn"}
    with dask.config.set(options), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert dask.get(graph(), ["x", "y"]) == ("-1", "-0x1")
    assert [w.category for w in caught] == [StratumWarning]
    assert "'broken'" in str(caught[0].message)


def test_chosen_makes_a_rule_of_its_own_for_each_submission():
    rules = available(RULES)
    assert chosen(["unfuse"], rules)[0] is not chosen(["unfuse"], rules)[0]
