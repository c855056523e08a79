"""dask-ml beside the plugin: its searches run, and share what they have in common."""

import dask
import dask.array as da
import numpy as np
import pytest
from dask.callbacks import Callback
from dask_ml.metrics import log_loss, r2_score
from dask_ml.model_selection import GridSearchCV
from dask_ml.wrappers import ParallelPostFit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import stratum_dask
from stratum_dask.dask_ml_facts import broken
from stratum_dask.doctor import examine, render
from stratum_dask.graph import as_graph, rekey

pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
y = (X[:, 0] > 0).astype(int)
MODEL = make_pipeline(StandardScaler(), LogisticRegression())


def search(*values, **options):
    grid = {"logisticregression__C": list(values)}
    made = GridSearchCV(MODEL, grid, cv=3, scheduler="sync", **options)
    return made.fit(X.copy(), y.copy())


def again(*searches, on):
    """Compute the graphs of these searches as one: scores, and tasks run."""
    graph, keys = {}, []
    for number, each in enumerate(searches):
        own = as_graph(each.dask_graph_)
        names = {key: f"{number}-{key}" for key in own}
        graph |= {names[k]: rekey(node, names[k], names) for k, node in own.items()}
        keys += [names[k] for k in own if "score" in str(k)]
    ran = []
    with stratum_dask.enabled(on), Callback(pretask=lambda key, *_: ran.append(key)):
        return [found[1] for found in dask.get(graph, keys)], len(ran)


def test_searches_that_overlap_run_the_common_part_once():
    # Their cache of folds is an object that tasks write into, which nobody shares.
    one, other = search(0.1, 1.0, cache_cv=False), search(1.0, 10.0, cache_cv=False)
    plain, alone = again(one, other, on=False)
    shared, ran = again(one, other, on=True)
    _, first = again(one, on=False)
    assert plain == shared
    # What the second one adds is a third model, in 3 folds: fit, score, and between.
    assert ran < alone
    assert ran - first == 3 * 3


def test_a_search_and_a_wrapper_give_the_same_with_the_plugin():
    data = da.from_array(X, chunks=(45, 3))
    found = []
    for on in (False, True):
        with stratum_dask.enabled(on):
            scores = search(0.1, 1.0).cv_results_["mean_test_score"]
            wrapped = ParallelPostFit(LogisticRegression()).fit(X, y)
            found.append((scores.tolist(), wrapped.predict(data).compute().tolist()))
    assert found[0] == found[1]


def test_what_is_broken_is_said_by_the_doctor():
    facts = examine()
    found = facts["here"]["broken_in_dask_ml"]
    versions = {**facts["here"]["versions"], **facts["here"]["optional"]}
    assert len(found) == len(broken(versions)) > 0
    assert facts["healthy"]
    assert "dask_ml.metrics.log_loss, by scikit-learn 1.5" in render(facts)


@pytest.mark.parametrize("on", [False, True])
def test_what_is_said_to_be_broken_is_broken(on):
    target = da.from_array(y, chunks=45)
    names = {b.what for b in broken({"dask-ml": "2025.1.0", "dask": "2026.8.0"})}
    assert "metrics.r2_score" in names
    with stratum_dask.enabled(on):
        with pytest.raises(ValueError, match="nan"):
            r2_score(target, target)
        with pytest.raises(TypeError, match="eps"):
            log_loss(target, target * 0.8 + 0.1, labels=[0, 1])
