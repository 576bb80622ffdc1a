"""A button in the running cell, beside a thought that takes long: the thought ends, and the answer follows.

A click must be heard while the kernel is busy with the cell, as that on an approval. Whether it would be
shows itself: the button comes with the view's module, and a page has that from a kernel that heard it ask. So
nothing is shown where nobody would hear. And nothing here may harm the answer: where widgets are missing, or
fail, there is no button.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..page.arrival import is_heard
from ..page.output import Output, running_shell
from .panel import hear_at_once, live_bundle


class AnswerNow:
    """The button of one answer. It can be shown beside each of its thoughts, once it `is_ready`.

    >>> AnswerNow(model.stream("What is 2 + 2?").stop_thinking).is_ready  # no notebook, no page
    False
    """

    def __init__(self, stop_thinking: Callable[[], None]) -> None:
        self._stop_thinking = stop_thinking
        self._make: Callable[[], Any] | None = None
        self._widget: Any = None
        if is_heard(running_shell()):  # the import takes up to a second, and no token may wait for it
            threading.Thread(target=self._import, daemon=True, name="imports widgets").start()

    def _import(self) -> None:
        try:
            from .live import AnswerNowView
        except Exception:
            return
        self._make = AnswerNowView

    @property
    def is_ready(self) -> bool:
        """Whether it can be shown."""
        return self._make is not None

    def show(self, place: Output) -> None:
        """Show the button in a place, where the next part of the answer will take over."""
        if self._make is None:
            return
        try:
            self._widget = self._make()
            hear_at_once(self._widget)
            self._widget.on_msg(lambda widget, content, buffers: self.receive(content))
            place.show(*live_bundle(self._widget))
        except Exception:
            self._make = None

    def receive(self, content: Any) -> None:
        """Take a message of the page."""
        if isinstance(content, dict) and content.get("type") == "answer":
            self._stop_thinking()

    def end(self) -> None:
        """Take the button from all pages, also those loaded again; the kernel keeps nothing of it."""
        widget, self._widget = self._widget, None
        with suppress(Exception):
            if widget is not None:
                widget.close()
                widget.layout.close()  # a widget of its own
