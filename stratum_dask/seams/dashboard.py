"""Our pages in the web server of a scheduler: what is private there is used here.

Dask builds its pages when a scheduler is made; a plugin may come much later. So ours
are added to the running Bokeh server of that scheduler, which looks after their
sessions as after all others, and lists the plots for JupyterLab.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from distributed import Scheduler

__all__ = ["Page", "add_pages", "look_like_dask", "scraped"]

Page = Callable[[Mapping[str, Any], Any], None]
"""Fills an empty Bokeh document; gets what Dask's own templates need, too."""
_PLOT = "/individual-"


def add_pages(scheduler: Scheduler, pages: Mapping[str, Page]) -> Callable[[], None]:
    """Serve ``pages`` until the function that is returned is called.

    Parameters
    ----------
    scheduler
        Whose dashboard gets them; one without a dashboard gets none.
    pages
        Path -> page. A path that begins with ``/individual-`` is a plot that
        JupyterLab offers and that stands in the menu under "More"; the others stand
        in the menu itself.

    Raises
    ------
    ModuleNotFoundError
        Bokeh is not installed.
    """
    from bokeh.server.tornado import BokehTornado
    from distributed.dashboard.scheduler import template_variables

    servers = scheduler.http_application.applications
    server = next((s for s in servers if isinstance(s, BokehTornado)), None)
    if server is None:
        return lambda: None
    variables = template_variables(scheduler)  # all pages hold these very lists
    extra = {"prefix": f"{server.prefix}/", **variables}
    withdraw = _serve(
        server, {p: functools.partial(f, extra) for p, f in pages.items()}
    )
    plots = [path for path in pages if path.startswith(_PLOT)]
    entries = [_entry(path) for path in plots]
    names = [path.strip("/") for path in pages if path not in plots]
    menu = variables["pages"]
    menu[-1:-1] = names  # before "info", which is another kind of page
    variables["plots"].extend(entries)
    variables["plots"].sort(key=lambda entry: entry["name"])

    def close() -> None:
        withdraw()
        for taken, added in ((menu, names), (variables["plots"], entries)):
            for each in added:
                if each in taken:
                    taken.remove(each)

    return close


def look_like_dask(doc: Any, extra: Mapping[str, Any], content: str | None) -> None:
    """Give a document the theme of Dask's pages, and their menu.

    Parameters
    ----------
    doc
        The document.
    extra
        What the page got.
    content
        HTML with Jinja, which stands below the menu; None for a plot alone.
    """
    from distributed.dashboard.components.scheduler import BOKEH_THEME, env

    doc.theme = BOKEH_THEME
    if content is not None:
        doc.template = env.from_string(
            '{% extends "base.html" %}{% block content %}' + content + "{% endblock %}"
        )
        doc.template_variables.update(extra)


def scraped() -> Scheduler | None:
    """The scheduler whose ``/metrics`` is being asked for, or was last."""
    handlers = sys.modules.get("distributed.http.scheduler.prometheus.core")
    handler = getattr(handlers, "PrometheusHandler", None)
    for collector in getattr(handler, "_collectors", None) or ():
        return cast("Scheduler", collector.server)
    return None


def _serve(
    server: Any, pages: Mapping[str, Callable[[Any], None]]
) -> Callable[[], None]:
    from bokeh.application import Application
    from bokeh.application.handlers.document_lifecycle import DocumentLifecycleHandler
    from bokeh.application.handlers.function import FunctionHandler
    from bokeh.server.contexts import ApplicationContext
    from bokeh.server.urls import per_app_patterns

    routes: list[Any] = []
    contexts: dict[str, Any] = {}
    for path, page in pages.items():
        application = Application(FunctionHandler(page), DocumentLifecycleHandler())
        context = ApplicationContext(application, server.io_loop, url=path)
        contexts[path] = context
        for pattern, handler in per_app_patterns:
            routes.append(
                (
                    server.prefix + path + pattern,
                    handler,
                    {
                        "application_context": context,
                        "bokeh_websocket_path": f"{server.prefix}{path}/ws",
                    },
                )
            )
    server.applications.update(contexts)
    server.add_handlers(".*", routes)
    rules = server.default_router.rules
    ours = rules[-2]  # the last one is Bokeh's own

    def withdraw() -> None:
        if ours in rules:
            rules.remove(ours)
        for path, context in contexts.items():
            # One that somebody has open stays, so that Bokeh ends it when he leaves.
            if server.applications.get(path) is context and not context.sessions:
                del server.applications[path]

    return withdraw


def _entry(path: str) -> dict[str, str]:
    """How the menu shows a plot."""
    return {
        "url": path.strip("/"),
        "name": path.removeprefix(_PLOT).replace("-", " ").title(),
    }
