"""How likely a text is after a prompt, and which of several texts is the likeliest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.scheduler import IN_FLIGHT, Scheduler
from ..engine.score import Scoring, read_ahead
from ..harmony.tokenizer import Tokenizer
from ..system.text import counted
from .together import as_done


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """The log-probability of each token of a text, given the prompt and the tokens before it.

    >>> score = model.score("What is 2 + 2?", "2 + 2 = 4.")
    >>> len(score.tokens) == len(score.logprobs), round(score.perplexity, 1)
    (True, 1.0)
    """

    tokens: list[int]
    logprobs: NDArray[np.float32]  # [T], natural logarithms, of the untouched logits at temperature 1

    @property
    def total(self) -> float:
        """The log-probability of the whole text."""
        return math.fsum(self.logprobs.tolist())

    @property
    def perplexity(self) -> float:
        """exp of the mean of -logprobs: 1 for a text that was sure; inf for one that is impossible."""
        mean = -self.total / len(self.tokens)
        return math.exp(mean) if mean < 700 else math.inf

    @property
    def texts(self) -> list[str]:
        """The tokens as text; half a character is shown as �."""
        return [Tokenizer().decode([token]) for token in self.tokens]


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The likeliest of several texts.

    >>> chosen = model.choose("What is the capital of Spain?", ["The capital of Spain is Madrid.", "Paris."])
    >>> print(chosen, chosen.index)
    The capital of Spain is Madrid. 0
    """

    options: list[str]
    logprobs: NDArray[np.float64]  # of each whole option

    @property
    def index(self) -> int:
        """The number of the likeliest option; of equals the first."""
        return int(self.logprobs.argmax())

    @property
    def text(self) -> str:
        """The likeliest option."""
        return self.options[self.index]

    @property
    def shares(self) -> list[float]:
        """The probability of each option, were there no other texts; they add up to 1."""
        weights = [math.exp(logprob - self.logprobs.max()) for logprob in self.logprobs.tolist()]
        return [weight / math.fsum(weights) for weight in weights]

    def __str__(self) -> str:
        return self.text


def score(scheduler: Scheduler, prompt: Sequence[int], tokens: Sequence[int]) -> Score:
    """Score tokens after a prompt of at least one token.

    >>> score(model.scheduler, [200006], [1428]).tokens
    [1428]
    """
    ride = scheduler.ride(f"scoring {counted(len(tokens), 'token')}")
    return Score(list(tokens), Scoring(ride, [*prompt, *tokens], len(prompt)).run())


def totals(
    scheduler: Scheduler, prompt: Sequence[int], texts: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Return the log-probability of each text after a prompt. The prompt is read once, and the texts share
    passes.

    >>> totals(model.scheduler, [200006], [[1428], [77944]]).shape
    (2,)
    """
    if len(texts) > 1:
        read_ahead(scheduler, prompt)
    rides = [scheduler.ride(f"choosing among {len(texts):,} texts") for _ in texts]
    tasks = [Scoring(r, [*prompt, *text], len(prompt)) for r, text in zip(rides, texts, strict=True)]
    found = np.empty(len(texts))
    for at, result in as_done(tasks, IN_FLIGHT):
        if isinstance(result, BaseException):
            raise result
        found[at] = math.fsum(result.tolist())
    return found
