"""Messages and tool calls: harmony renders them, and its parser gives them back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

ROLES = ("system", "developer", "user", "assistant", "tool")
FUNCTIONS = "functions."  # the namespace of the caller's own tools; `python` and `browser.*` are built in
NOT_A_TOOL = frozenset({"assistant", "user", "all"})  # recipients that a call never has

Prompt = str | Sequence["Message | Mapping[str, Any]"]
Tools = Sequence[Mapping[str, Any]]  # functions as JSON schemas, in OpenAI's form


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that the model wants.

    >>> ToolCall.parse("functions.weather", '{"city": "Paris"}').arguments
    {'city': 'Paris'}

    `name` has no "functions." before it. `raw` is the text as written; `arguments` is None where it is not
    JSON.
    """

    name: str
    arguments: Any
    raw: str
    recipient: str

    @classmethod
    def parse(cls, recipient: str, raw: str) -> ToolCall:
        """Read a call from a message's recipient and content; `arguments` are None if that is no JSON.

        >>> ToolCall.parse("functions.add", '{"a": 1}').name
        'add'
        """
        try:
            arguments = json.loads(raw)
        except (ValueError, RecursionError):
            arguments = None
        return cls(recipient.removeprefix(FUNCTIONS), arguments, raw, recipient)

    def to_dict(self) -> dict[str, Any]:
        """Return the call as plain JSON; `arguments` are null where JSON cannot hold them (NaN, Infinity)."""
        try:
            json.dumps(self.arguments, allow_nan=False)
            arguments = self.arguments
        except (ValueError, RecursionError):
            arguments = None
        return {"name": self.name, "arguments": arguments, "raw": self.raw, "recipient": self.recipient}


@dataclass(frozen=True, slots=True)
class Message:
    """One harmony message.

    >>> Message("user", "What is 2 + 2?").content
    'What is 2 + 2?'

    `name` is the tool's full name for role "tool". `recipient` is the tool that an assistant message calls.
    """

    role: str
    content: str
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"message role must be one of {', '.join(ROLES)}, got {self.role!r}")
        if not isinstance(self.content, str):
            raise ValueError(f"message content must be a str, got {type(self.content).__name__}")

    @property
    def tool_call(self) -> ToolCall | None:
        """The call this message makes, if it makes one."""
        if self.role != "assistant" or self.recipient is None or self.recipient in NOT_A_TOOL:
            return None
        return ToolCall.parse(self.recipient, self.content)

    def to_dict(self) -> dict[str, str]:
        """Return the fields that are set, as plain strings."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


def tool_result(name: str, output: str) -> Message:
    """Make the message that hands a tool's output back.

    >>> tool_result("weather", "sunny").name
    'functions.weather'
    """
    built_in = name == "python" or name.startswith(("browser.", FUNCTIONS))
    return Message("tool", output, "commentary", "assistant", name=name if built_in else FUNCTIONS + name)


def as_messages(prompt: Prompt) -> list[Message]:
    """Turn a prompt, or messages in OpenAI's dict form or as Message objects, into messages.

    >>> as_messages([{"role": "user", "content": "Hi"}])[0].role
    'user'
    """
    if isinstance(prompt, str):
        return [Message("user", prompt)]
    if isinstance(prompt, Mapping | bytes) or not isinstance(prompt, Iterable):
        raise ValueError(f"a prompt is a str or a list of messages, got {type(prompt).__name__}")
    messages: list[Message] = []
    call_names: dict[str, str] = {}  # tool_call_id → name, for results that give only the id
    for i, item in enumerate(prompt):
        if isinstance(item, Message):
            messages.append(item)
        elif isinstance(item, Mapping):
            messages.extend(_from_dict(item, f"message {i}", call_names))
        else:
            raise ValueError(f"message {i} must be a dict or a Message, got {type(item).__name__}")
    if not messages:
        raise ValueError("the list of messages is empty; give at least {'role': 'user', 'content': '...'}")
    return messages


def messages_to_json(messages: Iterable[Message | Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return messages as objects of plain strings; those in OpenAI's form become harmony's."""
    listed = list(messages)
    return [message.to_dict() for message in as_messages(listed)] if listed else []


