"""The parts of retention for themselves: options, policy, eviction, objects of one's own."""

import pickle
from types import SimpleNamespace

import dask
import pytest

from stratum_dask.errors import ConfigError
from stratum_dask.optimizations.private import Own
from stratum_dask.scheduler_plugins.retention import options
from stratum_dask.scheduler_plugins.retention.eviction import victims
from stratum_dask.scheduler_plugins.retention.pins import Kept
from stratum_dask.scheduler_plugins.retention.policy import History, Policy


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (0.2, 0.2),
        (1, 1.0),
        ("0.5", 0.5),
        (0, 0),
        (False, 0),
        (None, 0),
        ("2 GiB", 2 * 2**30),
        (10**9, 10**9),
    ],
)
def test_budget_is_a_fraction_or_bytes(given, expected):
    with dask.config.set({"stratum.retention.budget": given}):
        found = options().budget
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"budget": "lots"}, "budget is 'lots'; valid: a fraction of the cluster's"),
        ({"budget": True}, "budget is True; valid"),
        ({"budget": -1}, "budget is -1; valid"),
        ({"budget": "nan"}, "or false"),
        ({"keep": "soon"}, "keep is 'soon'; valid: a number of seconds"),
        ({"keep": "inf"}, "keep is 'inf'"),
        ({"min-seconds": False}, "min-seconds is False; valid"),
        ({"bugdet": 1}, "'bugdet'; did you mean 'budget'?"),
        ("0.2", "stratum.retention is '0.2', but it is a section"),
    ],
)
def test_wrong_options_are_told_the_right_ones(given, said):
    with (
        dask.config.set({"stratum.retention": given}),
        pytest.raises(ConfigError) as caught,
    ):
        options()
    assert said in str(caught.value)


def test_times_are_written_as_anywhere_in_dask():
    given = {"stratum.retention": {"keep": "10 minutes", "min_seconds": "100ms"}}
    with dask.config.set(given):
        assert (options().keep, options().min_seconds) == (600, 0.1)


def test_history_is_bounded_and_forgets_the_longest_unseen():
    history = History(limit=2)
    for fingerprint in (b"a", b"b"):
        history.add(fingerprint)
    history.graph([b"a"])
    history.add(b"c")
    assert len(history) == 2
    assert history.reuse(b"b") == 0
    assert history.reuse(b"a") > history.reuse(b"c") > 0


def test_what_was_not_of_use_while_others_came_and_went_loses():
    policy = Policy()
    for fingerprint in (b"old", b"new"):
        policy.history.add(fingerprint)
    old = policy.score(b"old", policy.floor, 1000, lambda score: 2.0)
    policy.let_go(old * 2)
    new = policy.score(b"new", policy.floor, 1000, lambda score: 1.0)
    assert new > old


def test_an_ancestor_that_is_worth_less_counts_as_gone():
    policy = Policy()
    policy.history.add(b"f")
    asked = []

    def seconds(score):
        asked.append(score)
        return 5.0 if score > 1e-4 else 1.0

    cheap = policy.score(b"f", 0.0, 100_000, seconds)
    assert asked[0] == float("inf")
    assert cheap == pytest.approx(1.0 / 104_096, rel=1e-6)


def results(*sizes):
    ws, found = object(), {}
    for i, (nbytes, score) in enumerate(sizes):
        ts = Result(i, nbytes, {ws})
        found[ts] = Kept(b"", 0.0, 0.0, score=score)
    return ws, found


class Result(SimpleNamespace):
    def __init__(self, key, nbytes, who_has):
        super().__init__(key=key, nbytes=nbytes, who_has=who_has)

    __hash__ = object.__hash__


def gone(alone, budget=10**9, most=100, short=None):
    chosen = victims(alone, lambda ts, one: one.score, budget, most, short or {})
    return [ts.key for ts, _ in chosen]


def test_least_worth_goes_first_until_the_rest_fits():
    _, alone = results((10, 3.0), (10, 1.0), (10, 2.0))
    assert gone(alone, budget=30) == []
    assert gone(alone, budget=20) == [1]
    assert gone(alone, budget=5) == [1, 2, 0]
    assert gone(alone, most=2) == [1]


def test_a_worker_that_runs_short_gets_back_what_it_needs_of_its_own():
    ws, alone = results((10, 3.0), (10, 1.0), (10, 2.0))
    other, more = results((10, 0.5))
    assert gone({**alone, **more}, short={ws: 15}) == [1, 2]
    assert gone({**alone, **more}, short={other: 1}) == [0]


def same(x):
    return x


def made_of(x):
    return {"inner": x}


def test_a_result_of_ones_own_shares_nothing_with_what_was_given():
    given = [1]
    for function in (same, made_of):
        found = pickle.loads(pickle.dumps(Own(function, 10_000)))(given)
        assert found == function(given)
        found = found["inner"] if function is made_of else found
        found.append(2)
        assert given == [1]
    assert Own(same, 1)(given) is given


def test_what_cannot_be_copied_is_returned_as_it_is():
    lines = (n for n in range(2))
    assert Own(same, 10_000)(lines) is lines


def test_a_result_of_ones_own_is_one_where_the_package_is_missing(
    fresh_python, without
):
    pickled = pickle.dumps(Own(sorted, 10_000))
    code = f"import pickle; print(pickle.loads({pickled!r})([2, 1]))"
    assert fresh_python(code, **without).stdout.strip() == "[1, 2]"
