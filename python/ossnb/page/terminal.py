"""Text that a model wrote, for a stream that may be a terminal."""

from __future__ import annotations

from typing import TextIO

from ..system.text import safe_terminal

__all__ = ["for_stream", "safe_terminal"]


def for_stream(text: str, to: TextIO) -> str:
    """Return `text` for a stream: safe for a terminal, untouched for files and pipes."""
    return safe_terminal(text) if to.isatty() else text
