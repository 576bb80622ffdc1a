"""The model's own browser, over documents: search, open and find, with the displays that it was trained on.

It knows the documents of one question and nothing else: an address is looked up among their names.
"""

from __future__ import annotations

import bisect
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..harmony.messages import Message, ToolCall
from ..system.text import listed, shown_value
from ..tools.outcome import MOST_CHARS
from ..tools.tool import Result, Tool
from .citations import MARK, Citation, cited_lines
from .document import Document, clean_line
from .index import Index
from .pages import Page, Source, Wrapped, display, document_page, end_of_view
from .results import found_page, no_page, search_page

NAME = "browser"
VIEW_TOKENS = 1024  # of a display, as trained
VIEW_SHARE = 10  # a display takes at most one part in so many of the context
FEWEST_TOKENS = 64
CHARS_PER_TOKEN = 8  # a display has no more
MOST_RESULTS, USUAL_RESULTS = 20, 10
MOST_FOUND, LINES_FOUND = 50, 4  # places that `find` shows, and lines of each
ABOVE = 4  # lines that are shown above a passage
MOST_CITED = 2000  # lines of one citation
QUOTE_CHARS = 400
_CURSOR = re.compile(r"\[(\d{1,6})\] ")

_NUMBER = {"type": "number", "default": -1}
DEFINITION: dict[str, Any] = {
    "type": "builtin",
    "name": NAME,
    "description": "Tool for browsing.\n"
    "The `cursor` appears in brackets before each browsing display: `[{cursor}]`.\n"
    "Cite information from the tool using the following format:\n"
    "`【{cursor}†L{line_start}(-L{line_end})?】`, for example: `【6†L9-L11】` or `【8†L3】`.\n"
    "Do not quote more than 10 words directly from the tool output.\n"
    "sources=documents (default: documents)",
    "functions": [
        {
            "name": "search",
            "description": "Searches for information related to `query` and displays `topn` results.",
            "parameters": {
                "type": "object",
                "properties": {
                    "query": {"type": "string"},
                    "topn": {"type": "number", "default": 10},
                    "source": {"type": "string"},
                },
                "required": ["query"],
            },
        },
        {
            "name": "open",
            "description": "Opens the link `id` from the page indicated by `cursor` starting at line number "
            "`loc`, showing `num_lines` lines.\n"
            "Valid link ids are displayed with the formatting: `【{id}†.*】`.\n"
            "If `cursor` is not provided, the most recent page is implied.\n"
            "If `id` is a string, it is treated as a fully qualified URL associated with `source`.\n"
            "If `loc` is not provided, the viewport will be positioned at the beginning of the document or "
            "centered on the most relevant passage, if available.\n"
            "Use this function without `id` to scroll to a new location of an opened page.",
            "parameters": {
                "type": "object",
                "properties": {
                    "id": {"type": ["number", "string"], "default": -1},
                    "cursor": _NUMBER,
                    "loc": _NUMBER,
                    "num_lines": _NUMBER,
                    "view_source": {"type": "boolean", "default": False},
                    "source": {"type": "string"},
                },
            },
        },
        {
            "name": "find",
            "description": "Finds exact matches of `pattern` in the current page, or the page given by "
            "`cursor`.",
            "parameters": {
                "type": "object",
                "properties": {"pattern": {"type": "string"}, "cursor": _NUMBER},
                "required": ["pattern"],
            },
        },
    ],
}


class Shown(NamedTuple):
    """A page as it was shown: these lines of it."""

    page: Page
    first: int
    stop: int


class _Mistake(Exception):
    """A call that cannot be carried out; the message is for the model."""


