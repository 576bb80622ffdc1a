"""Numbers to meaning: a streaming harmony parser that never raises and loses no text.

The harmony library's own parser stops at the first malformed header, and the turn ends there. gpt-oss writes
such headers now and then (doubled ones, missing channels, "commentary?", refusals without any marker). This
parser reads the header that was meant, keeps every text and reports the oddity in a note. The two parsers
agree on well-formed turns.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from .messages import NOT_A_TOOL, Message, ToolCall
from .tokenizer import (
    CALL,
    CHANNEL,
    CONSTRAIN,
    END,
    ENDOFTEXT,
    FIRST_SPECIAL,
    MESSAGE,
    RETURN,
    START,
    token_bytes,
)

ENDS = frozenset({END, RETURN, CALL, ENDOFTEXT})

# A header is a role, a channel, a recipient, a content type; what runs on longer is text without its marker.
MAX_HEADER_TOKENS = 64

GIVEN = -1  # in place of <|start|> before the header that the prompt has begun: its role is the assistant

CHANNELS = ("analysis", "commentary", "final")
_CHANNEL = re.compile(r"(\W*)(analysis|commentary|final)", re.IGNORECASE)
_RECIPIENT = re.compile(r"(?<!\S)to=\s*(\S+)")
_FOREIGN = frozenset({"system", "developer", "user", "tool"})


class Piece(NamedTuple):
    """A bit of a turn: `kind` is "reasoning", "answer", "tool_call" or "note"; `call` comes with a
    tool_call."""

    kind: str
    text: str
    call: ToolCall | None = None


@dataclass
class Header:
    """The parts of a message's header."""

    author: str = "assistant"
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None
    rest: str = ""  # words that belong to no field: the text itself where the <|message|> marker is missing

    @property
    def is_foreign(self) -> bool:
        """Whether the message claims another author than the model."""
        return self.author != "assistant"

    @property
    def kind(self) -> str:
        """The kind of piece that the message's text is."""
        if self.is_foreign:
            return "note"
        if self.recipient is not None and self.recipient not in NOT_A_TOOL:
            return "tool_call"
        return "reasoning" if self.channel == "analysis" else "answer"


