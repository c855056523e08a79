"""``dask stratum store``: what it prints, and what it says when it cannot."""

import json
import os
import sys

import dask
import numpy as np
import pytest
from click.testing import CliRunner

from stratum_dask.cli import stratum
from stratum_dask.scheduler_plugins.store.options import options
from stratum_dask.scheduler_plugins.store.store import Store


@pytest.fixture
def folder(tmp_path):
    store = Store(options(str(tmp_path / "store")), create=True)
    for i in range(5):
        facts = {"function": f"step_{i}", "seconds": 10.0 * (i + 1), "own": 1.0}
        store.put(f"{i:040x}", np.random.default_rng(i).random(1000), **facts)
    store.put("f" * 40, {1, 2}, function="tags", seconds=0.5)
    store.catalog.hit([f"{3:040x}"])
    store.close()
    return tmp_path / "store"


def run(*arguments, input=None):
    return CliRunner().invoke(stratum, ["store", *arguments], input=input)


def test_ls_is_a_table(folder):
    found = run("ls", "--url", str(folder), "-n", "4")
    assert found.exit_code == 0
    head, *rows, last = found.output.splitlines()
    assert head.split() == [
        "key",
        "function",
        "type",
        "format",
        "file",
        "computing",
        "hits",
        "written",
        "used",
    ]
    assert len(rows) == 4
    assert rows[0].split()[1:4] == ["step_3", "ndarray", "array"]
    assert "40.0 s" in rows[0]
    assert last.startswith("6 results, ")
    assert last.endswith("2 more than listed (-n)")
    assert len({len(row) for row in (head, rows[0])}) <= 2
    by_size = json.loads(
        run("ls", "--url", str(folder), "--json", "--sort", "size").output
    )
    assert [row["function"] for row in by_size][-1] == "tags"
    assert by_size[0]["created"].endswith("+00:00")


def test_info_says_how_full_it_is(folder):
    with dask.config.set(
        {"stratum.store.url": str(folder), "stratum.store.limit": "1 MB"}
    ):
        text = run("info").output
        facts = json.loads(run("info", "--json").output)
    assert f"store        {folder.as_uri()}" in text
    assert "6 (5 array, 1 pickle)" in text
    assert "of 0.95 MiB" in text or "of 1.00 MB" in text or "of 976.56 kiB" in text
    assert facts["entries"] == 6
    assert facts["pickles"] is True
    folder.chmod(0o755)
    assert "no: its mode is 0755, not 0700" in run("info", "--url", str(folder)).output


def test_verify_tells_and_removes(folder):
    assert (
        "all 6 results are as they were written"
        in run("verify", "--url", str(folder)).output
    )
    path = folder / "00" / f"{2:040x}.stratum"
    raw = bytearray(path.read_bytes())
    raw[500] ^= 1
    path.write_bytes(raw)
    found = run("verify", "--url", str(folder))
    assert found.exit_code == 1
    assert "corrupt" in found.output
    assert "verify --remove" in found.output
    assert path.exists()
    found = json.loads(run("verify", "--url", str(folder), "--remove", "--json").output)
    assert [bad["kind"] for bad in found["bad"]] == ["corrupt"]
    assert not path.exists()
    assert run("verify", "--url", str(folder)).exit_code == 0


def test_prune_and_clear(folder):
    left = run("prune", "--url", str(folder), "--to", "20 kB").output
    assert left.startswith("removed ")
    assert "left are 2 results" in left
    assert run(
        "prune", "--url", str(folder), "--unused-for", "1 day"
    ).output.startswith("removed 0 results")
    assert (
        json.loads(
            run("prune", "--url", str(folder), "--unused-for", "0 s", "--json").output
        )["left"]
        == 0
    )
    assert "the store is empty" in run("ls", "--url", str(folder)).output


def test_clear_asks_first(folder):
    found = run("clear", "--url", str(folder), input="n\n")
    assert found.exit_code == 1
    assert "Remove all 6 results" in found.output
    assert len(list(folder.glob("??/*"))) == 6
    assert "removed all 6 results" in run("clear", "--url", str(folder), "--yes").output
    assert list(folder.glob("??/*")) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "DASK_STRATUM__STORE__URL"),
        (["--url", "/nowhere/at/all"], "there is no store at /nowhere/at/all yet"),
        (["--url", os.sep], "is a folder, but no store"),
        (["--url", "nonsense://x"], "Protocol not known: nonsense"),
        (["--url", sys.executable], "there is no store|is no folder"),
    ],
)
@pytest.mark.parametrize("command", ["ls", "info", "verify", "prune", "clear"])
def test_where_there_is_no_store(command, arguments, says):
    found = run(command, *arguments)
    assert found.exit_code == 1
    assert any(part in found.output for part in says.split("|"))
    assert "Traceback" not in found.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["prune", "--to", "much"], "write it as '5 GiB'"),
        (["prune", "--unused-for", "long"], "write it as '30 days'"),
        (["ls", "--sort", "name"], "'worth', 'size'"),
        (["list"], "No such command"),
    ],
)
def test_a_wrong_option_says_what_is_right(folder, arguments, says):
    command, *rest = arguments
    found = run(command, "--url", str(folder), *rest)
    assert found.exit_code == 2
    assert says in found.output


def test_a_wrong_configuration_is_said():
    with dask.config.set(
        {"stratum.store.pickle": "sometimes", "stratum.store.url": "x"}
    ):
        found = run("ls")
    assert found.exit_code == 1
    assert "Valid: 'private', 'always', 'never'" in found.output
