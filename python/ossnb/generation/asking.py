"""The ways to ask: all are a few lines over `ask`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Unpack

from ..harmony.messages import Prompt
from .aio import AsyncStream
from .keywords import takes
from .question import QUESTION_DEFAULTS, Question, QuestionOptions
from .record import Reply
from .sampling import SAMPLING_DEFAULTS, SamplingOptions
from .stream import Stream


class Asking:
    """Whoever answers a Question answers a prompt, too.

    >>> isinstance(model, Asking)
    True
    """

    def ask(self, question: Question, *, on_end: Callable[[Reply], None] | None = None) -> Stream:
        """Answer a question, event by event; all other ways to generate go through this one."""
        raise NotImplementedError

    @takes(QUESTION_DEFAULTS)
    def generate(
        self,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str | None = "medium",
        **options: Unpack[QuestionOptions],
    ) -> Reply:
        """Answer a prompt, or the last of a list of messages, and return the whole reply.

        >>> model = ossnb.load("demo")
        >>> model.generate("What is 2 + 2?", effort="low", seed=7).text
        'The answer is 4.'

        Messages are dicts as for OpenAI (role, content, tool_calls, ...) or Message objects, such as
        `reply.messages`. `instructions` are what other libraries call the system prompt. `effort` is low,
        medium or high. `max_tokens` None goes on until the model ends or the context is full (finish_reason
        "context"). `stop` takes token ids, and strings, which are looked for in the answer's text. The same
        `seed` gives the same text; without a seed one is drawn, and `reply.seed` has it.

        `tools` are functions, which the model calls until it answers, "python" (`ossnb.python`), and JSON
        schemas of functions that are yours to call: `reply.steps` has the calls made, `reply.tool_calls`
        those left to you. `run_tools` False makes none. `max_rounds` (8) is how often it may call; `timeout`
        (120) the seconds of a call; `on_step` a function that hears of each Step; `approve` "ask", or a
        function of a ToolCall that returns True, False or why not. What goes wrong in a call goes to the
        model as its result.

        `docs` are files, folders, tables, or Documents of them: small ones go whole into the prompt, others
        the model searches. `reply.citations` are the places that the answer cites.

        `schema` holds the answer to a pydantic model, a dataclass, a TypedDict, a JSON schema, choices, a
        regular expression or a Lark grammar; `reply.parsed` is the object. `response_format` is OpenAI's way
        to write it.

        An interrupt raises Interrupted, with the partial reply in `.reply`. Raises ContextFull if the prompt
        leaves no room for an answer, ValueError for settings out of range, TypeError for settings that do not
        exist.
        """
        return self.ask(Question.of(prompt_or_messages, instructions, effort, **options)).run()

    @takes(QUESTION_DEFAULTS)
    def stream(
        self,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str | None = "medium",
        *,
        on_end: Callable[[Reply], None] | None = None,
        **options: Unpack[QuestionOptions],
    ) -> Stream:
        """Answer as `generate` does, event by event.

        >>> model = ossnb.load("demo")
        >>> [e.text for e in model.stream("What is 2 + 2?", seed=7) if e.kind == "answer"][-2:]
        ['4', '.']

        Returns an iterator of Event with `reply`, `close` and `cancel`. `on_end` is called once with the
        reply, however the generation ends.
        """
        return self.ask(Question.of(prompt_or_messages, instructions, effort, **options), on_end=on_end)

    @takes(QUESTION_DEFAULTS)
    async def agenerate(
        self,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str | None = "medium",
        **options: Unpack[QuestionOptions],
    ) -> Reply:
        """Answer as `generate` does, for `await`: the event loop stays free, and an interrupt or a cancel
        works.

        >>> reply = await model.agenerate("What is 2 + 2?")

        Several prompts at once share the engine's passes, 16 at a time. A cancelled call raises
        CancelledError with the partial reply in `.reply`; after a timeout, this error is the TimeoutError's
        `__cause__`. To keep the partial reply at hand in any case, write `stream = model.astream(...)` and
        `await stream.run()`.
        """
        return await self.astream(prompt_or_messages, instructions, effort, **options).run()

    @takes(QUESTION_DEFAULTS)
    def astream(
        self,
        prompt_or_messages: Prompt,
        instructions: str | None = None,
        effort: str | None = "medium",
        *,
        on_end: Callable[[Reply], None] | None = None,
        **options: Unpack[QuestionOptions],
    ) -> AsyncStream:
        """Answer as `stream` does, for `async for`.

        >>> async for event in model.astream("2 + 2?", effort="low", seed=7): print(event.text, end="")
        2 + 2 = 4.

        Returns an AsyncStream with `reply`, `run`, `cancel` and `aclose`; leaving the loop ends the
        generation. `on_end` is called in a thread.
        """
        return AsyncStream(
            lambda: self.stream(prompt_or_messages, instructions, effort, on_end=on_end, **options)
        )

    @takes(SAMPLING_DEFAULTS)
    def complete(self, prompt: str | Iterable[int], **sampling: Unpack[SamplingOptions]) -> Reply:
        """Continue raw text, or token ids, without harmony; `reply.text` has everything that was written.

        >>> model.complete("Roses are red, violets", max_tokens=2, temperature=0).text
        ' are blue'

        The text ends at `<|return|>`, `<|endoftext|>`, `stop`, `max_tokens` or the end of the context.
        """
        return self.ask(Question.raw(prompt, **sampling)).run()

    @takes(SAMPLING_DEFAULTS)
    def stream_complete(
        self,
        prompt: str | Iterable[int],
        *,
        on_end: Callable[[Reply], None] | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Stream:
        """Continue raw text as `complete` does, event by event; every text is an "answer" event.

        >>> [e.text for e in model.stream_complete("Roses are red, violets", temperature=0, max_tokens=2)]
        [' are', ' blue', '']
        """
        return self.ask(Question.raw(prompt, **sampling), on_end=on_end)

    @takes(SAMPLING_DEFAULTS, shown=False)
    def stream_branch(
        self,
        reply: Reply,
        at: int,
        text: str | Sequence[int],
        *,
        on_end: Callable[[Reply], None] | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Stream:
        """Go on from the middle of a reply as `Reply.branch` does, event by event.

        >>> model.stream_branch(reply, 41, "The").run().text
        'The answer is 42.'

        The events begin with the tokens that stay. `logprobs` are not recorded: `inspect` has them.
        """
        return self.ask(Question.branch(reply, at, text, **sampling), on_end=on_end)
