"""Fast harmony rendering for training data.

The engine renders prompts with the oss-harmony library.  Calling it a hundred times a step would cost more
than the training itself, so this module renders the same tokens with tiktoken; `check_rendering` in
`data.py` compares the two on random conversations.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

START, MESSAGE, END, CHANNEL, CONSTRAIN, RETURN, CALL, ENDOFTEXT = (
    200006, 200008, 200007, 200005, 200003, 200002, 200012, 199999,
)  # fmt: skip
# tiktoken looks for a vocabulary in its cache under the SHA-1 of the address it would download from.
O200K_CACHE_NAME = "fb374d419588a4632f3f557e76b4b70aebbca790"


class Tokenizer:
    """Encode plain text to o200k ids, from a vocabulary file or (slowly) through oss-harmony."""

    def __init__(self, vocabulary: Path | None) -> None:
        if vocabulary is None:
            from openai_harmony import load_harmony_encoding

            encoding = load_harmony_encoding("HarmonyGptOss")
            self._encode = lambda text: encoding.encode(text, disallowed_special=())
            self._decode = encoding.decode
        else:
            import tiktoken

            with tempfile.TemporaryDirectory() as cache:
                os.symlink(vocabulary.resolve(), Path(cache, O200K_CACHE_NAME))
                os.environ["TIKTOKEN_CACHE_DIR"] = cache
                encoding = tiktoken.get_encoding("o200k_base")
            self._encode = encoding.encode_ordinary
            self._decode = encoding.decode
        # Headers, prefixes and frames repeat for ever; remembering short texts saves most of the work.
        self.encode = lru_cache(maxsize=200_000)(self._encode_tuple)

    def _encode_tuple(self, text: str) -> tuple[int, ...]:
        return tuple(self._encode(text))

    def decode(self, ids: list[int]) -> str:
        return self._decode([i for i in ids if i < 199_998])


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function tool."""

    name: str
    type: str = "string"
    description: str = ""
    enum: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class Tool:
    """One function tool as a developer message defines it."""

    name: str
    description: str
    parameters: tuple[Parameter, ...] = ()

    def schema(self) -> dict[str, object]:
        """Return the JSON schema that the harmony library and the OpenAI API take."""
        properties: dict[str, object] = {}
        for p in self.parameters:
            entry: dict[str, object] = {"type": p.type}
            if p.description:
                entry["description"] = p.description
            if p.enum:
                entry["enum"] = list(p.enum)
            properties[p.name] = entry
        required = [p.name for p in self.parameters if p.required]
        return {"type": "object", "properties": properties, "required": required}


@dataclass
class Message:
    """One harmony message; `to` is the recipient of a call, `name` the tool that answers.

    Calls of functions go to the commentary channel, calls of the built-in tools to the analysis channel.
    """

    role: str
    content: str
    channel: str = ""
    to: str = ""
    name: str = ""


System = tuple[str, str, bool, str]  # what a system message depends on


@dataclass
class Prompt:
    """Everything that stands before the reply."""

    effort: str = "medium"
    date: str = ""
    instructions: str = ""
    tools: tuple[Tool, ...] = ()
    builtin: str = ""  # the built-in tools as the system message defines them (builtin.py)
    messages: list[Message] = field(default_factory=list)

    @property
    def system(self) -> System:
        """The effort, the date, whether there are functions, and the built-in tools."""
        return self.effort, self.date, bool(self.tools), self.builtin


def system_text(effort: str, date: str, has_tools: bool, builtin: str) -> str:
    """Return the system message as the harmony library writes its default one."""
    lines = ["You are ChatGPT, a large language model trained by OpenAI.", "Knowledge cutoff: 2024-06"]
    if date:
        lines.append(f"Current date: {date}")
    channels = "# Valid channels: analysis, commentary, final. Channel must be included for every message."
    if has_tools:
        channels += "\nCalls to these tools must go to the commentary channel: 'functions'."
    tools = f"# Tools\n\n{builtin}\n\n" if builtin else ""
    return "\n".join(lines) + f"\n\nReasoning: {effort}\n\n{tools}{channels}"


