"""Pages of results: what a search and a `find` show."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence

from .document import Document, clean_line, safe_name
from .index import Hit
from .pages import Page, Source, wrapped
from .terms import terms

SNIPPET_CHARS = 320
MOST_LISTED = 50  # documents that a list names
TITLE_CHARS = 80
_HEADING = re.compile(r"#{1,6}\s+(.+)|((?:async )?def \w+|class \w+)")


def search_page(query: str, hits: Sequence[Hit], documents: Sequence[Document]) -> Page:
    """Return the results of a search as a page whose links lead to the passages."""
    lines: list[str] = ["", "URL: ", "# Search Results", ""]
    sources: list[Source | None] = [None] * len(lines)
    links: list[Source] = []
    for k, hit in enumerate(hits):
        document = documents[hit.document]
        at, snippet, owners = _snippet(document, hit, set(terms(query)))
        title = _title(document, at)
        head = f"  * 【{k}†{title}†{document.name}】 {document.place(at, at)}: "
        shown, _ = wrapped([head + snippet])
        lines += shown
        sources += [(hit.document, line) for line in _most_of(shown, [at] * len(head) + owners)]
        links.append((hit.document, at))
    if not hits:
        lines.append("No results. Search for other words, or open a document:")
        sources.append(None)
        links = _list(documents, lines, sources)
    return _page(query, "", lines, sources, links)


def list_page(documents: Sequence[Document]) -> Page:
    """Return the list of the documents as a page whose links open them."""
    lines: list[str] = ["# Documents", ""]
    sources: list[Source | None] = [None, None]
    links = _list(documents, lines, sources)
    return _page("Documents", "documents", lines, sources, links)


def found_page(pattern: str, page: Page, most: int, n_lines: int) -> Page:
    """Return the places of a page that have a text in them, in capitals or not."""
    lines: list[str] = []
    sources: list[Source | None] = []
    links: list[Source] = []
    wanted, at = clean_line(pattern).lower(), 0
    while at < len(page.lines) and len(links) < most:
        source = page.sources[at]
        if wanted not in page.lines[at].lower() or source is None:
            at += 1
            continue
        if lines:
            lines.append("")
            sources.append(None)
        stop = min(at + n_lines, len(page.lines))
        lines += [f"# 【{len(links)}†match at L{at}】", *page.lines[at:stop]]
        sources += [None, *(page.sources[line] for line in range(at, stop))]
        links.append(source)
        at = stop
    told = safe_name(pattern)
    if not links:
        lines, sources = [f"No `find` results for pattern: `{told}`"], [None]
    title = f"Find results for text: `{told}` in `{page.title}`"
    return Page(title, f"{page.address}/find?pattern={told}", tuple(lines), sources, tuple(links))


def no_page() -> Page:
    """Return the page in the place of one that cannot be shown any more."""
    return Page("gone", "", ("",), [None])


def _page(
    title: str, address: str, lines: list[str], sources: list[Source | None], links: list[Source]
) -> Page:
    shown, begins = wrapped(lines)
    counts = [stop - start for start, stop in zip(begins, [*begins[1:], len(shown)], strict=True)]
    of_shown = [source for source, n in zip(sources, counts, strict=True) for _ in range(n)]
    return Page(title, address, shown, of_shown, tuple(links))


def _list(documents: Sequence[Document], lines: list[str], sources: list[Source | None]) -> list[Source]:
    for k, document in enumerate(documents[:MOST_LISTED]):
        lines.append(f"  * 【{k}†{document.name}】 {document.size}")
        sources.append(None)
    if len(documents) > MOST_LISTED:
        lines.append(f"  * and {len(documents) - MOST_LISTED:,} more, which a search finds")
        sources.append(None)
    return [(k, 0) for k in range(min(len(documents), MOST_LISTED))]


def _title(document: Document, line: int) -> str:
    """Return the heading over a line, or the document's own title."""
    for at in range(line, max(line - 200, -1), -1):
        if found := _HEADING.match(document.text.lines[at]):
            title = (found[1] or found[2]).strip().replace("†", "‡")
            return title if len(title) <= TITLE_CHARS else title[:TITLE_CHARS] + "…"
    return document.name.rpartition("/")[2]


def _snippet(document: Document, hit: Hit, wanted: set[str]) -> tuple[int, str, list[int]]:
    """Return the line of a passage that fits a query best, by its number, some text from there, and of each
    of its characters the line that it is of."""
    lines = document.text.lines[hit.first : hit.last + 1]
    fits = [len(wanted.intersection(terms(line[:1000]))) for line in lines]
    best = fits.index(max(fits))
    text, owners = "", list[int]()
    for number, line in enumerate(lines[best:], hit.first + best):
        if words := " ".join(line[: SNIPPET_CHARS * 2].split()):
            text += " " * bool(text) + words
            owners += [number] * (len(text) - len(owners))
    cut = text if len(text) <= SNIPPET_CHARS else text[:SNIPPET_CHARS].rsplit(" ", 1)[0] + " …"
    return hit.first + best, cut, owners[: len(cut)]


def _most_of(shown: Sequence[str], owners: list[int]) -> list[int]:
    """Return of each shown line the one that the most of it is of; `owners` are those of the characters."""
    found, at = list[int](), 0
    for one in shown:
        found.append(statistics.mode(owners[at : at + len(one)] or owners[-1:]))
        at += len(one)
    return found
