"""Words to numbers: messages rendered as harmony prompts."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..system.text import did_you_mean
from .messages import BUILT_IN, CALL_CHANNELS, Message, Tools, call_channel
from .schema import shown
from .tokenizer import (
    CHANNEL,
    END,
    FIRST_SPECIAL,
    MESSAGE,
    START,
    Tokenizer,
    encoding,
    token_bytes,
    well_formed,
)

EFFORTS = ("low", "medium", "high")

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TAKEN = frozenset({"python", "browser", "container", "assistant", "functions"})  # they mean something else


def only_question(prompt: Sequence[int]) -> str:
    """Return the user's words in a rendered prompt; "" for several questions, and for raw text.

    >>> only_question(render([Message("user", "Hi")]))
    'Hi'
    """
    begins = [START, *Tokenizer().encode("user"), MESSAGE]
    n, ids = len(begins), list(prompt)
    found = [at + n for at in range(len(ids) - n) if ids[at : at + n] == begins]
    if len(found) != 1 or END not in ids[found[0] :]:
        return ""
    said = ids[found[0] : ids.index(END, found[0])]
    return b"".join(map(token_bytes, said)).decode("utf-8", "replace")


def render(
    messages: Sequence[Message],
    *,
    instructions: str | None = None,
    effort: str = "medium",
    tools: Tools | None = None,
    form: str = "",
) -> list[int]:
    """Render a conversation as the prompt of the assistant's next turn.

    >>> len(render([Message("user", "Reply with exactly one short greeting.")]))
    63

    Leading system and developer messages join `instructions` in the developer message. Later ones stay where
    they are, so none is lost. The system message carries no date, so the same words give the same prompt
    tomorrow. `form` ends the developer message: it says what form the answer must have. The thoughts of
    finished turns are dropped (`drop_old_analysis`).
    """
    import openai_harmony as oh

    check_effort(effort)
    if instructions is not None and not isinstance(instructions, str):
        raise ValueError(f"instructions must be a str or None, got {type(instructions).__name__}")
    is_leading = [m.role in ("system", "developer") for m in messages]
    n_leading = (*is_leading, False).index(False)
    leading = [instructions or "", *(m.content for m in messages[:n_leading])]
    system = oh.SystemContent.new().with_reasoning_effort(oh.ReasoningEffort[effort.upper()])
    for tool in filter(is_builtin, tools or ()):
        system = system.with_tools(_namespace(tool))
    tools = [tool for tool in tools or () if not is_builtin(tool)]
    framed: list[tuple[Any, str | None]] = [(oh.Message.from_role_and_content(oh.Role.SYSTEM, system), None)]
    instructions = "\n\n".join(text for text in leading if text)
    if instructions or tools or form:
        frame, told = _developer_message(instructions or None, tools)
        framed.append((frame, "\n\n".join(text for text in (told, well_formed(form)) if text)))
    for message in drop_old_analysis(messages[n_leading:]):
        if message.role in ("system", "developer"):
            framed.append(_developer_message(message.content))
        else:
            framed.append((library_message(dataclasses.replace(message, content="")), message.content))
    return _filled(framed)


def render_results(results: Sequence[Message]) -> list[int]:
    """Render results of tools, to go on right after the calls, and the begin of the assistant's next message.

    >>> len(render_results([Message("tool", "sunny", "commentary", "assistant", name="functions.weather")]))
    15
    """
    return _filled([(library_message(dataclasses.replace(m, content="")), m.content) for m in results])


def _filled(framed: Sequence[tuple[Any, str | None]]) -> list[int]:
    """Render the library's messages, and put the texts that come with them in the place of their own. The
    library would take half an hour for a megabyte without spaces, and cannot be interrupted."""
    import openai_harmony as oh

    rendered: list[int] = encoding().render_conversation_for_completion(
        oh.Conversation.from_messages([frame for frame, _ in framed]),
        oh.Role.ASSISTANT,
        oh.RenderConversationConfig(auto_drop_analysis=False),
    )
    if rendered.count(MESSAGE) != len(framed):
        raise ValueError("a name, a channel, a recipient or a content type has harmony's own markers in it")
    ids, at = list[int](), 0
    for _, text in framed:
        begin = rendered.index(MESSAGE, at) + 1
        ids += rendered[at:begin]
        at = begin
        if text is not None:
            ids += Tokenizer().encode(text)
            at = next(i for i in range(begin, len(rendered)) if rendered[i] >= FIRST_SPECIAL)
    return ids + rendered[at:]


def answer_header() -> list[int]:
    """Return the tokens between the end of a prompt and the text of an answer without thought.

    >>> len(answer_header())
    3
    """
    return [CHANNEL, *Tokenizer().encode("final"), MESSAGE]


def end_of_thought() -> list[int]:
    """Return the tokens that close a thought and begin the answer.

    >>> len(end_of_thought())
    6
    """
    return [END, START, *Tokenizer().encode("assistant"), *answer_header()]


def check_effort(effort: str | None) -> None:
    """Raise ValueError unless `effort` is low, medium or high."""
    if effort not in EFFORTS:
        meant = did_you_mean(effort, EFFORTS) if isinstance(effort, str) else ""
        raise ValueError(f"effort must be one of {', '.join(EFFORTS)}, got {effort!r}{meant}")


def drop_old_analysis(messages: Sequence[Message]) -> list[Message]:
    """Drop the thoughts of answered turns, as in gpt-oss's training; keep the thoughts of an open tool loop.

    >>> len(drop_old_analysis([Message("assistant", "hm", "analysis"), Message("assistant", "4", "final")]))
    1

    Calls on the analysis channel (to `python`, `browser`) stay. The harmony library drops only the thoughts
    before the first answer; this function follows the documented intent.
    """
    finals = [
        i
        for i, m in enumerate(messages)
        if m.role == "assistant" and m.channel in ("final", None) and not m.is_call
    ]
    last_final = finals[-1] if finals else -1
    return [
        m
        for i, m in enumerate(messages)
        if i > last_final or m.role != "assistant" or m.channel != "analysis" or m.is_call
    ]


def library_message(message: Message) -> Any:
    """Convert to the library's message; later system messages become developer messages."""
    import openai_harmony as oh

    text, channel = message.content, message.channel
    if message.role in ("system", "developer"):
        return oh.Message.from_role_and_content(oh.Role.DEVELOPER, text)
    author = oh.Author(role=oh.Role(message.role), name=message.name)
    rendered = oh.Message.from_author_and_content(author, text)
    if message.is_call and channel not in CALL_CHANNELS:
        channel = call_channel(str(message.recipient))  # elsewhere it would count as an answer
    elif message.role == "assistant":
        channel = channel or "final"
    rendered.channel, rendered.recipient = channel, message.recipient
    rendered.content_type = message.content_type
    return rendered