def developer_text(instructions: str, tools: tuple[Tool, ...]) -> str:
    """Return the developer message: instructions, then the tools as a TypeScript-like namespace."""
    sections = [f"# Instructions\n\n{instructions}"] if instructions else []
    if tools:
        body = "\n\n".join(_tool_text(tool) for tool in tools)
        sections.append(
            f"# Tools\n\n## functions\n\nnamespace functions {{\n\n{body}\n\n}} // namespace functions"
        )
    return "\n\n".join(sections)


def _tool_text(tool: Tool) -> str:
    head = f"// {tool.description}\ntype {tool.name} = "
    if not tool.parameters:
        return head + "() => any;"
    lines = []
    for p in tool.parameters:
        if p.description:
            lines.append(f"// {p.description}")
        kind = " | ".join(f'"{value}"' for value in p.enum) or ("number" if p.type == "integer" else p.type)
        lines.append(f"{p.name}{'' if p.required else '?'}: {kind},")
    return head + "(_: {\n" + "\n".join(lines) + "\n}) => any;"


class Renderer:
    """Turn prompts and replies into token ids."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.encode = tokenizer.encode

    def plain(self, header: str, content: str, end: int = END) -> list[int]:
        return [START, *self.encode(header), MESSAGE, *self.encode(content), end]

    def system(self, effort: str, date: str, has_tools: bool, builtin: str) -> list[int]:
        return self.plain("system", system_text(effort, date, has_tools, builtin))

    def history(self, message: Message, old_order: bool = False) -> list[int]:
        """Render a message of the past.  `old_order` puts recipients before the channel, as
        openai-harmony 0.0.8 did; oss-harmony 0.0.11 puts them behind it, as models emit them."""
        e = self.encode
        if message.role == "tool" and message.channel == "analysis":
            header = e(f"{message.name} to=assistant")
            return [START, *header, CHANNEL, *e("analysis"), MESSAGE, *e(message.content), END]
        if message.role == "tool":
            if message.channel == "":
                header = [*e(message.name)]
            elif old_order:
                header = [*e(f"{message.name} to=assistant"), CHANNEL, *e("commentary")]
            else:
                header = [*e(message.name), CHANNEL, *e("commentary to=assistant")]
            return [START, *header, MESSAGE, *e(message.content), END]
        if message.role == "assistant":
            return [START, *e("assistant"), *self.emitted(message, old_order, END)]
        return self.plain(message.role, message.content)

    def emitted(self, message: Message, old_order: bool = False, end: int = RETURN) -> list[int]:
        """Render what the model itself writes after `<|start|>assistant`."""
        e = self.encode
        if message.to and message.channel == "analysis":
            if old_order:
                header = [*e(f" to={message.to}"), CHANNEL, *e("analysis "), CONSTRAIN, *e("code")]
            else:
                header = [CHANNEL, *e(f"analysis to={message.to} code")]
            return [*header, MESSAGE, *e(message.content), CALL]
        if message.to:
            if old_order:
                header = [*e(f" to={message.to}"), CHANNEL, *e("commentary "), CONSTRAIN, *e("json")]
            else:
                header = [CHANNEL, *e(f"commentary to={message.to} "), CONSTRAIN, *e("json")]
            return [*header, MESSAGE, *e(message.content), CALL]
        return [CHANNEL, *e(message.channel), MESSAGE, *e(message.content), end]

    def body(self, prompt: Prompt, old_order: bool = False) -> list[int]:
        """Render developer message and history: what stands between the system message and the reply."""
        ids: list[int] = []
        if prompt.instructions or prompt.tools:
            ids += self.plain("developer", developer_text(prompt.instructions, prompt.tools))
        for message in prompt.messages:
            ids += self.history(message, old_order)
        return [*ids, START, *self.encode("assistant")]

    def reply(self, messages: list[Message]) -> list[int]:
        """Render the reply to learn: analysis (if any), then a final answer or a call."""
        ids: list[int] = []
        for i, message in enumerate(messages):
            if i:
                ids += [START, *self.encode("assistant")]
            last = i == len(messages) - 1
            ids += self.emitted(message, end=RETURN if last else END)
        return ids
