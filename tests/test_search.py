"""The door for agents: what goes in, what comes out, and who pays."""

import asyncio
import sys
import threading
import time
import warnings
from concurrent.futures import CancelledError

import dask
import pytest
from dask import delayed
from distributed import Client, LocalCluster

import stratum_dask
from stratum_dask.search import (
    CandidateTimeout,
    OverBudget,
    Search,
    SearchError,
)
from stratum_dask.search.ownkeys import own_keys


def load(n=10):
    return list(range(n))


def fit(data, weight):
    return sum(data) * weight


def raises():
    raise ValueError("this one is broken")


def candidate(weight):
    return delayed(fit)(delayed(load)(), weight)


@pytest.fixture(scope="module")
def cluster():
    """A scheduler of somebody else, with one worker in this process."""
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as found:
        yield found


@pytest.fixture(params=["sync", "cluster", "address", "client"])
def place(request, cluster):
    if request.param == "client":
        with Client(cluster, set_as_default=False) as found:
            yield found
    else:
        yield {
            "sync": "sync",
            "cluster": cluster,
            "address": cluster.scheduler_address,
        }[request.param]


def test_equal_work_of_candidates_runs_once_and_each_knows_what_it_paid(place):
    with Search(place, window=0.3) as search:
        for weight in (1, 3, 2):
            search.add(candidate(weight), name=f"weight {weight}")
        assert {c.result() for c in search} == {45, 90, 135}
    assert search.best.name == "weight 3"
    assert sum(c.cost.ran for c in search.candidates) == 4
    assert [c.cost.tasks for c in search.candidates] == [2, 2, 2]
    saved = [c.cost.saved for c in search.candidates]
    assert sum(s > 0 for s in saved) == 2
    assert all(c.cost.seconds > 0 for c in search.candidates)


def test_one_that_fails_names_its_step_and_hurts_nobody(place):
    with Search(place) as search:
        broken = search.add(delayed(fit)(delayed(raises)(), 2), name="broken")
        locked = search.add(fit, threading.Lock(), 2, name="locked")
        good = search.add(candidate(1))
        quits = search.add(sys.exit, 3) if place != "sync" else search.add(raises)
        assert good.result() == 45
        with pytest.raises(ValueError, match="this one is broken"):
            broken.result()
        assert isinstance(locked.exception(), TypeError)
        assert quits.exception() is not None
    assert (broken.status, broken.step) == ("failed", "raises")
    assert locked.step == ("fit" if place == "sync" else "building its graph")
    board = search.leaderboard()
    assert board["name"].iloc[0] == good.name
    assert board.set_index("name").loc["broken", "error"].startswith("ValueError: this")


def test_what_is_no_number_has_no_score(place):
    with Search(place) as search:
        nan = search.add(lambda: float("nan"), name="nan")
        text = search.add(lambda: "text", name="text")
        scores = search.add(lambda: [0.5, 1.0], name="scores")
        search.add(lambda: {"test_score": [0.5]}, name="validated")
    assert (nan.status, text.status) == ("done", "done")
    assert text.score is None
    assert scores.score == 0.75
    assert list(search.leaderboard()["name"][:2]) == ["scores", "validated"]


def test_a_score_of_ones_own_may_fail():
    def score(value):
        return 1 / value

    with Search("sync", score=score, greater_is_better=False) as search:
        for value in (1, 2, 0):
            search.add(lambda v=value: v, name=str(value))
    assert search.best.name == "2"
    assert (search["0"].status, search["0"].step) == ("failed", "score")


def test_hand_made_names_of_two_candidates_may_be_the_same(place):
    def one(weight):
        data = delayed(load)(dask_key_name="data")
        return delayed(fit)(data, weight, dask_key_name="score")

    with Search(place, window=0.3) as search:
        for weight in range(3):
            search.add(one(weight))
        assert sorted(c.value for c in search) == [0, 45, 90]
    assert sum(c.cost.ran for c in search.candidates) == 4


def test_annotations_survive_names_of_ones_own():
    with dask.annotate(retries=2):
        inner = delayed(load)(dask_key_name="data")
    layers = own_keys(delayed(sum)(inner)).dask.layers.values()
    assert sorted(str(layer.annotations) for layer in layers) == [
        "None",
        "{'retries': 2}",
    ]


