"""A message's header, read as the header that was meant.

The parser collects a header's text, each part with the marker before it. `read_header` finds the author, the
channel, the recipient and the content type in it. Words that it cannot place stay in `rest`, or come back in
a note; none is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .messages import CALL_CHANNELS, NOT_A_TOOL, call_channel
from .tokenizer import CHANNEL, CONSTRAIN, well_formed

GIVEN = -1  # in place of <|start|> before the header that the prompt has begun: its role is the assistant

CHANNELS = ("analysis", "commentary", "final")
_CHANNEL = re.compile(r"(\W*)(analysis|commentary|final)(?P<more>\S*)", re.IGNORECASE)
_GLUED = "(?<=analysis)|(?<=commentary)|(?<=final)|(?<=assistant)"
_TO = re.compile(rf"(?:(?<!\S)|{_GLUED})to\s*[=:]\s*(?=\S)", re.IGNORECASE)
_ASSISTANT = re.compile(r"assistant(?=$|\W|analysis|commentary|final|to=):?")
# A tool's name, perhaps in quotes, and the punctuation that runs on: functions.f, "functions.f", functions.f?
_TOOL = re.compile(
    r"(?P<quote>[^\w\s])*"
    r"(?P<name>(?:functions|browser)(?:\.[A-Za-z0-9_-]+)+|python(?![A-Za-z0-9_-]|\.\w))"
    r"(?(quote)[\"'`”’)\]>]*)[?!.,:;]*"
)
_TYPE = re.compile(r"(<\|constrain\|>)?\w[\w.+/-]*")
_FOREIGN = frozenset({"system", "developer", "user", "tool"})


@dataclass
class Header:
    """The parts of a message's header.

    >>> Header(channel="analysis").kind
    'reasoning'
    """

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
        if self.is_call:
            return "tool_call"
        return "reasoning" if self.channel == "analysis" else "answer"

    @property
    def is_call(self) -> bool:
        """Whether the message goes to a tool."""
        return self.recipient is not None and self.recipient not in NOT_A_TOOL

    @property
    def described(self) -> str:
        """The channel, the recipient and the content type, for a note; "" where there are none."""
        parts = [self.channel, self.recipient and f"to={self.recipient}", self.content_type]
        words = " ".join(part for part in parts if part)
        return f" ({words})" if words else ""


def read_header(segments: list[tuple[int, str]], *, has_message: bool) -> tuple[Header, list[str]]:
    """Read a header's parts, each with the marker before it, as the header that was meant; list the oddities.

    >>> read_header([(GIVEN, ""), (CHANNEL, "final")], has_message=True)[0].channel
    'final'

    A text may hold bytes that are no UTF-8, as lone surrogates. They stay in `rest` only. Where no
    <|message|> follows, the text may be the message itself: then only what is certain is taken out of it.
    """
    header, rest = Header(), []
    oddities: list[str] = []
    is_second = False
    for marker, text in segments:
        text = _take_recipient(header, text, oddities, has_message=has_message)
        if marker == CHANNEL:
            before = header.channel
            text = _take_channel(header, text, oddities, has_message=has_message)
            if is_second:
                oddities.append(
                    f"a header with two channels, {before or 'none'} and {header.channel or 'none'}"
                )
            is_second = True
        elif marker == CONSTRAIN:
            text = _take_content_type(header, text, has_message=has_message)
        else:
            text = _take_author(header, text, oddities, is_given=marker == GIVEN)
        rest.append(text.strip())
    header.rest = " ".join(text for text in rest if text)
    if has_message:
        _place_rest(header, oddities)
    _settle_channel(header, oddities, has_text=has_message or bool(header.rest))
    header.author = well_formed(header.author)
    header.channel, header.recipient, header.content_type = (
        None if part is None else well_formed(part)
        for part in (header.channel, header.recipient, header.content_type)
    )
    return header, [well_formed(oddity) for oddity in oddities]


def _take_author(header: Header, text: str, oddities: list[str], *, is_given: bool) -> str:
    """Take the role, or a tool's name; other words stay."""
    text = text.strip()
    word = text.split(maxsplit=1)[0] if text else ""
    if not is_given and (word.partition(":")[0] in _FOREIGN or _is_tool(word)):
        header.author = word
        return text[len(word) :]
    found = _ASSISTANT.match(text)
    if not is_given and found is None:
        oddities.append("a header without a role, taken as the assistant's")
    return text if found is None else text[found.end() :]


