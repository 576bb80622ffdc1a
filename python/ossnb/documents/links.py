"""An answer's Markdown with its citations as links. Their text comes from models and files, and none runs."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import PurePath

from ..system.markdown import as_entities, as_text, safe_markdown
from .citations import OPEN_MARK, Citation

_TITLE_CHARS = 200


def cited_markdown(text: str, citations: Iterable[Citation]) -> str:
    """Return Markdown that shows a text as `safe_markdown` does, with links in the place of its citations.

    >>> cited_markdown("Green【0†L2】.", [Citation("【0†L2】", 5, "sky", None, "line 3", "green")])
    'Green (sky&#44; line 3).'

    A link leads to the file, from the folder of the kernel. A mark that the model invented stays, and says
    so. Marks that no citation knows stay as they are, and so does code.
    """
    return safe_markdown(text, by_mark(citations))


def by_mark(citations: Iterable[Citation]) -> Callable[[str], str | None]:
    """Return a function from a mark to its Markdown; None for a mark that no citation knows."""
    found: dict[str, Citation] = {}
    for one in citations:
        if one.is_valid or one.mark not in found:
            found[one.mark] = one

    def shown(mark: str) -> str | None:
        return link(found[mark]) if mark in found else None

    return shown


def link(citation: Citation) -> str:
    """Return a citation as Markdown: a link to its file, or where there is none, its place.

    >>> link(Citation("【9†L1】", 0, problem="there is no page 9"))
    '【9†L1】 *(invented: there is no page 9)*'
    """
    if not citation.is_valid:
        return f"{as_text(citation.mark)} *(invented: {as_text(str(citation.problem))})*"
    label = as_text(" ".join(f"{citation.document}, {citation.place}".split()))
    target = _target(citation)
    if target is None:
        return f" ({label})"
    quote = " ".join(citation.quote.split())
    quote = quote if len(quote) <= _TITLE_CHARS else quote[:_TITLE_CHARS] + "…"
    return f' ([{label}]({target} "{as_entities(quote)}"))'


def without_open_mark(text: str) -> str:
    """Return a text that is being written without the citation at its end that has no end yet.

    >>> without_open_mark("It is green【0†L")
    'It is green'
    """
    return OPEN_MARK.sub("", text)


def _target(citation: Citation) -> str | None:
    """Return where a citation's link leads: a relative address of the file, with the page or the line."""
    if citation.path is None:
        return None
    try:
        relative = PurePath(os.path.relpath(citation.path)).as_posix()
    except (ValueError, OSError):  # on another drive, or the folder of the kernel is gone
        return None
    first = citation.place.split(" to ")[0]
    kind, _, number = first.partition(" ")
    number = number.partition("-")[0]
    fragment = {"page": f"#page={number}", "line": f"#L{number}", "lines": f"#L{number}"}.get(kind, "")
    address = urllib.parse.quote(relative.encode("utf-8", "surrogateescape"), safe="/")
    return f"./{address}{fragment if number.isdigit() else ''}"
