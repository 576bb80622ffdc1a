"""Messages and tool calls: harmony renders them, and its parser gives them back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from .tokenizer import well_formed

ROLES = ("system", "developer", "user", "assistant", "tool")
FUNCTIONS = "functions."  # the namespace of the caller's own tools; `python` and `browser.*` are built in
BUILT_IN = ("python", "browser")  # namespaces whose calls are on the analysis channel
CALL_CHANNELS = ("analysis", "commentary")
NOT_A_TOOL = frozenset({"assistant", "user", "all"})  # recipients that a call never has

Prompt = str | Sequence["Message | Mapping[str, Any]"]
Tools = Sequence[Mapping[str, Any]]  # functions as JSON schemas, in OpenAI's form


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that the model wants.

    >>> ToolCall.parse("functions.weather", '{"city": "Paris"}').arguments
    {'city': 'Paris'}

    `name` has no "functions." before it. `raw` is the text as written; `arguments` is None where it is not
    JSON. Lone surrogates become U+FFFD.
    """

    name: str
    arguments: Any
    raw: str
    recipient: str

    def __post_init__(self) -> None:
        for name in ("name", "raw", "recipient"):
            object.__setattr__(self, name, well_formed(getattr(self, name)))

    @classmethod
    def parse(cls, recipient: str, raw: str) -> ToolCall:
        """Read a call from a message's recipient and content; `arguments` are None if that is no JSON.

        >>> ToolCall.parse("functions.add", '{"a": 1}').name
        'add'
        """
        try:
            arguments = json.loads(raw)
            if "\\u" in raw:  # an escape may spell a lone surrogate
                arguments = json.loads(well_formed(json.dumps(arguments, ensure_ascii=False)))
        except (ValueError, RecursionError):
            arguments = None
        return cls(recipient.removeprefix(FUNCTIONS), arguments, raw, recipient)

    def to_dict(self) -> dict[str, Any]:
        """Return the call as plain JSON; `arguments` are null where JSON cannot hold them (NaN, Infinity).

        >>> ToolCall.parse("functions.add", '{"a": 1}').to_dict()["arguments"]
        {'a': 1}
        """
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
    Lone surrogates, which no token spells, become U+FFFD in every field. A ValueError names a field that is
    wrong.
    """

    role: str
    content: str
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.role, str) or self.role not in ROLES:
            raise ValueError(f"message role must be one of {', '.join(ROLES)}, got {self.role!r}")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                object.__setattr__(self, field.name, well_formed(value))
            elif value is not None or field.name == "content":
                raise ValueError(f"message {field.name} must be a str, got {type(value).__name__}")

    @property
    def is_call(self) -> bool:
        """Whether the message calls a tool."""
        return self.role == "assistant" and self.recipient is not None and self.recipient not in NOT_A_TOOL

    @property
    def tool_call(self) -> ToolCall | None:
        """The call this message makes, if it makes one.

        >>> Message("assistant", "{}", "commentary", "functions.now").tool_call.name
        'now'
        """
        return ToolCall.parse(str(self.recipient), self.content) if self.is_call else None

    def to_dict(self) -> dict[str, str]:
        """Return the fields that are set, as plain strings.

        >>> Message("user", "Hi").to_dict()
        {'role': 'user', 'content': 'Hi'}
        """
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}


def call_channel(recipient: str) -> str:
    """Return the channel that a call to this tool is on.

    >>> call_channel("functions.weather"), call_channel("python")
    ('commentary', 'analysis')
    """
    return "analysis" if recipient.partition(".")[0] in BUILT_IN else "commentary"


def full_name(name: str) -> str:
    """Return a tool's name with its namespace; the caller's own tools are functions.

    >>> full_name("weather"), full_name("python")
    ('functions.weather', 'python')
    """
    built_in = name == "python" or name.startswith(("browser.", FUNCTIONS))
    return name if built_in else FUNCTIONS + name


def tool_result(name: str, output: str) -> Message:
    """Make the message that hands a tool's output back.

    >>> tool_result("weather", "sunny").name
    'functions.weather'
    """
    name = full_name(name)
    return Message("tool", output, call_channel(name), "assistant", name=name)


def as_messages(prompt: Prompt) -> list[Message]:
    """Turn a prompt, or messages in OpenAI's dict form or as Message objects, into messages.

    >>> as_messages([{"role": "user", "content": "Hi"}])[0].role
    'user'

    A ValueError names the message and the fault: no list, an empty one, an unknown role or key, no content.
    """
    if isinstance(prompt, str):
        return [Message("user", prompt)]
    if isinstance(prompt, Mapping | Message):
        got = type(prompt).__name__
        raise ValueError(f"a prompt is a str or a list of messages, got {got}; put it into a list")
    if isinstance(prompt, bytes) or not isinstance(prompt, Iterable):
        got = type(prompt).__name__
        advice = "; model.ask(question) answers it" if got == "Question" else ""
        raise ValueError(f"a prompt is a str or a list of messages, got {got}{advice}")
    messages = _read_all(prompt)
    if not messages:
        raise ValueError("the list of messages is empty; give at least {'role': 'user', 'content': '...'}")
    for i, message in enumerate(messages):
        if message.role == "tool" and not message.name:
            raise ValueError(
                f"message {i}: a tool message must have the tool's full name, got {message.name!r}; "
                "tool_result(name, output) makes one"
            )
    return messages


def messages_to_json(messages: Iterable[Message | Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return messages as objects of plain strings; those in OpenAI's form become harmony's."""
    return [message.to_dict() for message in _read_all(messages)]


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


