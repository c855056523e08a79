"""Every collection on every scheduler: the results of plain Dask, equal work once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import dask
import dask.bag as db
import pytest
from dask.callbacks import Callback
from dask.utils import key_split
from distributed import Client, LocalCluster, SchedulerPlugin

from stratum_dask.graph import identity
from stratum_dask.optimizations.private import Isolated

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

SCHEDULERS = ("threads", "sync", "processes", "executor", "distributed")


class Ran(SchedulerPlugin):
    """Counts tasks that ran; our own copies are not any."""

    name = "ran"

    def __init__(self):
        self.names = Counter()

    async def start(self, scheduler):
        self.scheduler = scheduler

    def transition(self, key, start, finish, *args, **kwargs):
        if start == "processing" and finish == "memory":
            func = getattr(self.scheduler.tasks[key].run_spec, "func", None)
            if not (isinstance(func, Isolated) and func.func is identity):
                self.names[key_split(key)] += 1


@pytest.fixture(scope="module")
def cluster():
    with (
        dask.config.set({"distributed.scheduler.validate": True}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as made,
    ):
        yield made


def plain_dask(client):
    """Take away the plugin that an earlier client has left on the scheduler."""
    if "stratum" in client.cluster.scheduler.plugins:
        client.unregister_scheduler_plugin("stratum")


@pytest.fixture(params=SCHEDULERS)
def compute(request):
    """Compute on one scheduler: ``compute(on, *collections)`` -> results, runs."""
    if request.param == "distributed":
        cluster = request.getfixturevalue("cluster")

    def run(on, *collections):
        with dask.config.set({"stratum.enabled": on}):
            if request.param == "distributed":
                with Client(cluster) as client:
                    if not on:
                        plain_dask(client)
                    counting = Ran()
                    client.register_plugin(counting)
                    ran = cluster.scheduler.plugins["ran"].names
                    found = dask.compute(*collections)
                    client.unregister_scheduler_plugin("ran")
                    return found, ran
            ran = Counter()

            def count(key, *rest):
                ran[key_split(key)] += 1

            with ThreadPoolExecutor(2) as pool, Callback(posttask=count):
                options = {
                    "executor": {"scheduler": pool},
                    "processes": {"scheduler": "processes", "num_workers": 2},
                }.get(request.param, {"scheduler": request.param})
                return dask.compute(*collections, **options), ran

    return run


def make(n):
    return list(range(n))


def add(x, value):
    x.append(value)
    return x


def total(x):
    return sum(x)


def test_delayed(compute):
    def made():
        x = dask.delayed(make)(4)
        y = dask.delayed(add)(dask.delayed(make)(4), 10)
        return [x, y, dask.delayed(total)(x), dask.delayed(total)(y)]

    programs = [*made(), *made()]
    plain, before = compute(False, *programs)
    found, ran = compute(True, *programs)
    assert found == plain == ([0, 1, 2, 3], [0, 1, 2, 3, 10], 6, 16) * 2
    assert before == {"make": 4, "add": 2, "total": 4}
    # a private copy for each of two ways that a list goes is no work of the user's
    assert sum(n for name, n in ran.items() if name != "private") == 4


def even(n):
    return n % 2 == 0


def twice(n):
    return 2 * n


def slow_square(n):
    return n * n


def test_bags_with_a_common_beginning(compute):
    """Dask fuses each chain: what they share hides inside."""

    def made():
        bag = db.from_sequence(range(8), npartitions=2).map(slow_square)
        return [bag.map(twice).to_delayed()[0], bag.filter(even).to_delayed()[0]]

    programs = [*made(), *made()]
    plain, _ = compute(False, *programs)
    found, ran = compute(True, *programs)
    assert found == plain
    assert ran["slow_square"] == 1, "one beginning"
    assert ran["from_sequence"] == 2, "two ends, by the names of their fused tasks"


def test_arrays(compute):
    def made():
        x = da.from_array(np.arange(24.0).reshape(6, 4), chunks=(3, 4))
        x = da.map_blocks(np.sort, x, name=None)
        return [x.sum(), (x + 1).mean(axis=0), x.T]

    programs = [*made(), *made()]
    plain, before = compute(False, *programs)
    found, ran = compute(True, *programs)
    for a, b in zip(found, plain, strict=True):
        np.testing.assert_array_equal(a, b)
    assert sum(ran.values()) <= sum(before.values())


def frame(n):
    return pd.DataFrame({"x": range(n, n + 6), "g": list("aabbcc")})


def grow(part):
    part["y"] = part["x"] + 1
    return part


def frames():
    parts = [dask.delayed(frame)(n) for n in (0, 6)]
    return dd.from_delayed(parts, meta=frame(0), verify_meta=False)


def test_frames(compute):
    def made():
        return [frames().x.sum(), frames().map_partitions(grow).y.sum(), frames()]

    programs = [*made(), *made()]
    plain, before = compute(False, *programs)
    found, ran = compute(True, *programs)
    assert found[:2] == found[3:5] == plain[:2] == (66, 78)
    for a, b in zip(found, plain, strict=True):
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b)
    assert sum(ran.values()) < sum(before.values())


@pytest.mark.parametrize("method", ["tasks", "p2p"])
def test_shuffles_on_a_cluster(cluster, method):
    def made():
        ddf = dd.from_pandas(frame(0), npartitions=3)
        return ddf.shuffle("g", shuffle_method=method).map_partitions(len)

    with Client(cluster) as client, dask.config.set({"stratum.enabled": False}):
        plain_dask(client)
        plain = dask.compute(made(), made())
    with Client(cluster), dask.config.set({"stratum.enabled": True}):
        kept = made().persist()
        found = dask.compute(made(), made())
        assert [list(f) for f in found] == [list(p) for p in plain]
        assert list(kept.compute()) == list(plain[0])


@pytest.mark.parametrize("scheduler", ["sync", "distributed"])
def test_work_inside_a_persisted_frame_is_found(cluster, scheduler):
    from contextlib import ExitStack

    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"stratum.enabled": True}))
        if scheduler == "distributed":
            stack.enter_context(Client(cluster))
        else:
            stack.enter_context(dask.config.set(scheduler="sync"))
        ddf = frames()
        kept = ddf.map_partitions(grow).persist()
        assert kept.x.sum().compute() == 66
        assert ddf.map_partitions(grow).y.sum().compute() == 78
        assert list(kept.compute().columns) == ["x", "g", "y"]


def test_persist(compute):
    with dask.config.set({"stratum.enabled": True, "scheduler": "sync"}):
        x, y = dask.persist(dask.delayed(make)(3), dask.delayed(make)(3))
        a, b = x.compute(), y.compute()
        a.append(1)
        assert b == [0, 1, 2]
        assert dask.delayed(add)(x, 7).compute() == [0, 1, 2, 7]


@pytest.mark.slow
def test_searches_of_dask_ml(compute):
    search = pytest.importorskip("dask_ml.model_selection")
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)

    def scores(on):
        with dask.config.set({"stratum.enabled": on, "scheduler": "sync"}):
            model = search.GridSearchCV(
                make_pipeline(StandardScaler(), Ridge()),
                {"ridge__alpha": [0.1, 1.0]},
                cv=3,
            )
            return model.fit(X, y).cv_results_["mean_test_score"]

    np.testing.assert_array_equal(scores(True), scores(False))
