"""Pages as the model's browser shows them: numbered lines of at most 80 characters."""

from __future__ import annotations

import bisect
import functools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..harmony.tokenizer import LONGEST_TOKEN, Tokenizer, token_bytes
from .document import Document

WIDTH = 80
_LONG = 4000  # characters of a line that is cut before it is wrapped

Source = tuple[int, int]  # a document's number and a line of its text


@dataclass(frozen=True, slots=True)
class Page:
    """A page: lines as they are shown, and the line of which document each came from.

    `links` are what `open` may follow from it; `document` is set where the page is one. Pages of results have
    no document, and `find` does not look into them.
    """

    title: str
    address: str
    lines: tuple[str, ...]
    sources: Sequence[Source | None] = field(repr=False)
    links: tuple[Source, ...] = ()
    document: int | None = None


@functools.lru_cache(maxsize=64)
def document_page(number: int, document: Document) -> Page:
    """Return a document as a page.

    >>> document_page(0, Document.of("a.txt", "one")).lines
    ('one',)
    """
    lines, begins = wrapped(document.text.lines)
    title = document.name.rpartition("/")[2]
    return Page(title, document.name, lines, Wrapped(number, begins, len(lines)), (), number)


class Wrapped(Sequence[Source | None]):
    """The source of each line of a page that is one document."""

    def __init__(self, number: int, begins: list[int], n_lines: int) -> None:
        self._number, self._begins, self._n_lines = number, begins, n_lines

    def __len__(self) -> int:
        return self._n_lines

    def __getitem__(self, line: int | slice) -> Source | None:  # type: ignore[override]
        if isinstance(line, slice):
            raise TypeError("the sources of a page are asked line by line")
        return self._number, bisect.bisect_right(self._begins, line) - 1

    def line_of(self, line: int) -> int:
        """Return the first line of the page that shows a line of the text."""
        return self._begins[line]


def wrapped(lines: Sequence[str], width: int = WIDTH) -> tuple[tuple[str, ...], list[int]]:
    """Wrap lines; return the shown ones, and at which of them each given line begins.

    >>> wrapped(["a b", "", "c" * 100])[1]
    [0, 1, 2]
    """
    shown: list[str] = []
    begins: list[int] = []
    for line in lines:
        begins.append(len(shown))
        line = line.expandtabs(4)
        if len(line) <= width:
            shown.append(line)
            continue
        for at in range(0, len(line), _LONG):
            shown += textwrap.wrap(
                line[at : at + _LONG], width, replace_whitespace=False, drop_whitespace=False
            )
    return tuple(shown), begins


def display(cursor: int, page: Page, first: int, stop: int) -> str:
    """Return what the model reads of a page.

    >>> print(display(0, document_page(0, Document.of("b/a.txt", "one\\ntwo")), 0, 2))
    [0] a.txt (b/a.txt)
    **viewing lines [0 - 1] of 1**
    <BLANKLINE>
    L0: one
    L1: two
    """
    address = f" ({page.address})" if page.address else ""
    body = "\n".join(numbered(page.lines[first:stop], first))
    head = f"[{cursor}] {page.title}{address}"
    return f"{head}\n**viewing lines [{first} - {stop - 1}] of {len(page.lines) - 1}**\n\n{body}"


def numbered(lines: Sequence[str], first: int) -> list[str]:
    """Return lines with their numbers before them."""
    return [f"L{first + n}: {line}" for n, line in enumerate(lines)]


def end_of_view(page: Page, first: int, most_tokens: int, most_chars: int) -> int:
    """Return the line after the last one that a view shows: at least one line, and no more tokens than given
    but for those of the last line."""
    n_chars, stop = 0, first
    while stop < len(page.lines) and (stop == first or n_chars < most_chars):
        n_chars += len(page.lines[stop]) + len(f"L{stop}: \n")
        stop += 1
    if n_chars > most_chars and stop > first + 1:
        stop -= 1
    text = "\n".join(numbered(page.lines[first:stop], first))[: (most_tokens + 1) * LONGEST_TOKEN]
    if len(text) <= most_tokens:
        return stop
    ids = Tokenizer().encode(text)
    if len(ids) <= most_tokens:
        return stop
    cut = b"".join(map(token_bytes, ids[:most_tokens]))
    return min(first + cut.count(b"\n") + 1, stop)
