"""Words to numbers: the vocabulary, and messages rendered as harmony prompts."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .messages import Message

EFFORTS = ("low", "medium", "high")

# Special tokens (MODEL §5.1)
ENDOFTEXT, RETURN, CONSTRAIN, CHANNEL, START, END, MESSAGE, CALL = (
    199999,
    200002,
    200003,
    200005,
    200006,
    200007,
    200008,
    200012,
)
FIRST_SPECIAL = 199998
VOCAB_SIZE = 201088
STOP_IDS = frozenset({RETURN, CALL, ENDOFTEXT})  # not END: it ends one message of the turn, not the turn

_TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_FIX = "pip uninstall openai-harmony; pip install --force-reinstall oss-harmony"


class Tokenizer:
    """Text to token ids and back, with gpt-oss's vocabulary.

    >>> Tokenizer().encode("Hello world")
    [13225, 2375]
    """

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Return the ids of `text`; markers such as "<|start|>" become special tokens only if `special`."""
        allowed: Any = "all" if special else set()
        ids: list[int] = _encoding().encode(well_formed(text), allowed_special=allowed, disallowed_special=())
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of `ids`; bytes that are not UTF-8 become U+FFFD."""
        return b"".join(map(token_bytes, ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """Return one token's bytes, which may be a part of a character."""
        return token_bytes(token)

    def __repr__(self) -> str:
        return f"Tokenizer(o200k_harmony, {VOCAB_SIZE} tokens)"


@functools.lru_cache(maxsize=1 << 16)
def token_bytes(token: int) -> bytes:
    """Return a token's bytes; ids without a text have the name <|reserved_ID|>."""
    if not 0 <= token < VOCAB_SIZE:
        return f"<|reserved_{token}|>".encode()
    text: str = _encoding().decode([token], errors="surrogateescape")
    return text.encode("utf-8", errors="surrogateescape")


def only_question(prompt: Sequence[int]) -> str:
    """Return what the user said in a rendered prompt; "" for several questions, and for raw text.

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


def well_formed(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 can hold, by U+FFFD (joining pairs that were split)."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def render(
    messages: Sequence[Message],
    *,
    instructions: str | None = None,
    effort: str = "medium",
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> list[int]:
    """Render a conversation as the prompt of the assistant's next turn.

    >>> len(render([Message("user", "Reply with exactly one short greeting.")]))
    63

    Leading system and developer messages join `instructions` in the developer message; later ones stay where
    they are, so none is lost. The system message carries no date: the same words are the same prompt
    tomorrow. Thoughts of finished turns are dropped (`drop_old_analysis`).
    """
    import openai_harmony as oh

    check_effort(effort)
    if instructions is not None and not isinstance(instructions, str):
        raise ValueError(f"instructions must be a str or None, got {type(instructions).__name__}")
    is_leading = [m.role in ("system", "developer") for m in messages]
    n_leading = (*is_leading, False).index(False)
    leading = [instructions or "", *(m.content for m in messages[:n_leading])]
    system = oh.SystemContent.new().with_reasoning_effort(oh.ReasoningEffort[effort.upper()])
    rendered = [oh.Message.from_role_and_content(oh.Role.SYSTEM, system)]
    developer = _developer_content("\n\n".join(text for text in leading if text), tools)
    if developer is not None:
        rendered.append(oh.Message.from_role_and_content(oh.Role.DEVELOPER, developer))
    rendered += [_harmony_message(m) for m in drop_old_analysis(messages[n_leading:])]
    ids: list[int] = _encoding().render_conversation_for_completion(
        oh.Conversation.from_messages(rendered),
        oh.Role.ASSISTANT,
        oh.RenderConversationConfig(auto_drop_analysis=False),
    )
    return ids


def check_effort(effort: str | None) -> None:
    """Raise ValueError unless `effort` is low, medium or high."""
    if effort not in EFFORTS:
        raise ValueError(f"effort must be one of {', '.join(EFFORTS)}, got {effort!r}")


def drop_old_analysis(messages: Sequence[Message]) -> list[Message]:
    """Drop the thoughts of turns that ended in an answer, as gpt-oss was trained; keep an open tool loop's.

    >>> len(drop_old_analysis([Message("assistant", "hm", "analysis"), Message("assistant", "4", "final")]))
    1

    Calls on the analysis channel (to `python`, `browser`) stay. The harmony library drops only the thoughts
    before the first answer; this is the documented intent.
    """
    finals = [i for i, m in enumerate(messages) if m.role == "assistant" and m.channel in ("final", None)]
    last_final = finals[-1] if finals else -1
    return [
        m
        for i, m in enumerate(messages)
        if i > last_final or m.role != "assistant" or m.channel != "analysis" or m.tool_call is not None
    ]


def prompt_hash(ids: Sequence[int]) -> str:
    """Return the sha256 of the comma-joined ids: what a saved notebook tells about its prompt."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()


