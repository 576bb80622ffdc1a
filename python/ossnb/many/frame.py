"""Rows with their answers, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..forms.form import plain
from ..generation.frame import chosen_library, table
from ..generation.record import Reply
from .rows import Answer


def _parsed(reply: Reply) -> Any:
    """The object of a reply's schema as JSON has it; None for an answer that was cut."""
    try:
        return plain(reply.parsed)
    except Exception:  # a type may bring its own way to JSON, which may raise anything
        return None


def frame_of(answers: Sequence[Answer], library: str | None, index: Any = None) -> Any:
    """Return a table of pandas or polars: the columns of the rows (or "row"), and those of the answers.

    `index` is the one that pandas has for all rows.

    >>> frame_of(list(model.map(["cat"], "Spell {}.", temperature=0)), "pandas")[["row", "answer"]]
       row answer
    0  cat  c-a-t
    """
    chosen = chosen_library(library)
    columns: dict[str, list[Any]] = {"row": [answer.row for answer in answers]}
    if all(isinstance(answer.row, Mapping) for answer in answers):
        names = dict.fromkeys(name for answer in answers for name in answer.row)
        columns = {str(name): [answer.row.get(name) for answer in answers] for name in names}

    def add(name: str, values: Callable[[Reply], Any]) -> str:
        ours = f"{name}_of_answer" if name in columns else name
        columns[ours] = [None if answer.reply is None else values(answer.reply) for answer in answers]
        return ours

    add("answer", lambda reply: reply.text)
    if any(answer.reply is not None and answer.reply.form is not None for answer in answers):
        parsed = [None if answer.reply is None else _parsed(answer.reply) for answer in answers]
        rows = [one if isinstance(one, dict) else {"parsed": one} for one in parsed]
        for name in dict.fromkeys(
            name for one, row in zip(parsed, rows, strict=True) if one is not None for name in row
        ):
            columns[f"{name}_of_answer" if name in columns else name] = [row.get(name) for row in rows]
    add("reasoning", lambda reply: reply.reasoning)
    columns["error_of_answer" if "error" in columns else "error"] = [answer.error for answer in answers]
    add("finish_reason", lambda reply: reply.finish_reason)
    types = {
        add("n_prompt_tokens", lambda reply: reply.stats.n_prompt_tokens): "Int64",
        add("n_new_tokens", lambda reply: reply.stats.n_new_tokens): "Int64",
        add("seed", lambda reply: reply.seed): "UInt64",
    }
    made = table(columns, chosen, types)
    if index is not None and chosen == "pandas" and answers:
        made.index = index.take([answer.number for answer in answers])
    return made
