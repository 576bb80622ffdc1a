"""A conversation that remembers its turns."""

from __future__ import annotations

import dataclasses
import json
import operator
import os
import weakref
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self, Unpack, cast

from .documents.library import documents_of
from .errors import Busy
from .forms.form import Form
from .generation.aio import AsyncStream
from .generation.keywords import takes
from .generation.question import DEFAULT_EFFORT, QUESTION_DEFAULTS, Question, QuestionOptions, ready_tools
from .generation.record import Author, Reply
from .generation.sampling import Sampling
from .generation.stream import Stream
from .harmony.messages import (
    Message,
    ToolCall,
    as_messages,
    messages_from_json,
    messages_to_json,
    tool_result,
)
from .harmony.tokenizer import well_formed
from .system.arguments import integer
from .system.fields import Fields
from .system.files import UnfitFile, expand_user, read_file, replacing
from .system.text import shown, shown_value
from .tools.named import tool_named
from .tools.tool import Tool

FORMAT, VERSION = "ossnb chat", 1
MOST_BYTES = 100_000_000  # of a chat file; a full context of gpt-oss has half a megabyte


def _check_model(model: Any) -> None:
    if isinstance(model, type) or not callable(getattr(model, "ask", None)):
        raise TypeError(f"Chat takes a Model, got {shown_value(model)}; ossnb.load(...) makes one")


class _Turn:
    """A turn of a chat, from the question to the reply; a chat has one at a time.

    The stream of its answer holds it. So a turn is open until its stream ends or nobody holds that any more.
    """

    def __init__(self, chat: Chat, at: int | None) -> None:
        self._chat = chat
        self._at = at
        self._history: list[Message | Mapping[str, Any]] = []
        self._replaced: list[Message | Mapping[str, Any]] = []
        self.is_over = False

    def begin(self) -> list[Message | Mapping[str, Any]]:
        """Return the messages to go on from; raise Busy if another turn is open."""
        turns = self._chat._turns
        turns.append(weakref.ref(self))  # of two threads, the one whose turn stands first goes on
        open_turns = [turn for ref in [*turns] if (turn := ref()) is not None and not turn.is_over]
        if open_turns[0] is not self:
            raise Busy(
                "another answer of this chat is being written: read its stream to the end or close() it, or "
                "begin a chat for each of them"
            )
        del turns[: turns.index(weakref.ref(self))]  # they are over
        messages = self._chat.messages
        at = len(messages) if self._at is None else self._at
        at = integer("at", at, 0, len(messages), what="a place in the messages")
        self._history, self._replaced = messages[:at], messages[at:]
        return self._history

    def end(self, said: list[Message], reply: Reply) -> None:
        """Add what was said and answered to the history, in place of the messages that the turn replaces."""
        self.is_over = True
        if not reply.messages:
            return
        messages, n = self._chat.messages, len(self._history)
        # The messages may have been edited meanwhile: then what is replaced may stand at other places.
        start = n if all(map(operator.is_, messages[:n], self._history)) and len(messages) >= n else 0
        gone = {id(message) for message in self._replaced}
        messages[start:] = [message for message in messages[start:] if id(message) not in gone]
        messages += [*said, *reply.messages]


