"""A cell with several answers: samples side by side, a table of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from IPython.display import display

from ..generation.record import Reply
from ..many.answers import Answers
from ..page.output import NO_FORMULAS, Output
from ..page.terminal import safe_terminal
from ..system.text import counted
from ..views.compare import compare


def alone(replies: Sequence[Reply]) -> Reply | None:
    """Return the reply to show by itself where there are no two to compare: the only one that was begun.

    >>> alone([reply]) is reply, alone([reply, reply])
    (True, None)
    """
    begun = [reply for reply in replies if reply.tokens]
    return None if len(begun) > 1 else (begun or list(replies))[0]


def show_several(replies: Sequence[Reply]) -> None:
    """Show replies beside each other, those that an interrupt let begin, and a line of figures below.

    >>> show_several([reply, reply])  # draws in a notebook  # doctest: +SKIP
    """
    display(compare(reply for reply in replies if reply.tokens))  # type: ignore[no-untyped-call]
    print(figures(replies))


def show_rows(answers: Answers) -> None:
    """Show the rows that have an answer as a table, or as lines where no library makes one.

    >>> show_rows(model.map(["cat"]).run())  # draws in a notebook  # doctest: +SKIP
    """
    try:
        table = _table(answers.to_frame(found_only=True))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # no library, or one that fails; a panic of polars is no Exception
        print(safe_terminal("\n".join(f"{n}: {answers.found[n]}" for n in sorted(answers.found))))
    else:
        Output().show_here(table)
    replies = [answer.reply for answer in answers.found.values() if answer.reply is not None]
    n_errors = len(answers.found) - len(replies)
    parts = [
        f"{len(answers.found):,} of {counted(len(answers), 'row')}",
        counted(n_errors, "error") if n_errors else "",
        counted(sum(reply.stats.n_new_tokens for reply in replies), "token"),
        f"seed {answers.seed}" if not replies or replies[0].sampling.temperature else "temperature 0",
        replies[0].model if replies else "",
    ]
    print(safe_terminal(" · ".join(part for part in parts if part)))


def _table(frame: Any) -> dict[str, str]:
    """Return a table as a cell shows it: no front end looks for formulas in the model's texts."""
    html, text = frame._repr_html_(), str(frame)
    if html is None:  # pandas was told to write text
        return {"text/plain": text}
    return {"text/html": f'<div class="{NO_FORMULAS}">{html}</div>', "text/plain": text}


def rows_named(name: str, variables: dict[str, Any]) -> Any:
    """Return the variable that has the rows; ValueError where there is none."""
    if name not in variables:
        raise ValueError(f"--map names a variable with rows, and there is no {name!r}")
    return variables[name]


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
