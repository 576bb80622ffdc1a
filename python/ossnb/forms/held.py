"""Hold an answer to its form while it is written: the final message, and the headers of the turn."""

from __future__ import annotations

from collections.abc import Iterable

from ..harmony.masks import Mask
from ..harmony.parser import Parser, Place
from .form import Form
from .grammar import Matcher, prepare

# A turn without tools: thoughts, then the final message. A call would leave the caller without an answer.
_HEADER = """
header: <|channel|> "analysis" <|message|>
    | <|channel|> "final" <|message|>
    | <|channel|> "final" " "? <|constrain|> "json" <|message|>
"""
FIRST_HEADER = "start: header" + _HEADER
LATER_HEADER = 'start: <|start|> "assistant" header' + _HEADER


class Held:
    """The tokens that may come next. A thought is free; so are headers and calls where there are tools.

    >>> held = Held(Form("choices", ["yes", "no"]), n_vocab=201088, has_tools=True)
    >>> held.see(200008, "text"); held.mask() is None
    True
    """

    def __init__(self, form: Form, n_vocab: int, *, has_tools: bool) -> None:
        self._form = form
        self._grammar = form.grammar
        self._n_vocab = n_vocab
        self._has_tools = has_tools
        self._place: Place = "text"
        self._matcher: Matcher | None = None
        prepare()
        self._go_to("header")

    def see(self, token: int, place: Place) -> None:
        """Take note of a token that was written, and of the place of the next one."""
        was_header, is_header = (one in ("header", "between") for one in (self._place, place))
        if place == self._place or (was_header and is_header):
            if self._matcher is not None:
                self._matcher.take(token)
            self._place = place
        else:
            self._go_to(place)

    def _go_to(self, place: Place) -> None:
        self._place, self._matcher = place, None
        if place == "final":
            self._matcher = Matcher(self._grammar)
        elif place != "text" and not self._has_tools:
            self._matcher = Matcher(LATER_HEADER if place == "between" else FIRST_HEADER)

    def mask_after(self, begun: Iterable[int]) -> Mask | None:
        """Return the mask for the token after these, with which the turn is to begin."""
        other, parser = Held(self._form, self._n_vocab, has_tools=self._has_tools), Parser()
        for token in begun:
            parser.push(token)
            other.see(token, parser.place)
        return other.mask()

    def mask(self) -> Mask | None:
        """Return a bit for each token that may come next; None where each may."""
        return None if self._matcher is None else self._matcher.mask(self._n_vocab)

    @property
    def is_here(self) -> bool:
        """Whether the next token is held."""
        return self._matcher is not None

    def only_one(self) -> int | None:
        """Return the token that must come next, if there is only one."""
        return None if self._matcher is None else self._matcher.only_one()
