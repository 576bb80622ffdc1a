"""Text that a model wrote, for a terminal."""

from __future__ import annotations

import re
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline


def safe_terminal(text: str) -> str:
    r"""Return `text` with visible control characters, so that a model cannot drive the terminal.

    >>> safe_terminal("a\x1b[2Jb")
    'a␛[2Jb'
    """
    return _CONTROL.sub(lambda mark: chr(0x2400 + ord(mark[0])) if ord(mark[0]) < 0x20 else "�", text)


def for_stream(text: str, to: TextIO) -> str:
    """Return `text` for a stream: safe for a terminal, untouched for files and pipes."""
    return safe_terminal(text) if to.isatty() else text