def _harmony_message(message: Message) -> Any:
    """Convert to the library's message; later system messages become developer messages."""
    import openai_harmony as oh

    text = well_formed(message.content)
    if message.role in ("system", "developer"):
        content = oh.DeveloperContent.new().with_instructions(text)
        return oh.Message.from_role_and_content(oh.Role.DEVELOPER, content)
    author = oh.Author(role=oh.Role(message.role), name=message.name and well_formed(message.name))
    rendered = oh.Message.from_author_and_content(author, text)
    channel = message.channel or ("final" if message.role == "assistant" else None)
    rendered.channel, rendered.recipient = channel, message.recipient
    rendered.content_type = message.content_type
    return rendered


def _developer_content(instructions: str, tools: Sequence[Mapping[str, Any]] | None) -> Any:
    """Make the developer message's content, or None where there is nothing to say."""
    import openai_harmony as oh

    content = oh.DeveloperContent.new()
    if instructions:
        content = content.with_instructions(well_formed(instructions))
    if tools:
        content = content.with_function_tools([_tool_description(tool) for tool in tools])
    return content if instructions or tools else None


def _tool_description(tool: Mapping[str, Any]) -> Any:
    import openai_harmony as oh

    name, description, schema = read_tool(tool)
    return oh.ToolDescription.new(name, well_formed(description), schema)


def read_tool(tool: Mapping[str, Any]) -> tuple[str, str, dict[str, Any] | None]:
    """Check a function in OpenAI's form and return its name, its description and its parameters' schema.

    >>> read_tool({"type": "function", "function": {"name": "now"}})
    ('now', '', None)

    The inner dict may come alone. ValueError says what is wrong.
    """
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping):
        raise ValueError(f"a tool must be a dict with 'name', 'description' and 'parameters', got {tool!r}")
    name, parameters = function.get("name"), function.get("parameters")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        raise ValueError(f"a tool's name must be letters, digits, _ and -, got {name!r}")
    if parameters is not None and not isinstance(parameters, Mapping):
        got = type(parameters).__name__
        raise ValueError(f"tool {name!r}: parameters must be a JSON schema (a dict), got {got}")
    description = str(function.get("description") or "")
    return name, description, None if parameters is None else dict(parameters)


def read_vocabulary() -> threading.Thread:
    """Read the vocabulary in the background: half a second in which other things can be done."""

    def read() -> None:
        with contextlib.suppress(Exception):  # whoever needs it first is told
            _encoding()

    thread = threading.Thread(target=read, name="ossnb-vocabulary", daemon=True)
    thread.start()
    return thread


_reading = threading.Lock()


def _encoding() -> Any:
    with _reading:  # who comes while it is read waits, and does not read it again
        return _read_encoding()


@functools.cache
def _read_encoding() -> Any:
    """Load the library's encoding, never by a download: that may hang, and the right package needs none."""
    try:
        import openai_harmony
    except ImportError as error:
        raise ImportError(f"the harmony library is missing ({error}): pip install oss-harmony") from None
    if not (_vocabulary_is_bundled(openai_harmony.openai_harmony.__file__) or _vocabulary_file()):
        raise RuntimeError(
            "the installed openai-harmony has no vocabulary and would download it. Install the package that "
            f"brings it: {_FIX} (or name a folder with o200k_base.tiktoken in TIKTOKEN_ENCODINGS_BASE)"
        )
    try:
        return openai_harmony.load_harmony_encoding("HarmonyGptOss")
    except Exception as error:
        base = os.environ.get("TIKTOKEN_ENCODINGS_BASE")
        fix = f"unset TIKTOKEN_ENCODINGS_BASE, or put o200k_base.tiktoken into {base!r}" if base else _FIX
        raise RuntimeError(f"the harmony vocabulary cannot be loaded ({error}). To fix it: {fix}") from error


def _vocabulary_is_bundled(extension: str) -> bool:
    """Tell oss-harmony from openai-harmony, which install the same module: whose extension was imported?"""
    try:
        files = metadata.files("oss-harmony") or []
    except metadata.PackageNotFoundError:
        return False
    path = Path(extension)
    own = [f for f in files if f.name == path.name and Path(str(f.locate())).resolve() == path.resolve()]
    return any(f.size == path.stat().st_size for f in own)


_VOCABULARY_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
_CACHED_NAME = "fb374d419588a4632f3f557e76b4b70aebbca790"  # sha1 of the vocabulary's address


def _vocabulary_file() -> Path | None:
    """Return the vocabulary that plain openai-harmony would find without a download (MODEL §5.5)."""
    if base := os.environ.get("TIKTOKEN_ENCODINGS_BASE"):
        path = Path(base, "o200k_base.tiktoken")
    else:
        cache = os.environ.get("TIKTOKEN_RS_CACHE_DIR") or Path(tempfile.gettempdir(), "tiktoken-rs-cache")
        path = Path(cache, _CACHED_NAME)
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest() == _VOCABULARY_SHA256
    except OSError:
        return None
    return path if found else None