def _read_all(prompt: Iterable[Any]) -> list[Message]:
    messages: list[Message] = []
    call_names: dict[str, str] = {}  # tool_call_id → name, for results that give only the id
    for i, item in enumerate(prompt):
        if isinstance(item, Message):
            messages.append(item)
        elif isinstance(item, Mapping):
            messages.extend(_from_dict(item, f"message {i}", call_names))
        else:
            advice = "; model.map(prompts) asks each of several prompts" if isinstance(item, str) else ""
            raise ValueError(f"message {i} must be a dict or a Message, got {type(item).__name__}{advice}")
    return messages


# Keys of a message in OpenAI's form that have a place in harmony.
_PLAIN_KEYS = ("role", "content", "name", "channel", "recipient", "content_type")
_THOUGHT_KEYS = ("reasoning_content", "reasoning", "thinking")
_KEYS = {
    "tool": (*_PLAIN_KEYS, "tool_call_id"),
    "assistant": (*_PLAIN_KEYS, "tool_calls", "function_call", "refusal", *_THOUGHT_KEYS),
}
_SAYING = ("system", "developer", "user")  # an assistant's may have calls alone, a tool's result nothing
_PART_KEYS = ("type", "text", "refusal")
_TEXT_PARTS = ("text", "input_text", "output_text", None)
# Keys that say something about a message and nothing in it.
_LABELS = frozenset({"id", "type", "object", "status", "created_at", "timestamp", "model", "cache_control"})


