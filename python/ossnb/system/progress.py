"""The progress of long work, on a terminal's standard error unless a front end brings its own display.

This module stands apart from the hub, so a notebook can name its bar without the hub's slow import.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from .text import safe_terminal


class Progress(Protocol):
    """Shows how far the work is. Only the thread that wants the work done calls it."""

    def update(self, done: int) -> None: ...
    def close(self) -> None: ...


Figures = Callable[[int], str]  # how far it is → in words

# (one line of text, bytes or things to do, its figures) → its display. The text must be shown.
ProgressFactory = Callable[[str, int, Figures], Progress]


class TerminalProgress:
    """One line of text, then a bar on standard error; without a terminal only the line."""

    _WIDTH = 24

    def __init__(self, text: str, total: int, figures: Figures) -> None:
        self._total = max(total, 1)
        self._figures = figures
        self._is_tty = sys.stderr.isatty()
        self._shown = ""
        print(safe_terminal(text), file=sys.stderr, flush=True)

    def update(self, done: int) -> None:
        share = min(done / self._total, 1.0)
        bar = "█" * round(share * self._WIDTH)
        line = f"{bar:░<{self._WIDTH}} {self._figures(done)}"
        if self._is_tty and line != self._shown:
            print(f"\r{line[:79]:<79}", end="", file=sys.stderr, flush=True)
            self._shown = line

    def close(self) -> None:
        if self._shown:
            print(file=sys.stderr, flush=True)


_factory: ProgressFactory = TerminalProgress


def set_progress_factory(factory: ProgressFactory) -> None:
    """Show long work by `factory(text, total, figures)`, which returns a Progress."""
    global _factory
    _factory = factory


def start_progress(text: str, total: int, figures: Figures | None = None) -> Progress:
    """Begin to show a download of `total` bytes, or other work that `figures` puts into words."""
    return _factory(text, total, figures or of_bytes(total))


def of_bytes(total: int) -> Figures:
    """Return the figures of a download.

    >>> of_bytes(2_000_000)(1_000_000)
    '1.0 MB of 2.0 MB, 50%'
    """
    return lambda done: f"{size_text(done)} of {size_text(total)}, {min(done / max(total, 1), 1.0):.0%}"


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
