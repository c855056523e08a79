"""The user decides on a cluster: with the plugin, with a part of it, and without."""

import random
from collections import Counter

import dask
import pytest
from dask.utils import key_split
from distributed import LocalCluster, SchedulerPlugin
from distributed.utils_test import gen_cluster

from stratum_dask import AnnotationError
from stratum_dask.scheduler_plugins import StratumPlugin
from stratum_dask.seams.annotations import to_send

da = pytest.importorskip("dask.array")
delayed = dask.delayed
ON = {"stratum.enabled": True}


def square(x):
    return x * x


def roll():
    return random.random()


def misspelled():
    with dask.annotate(stratum="inpure"):
        return [delayed(square)(2), delayed(square)(2)]


class Ran(SchedulerPlugin):
    name = "ran"

    def __init__(self):
        self.names = Counter()

    def transition(self, key, start, finish, *args, **kwargs):
        if start == "processing" and finish == "memory":
            self.names[key_split(key)] += 1


@gen_cluster(client=True, config={"stratum.enabled": False})
async def test_the_annotation_is_harmless_without_the_plugin(c, s, *workers):
    with dask.annotate(stratum="pure"):
        tasks = [delayed(square)(2, dask_key_name=f"k-{n}") for n in range(2)]
        array = da.ones(4, chunks=2) + 1
    with dask.annotate(stratum="nonsense"):
        more = delayed(square)(3, dask_key_name="n")
    futures = c.compute([*tasks, more, array.sum()])
    assert await c.gather(futures) == [4, 4, 9, 8.0]
    assert s.tasks["k-0"].annotations == {"stratum": "pure"}
    assert "stratum" not in s.plugins


CLIENT_ONLY = {"stratum.distributed": "client", **ON}


@gen_cluster(client=True, config=CLIENT_ONLY)
async def test_client_only(c, s, *workers):
    s.add_plugin(Ran(), name="ran")
    with dask.annotate(stratum="pure"):
        same = [delayed(roll)() for _ in range(3)]
    with dask.annotate(stratum="impure"):
        apart = [delayed(square)(2) for _ in range(3)]
    found = await c.gather(c.compute([*same, *apart]))
    assert (len(set(found[:3])), found[3:]) == (1, [4, 4, 4])
    assert s.plugins["ran"].names["square"] == 3
    with pytest.raises(AnnotationError):
        c.compute(misspelled())


@gen_cluster(client=True, config={"stratum.enabled": False})
async def test_a_scheduler_is_told_nonsense_by_a_client_without_plugin(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    assert await c.gather(c.compute(misspelled())) == [4, 4]


ANOTHER_PROCESS = """
import sys
import dask
from distributed import Client

def roll():
    import random
    return random.random()

def different(**annotations):
    with dask.annotate(**annotations):
        rolls = [dask.delayed(roll)() for _ in range(3)]
    return len(set(dask.compute(*rolls)))

with Client(sys.argv[1]):
    print(different(), different(stratum="pure"), different(stratum="batch"))
    with dask.config.set({"stratum.purity.pure": ["__main__.roll"]}):
        print(different(), different(stratum="impure"))
    with dask.config.set({"stratum.purity": {"pure": ["*"], "impure": ["*.roll"]}}):
        print(different(), different(stratum="pure"))
    print(different())
"""


@pytest.fixture
def address():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, protocol="tcp", dashboard_address=":0"
    ) as cluster:
        yield cluster.scheduler_address


def test_what_a_client_in_another_process_says_holds(address, fresh_python):
    """The scheduler's own configuration names none of the client's functions."""
    done = fresh_python(ANOTHER_PROCESS, address, DASK_STRATUM__ENABLED="True")
    assert done.stdout.splitlines() == ["3 1 1", "1 3", "3 3", "3"]


def test_a_client_sends_nothing_where_it_says_nothing():
    assert to_send() is None
    with dask.config.set({"stratum.purity.strictness": "strict"}):
        assert to_send()["strictness"] == "strict"
