"""The /stratum page, over HTTP and its websocket, as browsers use it."""

import asyncio
import gc
import html
import json
import re
import signal
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import dask
import pytest
from distributed import Scheduler
from distributed.utils_test import gen_cluster, gen_test

from clusters import KEPT, STORED, fetch, part, programs, until
from stratum_dask.scheduler_plugins import StratumPlugin
from stratum_dask.scheduler_plugins.dashboard import document
from stratum_dask.tally import Refusal

pytest.importorskip("bokeh")

delayed = dask.delayed
PLOTS = {f"/individual-stratum-{name}" for name in document.VIEWS}
# Sessions that nobody looks at any more go at once.
HASTE = {
    "distributed.scheduler.dashboard.bokeh-application.check_unused_sessions_milliseconds": 50,
    "distributed.scheduler.dashboard.bokeh-application.unused_session_lifetime_milliseconds": 1,
}


def with_dashboard(test=None, config=None, plugin=True, **options):
    """A cluster in this event loop, with the plugin registered on its scheduler."""

    def wrap(test):
        async def run(c, s, *workers):
            if plugin:
                await c.register_plugin(StratumPlugin())
            await test(c, s, *workers)

        run.__name__ = test.__name__
        options.setdefault("scheduler_kwargs", {})["dashboard"] = True
        return gen_cluster(client=True, config=config, **options)(run)

    return wrap if test is None else wrap(test)


def server_of(scheduler):
    """The Bokeh server of a scheduler."""
    (found,) = (
        a for a in scheduler.http_application.applications if hasattr(a, "get_sessions")
    )
    return found


class Browser:
    """One open page, through its websocket."""

    def __init__(self, scheduler, path):
        self.scheduler, self.path = scheduler, path
        self.url = f"http://localhost:{scheduler.http_server.port}/{path}"

    async def __aenter__(self):
        from bokeh.client import pull_session

        # a thread of its own, because the session has an event loop of its own
        self.thread = ThreadPoolExecutor(1, initializer=_loop)
        self.session = await self._there(lambda: pull_session(url=self.url))
        self.document = self.session.document
        return self

    async def __aexit__(self, *exc):
        await self._there(self.session.close)
        await self._there(lambda: asyncio.get_event_loop().close())
        self.thread.shutdown()

    async def _there(self, call):
        return await asyncio.get_running_loop().run_in_executor(self.thread, call)

    def texts(self):
        """All HTML that it shows."""
        from bokeh.models import Div

        return "\n".join(div.text for div in self.document.select({"type": Div}))

    def words(self):
        """What a person reads of that."""
        return re.sub("<[^>]*>", " ", self.texts())

    def column(self, name):
        """The column of the one data source that has it."""
        from bokeh.models import ColumnDataSource

        sources = self.document.select({"type": ColumnDataSource})
        (found,) = (s.data[name] for s in sources if name in s.data)
        return list(found)

    async def until(self, holds):
        """Wait for the page to show something, as its server has it."""
        sessions = server_of(self.scheduler).get_sessions(f"/{self.path}")
        (mine,) = (each for each in sessions if each.id == self.session.id)
        self.document = mine.document
        await until(holds)


def _loop():
    asyncio.set_event_loop(asyncio.new_event_loop())


# -- where it is --------------------------------------------------------------


@with_dashboard(plugin=False)
async def test_it_comes_to_a_running_scheduler_and_goes_with_the_plugin(c, s, *workers):
    code, _ = await fetch(s, "stratum")
    assert code == 404
    await c.register_plugin(StratumPlugin())
    for path in ["stratum", "status"]:
        code, page = await fetch(s, path)
        assert code == 200
        assert '<a href="stratum">Stratum</a>' in page
        assert '<a href="individual-stratum-savings">Stratum Savings</a>' in page
    plots = json.loads((await fetch(s, "individual-plots.json"))[1])
    assert PLOTS <= set(plots.values())
    assert plots["Individual Stratum Tasks"] == "/individual-stratum-tasks"
    assert "/individual-progress" in plots.values()
    for plot in PLOTS:
        assert (await fetch(s, plot.strip("/")))[0] == 200

    observer = s.plugins["stratum"].observer
    await c.unregister_scheduler_plugin("stratum")
    observer.look()
    assert (await fetch(s, "stratum"))[0] == 404
    code, page = await fetch(s, "status")
    assert code == 200
    assert "stratum" not in page


