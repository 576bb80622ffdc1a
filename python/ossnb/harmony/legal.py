"""The rules of a turn: which tokens may come in a header, between messages, and at the end of a message.

A turn is a row of messages of the assistant, each with a header: a channel (analysis, commentary or final),
for a call its recipient, perhaps a content type, then <|message|>. Text is free but for harmony's own marks:
a thought ends with <|end|>, a call with <|call|>, an answer with <|return|> or <|end|>. The recipients are
the tools that the prompt tells of.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from .masks import Mask, mask_of, mask_without
from .messages import CALL_CHANNELS
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
    Tokenizer,
    token_bytes,
)

Kind = Literal["thought", "preamble", "answer", "call", "unknown"]

LONGEST_PIECE = 32  # bytes of a token in a header that is offered; the longest there has half as many
KEPT = 64  # tables for sets of tools

_TYPES = ("", " json", " code", "<json", " <json", "<code", " <code")  # "<" stands for <|constrain|>
_ENDS: dict[Kind, frozenset[int]] = {
    "thought": frozenset({END}),
    "preamble": frozenset({END, RETURN}),
    "answer": frozenset({END, RETURN}),
    "call": frozenset({CALL}),
    "unknown": frozenset({END, RETURN, CALL}),
}
_MARKS = frozenset({START, CHANNEL, MESSAGE, CONSTRAIN})
_NAMESPACE = re.compile(r"namespace ([A-Za-z0-9_-]+) \{")
_FUNCTION = re.compile(r"type ([A-Za-z0-9_-]+) = \(")
_NO_ARGUMENTS = "() => any;"
_END_OF_TYPE = ") => any;"

Symbol = int  # a byte, or the id of a mark
Node = dict[Symbol, "int | Kind"]  # to another node by its number, or to the text of a message


def recipients(prompt: Sequence[int]) -> tuple[str, ...]:
    """Return the tools that a rendered prompt tells of, by their full names.

    >>> from ossnb.harmony.prompt import render
    >>> recipients(render([], tools=[{"name": "add"}, {"name": "now"}]))
    ('functions.add', 'functions.now')

    Only the messages of the system and the developer tell of tools.
    """
    return tuple(tools_told(prompt))


def tools_told(prompt: Sequence[int]) -> dict[str, str]:
    """Return the tools that a rendered prompt tells of, and what it tells of the arguments of each.

    >>> from ossnb.harmony.prompt import render
    >>> half = {"name": "half", "parameters": {"type": "object", "properties": {"n": {"type": "number"}}}}
    >>> tools_told(render([], tools=[half]))
    {'functions.half': '(_: {\\nn?: number,\\n}) => any;'}

    It is a type of TypeScript, after the words about the tool; "" for a tool without one, as python.
    """
    heads = {tuple(Tokenizer().encode(role)) for role in ("system", "developer")}
    found: dict[str, str] = {}
    for at, token in enumerate(prompt):
        if token != START or tuple(prompt[at + 1 : at + 2]) not in heads:
            continue
        end = next((i for i in range(at, len(prompt)) if prompt[i] in (END, RETURN)), len(prompt))
        for name, told in _told_of(Tokenizer().decode(prompt[at + 2 : end])):
            found.setdefault(name, told)
    return found


def _told_of(text: str) -> Iterator[tuple[str, str]]:
    lines = text.split("\n")  # splitlines would end one at U+2028, too, which a tool may tell
    namespace, about = "", 0  # and the line where the words about the next function begin
    for at, line in enumerate(lines):
        if line == "## python":
            yield "python", ""
        elif named := _NAMESPACE.match(line):
            namespace = named[1]
        elif namespace and (named := _FUNCTION.match(line)):
            end = next((i for i in range(at, len(lines)) if lines[i].endswith(_END_OF_TYPE)), -1)
            told = "\n".join([*lines[about:at], line[named.end() - 1 :], *lines[at + 1 : end + 1]])
            yield f"{namespace}.{named[1]}", "" if line.endswith(_NO_ARGUMENTS) else told
        elif line.startswith("}") and "// namespace" in line:
            namespace = ""
        if not line.startswith("//"):
            about = at + 1


@functools.lru_cache(maxsize=KEPT)
def _table(tools: tuple[str, ...]) -> tuple[Node, ...]:
    """The headers as a table: node 0 begins the first header of a turn, node 1 each later one."""
    nodes: list[Node] = [{}, {}]
    begin = 0

    def add(kind: Kind, *parts: str | int) -> None:
        symbols: list[Symbol] = []
        for part in parts:
            symbols += [part] if isinstance(part, int) else part.encode()
        at = begin
        for symbol in symbols:
            following = nodes[at].get(symbol)
            if not isinstance(following, int):
                following = nodes[at][symbol] = len(nodes)
                nodes.append({})
            at = following
        nodes[at][MESSAGE] = kind

    add("thought", CHANNEL, "analysis")
    add("preamble", CHANNEL, "commentary")
    add("answer", CHANNEL, "final")
    for space in ("", " "):
        add("answer", CHANNEL, f"final{space}", CONSTRAIN, "json")
    for tool in tools:
        for channel in CALL_CHANNELS:
            for content in _TYPES:
                before, mark, after = content.partition("<")
                rest: list[str | int] = [CONSTRAIN, after] if mark else []
                add("call", CHANNEL, f"{channel} to={tool}{before}", *rest)
                add("call", f" to={tool}", CHANNEL, f"{channel}{before}", *rest)
    at = 1
    for symbol in (START, *b"assistant"):
        nodes[at][symbol] = len(nodes)
        at = len(nodes)
        nodes.append({})
    nodes[at].update(nodes[0])  # from here on as in the first header
    return tuple(nodes)


@functools.lru_cache(maxsize=1 << 12)
def _step(tools: tuple[str, ...], node: int, token: int) -> int | Kind | None:
    """Return where a token leads from a node: to a node, to a message's text; None where it is not legal."""
    table = _table(tools)
    at: int | Kind = node
    for symbol in (token,) if token >= FIRST_SPECIAL else token_bytes(token):
        if not isinstance(at, int) or symbol not in table[at]:
            return None
        at = table[at][symbol]
    return at