class _Cover:
    """Short stand-ins for long texts, while the library puts words around them.

    >>> cover = _Cover()
    >>> len(cover.over("a" * 9999)), cover.off("Say " + cover.over("b" * 9999)) == "Say " + "b" * 9999
    (3, True)
    """

    _LONG = re.compile(
        r"[^\n]{500,}|[\ue000\ue001]"
    )  # in one line, since the library breaks some texts there

    def __init__(self) -> None:
        self._texts: list[str] = []

    def over(self, value: Any) -> Any:
        """Return the value, a text or what JSON holds, with stand-ins in it."""
        if isinstance(value, str):
            return self._LONG.sub(lambda found: self._stand_in(found.group()), value)
        if isinstance(value, list):
            return [self.over(item) for item in value]
        if isinstance(value, dict):
            return {self.over(key): self.over(item) for key, item in value.items()}
        return value

    def off(self, text: str) -> str:
        """Return a text with the long texts in the place of their stand-ins."""
        return re.sub("\ue000([0-9]+)\ue001", lambda found: self._texts[int(found.group(1))], text)

    def _stand_in(self, text: str) -> str:
        self._texts.append(text)
        return f"\ue000{len(self._texts) - 1}\ue001"


def _developer_message(instructions: str | None, tools: Tools | None = None) -> tuple[Any, str]:
    """Return the library's message without long texts, and the whole text with the headings and the notation
    that the model was trained on. The message keeps its tools: if there are any, the library says in the
    system message where calls go."""
    import openai_harmony as oh

    cover, content = _Cover(), oh.DeveloperContent.new()
    if instructions is not None:
        content = content.with_instructions(cover.over(well_formed(instructions)))
    if tools:
        content = content.with_function_tools([_tool_description(tool, cover.over) for tool in tools])
    message = oh.Message.from_role_and_content(oh.Role.DEVELOPER, content)
    ids = encoding().render(message)
    return message, cover.off(Tokenizer().decode(ids[ids.index(MESSAGE) + 1 : -1]))


def _tool_description(tool: Mapping[str, Any], over: Callable[[Any], Any]) -> Any:
    import openai_harmony as oh

    name, description, parameters = read_tool(tool)
    schema = None if parameters is None else over(shown(parameters))
    description = over(description)
    more = None if schema is None else schema.pop("description", None)  # the library has no place for it
    if more and more not in description:
        description = f"{description}\n{more}" if description else more
    return oh.ToolDescription.new(name, description, schema)