@with_dashboard
async def test_a_second_plugin_serves_the_page_again(c, s, *workers):
    await c.unregister_scheduler_plugin("stratum")
    await c.register_plugin(StratumPlugin())
    code, page = await fetch(s, "stratum")
    assert code == 200
    assert page.count('<a href="stratum">') == 1
    await c.gather(c.compute(programs(2)))
    async with Browser(s, "stratum") as browser:
        assert "in 1 graph" in browser.words()


@with_dashboard(scheduler_kwargs={"http_prefix": "/behind/a-proxy"})
async def test_it_lives_behind_a_prefix(c, s, *workers):
    code, page = await fetch(s, "behind/a-proxy/stratum")
    assert code == 200
    assert "behind/a-proxy" in page
    async with Browser(s, "behind/a-proxy/stratum") as browser:
        assert "Nothing to show yet" in browser.words()


@gen_cluster(client=True)
async def test_a_scheduler_without_a_dashboard_needs_none(c, s, *workers):
    await c.register_plugin(StratumPlugin())
    assert (await fetch(s, "stratum"))[0] == 404
    assert await c.submit(abs, -1) == 1


@gen_test()
async def test_a_scheduler_with_the_preload_serves_it_from_the_start(tmp_path):
    file = tmp_path / "scheduler.json"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "distributed.cli.dask_scheduler"),
        *("--preload", "stratum_dask.scheduler_plugins"),
        *("--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0"),
        *("--scheduler-file", str(file)),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await until(file.exists, 30)
        here = SimpleNamespace(http_server=SimpleNamespace())
        here.http_server.port = json.loads(file.read_text())["services"]["dashboard"]
        code, page = await fetch(here, "stratum")
        assert (code, page.count('<a href="stratum">')) == (200, 1)
        plots = json.loads((await fetch(here, "individual-plots.json"))[1])
        assert PLOTS <= set(plots.values())
        assert "dask_stratum_graphs_total 0.0" in (await fetch(here, "metrics"))[1]
        async with Browser(here, "stratum") as browser:
            assert "Nothing to show yet" in browser.words()
            process.send_signal(signal.SIGINT)
            _, said = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    assert b"Traceback" not in said


def test_without_bokeh_everything_else_works(fresh_python):
    code = """
import sys
sys.modules["bokeh"] = sys.modules["prometheus_client"] = None
import asyncio, logging
from distributed import Client, Scheduler, Worker
from stratum_dask.scheduler_plugins import StratumPlugin

async def main():
    async with Scheduler(port=0, dashboard_address=":0") as s, Worker(s.address):
        async with Client(s.address, asynchronous=True) as c:
            await c.register_plugin(StratumPlugin())
            print(await c.submit(abs, -1), len(await c.get_events("stratum")))

asyncio.run(main())
"""
    done = fresh_python(code)
    assert done.stdout.split() == ["1", "1"]
    assert "stratum" not in done.stderr


# -- what it shows --------------------------------------------------------------


@with_dashboard
async def test_nothing_yet_is_said_in_words(c, s, *workers):
    async with Browser(s, "stratum") as browser:
        words = browser.words()
        assert words.count("Nothing to show yet: ") == 4
        assert "stratum.store.url" in words
        await c.gather(c.compute(programs(2)))
        await browser.until(lambda: "in 1 graph" in browser.words())
        assert "2 need not run" in browser.words()


@with_dashboard
async def test_it_shows_what_was_asked_for_run_and_saved(c, s, *workers):
    graph = [*programs(500, size=10), *(delayed(fail_to_merge)(i) for i in range(2))]
    await c.gather(c.compute(graph))
    plugin = s.plugins["stratum"]
    await until(lambda: not plugin._counting)
    async with Browser(s, "stratum") as browser:
        words = browser.words()
        assert re.search(r"Tasks asked for\s+1,002\s+in 1 graph", words)
        assert re.search(r"Tasks run\s+4\s+998 need not run", words)
        assert re.search(r"Hit rate\s+99.6 %", words)
        assert "reads the clock" in words
        assert "pass the time in as an argument" in words
        assert browser.column("asked")[-1] == 1_002
        assert browser.column("run")[-1] == 4
        assert set(browser.column("function")) == {"load", "half"}
        assert all("499 tasks" in label for label in browser.column("label"))


