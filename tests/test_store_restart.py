"""The cluster remembers: everything is started anew, and hardly anything runs."""

import json

import pytest

from stratum_dask.config import DEFAULTS

pytestmark = pytest.mark.slow

PROGRAM = """
import json, sys, time
import dask, numpy as np, pandas as pd
from dask import delayed
from distributed import Client, LocalCluster, SchedulerPlugin
from sklearn.linear_model import Ridge
from stratum_dask.optimizations.stored import Stored

def slow(n=4_000_000):  # much longer than writing a result, on a busy machine too
    total = 0
    for i in range(n):
        total += i * i
    return total

def load(seed):
    slow()
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.random((2000, 8)), columns=list("abcdefgh"))

def clean(frame, column):
    slow()
    frame[column] = frame[column].clip(0.1, 0.9)
    return frame

def fit(frame, alpha):
    slow()
    return Ridge(alpha=alpha).fit(frame[list("abcdefg")], frame["h"])

def score(model, frame):
    slow()
    return float(model.score(frame[list("abcdefg")], frame["h"]))

def pipeline(seed, column, alpha):
    frame = delayed(clean)(delayed(load)(seed), column)
    return delayed(score)(delayed(fit)(frame, alpha), frame)

def search(order):
    return [pipeline(0, c, a) for c in "ab" for a in (0.1, 10.0)[::order]]

class Ran(SchedulerPlugin):
    total = 0
    def transition(self, key, start, finish, *args, **kwargs):
        if (start, finish) == ("processing", "memory"):
            spec = cluster.scheduler.tasks[key].run_spec
            self.total += not isinstance(getattr(spec, "func", None), Stored)

if __name__ == "__main__":
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    client = Client(cluster)  # nobody closes the two
    ran = Ran()
    cluster.scheduler.add_plugin(ran, name="ran")
    scores = dict(zip(range(4), dask.compute(*search(int(sys.argv[1])))))
    store = cluster.scheduler.plugins["stratum"].store
    end = time.monotonic() + 10
    while store.figures().hits < int(sys.argv[2]) and time.monotonic() < end:
        time.sleep(0.01)
    figures = store.figures()
    print(json.dumps([sorted(map(float.hex, scores.values())), ran.total, figures.hits, figures.failures]))
"""


@pytest.fixture
def program(tmp_path, fresh_python):
    def run(order, hits):
        found = fresh_python(
            PROGRAM,
            str(order),
            str(hits),
            DASK_STRATUM__ENABLED="True",
            DASK_STRATUM__STORE__MIN_SECONDS="0",
            DASK_STRATUM__STORE__URL=str(tmp_path / "store"),
            DASK_STRATUM__RETENTION__BUDGET=str(DEFAULTS["retention"]["budget"]),
        )
        assert "Traceback" not in found.stderr
        return json.loads(found.stdout.splitlines()[-1])

    return run


def test_after_a_restart_of_everything_nothing_is_computed(program):
    # It ends as soon as it has its scores, and closes nothing: what is worth it is
    # written on the way out.
    scores, ran, hits, failures = program(1, hits=0)
    assert (ran, hits, failures) == (11, 0, 0)
    again, ran, hits, failures = program(-1, hits=4)
    assert again == scores
    assert (ran, hits, failures) == (0, 4, 0)