def view_tokens(context: int) -> int:
    """Return how many tokens a display may have in a context of so many.

    >>> view_tokens(131072), view_tokens(4096)
    (1024, 409)
    """
    return max(min(VIEW_TOKENS, context // VIEW_SHARE), FEWEST_TOKENS)


class Browser(Tool):
    """The browser of one answer: the pages that were shown so far, each a display with its number.

    >>> documents = [Document.of("a.txt", "The sky is green.")]
    >>> browser = Browser(documents, lambda: Index(documents), context=4096)
    >>> print(browser.call("open", {"id": "a.txt"}).text)
    [0] a.txt (a.txt)
    **viewing lines [0 - 0] of 0**
    <BLANKLINE>
    L0: The sky is green.
    """

    name = NAME
    definition = DEFINITION

    def __init__(self, documents: Sequence[Document], index: Callable[[], Index], context: int) -> None:
        self._documents = documents
        self._index = index
        self._most_tokens = view_tokens(context)
        self._most_chars = MOST_CHARS  # of a display; what is longer reaches the model with a gap
        self._stack: list[Page] = []
        self._read: set[Source] = set()  # lines that the model has seen
        self._numbers = {document.name: n for n, document in enumerate(documents)}

    def limit(self, most_chars: int) -> None:
        """Let the next displays have so many characters."""
        self._most_chars = most_chars

    def bind(self, call: ToolCall) -> Callable[[], Result]:
        """Return what carries a call out; nothing is wrong with it but what its result says."""
        arguments = call.arguments if call.raw.strip() else {}
        name = call.name.removeprefix(f"{NAME}.")
        return lambda: self.call(name, arguments)

    def call(self, name: str, arguments: Any) -> Result:
        """Carry out `search`, `open` or `find`; a mistake is a result that says what to do."""
        try:
            if not isinstance(arguments, Mapping):
                raise _Mistake(json.dumps({"error": "Invalid function arguments"}))
            act = {"search": self._search, "open": self._open, "find": self._find}.get(name)
            if act is None:
                raise _Mistake(json.dumps({"error": f"Unknown function: {name}"}))
            return Result(act(arguments))
        except _Mistake as mistake:
            return Result(str(mistake), error=str(mistake))

    def show(self, page: Page, first: int = 0, n_lines: int = -1, *, is_whole: bool = False) -> str:
        """Show a page and return its display; unless it is shown whole, it is cut after some lines."""
        n_all = len(page.lines)
        if first >= n_all:
            raise _Mistake(
                f"Invalid location parameter: `{first}`. Cannot exceed page maximum of {n_all - 1}."
            )
        most = self._most_tokens * (2 if n_lines > 0 else 1)  # not so many lines that they fill the context
        stop = n_all if is_whole else end_of_view(page, first, most, most * CHARS_PER_TOKEN)
        stop = min(first + n_lines, stop) if n_lines > 0 else stop
        cursor, n_read = len(self._stack), stop - first
        self._stack.append(page)
        if not is_whole:
            stops, limit = range(first + 1, stop + 1), self._most_chars
            n_read = bisect.bisect_right(stops, limit, key=lambda at: len(display(cursor, page, first, at)))
            stop = first + max(n_read, 1)  # one line that is too long is cut, and counts as not read
        lines = range(first, first + n_read)
        self._read.update(source for line in lines if (source := page.sources[line]) is not None)
        return display(cursor, page, first, stop)

    def show_document(self, number: int) -> str:
        """Show all of a document."""
        return self.show(document_page(number, self._documents[number]), is_whole=True)

    def replay(self, messages: Iterable[Message]) -> None:
        """Take up the pages that earlier turns of a conversation have shown, with their numbers."""
        calls: list[ToolCall] = []
        for message in messages:
            if message.role == "user":
                calls.clear()  # a turn that was ended left calls without a result
            call = message.tool_call
            if call is not None and call.name.startswith(f"{NAME}."):
                calls.append(call)
            elif message.role == "tool" and (message.name or "").startswith(f"{NAME}.") and calls:
                self._take_up(calls.pop(0), message.content)
        self.limit(MOST_CHARS)

    def citations(self, text: str) -> list[Citation]:
        """List what a text cites, in order; a mark that the model invented says what is wrong with it.

        Brackets of other texts, as East Asian ones have them, are no marks: those have a dagger in them.
        """
        return [self._citation(mark.group(), mark.start()) for mark in MARK.finditer(text)]

    # ---- the calls -----------------------------------------------------------------------------------------

    def _search(self, arguments: Mapping[str, Any]) -> str:
        query = clean_line(" ".join(_text(arguments, "query").split()))
        n = _whole(arguments, "topn", USUAL_RESULTS)
        hits = self._index().search(query, min(n if n > 0 else USUAL_RESULTS, MOST_RESULTS))
        return self.show(search_page(query, hits, self._documents))

    def _open(self, arguments: Mapping[str, Any]) -> str:
        loc, n_lines = _whole(arguments, "loc"), _whole(arguments, "num_lines")
        target = arguments.get("id", -1)
        if isinstance(target, str) and re.fullmatch(r"\s*-?\d+\s*", target) and target not in self._numbers:
            target = int(target)
        if isinstance(target, str):
            return self._show_from(self._named(target), None, loc, n_lines)
        target = _whole(arguments, "id")
        page = self._page(_whole(arguments, "cursor"))
        if target < 0:
            return self._show_from(page, None, loc, n_lines)
        if target >= len(page.links):
            raise _Mistake(f"Invalid link id `{target}`.")
        number, line = page.links[target]
        return self._show_from(document_page(number, self._documents[number]), line, loc, n_lines)

    def _show_from(self, page: Page, line: int | None, loc: int, n_lines: int) -> str:
        if loc < 0 and line is not None and isinstance(page.sources, Wrapped):
            loc = page.sources.line_of(line)
            loc -= ABOVE if loc > ABOVE else 0
        return self.show(page, max(loc, 0), n_lines)

    def _find(self, arguments: Mapping[str, Any]) -> str:
        page = self._page(_whole(arguments, "cursor"))
        if page.document is None:
            raise _Mistake("Cannot run `find` on search results page or find results page")
        pattern = _text(arguments, "pattern")
        if not clean_line(pattern).strip():  # an empty one is in every line
            raise _Mistake("`pattern` must have a word, and it is empty.")
        return self.show(found_page(pattern, page, MOST_FOUND, LINES_FOUND))

    def _page(self, cursor: int) -> Page:
        if not self._stack:
            raise _Mistake("No pages to access!")
        if cursor < 0:
            return self._stack[-1]
        if cursor >= len(self._stack):
            raise _Mistake(
                f"Cursor `{cursor}` is out of range. Available cursor indices: [0 - {len(self._stack) - 1}]."
            )
        return self._stack[cursor]

    def _named(self, address: str) -> Page:
        """Return the document of a name. It is looked up among the names, and never among files."""
        name = urllib.parse.unquote(address).strip().removeprefix("view-source:").removeprefix("file://")
        found = [n for one, n in self._numbers.items() if one == name]
        found = found or [n for one, n in self._numbers.items() if one.casefold() == name.casefold()]
        found = found or [n for one, n in self._numbers.items() if one.endswith(f"/{name}")]
        if len(found) != 1:
            names = listed(self._numbers, MOST_RESULTS)
            what = "is the name of several documents" if found else "is no document here"
            raise _Mistake(f"{shown_value(name)} {what}. The documents are: {names}.")
        return document_page(found[0], self._documents[found[0]])

    # ---- earlier turns -------------------------------------------------------------------------------------

    def _take_up(self, call: ToolCall, result: str) -> None:
        cursor = _CURSOR.match(result)
        if cursor is None or int(cursor[1]) < len(self._stack) or int(cursor[1]) > len(self._stack) + 10_000:
            return  # a mistake showed no page
        while len(self._stack) < int(cursor[1]):
            self._stack.append(no_page())
        arguments = call.arguments if call.raw.strip() else {}
        self.limit(len(result))  # the model has read no more, whatever may be shown now
        if self.call(call.name.removeprefix(f"{NAME}."), arguments).error is not None:
            self._stack.append(no_page())  # the documents are others now

    # ---- citations -----------------------------------------------------------------------------------------

    def _citation(self, mark: str, start: int) -> Citation:
        found = cited_lines(mark)
        if found is None:
            return Citation(mark, start, problem="a citation has the form 【cursor†L1-L2】")
        cursor, first, last = found
        if cursor >= len(self._stack):
            return Citation(mark, start, problem=f"there is no page {cursor}")
        page = self._stack[cursor]
        if not first <= last < len(page.lines) or last - first > MOST_CITED:
            return Citation(mark, start, problem=f"page {cursor} has no lines {first} to {last}")
        sources = [s for line in range(first, last + 1) if (s := page.sources[line]) is not None]
        read = [source for source in sources if source in self._read]
        if not read:
            why = "the model has not read these lines" if sources else "these lines are of no document"
            return Citation(mark, start, problem=why)
        number = read[0][0]
        lines = [line for n, line in read if n == number]
        document = self._documents[number]
        quote = "\n".join(document.text.lines[min(lines) : max(lines) + 1]).strip()
        quote = quote if len(quote) <= QUOTE_CHARS else quote[:QUOTE_CHARS] + "…"
        place = document.place(min(lines), max(lines))
        return Citation(mark, start, document.name, document.path, place, quote)


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise _Mistake(f"`{name}` should be a string, not `{type(value).__name__}`")


def _whole(arguments: Mapping[str, Any], name: str, usual: int = -1) -> int:
    """Return an argument that counts something; models write 3.0 and "3", too."""
    value = arguments.get(name)
    if value is None:
        return usual
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,9}\s*", value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise _Mistake(f"`{name}` should be an integer, not `{type(value).__name__}`")
    return int(value)