def _from_dict(item: Mapping[str, Any], where: str, call_names: dict[str, str]) -> list[Message]:
    role = item.get("role")
    if role == "function":  # OpenAI's older name for a tool's result
        role = "tool"
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"{where}: role must be one of {', '.join(ROLES)}, got {role!r}")
    _check_keys(item, _KEYS.get(role, _PLAIN_KEYS), f"{where}: a message of role {role!r}")
    if role in _SAYING and item.get("content") is None:
        raise ValueError(
            f"{where}: a message of role {role!r} needs a content, a str or a list of text parts"
        )
    content = _text(item.get("content"), where)
    try:
        if role == "assistant":
            return _assistant_messages(item, content, where, call_names)
        given = {key: item[key] for key in _PLAIN_KEYS[2:] if item.get(key) is not None}
        if role == "tool":
            name = _tool_name(item, where, call_names)
            return [replace(tool_result(name, content), **{**given, "name": full_name(name)})]
        return [Message(role, content, **given)]
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def _check_keys(item: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    """Refuse a key that holds more than a number and that harmony has no place for: the model would not see
    it."""
    for key, value in item.items():
        is_small = value is None or isinstance(value, bool | int | float)
        if key in known or key in _LABELS or is_small or (hasattr(value, "__len__") and len(value) == 0):
            continue
        raise ValueError(
            f"{what} has the keys {', '.join(known)}, got {key!r} too, which the model would not see: "
            "put it into the content, or leave it out"
        )


def _tool_name(item: Mapping[str, Any], where: str, call_names: Mapping[str, str]) -> str:
    given = item.get("tool_call_id")
    name = item.get("name") or (call_names.get(given) if isinstance(given, str) else None)
    if not isinstance(name, str):
        raise ValueError(
            f"{where}: a tool message needs the tool's 'name', or an earlier call's 'tool_call_id'"
        )
    return name


def _assistant_messages(
    item: Mapping[str, Any], content: str, where: str, call_names: dict[str, str]
) -> list[Message]:
    """Split one assistant dict into harmony's messages: one each for the thought, the text and the calls."""
    said = _joined([content, _optional_text(item, "refusal", where)])
    thought = _joined([_optional_text(item, key, where) for key in _THOUGHT_KEYS])
    calls = item.get("tool_calls") or ()
    if isinstance(calls, str | bytes | Mapping) or not isinstance(calls, Iterable):
        raise ValueError(f"{where}: tool_calls must be a list, got {type(calls).__name__}")
    calls = [*calls, *([item["function_call"]] if item.get("function_call") else ())]
    channel, recipient, content_type = (item.get(key) for key in ("channel", "recipient", "content_type"))
    messages = []
    if thought:
        messages.append(Message("assistant", thought, "analysis"))
    if said or recipient or not (calls or messages):
        # Text beside calls is what harmony names a preamble: said to the user, on the commentary channel.
        channel = channel or ("commentary" if calls else "final")
        messages.append(Message("assistant", said, channel, recipient, content_type))
    for call in calls:
        message = _call_message(call, where)
        if isinstance(call, Mapping) and isinstance(call.get("id"), str):
            call_names[call["id"]] = str(message.recipient)
        messages.append(message)
    return messages


def _joined(texts: Iterable[str]) -> str:
    """Join different texts by blank lines; a thought often comes under two names."""
    return "\n\n".join(dict.fromkeys(text for text in texts if text))


def _optional_text(item: Mapping[str, Any], key: str, where: str) -> str:
    value = item.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{where}: {key} must be a str, got {type(value).__name__}")
    return value or ""


def _call_message(call: Any, where: str) -> Message:
    if isinstance(call, ToolCall):
        recipient, arguments = call.recipient, call.raw
    else:
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ValueError(f"{where}: each of tool_calls needs a function with a 'name', got {call!r:.200}")
        recipient = full_name(function["name"])
        arguments = _arguments(function, where)
    channel = call_channel(recipient)
    return Message(
        "assistant", arguments, channel, recipient, "code" if channel == "analysis" else "<|constrain|>json"
    )


def _arguments(function: Mapping[str, Any], where: str) -> str:
    """Return a call's arguments as text: "{}" for none, the text as written where ToolCall.to_dict has it."""
    raw, arguments = function.get("raw"), function.get("arguments")
    if isinstance(raw, str):
        return raw
    if isinstance(arguments, str) and arguments.strip():
        return arguments
    try:
        return json.dumps({} if arguments in (None, "") else arguments, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{where}: the arguments of {function['name']!r:.80} must be JSON, as text or as a dict ({error})"
        ) from None


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
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if isinstance(part, Mapping):
        _check_keys(part, _PART_KEYS, f"{where}: a part of the content")
        text = part.get("refusal") if kind == "refusal" else part.get("text")
        if isinstance(text, str) and (kind in _TEXT_PARTS or kind == "refusal"):
            return text
    raise ValueError(f"{where}: gpt-oss reads text only, got a content part of type {kind!r:.80}")
