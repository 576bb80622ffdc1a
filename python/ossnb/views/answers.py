"""What the answer would have been, had the thought stopped earlier: a scrubber over the thought."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from ..engine.scheduler import IN_FLIGHT
from ..generation.record import Reply
from ..harmony.parser import places_of_thought
from ..many.together import as_done
from ..system.arguments import integer
from ..system.text import counted
from .drawing import FIRST, FULL, legend, note, swatch
from .markup import Html, marked, quoted
from .panel import Panel
from .strip import token_strip, token_traits

N_PLACES = 9  # places in the thought, where nobody says which
MOST = 65
N_PLAIN = 60  # characters of an answer, as text
N_SHOWN = 2_000  # characters of an answer in the picture


class AnswersAfter(Panel):
    """The answers of a reply, had its thought stopped after so many tokens.

    >>> view = reply.answers_after([0, 32])
    >>> [(n, answer.text) for n, answer in view.answers.items()]
    [(0, '17 + 25 = 42.'), (32, '17 + 25 = 42.')]

    `answers` has a Reply for each number of tokens, in rising order. `settled` is the first of them from
    which on all answers are the reply's own text; None where not even the last is. The live view has a slider
    over the thought, and a click on one of its tokens goes there.
    """

    title = "The answer after a part of the thought"

    def __init__(self, reply: Reply, answers: dict[int, Reply]) -> None:
        super().__init__()
        self.reply = reply
        self.answers = answers
        self.thought = [reply.tokens[place] for place in places_of_thought(reply.tokens)]

    @classmethod
    def read(cls, reply: Reply, ns: Iterable[int] | None = None) -> Self:
        """Write the answers, all at the same time; each begins with the kept keys of the thought.

        >>> list(AnswersAfter.read(reply, [3]).answers)
        [3]
        """
        n_thought = len(places_of_thought(reply.tokens))
        wanted = _places(ns, n_thought)
        model = reply.origin.model
        streams = [model.stream_branch(reply, *reply.cut_after(n)) for n in wanted]
        answers: dict[int, Reply] = {}
        for number, result in as_done(streams, IN_FLIGHT):
            if isinstance(result, BaseException):
                raise result
            answers[wanted[number]] = result
        return cls(reply, {n: answers[n] for n in wanted})

    @property
    def settled(self) -> int | None:
        """The least number of tokens from which on every answer is the reply's own."""
        found = None
        for n, answer in reversed(self.answers.items()):
            if answer.text != self.reply.text:
                break
            found = n
        return found

    # ---- the pictures ------------------------------------------------------------------------------------

    def plain(self) -> str:
        """The answers as text, a line each."""
        width = len(str(max(self.answers)))
        lines = [
            f"{n:>{width + 2}}  {_shortened(answer.text)}"
            + ("" if self._is_own(answer) else "  (another answer)")
            for n, answer in self.answers.items()
        ]
        return "\n".join([self._head(), *lines])

    def html(self) -> Html:
        """The thought with the places, and the answer after each of them."""
        shades = np.zeros(len(self.thought), np.float32)
        strip = token_strip(self.thought, shades, lambda at: f"token {at + 1} of the thought")
        head = Html.of("tr", Html.joined(Html.of("th", text, style=_CELL) for text in ("tokens", "answer")))
        rows = Html.joined([head, *(self._row(n, answer) for n, answer in self.answers.items())])
        return Html.joined(
            [
                note(self._head()),
                strip,
                Html.of("table", rows, style="border-collapse:collapse;margin:0.4em 0"),
                legend(swatch(FIRST, "another answer than the reply's", 0.5 * FULL)),
            ]
        )

    def make_widget(self) -> Any:
        """Make the live view."""
        from .live import AnswersView

        answers = [
            {
                "n": n,
                "text": answer.text,
                "own": self._is_own(answer),
                "note": answer.finish_reason,
            }
            for n, answer in self.answers.items()
        ]
        return AnswersView(
            twin=self._id,
            label=self._head(),
            answers=answers,
            selected=len(answers) - 1,
            **token_traits(self.thought),
        )

    def _row(self, n: int, answer: Reply) -> Html:
        shown = answer.text[:N_SHOWN] + (" …" if len(answer.text) > N_SHOWN else "")
        shade = "" if self._is_own(answer) else f";background:rgba({FIRST},{0.5 * FULL:.2f})"
        cells = [
            Html.of("td", str(n), style=f"{_CELL};text-align:right"),
            Html.of(
                "td", shown, style=f"{_CELL};white-space:pre-wrap;overflow-wrap:anywhere{shade}", dir="auto"
            ),
        ]
        return Html.of("tr", Html.joined(cells))

    def _is_own(self, answer: Reply) -> bool:
        return answer.text == self.reply.text

    def _head(self) -> str:
        n = counted(len(self.thought), "token")
        if self.settled is None:
            return f"A thought of {n}; after all these places the answer was not yet the reply's own"
        if self.settled == len(self.thought):
            return f"A thought of {n}; the answer is the reply's own only after all of it"
        return f"A thought of {n}; from token {self.settled} on the answer is the reply's own"


_CELL = "padding:1px 0.6em 1px 0;vertical-align:top;text-align:left;font-weight:normal"


def _places(ns: Iterable[int] | None, n_thought: int) -> list[int]:
    """The numbers of tokens to stop after, rising."""
    if ns is None:
        return sorted({round(n) for n in np.linspace(0, n_thought, N_PLACES).tolist()})
    found = sorted({integer("ns", n, 0, n_thought, what="a number of the thought's tokens") for n in ns})
    if not 1 <= len(found) <= MOST:
        raise ValueError(f"ns must be 1 to {MOST} numbers of tokens, got {len(found)}")
    return found


def _shortened(text: str) -> str:
    return quoted(marked(text) if len(text) <= N_PLAIN else f"{text[:N_PLAIN]}…")
