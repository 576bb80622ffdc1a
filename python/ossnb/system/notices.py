"""A line for the user that is no result and no warning: on standard error, or as a front end shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from .text import safe_terminal


def _on_stderr(text: str) -> None:
    print(safe_terminal(text), file=sys.stderr, flush=True)


_show: Callable[[str], None] = _on_stderr


def tell(text: str) -> None:
    """Tell the user one line, such as which model was chosen."""
    _show(text)


def set_notice_display(show: Callable[[str], None] | None) -> None:
    """Show such lines by `show(text)`; None shows them on standard error again."""
    global _show
    _show = show or _on_stderr
