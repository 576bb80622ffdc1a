"""A conversation as a reader sees it again: `%oss history`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..harmony.messages import Message, messages_to_json
from ..page.output import QUIET, Output
from ..page.safe import as_text, safe_markdown
from ..page.terminal import safe_terminal
from ..system.text import counted
from .conversations import Conversation, turns
from .steps import called

_SAID = "white-space:pre-wrap;border-left:0.2em solid currentColor;padding-left:0.8em;opacity:0.8"


def overview(conversations: Mapping[str, Conversation]) -> str:
    """List conversations, one a line, each with its beginning."""
    rows = []
    for name, conversation in conversations.items():
        messages = as_harmony(conversation)
        begins = " ".join(next((m.content for m in messages if m.role == "user"), "").split())
        n_turns = len(turns(messages))
        rows.append(f"{name}: {counted(n_turns, 'turn')}" + (f", {begins:.60}" if begins else ""))
    return "\n".join(rows) or "there is no conversation; `%%oss --chat NAME` begins one"


def as_harmony(conversation: Conversation) -> list[Message]:
    """The history as messages, whatever form its owner gave them."""
    return [Message(**item) for item in messages_to_json(conversation.chat.messages)]


def show(conversation: Conversation, rich: bool) -> None:
    """Show the whole history: as Markdown in a notebook, else as text. Thoughts are left out."""
    text = _as_text(conversation)
    if not rich:
        print(safe_terminal(text))
        return
    Output().show_here({"text/markdown": _as_markdown(conversation), "text/plain": text})


def _parts(conversation: Conversation) -> Sequence[tuple[str, Message]]:
    """(heading, message) of all that was said; the heading is the turn's number where a user speaks."""
    parts, n_turns = [], 0
    for message in as_harmony(conversation):
        n_turns += message.role == "user"
        if message.channel != "analysis":
            parts.append((f"{n_turns}" if message.role == "user" else "", message))
    return parts


def _as_text(conversation: Conversation) -> str:
    lines = [_title(conversation)]
    for number, message in _parts(conversation):
        call, result = message.tool_call, message.role == "tool"
        before = f"\n[{number}] " if number else f"calls {call.name} with " if call else ""
        lines.append(f"{before or (f'{message.name}: ' if result else '')}{message.content}")
    return "\n".join(lines)


def _as_markdown(conversation: Conversation) -> str:
    blocks = [f'<div style="{QUIET}">{as_text(_title(conversation))}</div>']
    for number, message in _parts(conversation):
        if number or message.role != "assistant":
            text = as_text(f"{message.name}: " * (message.name is not None) + message.content)
            lines = text.replace("\r", "").replace("\n", "&#10;")  # an empty line would end the block
            blocks.append(f'<div dir="auto" style="{_SAID}"><b>{number}</b> {lines}</div>')
        elif call := message.tool_call:
            blocks.append(called(call))
        else:
            blocks.append(safe_markdown(message.content))
    return "\n\n".join(blocks)


def _title(conversation: Conversation) -> str:
    n_turns, chat = len(turns(as_harmony(conversation))), conversation.chat
    told = f", told: {chat.instructions}" if chat.instructions else ""
    return f"{conversation.name}: {counted(n_turns, 'turn')} with {chat.model.source}{told}"