@functools.lru_cache(maxsize=1 << 10)
def _offered(tools: tuple[str, ...], node: int) -> tuple[int, ...]:
    """Return the tokens that may come at a node."""
    table = _table(tools)
    found = [symbol for symbol in table[node] if symbol >= FIRST_SPECIAL]
    paths: list[tuple[int, bytes]] = [(node, b"")]
    while paths:
        at, text = paths.pop()
        for symbol, following in table[at].items():
            if symbol < FIRST_SPECIAL and isinstance(following, int) and len(text) < LONGEST_PIECE:
                longer = text + bytes([symbol])
                paths.append((following, longer))
                ids = Tokenizer().encode(longer.decode())
                found += ids if len(ids) == 1 else []
    return tuple(sorted(found))


class Turn:
    """The rules of one turn, token by token.

    >>> turn = Turn(("functions.add",), n_vocab=201088)
    >>> turn.may_be(200005), turn.may_be(13225)  # <|channel|>, Hello
    (True, False)

    `ends` are further tokens that may end a text, such as those that a fine-tune adds. A token that is taken
    against the rules is taken all the same: they hold again after the end of its message.
    """

    def __init__(self, tools: Iterable[str], n_vocab: int, ends: Iterable[int] = ()) -> None:
        self._tools = tuple(tools)
        self._n_vocab = n_vocab
        self._ends = frozenset(ends) - {RETURN, CALL, END} | {ENDOFTEXT}
        self._node: int | None = 0  # in a header; None in a text
        self._kind: Kind = "unknown"  # of the text
        self._may_stop = False  # between messages: an answer is there

    def may_be(self, token: int) -> bool:
        """Whether a token may come next."""
        if self._node is None:
            return token not in self._forbidden
        if self._may_stop and token == RETURN:
            return True
        return token in self._ends or _step(self._tools, self._node, token) is not None

    def take(self, token: int) -> None:
        """Go on by a token that was written."""
        if self._node is None:
            if token == END:
                self._node, self._may_stop = 1, self._kind in ("answer", "preamble", "unknown")
            return
        following = _step(self._tools, self._node, token)
        self._may_stop = False
        if isinstance(following, int):
            self._node = following
        else:
            self._node, self._kind = None, "unknown" if following is None else following

    def mask(self) -> Mask:
        """Return a bit for each token that may come next."""
        if self._node is None:
            return mask_without(self._n_vocab, self._forbidden)
        offered = _offered(self._tools, self._node)
        return mask_of(self._n_vocab, (*offered, RETURN) if self._may_stop else offered)

    @property
    def _forbidden(self) -> frozenset[int]:
        """The marks that may not come in a text."""
        return _FORBIDDEN[self._kind]


_FORBIDDEN: dict[Kind, frozenset[int]] = {
    kind: frozenset() if kind == "unknown" else _MARKS | (_ENDS["unknown"] - ends)
    for kind, ends in _ENDS.items()
}
