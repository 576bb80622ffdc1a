"""Restore conversations from a saved notebook: `%oss restore` after a restart of the kernel.

Every answer of a chat has its turn in its metadata, with the hash of the history before and after it. Outputs
of a notebook may be stale: a cell that ran again dropped the turns below it, but their outputs still stand
there. So a conversation is followed from its latest turn back to its beginning, hash by hash.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..generation.record import check_version
from ..harmony.messages import Message, messages_from_json
from ..saved.notebook import read_json
from .conversations import history_id


@dataclass(frozen=True, slots=True)
class SavedTurn:
    """One turn, as an answer's metadata has it."""

    name: str
    id: str
    after: str
    time: str
    place: str
    model: str
    instructions: str | None
    messages: tuple[Message, ...]

    @classmethod
    def read(cls, metadata: Mapping[str, Any]) -> SavedTurn:
        """Check and read the metadata of an answer; raise ValueError where ossnb did not write it."""
        reply = check_version(metadata)
        turn = reply.object("chat")
        messages = messages_from_json(turn.any("messages"))
        if not messages:
            raise ValueError("a turn has at least one message")
        return cls(
            name=turn.text("name"),
            id=turn.text("id"),
            after=turn.text("after"),
            time=turn.text("time"),
            place=turn.text("place"),
            model=reply.text("model"),
            instructions=turn.optional_text("instructions") if "instructions" in turn else None,
            messages=tuple(messages),
        )


@dataclass(frozen=True, slots=True)
class Saved:
    """A conversation, as a notebook has it: its turns in order, and how many later turns lack a history."""

    turns: tuple[SavedTurn, ...]
    n_left_out: int


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that could not be read; `unfinished` names the chat of one that was still being written."""

    where: str
    why: str
    unfinished: str | None = None

    def text(self, live: Container[str]) -> str:
        """Say it, and what to do, where the chats named `live` go on in the kernel."""
        if self.unfinished in live:
            return f"{self.where}: saved before its answer ended; `%oss show` draws the last answer"
        return f"left out: {self.where}: {self.why}"


def read_notebook(path: Path) -> tuple[dict[str, Saved], list[Problem]]:
    """Return the conversations of a notebook by name, and the parts that could not be read.

    >>> read_notebook(Path("lesson.ipynb"))[0]["tutor"].turns[0].messages  # a saved one  # doctest: +SKIP
    """
    found: dict[str, list[SavedTurn]] = {}
    problems: list[Problem] = []
    for where, metadata in _answers(read_json(path)):
        if metadata.get("finish_reason") == "unfinished":
            chat = metadata["chat"]
            name = chat.get("name") if isinstance(chat, dict) else None
            problems.append(Problem(where, "its answer was not finished; run it again", str(name)))
            continue
        try:
            turn = SavedTurn.read(metadata)
            found.setdefault(turn.name, []).append(turn)
        except ValueError as error:
            problems.append(Problem(where, str(error)))
    return {name: _follow(turns) for name, turns in found.items()}, problems


def _answers(notebook: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (where, metadata) of every answer that belongs to a conversation."""
    for i, cell in enumerate(notebook["cells"], 1):
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else []:
            metadata = output.get("metadata") if isinstance(output, dict) else None
            ours = metadata.get("ossnb") if isinstance(metadata, dict) else None
            if isinstance(ours, dict) and "chat" in ours:
                yield f"cell {i}", ours


def _follow(found: list[SavedTurn]) -> Saved:
    """Follow the latest turn with a complete history back to the beginning."""
    by_id = {turn.id: turn for turn in sorted(found, key=lambda turn: turn.time)}
    latest_first = sorted(by_id.values(), key=lambda turn: turn.time, reverse=True)
    for n_left_out, last in enumerate(latest_first):
        chain = [last]
        while chain[-1].after in by_id and len(chain) <= len(by_id):
            chain.append(by_id[chain[-1].after])
        chain.reverse()
        if chain[0].after == "" and _is_true(chain):
            return Saved(tuple(chain), n_left_out)
    return Saved((), len(latest_first))


def _is_true(chain: list[SavedTurn]) -> bool:
    """Whether the hashes fit the messages: someone may have edited a turn by hand."""
    messages = [message for turn in chain for message in turn.messages]
    return history_id(messages) == chain[-1].id
