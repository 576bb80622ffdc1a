"""Conversations of cells: each cell says one turn, and a cell that runs again says its turn anew.

The metadata of every answer has the messages of its turn, and hashes that say which turn it followed. After a
restart of the kernel, restore.py reads them to rebuild the conversation.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ..chat import Chat
from ..generation.record import Reply
from ..generation.stream import Stream
from ..harmony.messages import Message, messages_to_json
from ..system.text import counted

ChatMessage = Message | Mapping[str, Any]


class Conversation:
    """A chat, and the places in the notebook that its turns come from.

    >>> turn = Conversation("tutor", model.chat()).begin("Hello", place="a1b2")
    """

    def __init__(self, name: str, chat: Chat, begins: Mapping[str, Message] | None = None) -> None:
        self.name = name
        self.chat = chat
        self._begins: dict[str, ChatMessage] = dict(begins or {})  # place → the message its turn begins with
        self._last: str | None = None  # the place of the last turn

    def begin(self, text: str, place: str | None, repeats: bool = False, **settings: Any) -> Turn:
        """Say something from a place; it replaces what that place said before.

        Where the place is not known, `repeats` decides: a text equal to the last turn's says that turn anew.
        """
        if place is None:
            place = (
                self._last if repeats and self._last and self._said(self._last) == text else uuid.uuid4().hex
            )
        return Turn(self, place, text, self._at(place), settings)

    def _at(self, place: str) -> int | None:
        """Find where the turn of a place begins in the messages; they may have been edited meanwhile."""
        begin = self._begins.get(place)
        return next((i for i, message in enumerate(self.chat.messages) if message is begin), None)

    def _said(self, place: str) -> str | None:
        at = self._at(place)
        return None if at is None else _field(self.chat.messages[at], "content")

    def remember(self, turn: Turn) -> None:
        """Keep the place of a turn that is in the chat now."""
        self._begins[turn.place] = self.chat.messages[turn.start]
        self._last = turn.place


class Turn:
    """One turn of a conversation: the stream of its answer, and afterwards the facts about it."""

    def __init__(
        self, conversation: Conversation, place: str, text: str, at: int | None, settings: Mapping[str, Any]
    ) -> None:
        messages = conversation.chat.messages
        self.conversation = conversation
        self.place = place
        self.start = len(messages) if at is None else at
        self._n_dropped = max(len(turns(messages[self.start :])) - 1, 0)
        self.stream: Stream = conversation.chat.stream(text, at=at, **settings)

    def end(self, reply: Reply) -> tuple[str, dict[str, Any]]:
        """Return the turn's text for the line of figures, and its record for the saved answer."""
        name, chat = self.conversation.name, self.conversation.chat
        if not reply.messages:
            return f"{name} is as it was before", {}
        self.conversation.remember(self)
        dropped = f" ({counted(self._n_dropped, 'later turn')} dropped)" if self._n_dropped else ""
        record = {
            "name": name,
            "id": history_id(chat.messages),
            "after": history_id(chat.messages[: self.start]),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "place": self.place,
            "messages": messages_to_json(chat.messages[self.start :]),
        }
        if chat.instructions is not None:
            record["instructions"] = chat.instructions
        return f"{name}, turn {len(turns(chat.messages))}{dropped}", {"chat": record}


class Places:
    """Name the place in the notebook that a question comes from: the cell, and its number in the cell."""

    def __init__(self) -> None:
        self._request = ""
        self._n_asked: dict[str, int] = {}  # chat → questions of the running cell so far

    def next(self, request: Mapping[str, Any], chat: str) -> str | None:
        """Return the place of a further question to a chat; None where the front end names no cells.

        `request` is the kernel's execute_request. A loop in one cell that asks several questions has several
        places. They are the same when the cell runs again.
        """
        cell = (request.get("metadata") or {}).get("cellId")
        if not isinstance(cell, str) or not cell:
            return None
        running = str((request.get("header") or {}).get("msg_id"))
        if running != self._request:
            self._request, self._n_asked = running, {}
        n_before = self._n_asked.get(chat, 0)
        self._n_asked[chat] = n_before + 1
        return f"{cell}#{n_before}" if n_before else cell


def history_id(messages: Iterable[ChatMessage]) -> str:
    """Return a hash of a history: equal for equal messages; "" for none."""
    plain = messages_to_json(messages)
    if not plain:
        return ""
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def turns(messages: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """Split a history into turns: a user's message, and all messages up to the next one of a user."""
    split: list[list[ChatMessage]] = []
    for message in messages:
        if not split or (_field(message, "role") == "user" and split[-1]):
            split.append([])
        split[-1].append(message)
    return split


def _field(message: ChatMessage, name: str) -> str | None:
    value = message.get(name) if isinstance(message, Mapping) else getattr(message, name)
    return value if isinstance(value, str) else None