class Parser:
    """Turn the tokens after "<|start|>assistant" into pieces, messages and notes.

    >>> parser = Parser()
    >>> [piece.text for token in (200005, 17196, 200008, 19) for piece in parser.push(token)]
    ['4']

    Feed every token to `push`, then call `finish`. The text of analysis messages is "reasoning". The text of
    final messages, of preambles on the commentary channel and of messages without a known channel is
    "answer". A blank line parts messages of one kind. A call comes whole, when it is complete. If the model
    writes a message in another's name, `turn_over` is set and a note keeps the message.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.turn_over = False
        self._notes: Counter[str] = Counter()
        self._out: list[Piece] = []
        self._seen: set[str] = set()  # kinds that have text already
        self._segments: list[tuple[int, bytearray]] | None = None  # the open header: (marker before it, text)
        self._n_header_tokens = 0
        self._header: Header | None = None  # of the message whose content is being read
        self._content: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._open_header(GIVEN)

    @property
    def notes(self) -> tuple[str, ...]:
        """The oddities of the turn, each once."""
        return tuple(note if n == 1 else f"{note} ({n} times)" for note, n in self._notes.items())

    def push(self, token: int) -> list[Piece]:
        """Take the next token; return the pieces that it completes."""
        if token < FIRST_SPECIAL:
            self._push_text(token_bytes(token))
        elif token in ENDS:
            self._push_end(token)
        elif token in (START, CHANNEL, MESSAGE, CONSTRAIN):
            self._push_marker(token)
        else:
            self._push_unknown(_name(token))
        return self._take()

    def finish(self) -> list[Piece]:
        """End the turn wherever it is; return the pieces that were still open."""
        if self._segments is not None:
            self._close_header(tell_empty=False)
        self._close_message(end=None)
        return self._take()

    def cut(self, n_chars: int) -> None:
        """Forget the last `n_chars` characters of the open message (a stop string and the text after it)."""
        text = "".join(self._content)
        self._content = [text[: max(len(text) - n_chars, 0)]]
        self._decoder.reset()

    def _take(self) -> list[Piece]:
        out, self._out = self._out, []
        return out

    def _note(self, text: str) -> None:
        self._notes[text] += 1
        if self._notes[text] == 1:
            self._out.append(Piece("note", text))

    # ---- tokens ------------------------------------------------------------------------------------------

    def _push_text(self, text: bytes) -> None:
        if self._header is not None:
            self._add_to_content(text)
            return
        if self._segments is None:
            self._note("text between messages")
            self._open_header(START)
        self._add_to_header(text)
        if self._n_header_tokens > MAX_HEADER_TOKENS:
            self._open_headless_message()

    def _push_end(self, token: int) -> None:
        if self._segments is not None:
            self._close_header(tell_empty=True)
        elif self._header is None:
            self._note(f"{_name(token)} after the end of a message")
        self._close_message(end=token)

    def _push_marker(self, token: int) -> None:
        if self._header is not None:
            if token in (MESSAGE, CONSTRAIN):
                self._note(f"{_name(token)} inside a message")
                return
            self._note(f"a message without its end, before {_name(token)}")
            self._close_message(end=token)
        if token == START:
            if self._segments is not None:
                self._note("a header inside a header")
                self._close_header(tell_empty=False)
                self._close_message(end=token)
            self._open_header(START)
            return
        if self._segments is None:
            self._note(f"{_name(token)} without <|start|>")
            self._open_header(GIVEN)
        if token == MESSAGE:
            self._open_message(self._read_header(has_message=True))
        else:
            self._open_segment(token)

    def _push_unknown(self, name: str) -> None:
        self._note(f"{name} is no token of harmony")
        if self._header is not None:
            self._add_to_content(name.encode())

    # ---- headers -----------------------------------------------------------------------------------------

    def _open_header(self, marker: int) -> None:
        self._segments = [(marker, bytearray())]
        self._n_header_tokens = 0

    def _open_segment(self, marker: int) -> None:
        assert self._segments is not None
        if marker == CHANNEL and any(m == CHANNEL for m, _ in self._segments):
            self._note("a header with two channels")
        self._segments.append((marker, bytearray()))

    def _add_to_header(self, text: bytes) -> None:
        assert self._segments is not None
        self._segments[-1][1].extend(text)
        self._n_header_tokens += 1

    def _close_header(self, *, tell_empty: bool) -> None:
        """End a header that has no <|message|> after it; its leftover words become the message."""
        assert self._segments is not None
        words = b" ".join(text for _, text in self._segments).decode("utf-8", "replace").strip()
        header = self._read_header(has_message=False)
        self._segments = None
        if header.rest:
            self._note("a message without <|message|>")
            self._open_message(header)
        elif tell_empty or header.is_foreign or header.recipient is not None:
            self._note(f"a header without a message: {words}" if words else "a header without a message")

    def _open_headless_message(self) -> None:
        self._note("a message without <|message|>")
        self._open_message(self._read_header(has_message=False))

    def _read_header(self, *, has_message: bool) -> Header:
        assert self._segments is not None
        texts = [(marker, bytes(text).decode("utf-8", "surrogateescape")) for marker, text in self._segments]
        header, oddities = read_header(texts, has_message=has_message)
        for oddity in oddities:
            self._note(oddity.encode("utf-8", "replace").decode())
        return header

    # ---- messages ----------------------------------------------------------------------------------------

    def _open_message(self, header: Header) -> None:
        self._segments = None
        self._header = header
        self._content = []
        self._decoder.reset()
        self.turn_over |= header.is_foreign
        if header.rest:
            self._add_to_content(header.rest.encode("utf-8", "surrogateescape"))

    def _add_to_content(self, text: bytes, *, final: bool = False) -> None:
        assert self._header is not None
        decoded = self._decoder.decode(text, final)
        if not decoded:
            return
        kind = self._header.kind
        if kind in ("reasoning", "answer"):
            part = not self._content and kind in self._seen
            self._out.append(Piece(kind, "\n\n" + decoded if part else decoded))
            self._seen.add(kind)
        self._content.append(decoded)

    def _close_message(self, end: int | None) -> None:
        """End the open message, if there is one, by the token `end`, or by None where the tokens stop."""
        if self._header is None:
            return
        self._add_to_content(b"", final=True)
        header, content = self._header, "".join(self._content)
        self._header = None
        if header.is_foreign:
            self._note(f"the model wrote in the name of {header.author!r}: {content}")
            return
        if header.kind == "tool_call" and end is None:
            self._note(f"a call to {header.recipient!r} was cut off: {content}")
            return
        if end is not None and (header.kind == "tool_call") != (end == CALL):
            self._note(
                f"{_name(end)} at the end of {'a call' if end != CALL else 'a message that calls nothing'}"
            )
        message = Message("assistant", content, header.channel, header.recipient, header.content_type)
        self.messages.append(message)
        if (call := message.tool_call) is not None:
            self._out.append(Piece("tool_call", content, call))


def read_header(segments: list[tuple[int, str]], *, has_message: bool) -> tuple[Header, list[str]]:
    """Read a header's parts, each with the marker before it, as the header that was meant; list the oddities.

    >>> read_header([(GIVEN, ""), (CHANNEL, "final")], has_message=True)[0].channel
    'final'
    """
    header, rest = Header(), []
    oddities: list[str] = []
    for marker, text in segments:
        if marker == CHANNEL:
            text = _take_channel(header, text, oddities, has_message=has_message)
        elif marker == CONSTRAIN:
            text = _take_content_type(header, text, has_message=has_message)
        else:
            text = _take_author(header, text, oddities, is_given=marker == GIVEN)
        rest.append(_take_recipient(header, text, has_message=has_message).strip())
    header.rest = " ".join(text for text in rest if text)
    if header.kind == "answer" and header.channel is None and (has_message or header.rest):
        oddities.append("a message without a channel, taken as the answer")
    if has_message:
        _place_rest(header, oddities)
    return header, oddities


def _take_author(header: Header, text: str, oddities: list[str], *, is_given: bool) -> str:
    """Take the role, or a tool's name; other words stay."""
    word, _, rest = text.strip().partition(" ")
    role = word.partition(":")[0]
    if not is_given and (role in _FOREIGN or _is_tool(word)):
        header.author = word
        return rest
    if not is_given and role != "assistant":
        oddities.append("a header without a role, taken as the assistant's")
    return rest if role == "assistant" else text.strip().removeprefix("assistant")


