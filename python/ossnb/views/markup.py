"""HTML and SVG of the lasting pictures: inline style, tooltips, no script, light and dark.

A model's output is untrusted. Text becomes HTML in one place only, `Html.of`, which escapes it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..harmony.tokenizer import FIRST_SPECIAL, VOCAB_SIZE, token_bytes
from ..page.output import QUIET

MAX_TOKENS = 3000  # in one picture: some hundred bytes each
MORE, LESS = "234,110,20", "30,110,230"  # orange and blue, seen by all kinds of eyes, on white and on black

_TEXT = (
    "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.7;"
    "font-family:var(--jp-code-font-family,monospace)"
)
COLUMN = "flex:1 1 16em;min-width:0"  # of a row whose columns go below each other where it is narrow
_OUTLINE = ";outline:2px solid var(--jp-brand-color1,#1976d2)"
_UNDERLINE = ";text-decoration:underline wavy 1px"

# Controls, and the marks that turn the direction of everything after them.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Html(str):
    """Text that is HTML already.

    >>> Html.of("b", "1 < 2", title='"')
    '<b title="&quot;">1 &lt; 2</b>'
    """

    __slots__ = ()

    @classmethod
    def of(cls, tag: str, content: str, *, quiet: bool = False, **attributes: str | float) -> Self:
        """Make an element; `content` is escaped unless it is Html, attribute values are escaped always."""
        if quiet:
            attributes["style"] = QUIET
        inner = content if isinstance(content, Html) else html.escape(content, quote=False)
        written = "".join(
            f' {name.rstrip("_")}="{_attribute(str(value))}"' for name, value in attributes.items()
        )
        return cls(f"<{tag}{written}>{inner}</{tag}>")

    @classmethod
    def joined(cls, parts: Iterable[Html]) -> Self:
        """Put elements after one another."""
        return cls("".join(parts))

    def page(self) -> HtmlObject:
        """Return an object that notebooks show as this HTML."""
        return HtmlObject(self)


class HtmlObject:
    """An object that is shown as HTML wherever `_repr_html_` is known."""

    def __init__(self, html: Html) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return str(self._html)


def _attribute(value: str) -> str:
    return html.escape(value).replace("\n", "&#10;")


def visible(text: bytes) -> str:
    r"""Return a token's text with unseen characters made visible, and bytes that are no character as hex.

    >>> visible(b"a\x1b"), visible(b"\xf0\x9f"), visible(b"\n")
    ('a␛', '⟨f0 9f⟩', '\n')
    """
    try:
        return _UNSEEN.sub(_name, text.decode())
    except UnicodeDecodeError:
        return f"⟨{text.hex(' ')}⟩"


def _name(mark: re.Match[str]) -> str:
    code = ord(mark[0])
    return chr(0x2400 + code) if code < 0x20 else f"⟨U+{code:04X}⟩"


def quoted(text: str) -> str:
    r"""Return a token's text on one line, in quotes.

    >>> quoted("a\nb")
    '“a⏎b”'
    """
    return f"“{text}”".replace("\n", "⏎").replace("\t", "⇥")


def percent(share: float) -> str:
    """Return a share as per cent with three digits.

    >>> percent(0.12345), percent(1.0), percent(0.00001)
    ('12.3 %', '100 %', '0.001 %')
    """
    value = 100 * float(share)
    return f"{value:.3g} %" if value >= 0.001 or value == 0 else "<0.001 %"


def token_strip(
    tokens: Sequence[int],
    shades: NDArray[np.float32],
    title: Callable[[int], str],
    *,
    outlined: int = -1,
    underlined: Collection[int] = (),
    quiet: int = 0,
) -> Html:
    """The text of the tokens; each has a tooltip and a background as dark as its shade (0 to 1). Some are
    marked, so that not all depends on colour. The first `quiet` are paler."""
    spans = []
    for i, token in enumerate(tokens[:MAX_TOKENS]):
        mark = _OUTLINE if i == outlined else ""
        mark += _UNDERLINE if i in underlined else ""
        mark += ";opacity:0.65" if i < quiet else ""
        spans.append(_token(token, float(shades[i]), title(i), mark))
    if len(tokens) > MAX_TOKENS:
        spans.append(Html.of("i", f" … {len(tokens) - MAX_TOKENS:,} further tokens are not shown"))
    return Html.of("div", Html.joined(spans), style=_TEXT, dir="auto")


def is_special(token: int) -> bool:
    """Whether a token is one of harmony's marks and so no text."""
    return FIRST_SPECIAL <= token < VOCAB_SIZE


