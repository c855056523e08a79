"""What a scheduler remembers of a graph that has arrived."""

from dask._task_spec import Alias, Task, TaskRef

from stratum_dask.optimizations import Submission
from stratum_dask.scheduler_plugins.foresight import Foresight
from stratum_dask.scheduler_plugins.learning import learn
from stratum_dask.scheduler_plugins.registry import Registry


def test_another_name_of_a_result_is_known_and_given_to_nobody():
    graph = {
        "a": Task("a", abs, -1),
        "b": Alias("b", "a"),
        "c": Task("c", str, TaskRef("b")),
    }
    submission, registry = Submission(graph, frozenset("bc")), Registry()
    learn(registry, graph, submission, Foresight())
    assert registry.find(submission.fingerprints["b"]) == ("a",)
    assert registry.fingerprint("b") == registry.fingerprint("a")
    assert not registry.reusable("b")
    assert registry.reusable("c")
