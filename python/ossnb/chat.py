"""A conversation that remembers its turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from .generation import Stream
from .harmony import check_effort
from .messages import Message, ToolCall, as_messages, tool_result
from .model import Model, Tools
from .reply import Reply
from .sampling import Sampling, SamplingOptions


class Chat:
    """A conversation with a model.

    >>> chat = model.chat(instructions="Be brief.")  # doctest: +SKIP
    >>> chat.say("My name is Ada."); chat.say("What is my name?").text  # doctest: +SKIP
    'Ada.'

    `messages` is the history, a plain list to be read and edited (Message objects, or dicts as for OpenAI). A
    turn that was interrupted or cut short keeps what had been written; one that produced nothing leaves no
    trace. Settings given here hold for every turn unless `say` overrides them. Each turn computes only what
    is new.
    """

    def __init__(
        self,
        model: Model,
        instructions: str | None = None,
        *,
        effort: str = "medium",
        tools: Tools | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> None:
        check_effort(effort)
        Sampling.of(sampling)
        self.model = model
        self.instructions = instructions
        self.effort = effort
        self.tools = tools
        self.sampling = sampling
        self.messages: list[Message | Mapping[str, Any]] = []

    def say(
        self, text: str | None = None, *, effort: str | None = None, **sampling: Unpack[SamplingOptions]
    ) -> Reply:
        """Say something and return the reply; None lets the model go on, as after a tool's result.

        >>> chat.say("Hello", temperature=0).text  # doctest: +SKIP
        'Hi!'
        """
        return self.stream(text, effort=effort, **sampling).run()

    def stream(
        self, text: str | None = None, *, effort: str | None = None, **sampling: Unpack[SamplingOptions]
    ) -> Stream:
        """Say something and stream the reply; the history grows when the stream ends."""
        if text is None and not self.messages:
            raise ValueError("there is nothing to answer yet: say something first")
        said = [] if text is None else as_messages(text)

        def remember(reply: Reply) -> None:
            if reply.messages:
                self.messages += [*said, *reply.messages]

        options: SamplingOptions = {**self.sampling, **sampling}
        return self.model.stream(
            [*self.messages, *said],
            instructions=self.instructions,
            effort=self.effort if effort is None else effort,
            tools=self.tools,
            on_end=remember,
            **options,
        )

    def tool_result(self, call: ToolCall | str, output: str) -> None:
        """Give the result of a call the model made; `say()` then lets it go on.

        >>> for call in reply.tool_calls: chat.tool_result(call, weather(**call.arguments))  # doctest: +SKIP
        >>> chat.say().text  # doctest: +SKIP
        'It is sunny in Paris.'
        """
        if not isinstance(output, str):
            raise ValueError(
                f"a tool's output must be a str (json.dumps makes one), got {type(output).__name__}"
            )
        self.messages.append(tool_result(call.recipient if isinstance(call, ToolCall) else call, output))

    def reset(self) -> None:
        """Forget the conversation; instructions and settings stay."""
        self.messages.clear()

    def __repr__(self) -> str:
        return f"Chat({self.model.source!r}, {len(self.messages)} messages, effort={self.effort!r})"
