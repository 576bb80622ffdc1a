"""What a page of the web shows, as text: its lines know the lines of the file they came from."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

from .document import Text, clean_line

_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "math", "head", "iframe", "object"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote caption dd details dialog div dl dt fieldset figcaption figure "
        "footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table tr ul",
    )
)
_BODY = _BLOCKS | {"body"}
_NEVER = frozenset[str](), frozenset[str]()
_ROW_GROUPS = frozenset({"thead", "tbody", "tfoot"})
# Elements whose end may be left out: the tags that begin what comes after them, and the elements around them,
# whose end ends them, too.
_LEFT_OPEN: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "p": (_BLOCKS | {"td", "th"}, _BLOCKS | {"td", "th"}),
    "li": (frozenset({"li"}), frozenset({"ul", "ol", "menu"})),
    **dict.fromkeys(("dt", "dd"), (frozenset({"dt", "dd"}), frozenset({"dl"}))),
    **dict.fromkeys(("td", "th"), (frozenset({"td", "th", "tr"}) | _ROW_GROUPS, frozenset({"table"}))),
    "tr": (frozenset({"tr"}) | _ROW_GROUPS, frozenset({"table"})),
    **dict.fromkeys(_ROW_GROUPS, (_ROW_GROUPS, frozenset({"table"}))),
    "option": (frozenset({"option", "optgroup"}), frozenset({"select", "datalist"})),
}
_BEGUN = re.compile("<[A-Za-z/!?]")  # a tag, a comment or a declaration
_HEADINGS = {f"h{n}": "#" * n + " " for n in range(1, 7)}


def page_text(html: str) -> Text:
    """Return the text that a page shows.

    >>> page_text("<h1>A</h1><script>x()</script><p>b<br>c").lines
    ('# A', 'b', 'c')
    """
    reader = _Reader()
    reader.feed(html)
    reader.end_page()
    places = tuple((n, f"line {line}") for n, line in enumerate(reader.numbers))
    return Text(tuple(reader.lines), places)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.numbers: list[int] = []  # of each line, in the file
        self._words: list[str] = []
        self._is_blank = True  # the line has nothing but white space so far
        self._at = 1
        self._hidden: list[str] = []  # open elements that no page shows
        self._n_pre = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        if tag in _BODY and self._hidden[:1] == ["head"]:  # whose end may be left out
            self._hidden.clear()
        after, around = _LEFT_OPEN.get("".join(self._hidden[:1]), _NEVER)
        if tag in after and len(self._hidden) == 1:
            self._hidden.clear()
        if self._hidden or tag in _HIDDEN or ("hidden" in dict(attrs) and tag not in _VOID):
            is_alike = tag == (self._hidden or [tag])[0] and tag not in after
            if tag in _HIDDEN or tag in around or is_alike:
                self._hidden.append(tag)
            return
        if tag == "br" or tag in _BLOCKS:
            self.end_line()
        if tag in _HEADINGS:
            self._add(_HEADINGS[tag])
        elif tag == "li":
            self._add("* ")
        elif tag in ("td", "th") and self._words:
            self._add(" | ")
        elif tag == "img" and (told := dict(attrs).get("alt")):
            self._add(f"[image: {told}]")
        self._n_pre += tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._in_title:
            self._in_title = False
            self.end_line()
        if self._hidden:
            _, around = _LEFT_OPEN.get(self._hidden[0], _NEVER)
            if tag == self._hidden[-1]:
                self._hidden.pop()
                return
            if tag not in around or len(self._hidden) > 1:
                return
            self._hidden.clear()  # its own end was left out
        if tag in _BLOCKS:
            self.end_line()
        self._n_pre -= tag == "pre" and self._n_pre > 0

    def handle_data(self, data: str) -> None:
        if self._in_title and self._hidden == ["head"]:
            self._add(data)
            return
        if self._hidden:
            return
        if not self._n_pre:
            self._add(data)
            return
        line, _ = self.getpos()
        for n, part in enumerate(data.split("\n")):
            if n:
                self.end_line()
            self._at = line + n
            self._append(part)

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Pass over <![...]>. Python's own reader raises an error at a word that it does not know."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def end_page(self) -> None:
        """End the page as browsers do: a tag or a comment that does not end is left out. Python's `close`
        would look for its end again at each place where one may begin, for minutes.
        """
        if not _BEGUN.match(self.rawdata):
            self.handle_data(unescape(self.rawdata))
        self.end_line()

    def _add(self, text: str) -> None:
        if self._is_blank:
            self._at = self.getpos()[0] + text[: len(text) - len(text.lstrip())].count("\n")
        self._append(text)

    def _append(self, text: str) -> None:
        self._is_blank = self._is_blank and not text.strip()
        self._words.append(text)

    def end_line(self) -> None:
        """End the line of text that is being written."""
        text = "".join(self._words)
        self._words, self._is_blank = [], True
        text = text.rstrip() if self._n_pre else " ".join(text.split())
        if text.strip(" #*|"):
            self.lines.append(clean_line(text))
            self.numbers.append(self._at)
