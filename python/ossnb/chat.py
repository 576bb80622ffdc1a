"""A conversation that remembers its turns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, Unpack, cast

from .generation.aio import AsyncStream
from .generation.loop import Stream
from .generation.record import Reply
from .generation.sampling import Sampling, SamplingOptions
from .harmony.messages import Message, ToolCall, as_messages, tool_result
from .harmony.prompt import check_effort
from .model import Model, Tools
from .system.files import replacing

FORMAT, VERSION = "ossnb chat", 1
_MESSAGE_FIELDS = frozenset({"role", "content", "channel", "recipient", "content_type", "name"})


class Chat:
    """A conversation with a model.

    >>> chat = model.chat(instructions="Be brief.")
    >>> chat.say("What is 2 + 2?", temperature=0).text, len(chat.messages)
    ('2 + 2 = 4.', 3)

    `messages` is the history, a plain list to be read and edited (Message objects, or dicts as for OpenAI). A
    turn that was interrupted or cut short keeps what had been written; one that produced nothing leaves no
    trace. Settings given here hold for every turn unless `say` overrides them. Each turn computes only what
    is new. `save` and `Chat.load` keep a conversation in a file.
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
        self,
        text: str | None = None,
        *,
        at: int | None = None,
        effort: str | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Reply:
        """Say something and return the reply; None lets the model go on, as after a tool's result.

        >>> chat.say("What is 2 + 2?", temperature=0).text
        '2 + 2 = 4.'

        `at` says it in place of `messages[at]` and all that followed, which are dropped once there is a
        reply: `chat.say("Hello again", at=0)` begins anew. What comes before is not computed again.
        """
        return self.stream(text, at=at, effort=effort, **sampling).run()

    def stream(
        self,
        text: str | None = None,
        *,
        at: int | None = None,
        effort: str | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Stream:
        """Say something and stream the reply; the history grows when the stream ends.

        >>> for event in chat.stream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
        2 + 2 = 4.

        As `say` otherwise.
        """
        if at is not None and not 0 <= at <= len(self.messages):
            raise ValueError(f"at must be in 0..{len(self.messages)}, a place in the messages, got {at!r}")
        history = self.messages[:at]
        if text is None and not history:
            raise ValueError("there is nothing to answer yet: say something first")
        said = [] if text is None else as_messages(text)

        def remember(reply: Reply) -> None:
            if reply.messages:
                if at is not None:
                    del self.messages[at:]
                self.messages += [*said, *reply.messages]

        options: SamplingOptions = {**self.sampling, **sampling}
        return self.model.stream(
            [*history, *said],
            instructions=self.instructions,
            effort=self.effort if effort is None else effort,
            tools=self.tools,
            on_end=remember,
            **options,
        )

    async def asay(
        self,
        text: str | None = None,
        *,
        at: int | None = None,
        effort: str | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> Reply:
        """Say something as `say` does, for `await`; a cancelled turn keeps what had been written.

        >>> reply = await chat.asay("Hello")
        """
        return await self.astream(text, at=at, effort=effort, **sampling).run()

    def astream(
        self,
        text: str | None = None,
        *,
        at: int | None = None,
        effort: str | None = None,
        **sampling: Unpack[SamplingOptions],
    ) -> AsyncStream:
        """Say something as `stream` does, for `async for`.

        >>> async for event in chat.astream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
        2 + 2 = 4.
        """
        return AsyncStream(lambda: self.stream(text, at=at, effort=effort, **sampling))

    def tool_result(self, call: ToolCall | str, output: str) -> None:
        """Give the result of a call the model made; `say()` then lets it go on.

        >>> for call in reply.tool_calls:  # a tool of yours  # doctest: +SKIP
        ...     chat.tool_result(call, weather(**call.arguments))
        >>> chat.say().text  # a tool of yours  # doctest: +SKIP
        'It is sunny in Paris.'
        """
        if not isinstance(output, str):
            raise ValueError(
                f"a tool's output must be a str (json.dumps makes one), got {type(output).__name__}"
            )
        self.messages.append(tool_result(call.recipient if isinstance(call, ToolCall) else call, output))

    def reset(self) -> None:
        """Forget the conversation; instructions and settings stay.

        >>> chat.reset(); chat.messages
        []
        """
        self.messages.clear()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the conversation, with its instructions and settings, to a JSON file.

        >>> chat.save("tutor.json"); chat = ossnb.Chat.load("tutor.json", model)

        A file of that name is replaced, in one step: a full disk or an interrupt leaves the old one.
        """
        sampling = Sampling.of(self.sampling).to_dict()
        content = {
            "format": FORMAT,
            "version": VERSION,
            "model": self.model.source,
            "revision": self.model.revision,
            "instructions": self.instructions,
            "effort": self.effort,
            "tools": None if self.tools is None else list(self.tools),
            "sampling": {name: value for name, value in sampling.items() if value is not None},
            "messages": messages_to_json(self.messages),
        }
        with replacing(Path(path), durable=True) as file:
            file.write((json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str], model: Model) -> Self:
        """Read a conversation that `save` wrote, to go on with `model`, which may be another one.

        >>> chat.save("tutor.json"); ossnb.Chat.load("tutor.json", model).messages == chat.messages
        True

        ValueError for a file that is something else, damaged, or of a newer version.
        """
        path = Path(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not a saved chat, which is a JSON file: {error}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f'{path} is not a saved chat: it must have "format": "{FORMAT}"')
        if content.get("version") != VERSION:
            raise ValueError(
                f"{path} is a chat of version {content.get('version')!r}, this ossnb reads {VERSION}; "
                "a newer ossnb may read it"
            )
        try:
            return cls._from_json(content, model)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path} is a damaged chat: {error}") from None

    @classmethod
    def _from_json(cls, content: Mapping[str, Any], model: Model) -> Self:
        instructions, tools = content.get("instructions"), content.get("tools")
        if instructions is not None and not isinstance(instructions, str):
            raise ValueError(f"instructions must be text, got {type(instructions).__name__}")
        if tools is not None and not (
            isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)
        ):
            raise ValueError("tools must be a list of objects")
        sampling = content.get("sampling", {})
        if not isinstance(sampling, dict):
            raise ValueError(f"sampling must be an object, got {type(sampling).__name__}")
        if isinstance(bias := sampling.get("logit_bias"), dict):  # JSON has no numbers as keys
            sampling = {**sampling, "logit_bias": {int(token): value for token, value in bias.items()}}
        options = cast(SamplingOptions, sampling)
        chat = cls(model, instructions, effort=content.get("effort", "medium"), tools=tools, **options)
        chat.messages = list(messages_from_json(content.get("messages")))
        return chat

    def __repr__(self) -> str:
        return f"Chat({self.model.source!r}, {len(self.messages)} messages, effort={self.effort!r})"


def messages_to_json(messages: Iterable[Message | Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return messages as objects of plain strings; those in OpenAI's form become harmony's."""
    listed = list(messages)
    return [message.to_dict() for message in as_messages(listed)] if listed else []


def messages_from_json(items: Any) -> list[Message]:
    """Check and read what `messages_to_json` wrote; ValueError names what is wrong."""
    if not isinstance(items, list):
        raise ValueError(f"messages must be a list, got {type(items).__name__}")
    messages = []
    for i, item in enumerate(items):
        if not isinstance(item, dict) or not {"role", "content"} <= item.keys():
            raise ValueError(f"message {i} must be an object with role and content, got {item!r:.80}")
        if unknown := item.keys() - _MESSAGE_FIELDS:
            raise ValueError(f"message {i} has an unknown field {min(unknown)!r}")
        if odd := [name for name, value in item.items() if not isinstance(value, str)]:
            raise ValueError(f"message {i}: {odd[0]} must be text, got {item[odd[0]]!r:.80}")
        messages.append(Message(**item))
    return messages