def _take_channel(header: Header, text: str, oddities: list[str], *, has_message: bool) -> str:
    """Take the channel, also out of "commentary?" or "analysisThe user"."""
    word, _, rest = text.strip().partition(" ")
    if word in CHANNELS:
        header.channel = word
        return rest
    found = _CHANNEL.match(text)
    if found is not None and (has_message or not found[1].strip()):
        header.channel = found[2].lower()
        rest = text[found.end() :]
        if has_message:
            oddities.append(f"channel {word!r}, taken as {header.channel!r}")
            rest = rest.lstrip("?!.,:;*_-").removeprefix(header.channel)
        return rest
    if has_message and word:
        header.channel = header.channel or "final"
        oddities.append(f"channel {word!r}, taken as {header.channel!r}")
        return rest
    return text


def _take_content_type(header: Header, text: str, *, has_message: bool) -> str:
    """Take the word after <|constrain|>; without a <|message|> after it, only a type that gpt-oss knows."""
    found = re.match(r"\s*(\S+)" if has_message else r"\s*(json|code)\b", text)
    if found is None or header.content_type is not None:
        return text
    header.content_type = "<|constrain|>" + found[1]
    return text[found.end() :]


def _take_recipient(header: Header, text: str, *, has_message: bool) -> str:
    found = _RECIPIENT.search(text)
    if found is None or header.recipient is not None or not (has_message or _is_tool(found[1])):
        return text
    header.recipient = found[1]
    return text[: found.start()] + text[found.end() :]


def _place_rest(header: Header, oddities: list[str]) -> None:
    """Give the leftover words of a whole header their place: a recipient without "to=", a content type."""
    words, header.rest = header.rest.split(), ""
    if words and header.recipient is None and _is_tool(words[0]):
        header.recipient = words.pop(0)
    if len(words) == 1 and header.content_type is None and header.channel is not None:
        header.content_type = words.pop()
    if words:
        oddities.append(f"a header with the words {' '.join(words)!r}")


def _is_tool(word: str) -> bool:
    return word == "python" or word.startswith(("functions.", "browser."))


def _name(token: int) -> str:
    return token_bytes(token).decode()
