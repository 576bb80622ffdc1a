"""The question whether a call may be carried out, with two buttons in the running cell.

A page hears of it while the kernel is busy with the cell, and so does the kernel of the click: both need
threads beside the cell's. Whether all of this is there shows itself: the page asks for the view. Where it
does not, the user is asked on the keyboard.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from ..page.arrival import is_heard
from ..page.output import QUIET, RUNNING_TEXT, running_shell
from ..tools.approval import Asked
from .drawing import MONO, note
from .markup import Html
from .panel import Panel

SEEN_S = 10.0  # after this time no page will ask for the view
POLL_S = 0.05

OPEN, RUNS, REFUSED, INTERRUPTED, STOPPED, TYPED = (
    "open",
    "runs",
    "refused",
    "interrupted",
    "stopped",
    "typed",
)
WORDS = {
    OPEN: "Not answered yet. The buttons are on the page where the cell runs. "
    "An interrupt of the kernel means no.",
    RUNS: "✓ You said yes: it ran",
    REFUSED: "✗ You said no: it did not run",
    INTERRUPTED: "✗ Interrupted before an answer: it did not run",
    STOPPED: "✗ The answer was stopped first: it did not run",
}


class Approval(Panel):
    """The question about one call: its code or its arguments, two buttons, and then what was decided."""

    title = "May this run?"

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.asked = asked
        self.state = OPEN
        self._heard: SimpleQueue[bool | None] = SimpleQueue()  # from the page: None, that it shows the view

    def wait(self, is_over: Callable[[], bool]) -> bool | str | None:
        """Ask until a click, a key, or `is_over`; None where no page shows the buttons.

        An interrupt ends the question, and is raised on. Nothing else ends one whose page has gone.
        """
        from IPython.display import display

        end, is_seen = INTERRUPTED, False
        try:
            display(self)  # type: ignore[no-untyped-call]
            deadline = time.monotonic() + SEEN_S
            while end == INTERRUPTED:
                try:
                    heard = self._heard.get(timeout=POLL_S)
                except Empty:
                    if is_over():
                        end = STOPPED
                    elif not is_seen and time.monotonic() > deadline:
                        end = TYPED
                    continue
                is_seen = True
                if heard is not None:
                    end = RUNS if heard else REFUSED
        finally:
            self._end(end)
        said: dict[str, bool | str | None] = {RUNS: True, REFUSED: False, STOPPED: "the answer was stopped"}
        return said.get(end)

    def receive(self, content: Any) -> None:
        """Take a message of the page."""
        if not isinstance(content, dict):
            return
        if content.get("type") == "ask":
            self._heard.put(None)
        elif content.get("type") == "decide" and isinstance(content.get("runs"), bool):
            self._heard.put(content["runs"])

    def _end(self, state: str) -> None:
        self.state = state
        self.widget.words = WORDS.get(state, "")
        self.widget.state = state
        self.refresh()

    # ---- the pictures ------------------------------------------------------------------------------------

    def plain(self) -> str:
        """The question, and what was decided."""
        if self.state == TYPED:
            return ""
        return "\n".join([self.asked.question, self.asked.text, WORDS[self.state]])

    def html(self) -> Html:
        """The question, and what was decided; after that the code is folded."""
        if self.state == TYPED:  # the keyboard asks and answers
            return Html("")
        font = f";{MONO}" if self.asked.is_code else ""
        style = f"{RUNNING_TEXT}{font};margin:0.3em 0 0 1em"
        text = Html.of("pre", self.asked.text, style=style, dir="auto")
        if self.state == OPEN:
            return Html.joined([Html.of("div", self.asked.question), text, note(WORDS[OPEN])])
        summary = Html.of("summary", WORDS[self.state], style="cursor:pointer")
        return Html.of("details", Html.joined([summary, text]), style=QUIET)

    def make_widget(self) -> Any:
        """Make the buttons."""
        from .live import ApprovalView

        view = ApprovalView(
            twin=self._id,
            question=self.asked.question,
            text=self.asked.text,
            is_code=self.asked.is_code,
        )
        view.on_msg(lambda widget, content, buffers: self.receive(content))
        return view


def ask_on_page(asked: Asked, is_over: Callable[[], bool]) -> bool | str | None:
    """Ask by buttons in the running cell; None where there is no page that could hear of a click.

    >>> ask_on_page(Asked("Run this code?", "x = 1", True), lambda: False)  # no notebook, no page
    """
    if not is_heard(running_shell()):
        return None
    try:
        from . import live  # noqa: F401
    except ImportError:  # there is no anywidget
        return None
    return Approval(asked).wait(is_over)
