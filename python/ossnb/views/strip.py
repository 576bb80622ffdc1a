"""Tokens as running text: each one shaded, with a tooltip, and harmony's marks told from the text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..harmony.tokenizer import CHANNEL, CONSTRAIN, FIRST_SPECIAL, MESSAGE, START, VOCAB_SIZE, token_bytes
from .drawing import MONO, UNLIKELY, shade
from .markup import Html, visible

MAX_TOKENS = 3000  # in one picture: some hundred bytes each

_TEXT = f"white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.8;{MONO}"
COLUMN = "flex:1 1 16em;min-width:0"  # of a row whose columns go below each other where it is narrow
COLUMNS = "display:flex;flex-wrap:wrap;gap:1em"
_OUTLINE = ";outline:2px solid currentColor"
_UNDERLINE = ";text-decoration:underline wavy 1px"


def is_special(token: int) -> bool:
    """Whether a token is one of harmony's marks and so no text."""
    return FIRST_SPECIAL <= token < VOCAB_SIZE


def marks(tokens: Sequence[int]) -> list[int]:
    """List the positions of harmony's marks, and of the header words between them, which are no text either.

    >>> marks([200006, 1428, 200008, 13225, 200007])  # <|start|>user<|message|>Hello<|end|>
    [0, 1, 2, 4]
    """
    specials = [i for i, token in enumerate(tokens) if is_special(token)]
    # A reply begins within a header: its <|start|> stands in the prompt.
    in_header = bool(specials) and tokens[specials[0]] in (CHANNEL, MESSAGE)
    found = []
    for i, token in enumerate(tokens):
        if is_special(token):
            in_header = token in (START, CHANNEL) or (in_header and token == CONSTRAIN)
            found.append(i)
        elif in_header:
            found.append(i)
    return found


def token_strip(
    tokens: Sequence[int],
    shades: NDArray[np.float32],
    title: Callable[[int], str],
    *,
    colour: str = UNLIKELY,
    outlined: int = -1,
    underlined: Collection[int] = (),
    quiet: int = 0,
    hides_special: bool = False,
) -> Html:
    """The text of the tokens; each has a tooltip and a background as dark as its shade (0 to 1). Some are
    marked, so that not all depends on colour. The first `quiet` are paler."""
    spans: list[Html] = []
    special = set(marks(tokens[:MAX_TOKENS]))
    for i, token in enumerate(tokens[:MAX_TOKENS]):
        if i in special and hides_special:
            continue
        if spans and hides_special and i - 1 in special:
            spans.append(Html("<br><br>"))  # another message
        style = f"{shade(colour, float(shades[i]))};border-radius:2px"
        style += _OUTLINE if i == outlined else ""
        style += _UNDERLINE if i in underlined else ""
        if i in special:
            style += ";font-size:80%;white-space:nowrap"
        if i in special or i < quiet:
            style += ";opacity:0.75"
        if i in special or i - 1 in special:
            spans.append(Html("<wbr>"))  # so that the word beside it is not broken instead
        spans.append(_token(visible(token_bytes(token)), title(i), style))
    if len(tokens) > MAX_TOKENS:
        spans.append(Html.of("i", f" … {len(tokens) - MAX_TOKENS:,} further tokens are not shown"))
    return Html.of("div", Html.joined(spans), style=_TEXT, dir="auto")


def _token(text: str, title: str, style: str) -> Html:
    # The blank that leads a word parts it from the shaded word before, so it has no shade.
    word = text.lstrip(" ") or text
    # A token that only breaks the line would have nothing to point at.
    shown = word.replace("\n", "⏎\n") if not word.strip() else word
    return Html.joined(
        [Html(" " * (len(text) - len(word))), Html.of("span", shown, style=style, title=title)]
    )


def token_traits(tokens: Sequence[int]) -> dict[str, Any]:
    """The tokens as a live view takes them: the first MAX_TOKENS texts, the positions of harmony's marks, and
    the number of tokens left out."""
    shown = tokens[:MAX_TOKENS]
    return {
        "tokens": [visible(token_bytes(token)) for token in shown],
        "special": marks(shown),
        "n_left_out": len(tokens) - len(shown),
    }