class Chat:
    """A conversation with a model.

    >>> chat = model.chat(instructions="Be brief.")
    >>> chat.say("What is 2 + 2?", temperature=0).text, len(chat.messages)
    ('2 + 2 = 4.', 3)

    `messages` is the history: a plain list that you may read and edit (Message objects, or dicts as for
    OpenAI). A turn that was interrupted or cut short keeps the text written so far; a turn that wrote nothing
    leaves no trace. The settings you give here hold for every turn unless `say` overrides them; None there
    leaves the chat's own. Each turn computes only the new tokens. `save` and `Chat.load` keep a conversation
    in a file.
    """

    @takes(QUESTION_DEFAULTS)
    def __init__(
        self,
        model: Author,
        instructions: str | None = None,
        *,
        effort: str | None = DEFAULT_EFFORT,
        **options: Unpack[QuestionOptions],
    ) -> None:
        _check_model(model)
        self.model = model
        self.instructions = instructions
        self.effort = DEFAULT_EFFORT if effort is None else effort
        if "docs" in options:
            options["docs"] = documents_of(options["docs"])  # read once, and not for each turn
        self.options = options  # tools and sampling settings, as keywords
        self.messages: list[Message | Mapping[str, Any]] = []
        self._turns: list[weakref.ref[_Turn]] = []
        self._named: dict[str, Tool] = {}  # "python" has one session in a conversation
        self._question([Message("user", "")])  # what is wrong is told now and not at the first turn

    @takes(QUESTION_DEFAULTS, shown=False)
    def say(
        self,
        text: str | None = None,
        *,
        at: int | None = None,
        effort: str | None = None,
        **options: Unpack[QuestionOptions],
    ) -> Reply:
        """Say something and return the reply; None lets the model go on, as after a tool's result.

        >>> chat.say("What is 2 + 2?", temperature=0).text
        '2 + 2 = 4.'

        `at` replaces `messages[at]` and all later messages; they are dropped once there is a reply. So
        `chat.say("Hello again", at=0)` begins anew. The messages before `at` are not computed again.
        """
        return self.stream(text, at=at, effort=effort, **options).run()

    @takes(QUESTION_DEFAULTS, shown=False)
    def stream(
        self,
        text: str | None = None,
        *,
        at: int | None = None,
        effort: str | None = None,
        **options: Unpack[QuestionOptions],
    ) -> Stream:
        """Say something and stream the reply; the history grows when the stream ends.

        >>> for event in chat.stream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
        The answer is 4.

        Otherwise it does what `say` does. A chat has one open stream at a time: until it has ended, was
        closed or let go of, another turn raises Busy.
        """
        turn = _Turn(self, at)
        try:
            history = turn.begin()
            if text is None and not history:
                raise ValueError("there is nothing to answer yet: say something first")
            said = [] if text is None else as_messages(text)
            question = self._question([*history, *said], effort, **options)
            stream: Stream = self.model.ask(question, on_end=partial(turn.end, said))
        except BaseException:
            turn.is_over = True
            raise
        return stream

    def _question(
        self,
        messages: Sequence[Message | Mapping[str, Any]],
        effort: str | None = None,
        **options: Unpack[QuestionOptions],
    ) -> Question:
        """Return messages as a question; the chat's settings fill in those that are not given."""
        merged: QuestionOptions = {**self.options, **options}
        if merged.get("tools") is not None:
            merged["tools"] = ready_tools(merged["tools"], self.tool)
        return Question.of(messages, self.instructions, self.effort if effort is None else effort, **merged)

    @takes(QUESTION_DEFAULTS, shown=False)
    async def asay(
        self,
        text: str | None = None,
        *,
        at: int | None = None,
        effort: str | None = None,
        **options: Unpack[QuestionOptions],
    ) -> Reply:
        """Say something as `say` does, for `await`; a cancelled turn keeps the text written so far.

        >>> reply = await chat.asay("Hello")
        """
        return await self.astream(text, at=at, effort=effort, **options).run()

    @takes(QUESTION_DEFAULTS, shown=False)
    def astream(
        self,
        text: str | None = None,
        *,
        at: int | None = None,
        effort: str | None = None,
        **options: Unpack[QuestionOptions],
    ) -> AsyncStream:
        """Say something as `stream` does, for `async for`.

        >>> async for event in chat.astream("What is 2 + 2?", effort="low", seed=7): print(event.text, end="")
        The answer is 4.
        """
        return AsyncStream(lambda: self.stream(text, at=at, effort=effort, **options))

    def tool(self, name: str) -> Tool:
        """Return the tool that `tools=[name]` means in this conversation, the same in all turns.

        >>> chat.tool("python").give({"x": 42})
        """
        if name not in self._named:
            self._named[name] = tool_named(name)
        return self._named[name]

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

        The call replaces a file of that name in one step: a full disk or an interrupt leaves the old file.
        """
        where = expand_user(path, "the file")
        question = self._question(self.messages or [Message("user", "")])
        content = {
            "format": FORMAT,
            "version": VERSION,
            "model": self.model.source,
            "revision": self.model.revision,
            "device": self.model.device,
            "instructions": self.instructions,
            "effort": self.effort,
            "tools": list(question.tools) or None,
            "sampling": question.sampling.to_dict(),
            **({} if question.form is None else {"form": question.form.to_dict()}),
            "messages": messages_to_json(self.messages),
        }
        text = well_formed(json.dumps(content, ensure_ascii=False, indent=1))  # a path may hold any bytes
        data = (text + "\n").encode()
        if len(data) > MOST_BYTES:
            raise ValueError(f"the chat has {len(data):,} bytes, and a chat file at most {MOST_BYTES:,}")
        with replacing(where, durable=True) as file:
            file.write(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str], model: Author) -> Self:
        """Read a conversation that `save` wrote and go on with `model`, which may be another model.

        >>> chat.save("tutor.json"); ossnb.Chat.load("tutor.json", model).messages == chat.messages
        True

        Raises ValueError for a file that is no saved chat, is damaged, or has a newer version; OSError for a
        file that cannot be read.
        """
        _check_model(model)
        where = expand_user(path, "the file")
        name = shown(os.fspath(path), 500)
        try:
            content = json.loads(read_file(where, MOST_BYTES).decode())
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name} is not a saved chat: it must be a JSON file ({error})") from None
        except UnfitFile as error:
            raise ValueError(f"{name} is not a saved chat: {error.strerror}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f'{name} is not a saved chat: it must have "format": "{FORMAT}"')
        if content.get("version") != VERSION:
            raise ValueError(
                f"{name} is a chat of version {shown_value(content.get('version'))}, this ossnb reads "
                f"{VERSION}; a newer ossnb may read it"
            )
        try:
            return cls._from_json(content, model)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} is a damaged chat: {shown(str(error), 500)}") from None

    @classmethod
    def _from_json(cls, content: Mapping[str, Any], model: Author) -> Self:
        instructions, tools = content.get("instructions"), content.get("tools")
        if instructions is not None and not isinstance(instructions, str):
            raise ValueError(f"instructions must be text, got {type(instructions).__name__}")
        if tools is not None and not (
            isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)
        ):
            raise ValueError("tools must be a list of objects")
        sampling = Sampling.from_dict(content.get("sampling", {}))
        form = Form.read(Fields(content["form"], "form", "form.")) if "form" in content else None
        options = cast(QuestionOptions, {"tools": tools, "schema": form, **dataclasses.asdict(sampling)})
        chat = cls(model, instructions, effort=content.get("effort", "medium"), **options)
        messages = messages_from_json(content.get("messages"))
        chat.messages = [*as_messages(messages)] if messages else []
        return chat

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_turns": []}  # a copy has no open stream

    def __repr__(self) -> str:
        return f"Chat({self.model.source!r}, {len(self.messages)} messages, effort={self.effort!r})"