def test_containers_callables_and_estimators_are_candidates(place):
    from sklearn.datasets import load_iris
    from sklearn.dummy import DummyClassifier

    X, y = load_iris(return_X_y=True)
    with Search(place) as search:
        several = search.add({"a": candidate(1), "b": [candidate(2)]})
        called = search.add(fit, [1, 2], weight=2)
        model = search.add(DummyClassifier(), X, y, cv=3)
    assert several.value == {"a": 45, "b": [90]}
    assert called.value == 6
    assert model.score == pytest.approx(0.32)
    assert model.name.startswith("DummyClassifier")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((3,), "3 is no candidate; valid: a Dask collection"),
        ((dict,), "dict is a class"),
        ((delayed(1), 2), "is complete, so the arguments"),
    ],
)
def test_what_is_no_candidate_is_said_at_once(given, says):
    with Search("sync") as search, pytest.raises(SearchError, match=says):
        search.add(*given)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"scheduler": "thread"}, "valid: 'threads', 'processes', 'sync'"),
        ({"timeout": "soon"}, "timeout='soon' is no time"),
        ({"memory_limit": 0}, "memory_limit=0 is no size"),
        ({"candidates": -1}, "candidates=-1 is no number"),
        ({"in_flight": 0}, "in_flight=0 is no number"),
    ],
)
def test_options_that_mean_nothing_are_said_at_once(option, says):
    with pytest.raises(SearchError, match=says):
        Search(**{"scheduler": "sync", **option})


def test_names_are_of_one_candidate_and_found():
    with Search("sync") as search:
        search.add(load, name="a")
        with pytest.raises(SearchError, match="called 'a' already"):
            search.add(load, name="a")
        with pytest.raises(KeyError, match="there are: 'a'"):
            search["b"]
    with pytest.raises(SearchError, match="is closed"):
        search.add(load)


def test_candidates_come_from_many_threads(cluster):
    with Search(cluster) as search:

        def agent(n):
            for weight in range(5):
                search.add(candidate(weight), name=f"{n}-{weight}")

        threads = [threading.Thread(target=agent, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(c.value for c in search) == sorted([0, 45, 90, 135, 180] * 4)


def test_candidates_come_from_asyncio(cluster):
    async def agent(search, weight):
        return await search.add(candidate(weight))

    async def main():
        async with Search(cluster) as search:
            found = await asyncio.gather(*[agent(search, w) for w in range(3)])
            assert found == [0, 45, 90]
            broken = search.add(raises)
            assert len([c async for c in search]) == 4
            with pytest.raises(ValueError, match="broken"):
                await broken

    asyncio.run(main())


def test_best_first():
    seen = []
    with Search("sync", order=lambda c: float(c.name)) as search:
        for name in ("1", "3", "2"):
            search.add(load, name=name).add_done_callback(lambda c: seen.append(c.name))
    assert seen == ["3", "2", "1"]


def test_priorities_and_a_limit_in_flight(cluster):
    gate, seen = threading.Event(), []
    GATES["gate"] = gate
    with Search(cluster, in_flight=1, window=0) as search:
        search.add(wait_for, "gate", name="first")
        while search["first"].status != "sent":
            time.sleep(0.01)
        for name, priority in {"low": 1, "high": 2}.items():
            added = search.add(load, name=name, priority=priority)
            added.add_done_callback(lambda c: seen.append(c.name))
        gate.set()
    assert seen == ["high", "low"]


GATES = {}


def wait_for(name):
    return GATES[name].wait(20)


def test_an_order_that_fails_is_left_out():
    with Search("sync", order=lambda c: 1 / 0) as search:
        search.add(load)
        with pytest.warns(stratum_dask.StratumWarning, match="order.* raised ZeroDiv"):
            search.candidates[0].result()


def test_a_cancelled_candidate_takes_nothing_from_others(cluster):
    gate = GATES["shared"] = threading.Event()
    with Search(cluster, window=0.3) as search:
        shared = delayed(wait_for)("shared")
        one = search.add(delayed(fit)([1], shared), name="one")
        other = search.add(delayed(fit)([2], shared), name="other")
        while other.status != "sent":
            time.sleep(0.01)
        assert one.cancel()
        assert isinstance(one.exception(), CancelledError)
        gate.set()
        assert other.result() == 2
        assert not other.cancel()
    assert one.status == "cancelled"


def test_budgets_of_the_whole_search(place):
    with Search(place, candidates=2) as search:
        found = [search.add(load, n) for n in range(3)]
    assert [c.status for c in found] == ["done", "done", "over budget"]
    with pytest.raises(OverBudget, match="takes 2 candidates"):
        found[2].result()


def test_seconds_of_the_whole_search(cluster):
    gate = GATES["budget"] = threading.Event()
    with Search(cluster, seconds=0.3) as search:
        found = search.add(wait_for, "budget")
        assert isinstance(found.exception(20), OverBudget)
        gate.set()
    assert found.status == "over budget"


def test_leaving_by_an_error_gives_up_what_has_not_ended(cluster):
    gate = GATES["left"] = threading.Event()

    def left():
        with Search(cluster) as search:
            found.append(search.add(wait_for, "left"))
            while found[0].status != "sent":
                time.sleep(0.01)
            gate.set()
            raise KeyboardInterrupt

    found = []
    with pytest.raises(KeyboardInterrupt):
        left()
    assert found[0].done()


def test_a_search_leaves_the_scheduler_as_it_was(cluster):
    before = set(cluster.scheduler.plugins)
    clients = set(cluster.scheduler.clients)
    with Search(cluster) as search:
        search.add(load)
    assert set(cluster.scheduler.plugins) - {"stratum"} == before - {"stratum"}
    assert set(cluster.scheduler.clients) == clients


def test_a_program_with_the_plugin_off_stays_off(cluster):
    with Search(cluster, window=0.3) as search:
        search.add(candidate(1))
        search.add(candidate(2))
    assert sum(c.cost.ran for c in search.candidates) == 3
    assert dask.config.get("stratum.enabled") is False


def test_there_is_no_scheduler():
    with Search("tcp://127.0.0.1:9", window=0) as search:
        with dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}):
            found = search.add(load)
            assert "no scheduler at tcp://127.0.0.1:9" in str(found.exception())
        assert found.status == "failed"
        assert search.add(load).exception() is not None


