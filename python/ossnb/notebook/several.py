"""A cell with several answers, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from IPython.display import display

from ..generation.record import Reply
from ..page.terminal import safe_terminal
from ..system.text import counted
from ..views.compare import compare


def show_several(replies: Sequence[Reply]) -> None:
    """Show replies beside each other, and a line of figures below.

    >>> show_several([reply])  # draws in a notebook  # doctest: +SKIP
    """
    display(compare(replies))  # type: ignore[no-untyped-call]
    print(figures(replies))


def figures(replies: Sequence[Reply]) -> str:
    """Return the figures of several replies.

    >>> figures([reply, reply])
    '2 answers · 100 tokens · temperature 0 · demo'
    """
    first, last = replies[0], replies[-1]
    n_tokens = sum(reply.stats.n_new_tokens for reply in replies)
    n_stopped = sum(reply.finish_reason in ("cancelled", "interrupted", "unfinished") for reply in replies)
    parts = [
        counted(len(replies), "answer"),
        f"{n_stopped} of them stopped" if n_stopped else "",
        counted(n_tokens, "token"),
        f"seeds {first.seed} to {last.seed}" if first.sampling.temperature else "temperature 0",
        first.model,
    ]
    return safe_terminal(" · ".join(part for part in parts if part))
