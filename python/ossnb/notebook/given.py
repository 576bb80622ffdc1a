"""What a cell gave to the model by name, as one folded line above the answer: it is drawn once, and stays.

The texts come from variables and files, so they are escaped text and nothing else.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..documents.library import Documents, Part
from ..documents.tables import is_table
from ..harmony.tokenizer import Tokenizer
from ..page.output import QUIETLY, RUNNING_TEXT, Output
from ..system.text import counted, shown
from .mentions import Inserted

SHORT = 100  # characters of an inserted text that needs no folded line
MOST_SHOWN = 20_000  # characters of a text in the page
_N_NAMED = 6  # in the folded line


def documents_named(words: Iterable[str], variables: Mapping[str, Any]) -> Documents:
    """Return the documents that a cell names: paths, with commas between, and variables with tables or texts.

    >>> documents_named(["rules"], {"rules": "Be kind."}).names
    ['rules']

    A file or a folder goes before a variable of the same name. A ValueError names what is neither.
    """
    items: list[Any] = []
    for word in words:
        parts = [word] if os.path.exists(word) else [part for part in re.split(r",\s*", word) if part]
        items += [_item(part, variables) for part in parts]
    return Documents(items)


def _item(word: str, variables: Mapping[str, Any]) -> Any:
    if word not in variables or os.path.exists(word):
        return word
    value = variables[word]
    if isinstance(value, str) or is_table(value):
        return {word: value}
    if isinstance(value, Documents | os.PathLike | Mapping):
        return value
    raise ValueError(
        f"--doc names files, folders and variables with a table, a text or Documents, and {word!r} is a "
        f"{type(value).__name__}"
    )


def show_given(inserted: Sequence[Inserted], docs: Documents | None, context: int, *, is_page: bool) -> None:
    """Show what a prompt has by name, with its tokens: folded in a page, in one line elsewhere."""
    long = [one for one in inserted if len(one.text) > SHORT or "\n" in one.text]
    parts = () if docs is None else docs.plan(context).parts
    if not long and not parts:
        return
    texts = [(one, len(Tokenizer().encode(one.text))) for one in long]
    line = summary(texts, parts)
    if is_page:
        Output().show_here(bundle(line, texts, parts))
    else:
        print(f"[{line}]")


def summary(texts: Sequence[tuple[Inserted, int]], parts: Sequence[Part]) -> str:
    """Return what was given on one line.

    >>> summary([(Inserted("df", "..."), 320)], [Part("a.md", True, 40, "3 lines")])
    'given · df 320 tokens · a.md 40 tokens'
    """
    told = [f"{shown(one.name, 40)} {counted(n, 'token')}" for one, n in texts]
    told += [_part(part) for part in parts]
    more = [f"{len(told) - _N_NAMED} more"] if len(told) > _N_NAMED else []
    return " · ".join(["given", *told[:_N_NAMED], *more])


def bundle(line: str, texts: Sequence[tuple[Inserted, int]], parts: Sequence[Part]) -> dict[str, str]:
    """Return what was given as an output: a folded line in a page, the line alone in plain text."""
    block = f"{RUNNING_TEXT};margin:0.3em 0 0 1em;font-family:var(--jp-code-font-family,monospace)"
    shown_texts = [
        f'<div style="margin:0.5em 0 0 1em">{html.escape(one.name)} · {counted(n, "token")}</div>'
        f'<pre dir="auto" style="{block}">{html.escape(_cut(one.text))}</pre>'
        for one, n in texts
    ]
    listed = "".join(f"<div>{html.escape(_part(part))}, {html.escape(part.size)}</div>" for part in parts)
    page = (
        f'<details {QUIETLY}><summary style="cursor:pointer">{html.escape(line)}</summary>'
        f"{listed}{''.join(shown_texts)}</details>"
    )
    return {"text/html": page, "text/plain": f"[{line}]"}


def _part(part: Part) -> str:
    return (
        f"{part.name} {counted(part.n_tokens, 'token')}" if part.is_whole else f"{part.name} to be searched"
    )


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\n… ({len(text):,} characters)"
