"""What a task returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass
class Answer:
    """One question with everything that may be learned from it.

    `finals` are the accepted answers, one of which is trained; `check` replaces them where the answer is free
    (stories, jokes).  `line` is the analysis at medium effort, `steps` the one at high effort.  `call` is a
    function name and its arguments when the right reply is a tool call.  `value` is the bare result, where
    there is one, for instructions like "only the result".  `at_once` is False where the result has to be
    worked out: at low effort the right answer to that is to say so.
    """

    user: str
    finals: list[str]
    line: str = ""
    steps: str = ""
    value: str = ""
    check: Callable[[str], bool] | None = None
    call: tuple[str, dict[str, object] | str] | None = None
    at_once: bool = True


Task = Callable[[Random, str], Answer]  # (rng, split) -> Answer


def bold_free(text: str) -> str:
    """Answers are compared without Markdown emphasis and surrounding space."""
    return text.replace("**", "").strip()
