"""The ways to ask one model many questions."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Unpack

from ..checkpoint.config import Config
from ..documents.library import documents_of
from ..engine.scheduler import IN_FLIGHT, Scheduler
from ..engine.score import read_ahead
from ..generation.keywords import takes
from ..generation.question import QUESTION_DEFAULTS, Question, QuestionOptions, ready_tools
from ..generation.record import Reply
from ..generation.stream import Stream
from ..harmony.messages import Prompt
from ..harmony.prompt import answer_header
from ..harmony.tokenizer import RETURN, Tokenizer, fewest_tokens
from ..system.arguments import integer
from ..system.files import expand_user
from ..system.text import shown_value
from .answers import Answers
from .likelihood import Chosen, Score, score, totals
from .rows import Template
from .samples import samples

MOST = 256  # answers of one call that are written at a time: each has a thread


class AskingMany:
    """Whoever answers a Question and has a Scheduler answers many, in passes that they share.

    >>> isinstance(model, AskingMany)
    True
    """

    fingerprint: str
    precision: str
    context: int
    config: Config

    # What a model brings.
    @property
    def kv(self) -> str:
        raise NotImplementedError

    def ask(self, question: Question) -> Stream:
        raise NotImplementedError

    def prompt_tokens(self, question: Question) -> list[int]:
        raise NotImplementedError

    def _within_context(self, question: Question) -> tuple[Question, tuple[str, ...]]:
        raise NotImplementedError

    def token_ids(self, ids: Iterable[int]) -> list[int]:
        raise NotImplementedError

    def check_context(self, n_tokens: int, about: str = "") -> None:
        raise NotImplementedError

    @property
    def scheduler(self) -> Scheduler:
        raise NotImplementedError

    @takes(QUESTION_DEFAULTS)
    def samples(
        self,
        prompt_or_messages: Prompt,
        n: int,
        instructions: str | None = None,
        effort: str | None = "medium",
        *,
        progress: bool = True,
        **options: Unpack[QuestionOptions],
    ) -> list[Reply]:
        """Answer a prompt n times at the same time, with the seeds `seed`, `seed + 1`, ...

        >>> replies = model.samples("Tell me a joke", 3, seed=7)
        >>> replies[1].text == model.generate("Tell me a joke", seed=8).text
        True

        The prompt is read once, and the answers share the engine's passes. Each is the one that a single call
        with its seed gives, token for token. `progress` shows one line where it takes longer than a moment.
        An interrupt raises Interrupted with all replies so far in `.replies`. Other arguments and errors as
        for `generate`.
        """
        question = Question.of(prompt_or_messages, instructions, effort, **options)
        return samples(self, question, integer("n", n, 1, MOST), progress=progress)

    @takes(QUESTION_DEFAULTS)
    def map(
        self,
        rows: Any,
        template: Template = None,
        instructions: str | None = None,
        effort: str | None = "medium",
        *,
        in_flight: int = IN_FLIGHT,
        resume: str | os.PathLike[str] | None = None,
        retry_errors: bool = False,
        progress: bool = True,
        **options: Unpack[QuestionOptions],
    ) -> Answers:
        """Ask a question of each row of a table, many at a time.

        >>> rows = [{"a": 17, "b": 25}, {"a": 12, "b": 30}]
        >>> [answer.text for answer in model.map(rows, "What is {a} + {b}?", temperature=0)]
        ['17 + 25 = 42.', '12 + 30 = 42.']

        `rows` are an iterable, or a frame or a column of pandas or polars. `template` is a text with the
        columns' names in braces (`{}` for rows that are one value), a function from a row to a prompt, or
        None where the rows are prompts. Nothing runs until you read the Answers: a loop, `run()`,
        `to_frame()`. An interrupt keeps the answers that are there, and reading on answers the rest.
        `in_flight` rows are answered at a time; the answers do not depend on it. `resume` names a file to
        which each answer is appended: the same map with the same file goes on after the process was killed.
        Errors have their place among the answers; with `retry_errors` those in the file are asked again.
        `progress` shows one line. Raises ValueError for a template that does not fit the frame's columns,
        TypeError for what has no rows.
        """
        if "tools" in options:
            options["tools"] = ready_tools(options["tools"])  # once, and not for each row
        if "docs" in options:
            options["docs"] = documents_of(options["docs"])

        def question(prompt: Prompt) -> Question:
            return Question.of(prompt, instructions, effort, **options)

        first = question("")
        if first.form is not None:
            options.pop("response_format", None)
            options["schema"] = first.form
        return Answers(
            self,
            rows,
            template,
            question,
            seed=first.sampling.seed,
            in_flight=integer("in_flight", in_flight, 1, MOST),
            resume=None if resume is None else expand_user(resume, "resume"),
            retry_errors=retry_errors,
            show_progress=progress,
        )

    def read_ahead(self, prompt: Prompt | Question) -> int:
        """Read a prompt, so that an answer to it begins at once; return the tokens computed.

        >>> model.read_ahead("What is 3 + 4?") < 64
        True

        Prompts that begin alike gain from it, too. `kv_memory` bounds what is kept.
        """
        tokens = self.prompt_tokens(self._asked(prompt))
        self.check_context(len(tokens))
        return read_ahead(self.scheduler, tokens)

    def score(self, prompt: Prompt | Question, text: str) -> Score:
        """Return the log-probability of each token of `text` as the answer to a prompt.

        >>> model.score("What is 2 + 2?", "2 + 2 = 4.").total > model.score("What is 2 + 2?", "5").total
        True

        The text stands in the final channel, without reasoning before it. After `Question.raw("Roses are")`
        it goes on with the plain text, and is cut into tokens for itself. The probabilities are the model's
        own, at temperature 1. Raises ValueError for an empty text, ContextFull for one too long.
        """
        begun, _ = self._scored(prompt)
        tokens = self._continuation("text", text)
        self.check_context(len(begun) + len(tokens))
        return score(self.scheduler, begun, tokens)

    def choose(self, prompt: Prompt | Question, options: Iterable[str]) -> Chosen:
        """Return the likeliest of some texts as the answer to a prompt, with the probability of each.

        >>> print(model.choose("Is 7 odd or even?", ["7 is odd.", "7 is even."]))
        7 is odd.

        The prompt is read once and the options share passes. An option counts as a whole answer, with its
        end; after `Question.raw(...)` as the beginning of what follows. Raises ValueError for no option, an
        empty one, or one that comes twice.
        """
        texts = list(options) if not isinstance(options, str) else []
        if not texts or len(set(texts)) < len(texts):
            raise ValueError(f"choose takes a list of texts that differ, got {shown_value(options)}")
        begun, end = self._scored(prompt)
        tokens = [[*self._continuation("an option", text), *end] for text in texts]
        self.check_context(len(begun) + max(map(len, tokens)))
        return Chosen(texts, totals(self.scheduler, begun, tokens))

    def perplexity(self, text: str | Iterable[int]) -> float:
        """Return the perplexity of plain text, or of token ids: exp of the mean of -log p, from the second
        token on.

        >>> model.perplexity("Roses are red") < model.perplexity("Red are roses")
        True

        Raises ValueError for fewer than two tokens, ContextFull for more than the context holds.
        """
        tokens = self.token_ids(self._continuation("text", text) if isinstance(text, str) else text)
        if len(tokens) < 2:
            raise ValueError("perplexity needs at least two tokens, got one")
        self.check_context(len(tokens) - 1)
        return score(self.scheduler, tokens[:1], tokens[1:]).perplexity

    def _asked(self, prompt: Prompt | Question) -> Question:
        """Return the question as `ask` asks it."""
        return self._within_context(prompt if isinstance(prompt, Question) else Question.of(prompt))[0]

    def _scored(self, prompt: Prompt | Question) -> tuple[list[int], list[int]]:
        """Return the tokens before a text that is scored, and those that end it as an answer."""
        question = self._asked(prompt)
        tokens = self.prompt_tokens(question)
        if question.effort is None:
            return tokens, []
        return [*tokens, *answer_header()], [RETURN]

    def _continuation(self, name: str, text: str) -> list[int]:
        if not isinstance(text, str) or not text:
            raise ValueError(f"{name} must be a text that is not empty, got {shown_value(text)}")
        self.check_context(fewest_tokens([text]), "at least ")
        return self.token_ids(Tokenizer().encode(text))