def messages_from_json(items: Any) -> list[Message]:
    """Check and read the output of `messages_to_json`; a ValueError names the fault."""
    if not isinstance(items, list):
        raise ValueError(f"messages must be a list, got {type(items).__name__}")
    known = {field.name for field in fields(Message)}
    messages = []
    for i, item in enumerate(items):
        if not isinstance(item, dict) or not {"role", "content"} <= item.keys():
            raise ValueError(f"message {i} must be an object with role and content, got {item!r:.80}")
        if unknown := item.keys() - known:
            raise ValueError(f"message {i} has an unknown field {min(unknown)!r}")
        if odd := [name for name, value in item.items() if not isinstance(value, str)]:
            raise ValueError(f"message {i}: {odd[0]} must be text, got {item[odd[0]]!r:.80}")
        messages.append(Message(**item))
    return messages


def _from_dict(item: Mapping[str, Any], where: str, call_names: dict[str, str]) -> list[Message]:
    role = item.get("role")
    if role == "function":  # OpenAI's older name for a tool's result
        role = "tool"
    if role not in ROLES:
        raise ValueError(f"{where}: role must be one of {', '.join(ROLES)}, got {role!r}")
    content = _text(item.get("content"), where)
    if role == "tool":
        return [_tool_message(item, content, where, call_names)]
    if role != "assistant":
        return [Message(role, content, name=item.get("name"))]
    return _assistant_messages(item, content, where, call_names)


def _tool_message(
    item: Mapping[str, Any], content: str, where: str, call_names: Mapping[str, str]
) -> Message:
    name = item.get("name") or call_names.get(item.get("tool_call_id", ""))
    if not isinstance(name, str):
        raise ValueError(
            f"{where}: a tool message needs the tool's 'name', or an earlier call's 'tool_call_id'"
        )
    return tool_result(name, content)


def _assistant_messages(
    item: Mapping[str, Any], content: str, where: str, call_names: dict[str, str]
) -> list[Message]:
    """Split one assistant dict into harmony's messages: one each for the thought, the text and the calls."""
    messages = []
    reasoning = item.get("reasoning_content") or item.get("reasoning") or item.get("thinking")
    if isinstance(reasoning, str) and reasoning:
        messages.append(Message("assistant", reasoning, "analysis"))
    calls = item.get("tool_calls") or ()
    if content or not (calls or messages):
        # Text beside calls is what harmony names a preamble: said to the user, on the commentary channel.
        channel = item.get("channel") or ("commentary" if calls else "final")
        recipient, content_type = item.get("recipient"), item.get("content_type")
        messages.append(Message("assistant", content, channel, recipient, content_type))
    for call in calls:
        message = _call_message(call, where)
        if isinstance(call, Mapping) and isinstance(call.get("id"), str):
            call_names[call["id"]] = str(message.recipient)
        messages.append(message)
    return messages


def _call_message(call: Any, where: str) -> Message:
    if isinstance(call, ToolCall):
        recipient, arguments = call.recipient, call.raw
    else:
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ValueError(f"{where}: each of tool_calls needs a function with a 'name', got {call!r}")
        recipient = str(tool_result(function["name"], "").name)
        arguments = function.get("arguments", "{}")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return Message("assistant", arguments, "commentary", recipient, "<|constrain|>json")


def _text(content: Any, where: str) -> str:
    """Read content: a str, OpenAI's list of text parts, or nothing where there are tool calls."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Iterable) and not isinstance(content, Mapping | bytes):
        return "".join(_part_text(part, where) for part in content)
    raise ValueError(f"{where}: content must be a str or a list of text parts, got {type(content).__name__}")


def _part_text(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise ValueError(f"{where}: gpt-oss reads text only, got a content part of type {kind!r}")