def fail_to_merge(i):
    import time

    return time.time() + i


@with_dashboard
async def test_retention_and_store_where_they_are_on(c, s, *workers):
    plugin = s.plugins["stratum"]
    plugin.retention, plugin.store = part(**KEPT), part(**STORED)
    plugin.observer.look()
    await c.gather(c.compute(programs(1)))
    async with Browser(s, "stratum") as browser:
        words = browser.words()
        assert re.search(r"Kept in memory\s+100 B\s+of 0.98 kiB; 3 hits", words)
        assert re.search(r"Store\s+1.95 kiB\s+5 results loaded", words)
        assert browser.column("retained_bytes")[-1] == 100
        assert browser.column("budget_bytes")[-1] == 1_000
        assert browser.column("bytes_written")[-1] == 700
        assert browser.column("bytes_read")[-1] == 300
    plugin.retention = plugin.store = None


@with_dashboard
async def test_names_of_users_are_text_and_not_html(c, s, *workers):
    total = s.plugins["stratum"].total
    total.graphs = 1
    name = "<script>alert(1)</script>"
    total.refused[Refusal(name, "not merged", name, name)] = 1
    async with Browser(s, "individual-stratum-refused") as browser:
        assert "<script>" not in browser.texts()
        assert "&lt;script&gt;" in browser.texts()


@with_dashboard
async def test_figures_that_cannot_be_read_are_said_in_words(c, s, *workers):
    class Broken:
        def figures(self):
            raise OSError("no such disk")

    plugin = s.plugins["stratum"]
    store, plugin.store = plugin.store, Broken()
    async with Browser(s, "stratum") as browser:
        assert "the scheduler's log says why" in html.unescape(browser.words())
        plugin.store = store
        await browser.until(lambda: "Nothing to show yet" in browser.words())


@with_dashboard
async def test_twelve_long_names_stay_apart(c, s, *workers):
    total = s.plugins["stratum"].total
    for i in range(30):
        name = f"evaluate_with_cross_validation_{i // 2:02}_{'xy'[i % 2]}_and_report"
        total.merged[name] = i
        total.seconds[name] = float(i)
    async with Browser(s, "individual-stratum-savings") as browser:
        rows = browser.column("row")
        assert len(rows) == len(set(rows)) == 12
        assert max(len(row.rstrip()) for row in rows) <= 26
        assert browser.column("length") == [float(i) for i in range(29, 17, -1)]


# -- lives and ends ---------------------------------------------------------------


@with_dashboard
async def test_an_open_page_says_that_the_plugin_is_gone_and_stops(c, s, *workers):
    await c.gather(c.compute(programs(2)))
    observer = s.plugins["stratum"].observer
    async with Browser(s, "stratum") as browser:
        await c.unregister_scheduler_plugin("stratum")
        observer.look()
        await browser.until(lambda: "was taken off" in browser.words())
        assert browser.document.session_callbacks == []


@with_dashboard(config=HASTE)
async def test_pages_that_were_closed_leave_nothing(c, s, *workers):
    made = []
    original = document.VIEWS["tasks"].__init__

    def watched(self):
        original(self)
        made.append(weakref.ref(self))

    document.VIEWS["tasks"].__init__ = watched
    try:
        for _ in range(3):
            async with Browser(s, "stratum"):
                pass
    finally:
        document.VIEWS["tasks"].__init__ = original
    await until(lambda: not server_of(s).get_sessions("/stratum"))

    def gone():
        gc.collect()
        return not any(ref() for ref in made)

    assert len(made) >= 3
    await until(gone)


@with_dashboard
async def test_two_schedulers_of_one_process_show_their_own(c, s, *workers):
    async with Scheduler(port=0, dashboard=True, dashboard_address=":0") as other:
        await other.register_scheduler_plugin(StratumPlugin(), idempotent=True)
        await c.gather(c.compute(programs(2)))
        async with Browser(s, "stratum") as here, Browser(other, "stratum") as there:
            assert "in 1 graph" in here.words()
            assert "no client of this scheduler" in there.words()
    assert (await fetch(s, "stratum"))[0] == 200
