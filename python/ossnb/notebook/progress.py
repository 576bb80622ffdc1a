"""The bar of long work, and a line of notice, as plain HTML: a widget would break the saved notebook."""

import html
import time
from collections.abc import Callable

from ..page.limiter import RateLimiter
from ..page.output import QUIETLY, Output
from ..system.progress import Figures

WIDTH = "width:24em;height:0.6em;margin:0.3em 0.6em 0.3em 0;display:inline-block;border-radius:0.3em"


def show_notice(text: str) -> None:
    """Show a line for the user, quietly: on standard error it would stand in a box, like a failure."""
    page = f"<div {QUIETLY}>{html.escape(text)}</div>"
    Output().show({"text/html": page, "text/plain": text}, is_last=True)


class NotebookProgress:
    """A line of text and a bar below it, updated in place.

    >>> bar = NotebookProgress("8 rows", 8, str)  # draws in a notebook  # doctest: +SKIP
    >>> bar.update(4); bar.close()  # draws in a notebook  # doctest: +SKIP
    """

    def __init__(
        self, text: str, total: int, figures: Figures, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._text = text
        self._total = max(total, 1)
        self._figures = figures
        self._done = 0
        self._shown = ""  # the figures
        self._limiter = RateLimiter(clock)
        self._output = Output()
        self._show()

    def update(self, done: int) -> None:
        """Move the bar, and write the figures; calls more often than the page can draw do no harm."""
        has_news = done != self._done or self._figures(done) != self._shown
        self._done = done
        if has_news and self._limiter.ready(0):
            self._show()

    def close(self) -> None:
        """Show the last state."""
        self._show(is_last=True)

    def _show(self, is_last: bool = False) -> None:
        share = min(self._done / self._total, 1.0)
        figures = self._shown = self._figures(self._done)
        colours = f"var(--jp-brand-color1,#1976d2) {share:.1%},rgba(128,128,128,0.25) {share:.1%}"
        value = f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{share * 100:.0f}"'
        role = f'role="progressbar" aria-label="{html.escape(self._text)}" {value}'
        bar = f'<span {role} style="{WIDTH};background:linear-gradient(to right,{colours})"></span>'
        page = f"<div {QUIETLY}>{html.escape(self._text)}<br>{bar}{html.escape(figures)}</div>"
        self._output.show({"text/html": page, "text/plain": f"{self._text}\n{figures}"}, is_last=is_last)
