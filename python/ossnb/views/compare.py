"""Replies side by side: what differs, and from which token on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from ..generation.record import Reply
from ..generation.sampling import Sampling
from ..harmony.tokenizer import token_bytes
from ..system.text import counted, shown_value
from .drawing import FIRST, FULL, legend, note, swatch
from .markup import Html, quoted, token_name, visible
from .panel import Panel
from .strip import COLUMN, COLUMNS, MAX_TOKENS, token_strip, token_traits

MOST = 12  # replies beside each other
N_PLAIN = 60  # characters of a difference, as text
N_VALUE = 24  # characters of a setting

Part = tuple[int, int]  # tokens of a reply: the first, and the one after the last


class Comparison(Panel):
    """Replies side by side, with the stretches of tokens that are not in all of them.

    >>> view = ossnb.compare([reply, reply.branch(41, "The")])
    >>> view.parting, view.differences[0]
    (41, [(41, 46), (41, 44)])

    `parting` is the first token that is not the same in all; a reply that is the beginning of another parts
    at its end. `differences` lists the stretches: each has (start, stop) of its tokens in every reply; where
    start is stop a reply has nothing there. `settings` has, for each reply, those that are not the same in
    all. Beyond the first 3,000 tokens of a reply nothing is compared.
    """

    title = "Replies side by side"

    def __init__(self, replies: Sequence[Reply]) -> None:
        super().__init__()
        self.replies = list(replies)
        self.differences = _differences([reply.tokens[:MAX_TOKENS] for reply in self.replies])
        self.settings = _settings(self.replies)

    @property
    def parting(self) -> int:
        """The first token that is not the same in all; their length if all are the same.

        >>> ossnb.compare([reply, reply]).parting == len(reply.tokens)
        True
        """
        return self.differences[0][0][0] if self.differences else len(self.replies[0].tokens)

    # ---- the pictures ------------------------------------------------------------------------------------

    def plain(self) -> str:
        """Where the replies part, and each one's own words there."""
        names = [self._name(i) for i in range(len(self.replies))]
        if not self.differences:
            return "\n".join([self._head(), *names])
        lines = [
            f"{name}: {_shortened(self._words(i, 0))}{' …' if len(self.differences) > 1 else ''}"
            for i, name in enumerate(names)
        ]
        return "\n".join([self._head(), *lines])

    def html(self) -> Html:
        """The replies as columns; what is not in all of them has a shade."""
        columns = Html.joined(Html.of("div", self._column(i), style=COLUMN) for i in range(len(self.replies)))
        return Html.joined(
            [
                note(self._head()),
                Html.of("div", columns, style=COLUMNS),
                legend(swatch(FIRST, "not in all replies", 0.5 * FULL)),
            ]
        )

    def make_widget(self) -> Any:
        """Make the live view, in which keys go from difference to difference."""
        from .live import CompareView

        replies = [
            {
                "name": self._name(i),
                "parts": [difference[i] for difference in self.differences],
                **token_traits(reply.tokens),
            }
            for i, reply in enumerate(self.replies)
        ]
        return CompareView(twin=self._id, replies=replies, label=self._head())

    def _column(self, i: int) -> Html:
        tokens = self.replies[i].tokens
        shades = np.zeros(len(tokens), np.float32)
        for difference in self.differences:
            shades[slice(*difference[i])] = 0.5
        at = self.differences[0][i][0] if self.differences else -1
        strip = token_strip(tokens, shades, str, colour=FIRST, outlined=at, hides_special=self.hides_special)
        return Html.joined([Html.of("div", self._name(i), quiet=True), strip])

    def _head(self) -> str:
        n = f"{len(self.replies)} replies"
        if not self.differences:
            return f"{n}, the same token for token"
        at = self.parting
        last = f", after {token_name(self.replies[0].tokens[at - 1])}" if at else ""
        places = "1 place" if len(self.differences) == 1 else f"{len(self.differences)} places"
        return f"{n}, the same up to token {at}{last}; they differ in {places}"

    def _name(self, i: int) -> str:
        settings = ", ".join(f"{name}={str(value)[:N_VALUE]}" for name, value in self.settings[i].items())
        n = len(self.replies[i].tokens)
        return f"Reply {i + 1}" + (f" · {settings}" if settings else "") + f" · {counted(n, 'token')}"

    def _words(self, i: int, k: int) -> str:
        start, stop = self.differences[k][i]
        return visible(b"".join(map(token_bytes, self.replies[i].tokens[start:stop])))


def compare(replies: Iterable[Reply]) -> Comparison:
    """Show two or more replies side by side: what differs, and from which token on.

    >>> ossnb.compare([model.generate("Tell me a joke", seed=seed) for seed in (1, 2)]).parting
    22

    The replies may be of different settings or models, and may come from files: no model is needed. Returns a
    Comparison (views/compare.py). ValueError for fewer than two replies, or more than 12, or a reply without
    tokens.
    """
    if isinstance(replies, Reply) or not isinstance(replies, Iterable):
        raise ValueError(f"replies must be a list of Reply objects, got {shown_value(replies)}")
    found = list(replies)
    for reply in found:
        if not isinstance(reply, Reply):
            raise ValueError(f"replies must be Reply objects, got {shown_value(reply)} among them")
        if not reply.tokens:
            raise ValueError(
                "a reply has no tokens to compare; a reply from generate() or from_dict() has them"
            )
    if not 2 <= len(found) <= MOST:
        raise ValueError(f"replies must be 2 to {MOST} of them, got {len(found)}")
    return Comparison(found)


def _differences(texts: Sequence[Sequence[int]]) -> list[list[Part]]:
    """The stretches between the tokens that all texts have, in their order."""
    first, *others = texts
    places = [_matches(first, other) for other in others]
    common = [t for t in range(len(first)) if all(t in place for place in places)]
    anchors = [[t, *(place[t] for place in places)] for t in common]
    found, before = [], [-1] * len(texts)
    for anchor in [*anchors, [len(text) for text in texts]]:
        parts = [(a + 1, b) for a, b in zip(before, anchor, strict=True)]
        if any(stop > start for start, stop in parts):
            found.append(parts)
        before = anchor
    return found


def _matches(one: Sequence[int], other: Sequence[int]) -> dict[int, int]:
    """Tokens of `one` that `other` has too, in their order: position → position. What both begin with comes
    first, whatever a longer match elsewhere would give."""
    n = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    places = {i: i for i in range(n)}
    for block in SequenceMatcher(None, one[n:], other[n:]).get_matching_blocks():
        places |= {n + block.a + i: n + block.b + i for i in range(block.size)}
    return places


def _settings(replies: Sequence[Reply]) -> list[dict[str, Any]]:
    """What each reply was made with, as far as it is not the same in all."""
    found = []
    for reply in replies:
        sampling = {field.name: getattr(reply.sampling, field.name) for field in fields(Sampling)}
        sampling.pop("logprobs", None)  # it changes no token
        own = {name: getattr(reply, name) for name in ("model", "precision", "kv", "effort")}
        found.append({**own, **sampling, "prompt_sha256": reply.prompt_sha256})
    names = [name for name in found[0] if any(each[name] != found[0][name] for each in found)]
    if "effort" in names:  # it stands in the prompt
        names.remove("prompt_sha256")
    is_drawn = [each["temperature"] > 0 for each in found]  # else no seed matters
    return [
        {name: each[name] for name in names if name != "seed" or drawn}
        for each, drawn in zip(found, is_drawn, strict=True)
    ]


def _shortened(text: str) -> str:
    return quoted(text if len(text) <= N_PLAIN else f"{text[:N_PLAIN]}…")
