"""Shows what the plugin does: page, metrics, events, and a call for other processes.

It looks once a second, in the scheduler's event loop, and costs nothing for a task.
Whatever fails here is said once and leaves the scheduler alone.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tornado.ioloop import PeriodicCallback

from stratum_dask.scheduler_plugins import figures
from stratum_dask.scheduler_plugins.events import Events
from stratum_dask.scheduler_plugins.history import History, Sample
from stratum_dask.tally import Tally

if TYPE_CHECKING:
    from distributed import Scheduler

    from stratum_dask.scheduler_plugins.plugin import StratumPlugin

__all__ = ["HANDLER", "Observer"]

logger = logging.getLogger("stratum_dask")

HANDLER = "stratum_figures"
"""Name of the call by which other processes ask a scheduler for the figures."""
_MILLISECONDS = 1_000

_observers: weakref.WeakKeyDictionary[Scheduler, Observer] = weakref.WeakKeyDictionary()


class _Tick(PeriodicCallback):
    """Looks every second. Dask stops it when the scheduler closes: then all closes.

    A plugin that was unregistered a moment before is told nothing.
    """

    def __init__(self, observer: Observer) -> None:
        super().__init__(observer.look, _MILLISECONDS)
        self._observer = observer

    def stop(self) -> None:
        super().stop()
        self._observer.close()


class Observer:
    """All that shows one plugin on one scheduler.

    Attributes
    ----------
    history
        What held so far, for the plots over time.
    open
        Whether the plugin is still there to be looked at.
    """

    def __init__(self, scheduler: Scheduler, plugin: StratumPlugin) -> None:
        self.scheduler = scheduler
        self.plugin = plugin
        self.history = History()
        self.open = False
        self._events = Events(scheduler)
        self._tick = _Tick(self)
        self._closing: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to look, and open the page where there is a dashboard.

        Dask tells nobody that a plugin is taken away, so an earlier one may still
        be shown.
        """
        if (earlier := _observers.get(self.scheduler)) is not None:
            earlier.close()
        _observers[self.scheduler] = self
        self.open = True
        handlers = self.scheduler.handlers
        handlers[HANDLER] = self._figures
        self._closing.append(self._close_handler)
        self.attempt("show its page in the dashboard", self._open_page)
        self.attempt("give its Prometheus metrics", self._open_metrics)
        self.attempt("keep a history", self._sample)
        self.scheduler.periodic_callbacks[self.plugin.name] = self._tick
        self._tick.start()

    def close(self) -> None:
        """Take everything away again."""
        if not self.open:
            return
        self.open = False
        self._tick.stop()
        if _observers.get(self.scheduler) is self:
            del _observers[self.scheduler]
        while self._closing:
            self.attempt("close what shows its figures", self._closing.pop())

    def look(self) -> None:
        """Take a sample; close where Dask has dropped the plugin without a word."""
        if self._registered():
            self.attempt("keep a history", self._sample)
        else:
            self.close()

    def samples(self) -> list[Sample]:
        """The history, up to now."""
        now = figures.sample(self.plugin, *figures.parts(self.plugin))
        return [*self.history.samples(), now]

    def graph(self, counts: Tally) -> None:
        """Tell what became of a graph."""
        number = self.plugin.total.graphs
        self.attempt("log an event", lambda: self._events.graph(number, counts))

    def failure(self, what: str) -> None:
        """Tell that a graph runs as it came, because something of ours failed."""
        self.attempt("log an event", lambda: self._events.failure(what))

    def _sample(self) -> None:
        retention, store = figures.parts(self.plugin)
        self.history.add(figures.sample(self.plugin, retention, store))
        self._events.changed("retention", retention)
        self._events.changed("store", store)

    def _registered(self) -> bool:
        return self.scheduler.plugins.get(self.plugin.name) is self.plugin

    def _figures(self) -> dict[str, Any] | None:
        return figures.to_plain(self.plugin) if self._registered() else None

    def _close_handler(self) -> None:
        self.scheduler.handlers.pop(HANDLER, None)

    def _open_page(self) -> None:
        from stratum_dask.scheduler_plugins import dashboard

        self._closing.append(dashboard.attach(self))

    def _open_metrics(self) -> None:
        from stratum_dask.scheduler_plugins import metrics

        self._closing.append(metrics.attach(self.scheduler, self.plugin))

    def attempt(self, what: str, do: Callable[[], Any]) -> None:
        """Do something that shows the figures; if it fails, say so once."""
        try:
            do()
        except ModuleNotFoundError:
            logger.debug("stratum does not %s", what, exc_info=True)
        except Exception as e:  # noqa: BLE001 the scheduler goes on
            self.plugin.say_once(
                f"stratum cannot {what}: {type(e).__name__}: {e}. Everything else "
                "works. Please report this with the versions that "
                "`dask stratum doctor` tells."
            )
