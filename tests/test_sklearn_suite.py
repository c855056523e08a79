"""scikit-learn's own tests, a few of them, with our searches in place of its own."""

import sys

import pytest


@pytest.fixture
def suite(root, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(root / "tests" / "witness")
    import sklearn_suite

    made = sklearn_suite.SklearnSuite(tmp_path, tmp_path / "results", 100)
    made.how = "graph"
    yield made
    for name in ("sklearn_suite", "dask_suite"):
        sys.modules.pop(name)


def test_a_module_is_run_with_theirs_and_with_ours(suite, tmp_path):
    module = tmp_path / "test_mine.py"
    module.write_text(
        "from sklearn.model_selection import GridSearchCV, cross_val_score\n"
        "from stratum_dask.frontends.sklearn.evaluate import Sharing\n"
        "def test_theirs(): assert GridSearchCV.__module__.startswith('sklearn')\n"
        "def test_all_by_graphs(): assert Sharing.always\n"
        "def test_same(): assert cross_val_score\n"
    )
    found = suite.compare([("test_mine.py", str(module))], jobs=2)
    both = {
        d.name.partition("::")[2]: (d.off["outcome"], d.on["outcome"]) for d in found
    }
    assert both == {
        "test_theirs": ("passed", "failed"),
        "test_all_by_graphs": ("failed", "passed"),
    }
