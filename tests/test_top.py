"""``dask stratum top`` and ``report``: what people read in a terminal."""

import asyncio
import io
import json
import re

import dask
import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster, Scheduler
from distributed.utils_test import gen_cluster

from clusters import KEPT, STORED, programs, until
from stratum_dask import asking
from stratum_dask.cli import stratum
from stratum_dask.reporting import Report
from stratum_dask.scheduler_plugins import StratumPlugin
from stratum_dask.tally import Refusal, Tally

pytest.importorskip("rich")

from rich.console import Console

from stratum_dask import top


def busy(functions=40):
    """A report of a scheduler that has seen much."""
    total = Tally(graphs=48, asked=1_440, run=373, seconds_saved=7_381.5)
    for i in range(functions):
        name = f"evaluate_with_cross_validation_and_report_{i}"
        reason = f"reads the clock {i} " * 9
        total.merged[name] = 1_000 + i
        total.seconds[name] = 100.0 * i
        total.refused[Refusal(name, "not merged", reason, "pass it in")] = i + 1
    return Report(total, "scheduler x", failures=2, retention=KEPT, store=STORED)


def drawn(report, width=80, lines=None):
    out = io.StringIO()
    Console(file=out, width=width).print(top.show(report, lines))
    return out.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("lines", [15, 24, 60, None])
def test_it_fits_the_terminal(width, lines):
    rows = drawn(busy(), width, lines)
    assert max(map(len, rows)) <= width
    if lines is not None:
        assert len(rows) <= max(lines - 2, 18)
    text = "\n".join(rows)
    assert "1,440" in text
    assert "2 h 3 min" in text
    assert re.search(r"evaluate_with\S+ +1,039 +1 h 5 min", text)
    assert "reads the clock 39" in text


def test_nothing_yet_is_said_in_words():
    assert "Nothing to show yet" in drawn(Report(Tally(), "x"))[-1]


# -- live ---------------------------------------------------------------------


@gen_cluster(client=True)
async def test_it_follows_a_scheduler_and_survives_its_loss(c, s, *workers):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, height=24)
    async with Scheduler(port=0, dashboard=False, dashboard_address=":0") as other:
        await other.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        plugin, port = other.plugins["stratum"], other.port
        live = asyncio.create_task(top.watch(other.address, 2.0, 0.1, console))
        await until(lambda: "Nothing to show yet" in out.getvalue())
        plugin.total.graphs, plugin.total.asked = 1, 12_345
        await until(lambda: "12,345" in out.getvalue())
    await until(lambda: "no figures since" in out.getvalue())
    assert "Ctrl-C" in out.getvalue()
    async with Scheduler(port=port, dashboard=False, dashboard_address=":0") as again:
        await again.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        again.plugins["stratum"].total.graphs = 6_789
        await until(lambda: "6,789" in out.getvalue())
        live.cancel()
        with pytest.raises(asyncio.CancelledError):
            await live
    # the screen is given back, and what was last seen stays
    left = out.getvalue().rpartition("\x1b[?1049l")[2]
    assert "6,789" in left


@gen_cluster(client=True)
async def test_asking_leaves_the_scheduler_as_it_was(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    await c.gather(c.compute(programs(2)))
    clients = set(s.clients)
    report = await asking.ask(s.address, 5.0)
    assert (report.tasks, report.ran) == (4, 2)
    assert set(s.clients) == clients


# -- the commands ---------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    with (
        dask.config.set({"stratum.enabled": False}),
        LocalCluster(
            n_workers=1, processes=False, dashboard_address=None, protocol="tcp"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield cluster, client


@pytest.fixture
def scheduler(cluster):
    """Address of a scheduler whose plugin has seen one graph."""
    cluster, client = cluster
    client.register_plugin(StratumPlugin())
    client.gather(client.compute(programs(3)))
    yield cluster.scheduler_address
    client.unregister_scheduler_plugin("stratum")


def run(*arguments, **environment):
    return CliRunner().invoke(stratum, arguments, env=environment)


def test_report_and_top_tell_the_same(scheduler):
    told = run("report", "--scheduler", scheduler)
    assert told.exit_code == 0, told.output
    assert re.search(r"tasks asked for +6\n +tasks run +2 +4 need not run", told.output)
    plain = json.loads(run("report", "--scheduler", scheduler, "--json").stdout)
    assert (plain["tasks"], plain["ran"], plain["merged"]) == (6, 2, 4)
    assert plain["merged_by_function"] == {"half": 2, "load": 2}
    assert plain["seconds_saved_by_function"].keys() == {"half", "load"}
    once = run("top", "--once", "--scheduler", scheduler)
    assert once.exit_code == 0, once.output
    assert re.search(r"tasks run +2 +4 need not run", once.output)
    # without a terminal there is nothing to keep up to date
    assert "tasks run" in run("top", "--scheduler", scheduler).output


def test_the_scheduler_of_the_configuration_is_asked(scheduler):
    with dask.config.set({"scheduler-address": scheduler}):
        assert "tasks asked for" in run("report").output


@pytest.mark.parametrize("command", ["report", "top"])
def test_what_is_wrong_and_what_to_do(command, cluster):
    address = cluster[0].scheduler_address
    for arguments, said in {
        (): "--scheduler",
        ("--scheduler", "127.0.0.1:1", "--timeout", "0.2"): "no scheduler answers at",
        ("--scheduler", "http://127.0.0.1:1"): "unknown address scheme 'http'",
        ("--scheduler", address): "stratum_dask.scheduler_plugins",
    }.items():
        done = run(command, *arguments)
        assert done.exit_code == 1, (arguments, done.output)
        assert said in done.output
        assert "Traceback" not in done.output


def test_without_rich_the_report_still_works(scheduler, fresh_python):
    code = (
        "import sys; sys.modules['rich'] = None\n"
        "from stratum_dask.cli import stratum\n"
        "stratum(sys.argv[1:])"
    )
    done = fresh_python(code, "top", "--scheduler", scheduler, check=False)
    assert done.returncode == 1
    assert "pip install 'stratum-dask[cli]'" in done.stderr
    assert "tasks run" in fresh_python(code, "report", "--scheduler", scheduler).stdout