def test_a_bar_shows_the_best(capfd):
    with Search("sync", progress=True) as search:
        search.add(candidate(1))
        search.add(raises)
    shown = capfd.readouterr().err
    assert "2/2" in shown
    assert "best=45" in shown
    assert "failed=1" in shown


def test_a_limit_is_looked_at_after_each_step_where_nothing_can_be_interrupted():
    with Search("sync", timeout=0.01) as search:
        long = search.add(delayed(fit)(delayed(time.sleep)(0.05), 1))
        assert isinstance(long.exception(), CandidateTimeout)
        assert search.add(load).result()


def test_estimators_share_their_steps():
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_iris(return_X_y=True)
    with Search("sync", window=0.3) as search:
        for C in (0.1, 1.0):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=C))
            search.add(model, X, y, cv=3, name=str(C))
        assert {c.name for c in search} == {"0.1", "1.0"}
    first, second = search.candidates
    assert second.cost.saved > 0
    assert second.cost.ran < first.cost.ran
    assert search.best.name == "1.0"


def test_a_scheduler_that_must_not_be_changed_is_not():
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as own,
        dask.config.set({"stratum.distributed": "client"}),
        Search(own, window=0.3) as search,
    ):
        search.add(candidate(1))
        search.add(candidate(2))
        assert sorted(c.value for c in search) == [45, 90]
        assert "stratum" not in own.scheduler.plugins
    assert sum(c.cost.ran for c in search.candidates) == 3


def test_a_scheduler_that_can_t_load_it_runs_candidates_as_they_are(monkeypatch):
    from distributed import Client as Original

    def refuses(self, plugin, name=None):
        raise ModuleNotFoundError("No module named 'stratum_dask'")

    monkeypatch.setattr(Original, "register_plugin", refuses)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as own:
        search = Search(own)
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            found = search.add(candidate(1))
            assert found.result(30) == 45
            search.close()
    assert "time-outs and memory limits are not enforced" in str(given[0].message)
    assert found.cost.seconds is None


def test_collections_of_several_kinds_keep_their_values(place):
    """Dask mixes the results of such collections up."""
    db = pytest.importorskip("dask.bag")
    bag = db.from_sequence(range(4), npartitions=2)
    with stratum_dask.Search(scheduler=place) as search:
        kinds = [bag.sum(), bag.to_delayed()[0], bag.count(), delayed(len)([1]), bag]
        found = [search.add(kind) for kind in kinds]
        values = [candidate.result(timeout=60) for candidate in found]
    assert values == [6, [0, 1], 4, 1, [0, 1, 2, 3]]