def _namespace(tool: Mapping[str, Any]) -> Any:
    import openai_harmony as oh

    name, description, functions = read_builtin(tool)
    told = [_tool_description(function, lambda text: text) for function in functions]
    return oh.ToolNamespaceConfig(name=name, description=description, tools=told)


def read_tool(tool: Mapping[str, Any]) -> tuple[str, str, dict[str, Any] | None]:
    """Check a function in OpenAI's form and return its name, its description and its parameters' schema.

    >>> read_tool({"type": "function", "function": {"name": "now"}})
    ('now', '', None)

    The inner dict may come alone. The schema is a plain copy, as JSON has it. A ValueError names the tool and
    the fault.
    """
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping):
        raise ValueError(
            f"a tool must be a dict with 'name', 'description' and 'parameters', got {tool!r:.200}"
        )
    name, parameters = function.get("name"), function.get("parameters")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise ValueError(f"a tool's name must be letters, digits, _ and -, got {name!r:.200}")
    if name in _TAKEN:
        raise ValueError(f"a tool's name must be none of {', '.join(sorted(_TAKEN))}, got {name!r}")
    description = function.get("description") or ""
    if not isinstance(description, str):
        raise ValueError(f"tool {name!r}: description must be a str, got {type(description).__name__}")
    if parameters is None:
        return name, well_formed(description), None
    if not isinstance(parameters, Mapping):
        got = type(parameters).__name__
        raise ValueError(f"tool {name!r}: parameters must be a JSON schema (a dict), got {got}")
    try:
        schema = _plain(parameters)
        shown(schema)
    except ValueError as error:
        raise ValueError(f"tool {name!r}: {error}") from None
    return name, well_formed(description), schema


def is_builtin(tool: Any) -> bool:
    """Whether a tool is one that the model was trained on; the system message declares it."""
    return isinstance(tool, Mapping) and tool.get("type") == "builtin"


def read_builtin(tool: Mapping[str, Any]) -> tuple[str, str, list[dict[str, Any]]]:
    """Check a built-in tool and return its namespace, its description and its functions.

    >>> read_builtin({"type": "builtin", "name": "python", "description": "Runs code.", "functions": []})
    ('python', 'Runs code.', [])
    """
    name, description, functions = tool.get("name"), tool.get("description"), tool.get("functions", [])
    if name not in BUILT_IN:
        raise ValueError(f"a built-in tool's name must be one of {', '.join(BUILT_IN)}, got {name!r:.200}")
    if not isinstance(description, str):
        raise ValueError(f"tool {name!r}: description must be a str, got {type(description).__name__}")
    if not isinstance(functions, list):
        raise ValueError(f"tool {name!r}: functions must be a list, got {type(functions).__name__}")
    plain = [read_tool(function) for function in functions]
    told = [{"name": one, "description": text, "parameters": schema} for one, text, schema in plain]
    return name, well_formed(description), told


def call_names(tool: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that calls of a tool have, without "functions." before them.

    >>> call_names({"name": "now"}), call_names({"type": "builtin", "name": "python", "description": ""})
    (('now',), ('python',))
    """
    if not is_builtin(tool):
        return (read_tool(tool)[0],)
    name, _, functions = read_builtin(tool)
    return tuple(f"{name}.{function['name']}" for function in functions) or (name,)


def plain_tools(tools: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    """Check tools, in OpenAI's form or built in, and copy them as JSON has them; a ValueError names the tool.

    >>> plain_tools([{"name": "now"}])
    ({'name': 'now'},)
    """
    plain: list[dict[str, Any]] = []
    names: set[str] = set()
    for tool in tools:
        name = read_builtin(tool)[0] if is_builtin(tool) else read_tool(tool)[0]
        if name in names:
            raise ValueError(f"tool {name!r}: each tool must have a name of its own, got this one twice")
        names.add(name)
        try:
            text = json.dumps(tool, ensure_ascii=False, allow_nan=False, default=_as_dict)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"tool {name!r}: it must be plain JSON, got something else ({error})") from None
        plain.append(json.loads(well_formed(text)))
    return tuple(plain)


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema as JSON has it; a ValueError says what JSON cannot hold."""
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False, default=_as_dict)
        plain: dict[str, Any] = json.loads(text.encode())
    except RecursionError:
        raise ValueError("its schema is nested too deeply; describe it with fewer levels") from None
    except UnicodeEncodeError:
        raise ValueError("its schema must be Unicode text, got half a character (a lone surrogate)") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"its schema must be plain JSON, got something else ({error})") from None
    return plain


def _as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r:.80} of type {type(value).__name__}")
