"""Numbers to meaning: a streaming harmony parser that never raises and loses no text.

The harmony library's own parser stops at the first malformed header, and the turn ends there. gpt-oss writes
such headers now and then (doubled ones, missing channels, "commentary?", refusals without any marker). This
parser reads the header that was meant, keeps every text and reports the oddity in a note. The two parsers
agree on well-formed turns.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

from .header import GIVEN, Header, read_header
from .messages import Message, ToolCall
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

Place = Literal["header", "between", "final", "text"]


class Piece(NamedTuple):
    """A bit of a turn: `kind` is "reasoning", "answer", "tool_call" or "note"; `call` comes with a
    tool_call."""

    kind: str
    text: str
    call: ToolCall | None = None


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

    @property
    def is_thinking(self) -> bool:
        """Whether the next token belongs to a thought."""
        return self._header is not None and self._header.kind == "reasoning"

    @property
    def place(self) -> Place:
        """Where the next token stands: in a "header", "between" messages, in an answer's text ("final"), in
        any other "text"."""
        header = self._header
        if header is None:
            return "between" if self._segments is None else "header"
        return "final" if header.kind == "answer" and header.channel in ("final", None) else "text"

    @property
    def recipient(self) -> str | None:
        """The tool that the open message calls; None outside a call."""
        header = self._header
        return header.recipient if header is not None and header.kind == "tool_call" else None

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
        elif tell_empty or header != Header(channel=header.channel):
            self._note(f"a header without a message: {words}" if words else "a header without a message")

    def _open_headless_message(self) -> None:
        self._note("a message without <|message|>")
        self._open_message(self._read_header(has_message=False))

    def _read_header(self, *, has_message: bool) -> Header:
        assert self._segments is not None
        texts = [(marker, bytes(text).decode("utf-8", "surrogateescape")) for marker, text in self._segments]
        header, oddities = read_header(texts, has_message=has_message)
        for oddity in oddities:
            self._note(oddity)
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
            self._note(f"the model wrote in the name of '{header.author}'{header.described}: {content}")
            return
        if header.kind == "tool_call" and end is None:
            self._note(f"a call to '{header.recipient}' was cut off{header.described}: {content}")
            return
        if end is not None and (header.kind == "tool_call") != (end == CALL):
            self._note(
                f"{_name(end)} at the end of {'a call' if end != CALL else 'a message that calls nothing'}"
            )
        message = Message("assistant", content, header.channel, header.recipient, header.content_type)
        self.messages.append(message)
        if (call := message.tool_call) is not None:
            self._out.append(Piece("tool_call", content, call))


def places_of_thought(tokens: Iterable[int]) -> list[int]:
    """List the places of a turn's tokens that belong to thoughts, without the tokens that end them.

    >>> places_of_thought([200005, 35644, 200008, 2, 3, 200007])
    [3, 4]
    """
    parser, places = Parser(), []
    for place, token in enumerate(tokens):
        if parser.is_thinking and token not in ENDS:
            places.append(place)
        parser.push(token)
    return places


def _name(token: int) -> str:
    return token_bytes(token).decode()
