"""HTML of the lasting pictures, and texts as they show them: tokens, shares.

A model's output is untrusted. Text becomes HTML in one place only, `Html.of`, which escapes it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Self

from ..harmony.tokenizer import token_bytes
from ..page.output import QUIET

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
        """Make an element; `content` is escaped unless it is Html, attribute values are escaped always. A `_`
        in an attribute's name stands for `-`."""
        if quiet:
            attributes["style"] = QUIET
        inner = content if isinstance(content, Html) else html.escape(content, quote=False)
        written = "".join(
            f' {name.rstrip("_").replace("_", "-")}="{_attribute(str(value))}"'
            for name, value in attributes.items()
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


def marked(text: str) -> str:
    r"""Return a token's text on one line; blanks at its ends are marks that can be seen.

    >>> marked(" a\nb"), marked("a b")
    ('␣a⏎b', 'a b')
    """
    inner = text.strip(" ")
    n_led = len(text) - len(text.lstrip(" "))
    shown = "␣" * n_led + inner + "␣" * (len(text) - n_led - len(inner))
    return shown.replace("\n", "⏎").replace("\t", "⇥")


def quoted(text: str) -> str:
    r"""Return a token's text for a sentence: on one line, in quotes.

    >>> quoted(" a\nb")
    '“␣a⏎b”'
    """
    return f"“{marked(text)}”"


def token_name(token: int) -> str:
    """Return a token's text for a sentence, in quotes.

    >>> token_name(40617)
    '“␣hello”'
    """
    return quoted(visible(token_bytes(token)))


def percent(share: float) -> str:
    """Return a share as per cent with three digits.

    >>> percent(0.12345), percent(1.0), percent(0.00001)
    ('12.3 %', '100 %', '0.001 %')
    """
    value = 100 * float(share)
    return f"{value:.3g} %" if value >= 0.001 or value == 0 else "<0.001 %"
