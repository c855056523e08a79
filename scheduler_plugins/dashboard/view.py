"""A part of the page: something to see, or words where there is nothing yet."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

from bokeh.layouts import column
from bokeh.models import Div, InlineStyleSheet

from stratum_dask.scheduler_plugins.figures import Figures
from stratum_dask.scheduler_plugins.history import Sample

__all__ = ["View", "text"]

# Colours that are readable on light and dark grounds alike.
_STYLE = """
:host { color: inherit; font-family: Helvetica, Arial, sans-serif; font-size: 13px; }
.bk-clearfix { width: 100%; height: 100%; }
"""


class View:
    """A part of the page.

    Attributes
    ----------
    title
        Its heading.
    name
        Its place in the page.
    root
        The Bokeh model.
    """

    title = ""
    name = ""

    def __init__(self) -> None:
        self._words = text()
        self._body = self.body()
        # One of the two at a time: a plot with nothing in it complains in the browser.
        self.root = column(name=f"stratum_{self.name}", sizing_mode="stretch_both")
        self.say("The figures cannot be read; the scheduler's log says why.")

    def body(self) -> Any:
        """Make the model that shows the figures."""
        raise NotImplementedError

    def nothing(self, now: Figures) -> str | None:
        """Say why there is nothing to show, if that is so."""
        raise NotImplementedError

    def draw(self, now: Figures, samples: Sequence[Sample]) -> None:
        """Let the body show what holds now."""
        raise NotImplementedError

    def show(self, now: Figures, samples: Sequence[Sample]) -> None:
        """Show the figures, or say that there are none."""
        words = self.nothing(now)
        if words is None:
            self.draw(now, samples)
            self._turn(self._body)
        else:
            self.say(words)

    def say(self, words: str) -> None:
        """Show ``words`` in place of figures."""
        told = re.sub("`(.*?)`", r"<code>\1</code>", html.escape(words))
        self._words.text = (
            f"<div style='padding: 8px 10px'><b>{html.escape(self.title)}</b>"
            f"<p style='opacity: .7; margin: 8px 0'>{told}</p></div>"
        )
        self._turn(self._words)

    def _turn(self, shown: Any) -> None:
        if self.root.children != [shown]:
            self.root.children = [shown]


def text(**options: Any) -> Any:
    """Return a Bokeh model that shows HTML."""
    return Div(
        sizing_mode="stretch_width",
        stylesheets=[InlineStyleSheet(css=_STYLE + options.pop("css", ""))],
        **options,
    )