def token_traits(tokens: Sequence[int]) -> dict[str, Any]:
    """The tokens as a live view takes them: the first MAX_TOKENS texts, the positions of special tokens, and
    the number of tokens left out."""
    shown = tokens[:MAX_TOKENS]
    return {
        "tokens": [visible(token_bytes(token)) for token in shown],
        "special": [i for i, token in enumerate(shown) if is_special(token)],
        "n_left_out": len(tokens) - len(shown),
    }


def _token(token: int, shade: float, title: str, mark: str) -> Html:
    text = visible(token_bytes(token))
    style = f"background:rgba({MORE},{0.85 * shade:.2f});border-radius:2px{mark}"
    if is_special(token):
        style += ";opacity:0.75;font-size:80%"
    # A token that only breaks the line would have nothing to point at.
    shown = text.replace("\n", "⏎\n") if not text.strip() else text
    return Html.of("span", shown, style=style, title=title)


def heat_map(values: NDArray[np.float64], title: Callable[[int, int], str], labels: tuple[str, str]) -> Html:
    """An SVG of a matrix, rows downward: orange above zero, blue below, the largest value in full colour."""
    rows, columns = values.shape
    largest = float(np.abs(values).max()) or 1.0
    size = 16 if columns <= 48 else 7
    cells = [
        _cell(int(row), int(column), float(values[row, column]) / largest, size, title(int(row), int(column)))
        for row, column in np.argwhere(values)
    ]
    width, height = columns * size, rows * size
    frame = Html.of("rect", "", width=width, height=height, fill="none", stroke="rgba(128,128,128,0.5)")
    drawing = Html.of(
        "svg",
        Html.joined([frame, *cells]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"-1 -1 {width + 2} {height + 2}",
        width=width + 2,
        style="max-width:100%;height:auto;display:block",
        role="img",
    )
    across, down = labels
    caption = f"{down}: 0 to {rows - 1} from the top; {across}: 0 to {columns - 1} from the left"
    return Html.joined([drawing, Html.of("p", caption, quiet=True)])


def _cell(row: int, column: int, value: float, size: int, title: str) -> Html:
    colour = MORE if value > 0 else LESS
    return Html.of(
        "rect",
        Html.of("title", title),
        x=column * size,
        y=row * size,
        width=size - 1,
        height=size - 1,
        fill=f"rgba({colour},{max(abs(value), 0.04):.2f})",
    )


def distribution_bars(rows: Sequence[tuple[str, float, float]]) -> Html:
    """A table of (label, share before, share after); each share is a bar and a number."""
    head = Html.joined(
        Html.of("th", text, style="text-align:right;font-weight:normal") for text in ("", "model", "settings")
    )
    lines = [
        Html.joined(
            [
                Html.of("td", label, style="white-space:pre;font-family:monospace;text-align:left"),
                _bar(before, "128,128,128"),
                _bar(after, MORE),
            ]
        )
        for label, before, after in rows
    ]
    body = Html.joined([Html.of("tr", line) for line in [head, *lines]])
    return Html.of("table", body, style="border-collapse:collapse;color:inherit")


def _bar(share: float, colour: str) -> Html:
    reach = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    fill = f"linear-gradient(to right,rgba({colour},0.5) {reach},transparent {reach})"
    style = f"background:{fill};background-clip:padding-box;border-left:0.7em solid transparent"
    return Html.of("td", percent(share), style=f"width:11em;text-align:right;{style}")