def _take_channel(header: Header, text: str, oddities: list[str], *, has_message: bool) -> str:
    """Take the channel, also out of "commentary?" or "analysisThe user", or a tool's name in its place."""
    text = text.strip()
    word = text.split(maxsplit=1)[0] if text else ""
    if word in CHANNELS:
        header.channel = word
        return text[len(word) :]
    tool = _TOOL.match(text) if header.recipient is None else None
    if tool is not None and (has_message or tool["name"] != "python"):  # prose may begin with "python"
        header.recipient = tool["name"]
        oddities.append(f"channel '{word}', taken as a call to '{header.recipient}'")
        return text[tool.end() :]
    found = _CHANNEL.match(text)
    if found is not None and (has_message or not found[1]):
        header.channel = found[2].lower()
        text = text[found.start("more") :]
        if has_message:
            oddities.append(f"channel '{found[0]}', taken as '{header.channel}'")
            text = text.lstrip("?!.,:;*_-").removeprefix(header.channel)
        return text
    if has_message and word:
        if header.channel in CHANNELS:
            oddities.append(f"channel '{word}', taken as '{header.channel}'")
        else:
            header.channel = word
        return text[len(word) :]
    return text


def _take_content_type(header: Header, text: str, *, has_message: bool) -> str:
    """Take the word after <|constrain|>; without a <|message|> after it, only a type that gpt-oss knows."""
    found = re.match(r"\s*(\S+)" if has_message else r"\s*(json|code)\b", text)
    if found is None or header.content_type is not None:
        return text
    header.content_type = "<|constrain|>" + found[1]
    return text[found.end() :]


def _take_recipient(header: Header, text: str, oddities: list[str], *, has_message: bool) -> str:
    """Take the name after "to=", also out of quotes or before a question mark; what else is there stays."""
    for to in () if header.recipient is not None else _TO.finditer(text):
        word = re.compile(r"\S+").match(text, to.end())
        assert word is not None, "_TO looks ahead for it"
        tool, end = _TOOL.match(text, to.end()), word.end()
        if tool is not None:
            header.recipient, end = tool["name"], tool.end()
        elif has_message and "=" in to[0]:
            header.recipient = re.sub(r"^[^\w-]+|[^\w-]+$", "", word[0]) or None
        if header.recipient is None:
            continue
        is_glued = to.start() > 0 and not text[to.start() - 1].isspace()
        if header.recipient != word[0] or is_glued:
            written = text[: end if tool else word.end()].split()[-1] if is_glued else word[0]
            oddities.append(f"recipient '{written}', taken as '{header.recipient}'")
        return f"{text[: to.start()]} {text[end:].lstrip() if is_glued else text[end:]}"
    return text


def _place_rest(header: Header, oddities: list[str]) -> None:
    """Give the leftover words of a whole header their place: a recipient without "to=", a content type."""
    words, header.rest = header.rest.split(), ""
    if words and header.recipient is None and (tool := _TOOL.fullmatch(words[0])) is not None:
        header.recipient = tool["name"]
        if tool["name"] != (written := words.pop(0)):
            oddities.append(f"recipient '{written}', taken as '{header.recipient}'")
    if words and header.channel is None and words[0] in CHANNELS:
        header.channel = words.pop(0)
        oddities.append(f"channel '{header.channel}' without <|channel|>")
    has_type = len(words) == 1 and _TYPE.fullmatch(words[0]) is not None
    if has_type and header.content_type is None and (header.channel is not None or header.is_call):
        header.content_type = words.pop()
    if words:
        oddities.append(f"a header with the words '{' '.join(words)}'")


def _settle_channel(header: Header, oddities: list[str], *, has_text: bool) -> None:
    """Put a call on a channel for calls, and an answer on "final" where its channel is unknown."""
    channel = header.channel
    if header.is_call and not header.is_foreign:
        if channel not in CALL_CHANNELS:
            header.channel = call_channel(str(header.recipient))
            where = "no channel" if channel is None else f"channel '{channel}'"
            oddities.append(f"a call on {where}, taken as on '{header.channel}'")
    elif channel is not None and channel not in CHANNELS:
        header.channel = "final"
        oddities.append(f"channel '{channel}', taken as 'final'")
    elif channel is None and header.kind == "answer" and has_text:
        oddities.append("a message without a channel, taken as the answer")


def _is_tool(word: str) -> bool:
    return word == "python" or word.startswith(("functions.", "browser."))
