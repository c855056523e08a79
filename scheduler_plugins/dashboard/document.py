"""Documents that look at a plugin: the page with everything, and each plot alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stratum_dask.scheduler_plugins import figures
from stratum_dask.scheduler_plugins.dashboard.plots import (
    RetentionPlot,
    SavingsPlot,
    StorePlot,
    TasksPlot,
)
from stratum_dask.scheduler_plugins.dashboard.texts import RefusedTable, Summary
from stratum_dask.scheduler_plugins.dashboard.view import View
from stratum_dask.seams.dashboard import add_pages, look_like_dask

if TYPE_CHECKING:
    from stratum_dask.scheduler_plugins.observer import Observer

__all__ = ["PAGE", "VIEWS", "attach"]

PAGE = "/stratum"
VIEWS: dict[str, type[View]] = {
    "summary": Summary,
    "tasks": TasksPlot,
    "savings": SavingsPlot,
    "retention": RetentionPlot,
    "store": StorePlot,
    "refused": RefusedTable,
}
_MILLISECONDS = 1_000
_CLOSED = "The plugin was taken off this scheduler, or the scheduler has closed."
_CONTENT = """
<style>
.stratum { display: grid; gap: 8px; box-sizing: border-box; height: 100%;
  padding-top: 6px; grid-template-columns: repeat(12, minmax(0, 1fr));
  grid-template-rows: auto minmax(230px, 1fr) minmax(200px, 1fr); }
.stratum > div { border: 1px solid rgba(128, 128, 128, .25); border-radius: 6px;
  overflow: hidden; min-height: 0; position: relative; display: flex; }
.stratum > .summary { grid-column: span 12; }
.stratum > .tasks { grid-column: span 7; }
.stratum > .savings { grid-column: span 5; }
.stratum > .retention, .stratum > .store { grid-column: span 3; }
.stratum > .refused { grid-column: span 6; overflow: auto; }
@media (max-width: 991px) {
  .stratum { height: auto; grid-template-rows: none; grid-auto-rows: auto; }
  .stratum > div { height: 260px; }
  .stratum > .summary { height: auto; }
  .stratum > .tasks, .stratum > .savings, .stratum > .refused {
    grid-column: span 12; }
  .stratum > .retention, .stratum > .store { grid-column: span 6; height: 200px; }
}
</style>
{% from macros import embed %}
<div class="stratum">
"""


def attach(observer: Observer) -> Callable[[], None]:
    """Show the plugin of ``observer`` until the function that is returned is called."""
    pages = {PAGE: functools.partial(_fill, observer, tuple(VIEWS))}
    for name in VIEWS:
        pages[f"/individual-stratum-{name}"] = functools.partial(
            _fill, observer, (name,)
        )
    return add_pages(observer.scheduler, pages)


def _fill(
    observer: Observer, names: tuple[str, ...], extra: Mapping[str, Any], doc: Any
) -> None:
    whole = len(names) > 1
    views = [VIEWS[name]() for name in names]
    for view in views:
        doc.add_root(view.root)
    doc.title = "Dask: Stratum"
    look_like_dask(doc, extra, _content() if whole else None)
    shown: list[Any] = [None]

    def update() -> None:
        if not observer.open:
            for view in views:
                view.say(_CLOSED)
            for callback in doc.session_callbacks:
                doc.remove_periodic_callback(callback)
            return
        now = figures.figures(observer.plugin)
        state = now.state()
        if state != shown[0]:
            shown[0] = state
            samples = observer.samples()
            for view in views:
                view.show(now, samples)

    attempt = functools.partial(observer.attempt, "draw its page", update)
    attempt()
    if observer.open:
        doc.add_periodic_callback(attempt, _MILLISECONDS)


def _content() -> str:
    cells = "".join(
        f'<div class="{name}">{{{{ embed(roots.stratum_{name}) }}}}</div>\n'
        for name in VIEWS
    )
    return f"{_CONTENT}{cells}</div>\n{{{{ plot_script }}}}"
