"""The progress of a download, on a terminal's standard error unless a front end brings its own display.

This module stands apart from the hub, so a notebook can name its bar without the hub's slow import.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from .text import safe_terminal


class Progress(Protocol):
    """Shows how far a download is. Only the thread that wants the download calls it."""

    def update(self, done_bytes: int) -> None: ...
    def close(self) -> None: ...


# (one line of text, bytes to download) → its display. The text must be shown.
ProgressFactory = Callable[[str, int], Progress]


class TerminalProgress:
    """One line of text, then a bar on standard error; without a terminal only the line."""

    _WIDTH = 30

    def __init__(self, text: str, total_bytes: int) -> None:
        self._total = max(total_bytes, 1)
        self._is_tty = sys.stderr.isatty()
        self._shown = ""
        print(safe_terminal(text), file=sys.stderr, flush=True)

    def update(self, done_bytes: int) -> None:
        share = min(done_bytes / self._total, 1.0)
        bar = "█" * round(share * self._WIDTH)
        line = f"{bar:░<{self._WIDTH}} {size_text(done_bytes)} of {size_text(self._total)}, {share:.0%}"
        if self._is_tty and line != self._shown:
            print(f"\r{line:<79}", end="", file=sys.stderr, flush=True)
            self._shown = line

    def close(self) -> None:
        if self._shown:
            print(file=sys.stderr, flush=True)


_factory: ProgressFactory = TerminalProgress


def set_progress_factory(factory: ProgressFactory) -> None:
    """Show downloads by `factory(text, total_bytes)`, which returns a Progress."""
    global _factory
    _factory = factory


def start_progress(text: str, total_bytes: int) -> Progress:
    """Begin to show a download of `total_bytes`."""
    return _factory(text, total_bytes)


def size_text(n_bytes: int) -> str:
    """Write a size for people.

    >>> size_text(13_800_000_000), size_text(612_000_000), size_text(0)
    ('13.8 GB', '612 MB', '0 B')
    """
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= scale:
            figure = n_bytes / scale
            return f"{figure:.1f} {unit}" if figure < 100 else f"{figure:.0f} {unit}"
    return f"{n_bytes} B"


def reading_text(fraction: float, more: str = "") -> str:
    """Say how far a prompt is read.

    >>> reading_text(0.25, "about 9 s left")
    'reading the prompt … 25% · about 9 s left'
    """
    return " · ".join(filter(None, (f"reading the prompt … {fraction:.0%}", more)))
