"""An interrupted cell: it raises an error, so queued cells do not run, and nothing is lost meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Interrupted


class Stopped(Interrupted):
    """The cell was interrupted: queued cells must not run. Nothing needs a traceback, so there is none."""

    def __str__(self) -> str:
        return "what the model had written is kept, in _oss too"

    def _render_traceback_(self) -> list[str]:
        return []


class StoppedLoading(KeyboardInterrupt):
    """The cell was interrupted before the model was asked."""

    def __str__(self) -> str:
        return "the model was being loaded; nothing was asked"

    def _render_traceback_(self) -> list[str]:
        return [f"■ stopped: {self}"]


@contextmanager
def interrupts_held() -> Iterator[list[object]]:
    """Put Stop off for a moment, and list its presses: a second press must not lose what the first saved."""
    pressed: list[object] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    previous = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, previous or signal.default_int_handler)
