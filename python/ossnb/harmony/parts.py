"""The parts of a rendered prompt: instructions, tools, earlier turns, the question, and texts within them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from .parser import Parser
from .tokenizer import FIRST_SPECIAL, MESSAGE, START, Tokenizer, token_bytes

PartKind = Literal["system", "instructions", "tools", "form", "turn", "question", "result", "named", "text"]

_HEADINGS: dict[str, PartKind] = {"# Tools": "tools", "# Response Formats": "form"}


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a prompt's tokens, `start` to `stop` (exclusive): its kind, and its name for a reader."""

    start: int
    stop: int
    kind: PartKind
    name: str


def parts_of(prompt: Sequence[int], named: Mapping[str, str] | None = None) -> list[Part]:
    """Split a prompt into its parts, in order and without a gap.

    >>> from ossnb.harmony.prompt import render
    >>> from ossnb.harmony.messages import Message
    >>> [part.name for part in parts_of(render([Message("user", "Hi")], instructions="Be brief."))]
    ['system message', 'instructions', 'question', 'begin of the answer']

    `named` are texts to find within messages, by name: a variable's, a document's. Each is found in the last
    question where it stands there, else in the part nearest before it, else behind it. A text that is not in
    the prompt is left out. A prompt without messages is one part.
    """
    starts = [at for at, token in enumerate(prompt) if token == START]
    if not starts:
        return _with_named([Part(0, len(prompt), "text", "text")], prompt, named or {})
    parts = [Part(0, starts[0], "text", "text")] if starts[0] else []
    users = [at for at in starts if _words(prompt, at)[0] == "user"]
    n_turn = 0
    for start, stop in pairwise([*starts, len(prompt)]):
        n_turn += start in users
        parts += _of_message(prompt, start, stop, n_turn, is_last=bool(users) and start == users[-1])
    return _with_named(parts, prompt, named or {})


def _words(prompt: Sequence[int], start: int) -> list[str]:
    end = next((i for i in range(start + 1, len(prompt)) if prompt[i] >= FIRST_SPECIAL), len(prompt))
    return Tokenizer().decode(prompt[start + 1 : end]).split() or [""]


def _of_message(prompt: Sequence[int], start: int, stop: int, n_turn: int, *, is_last: bool) -> list[Part]:
    author = _words(prompt, start)[0]
    if author == "system":
        return [Part(start, stop, "system", "system message")]
    if author == "developer":
        return _of_developer(prompt, start, stop)
    if author == "user":
        return [
            Part(start, stop, *(("question", "question") if is_last else ("turn", f"turn {n_turn}: user")))
        ]
    if author != "assistant":
        return [Part(start, stop, "result", f"result of {author.removeprefix('functions.')}")]
    parser = Parser()
    for token in prompt[start + 2 : stop]:
        parser.push(token)
    parser.finish()
    if not parser.messages:
        return [Part(start, stop, "text", "begin of the answer")]
    said = parser.messages[0]
    what = "answer" if said.channel == "final" else "thought" if said.channel == "analysis" else "preamble"
    if said.tool_call is not None:
        what = f"call of {said.tool_call.name}"
    return [Part(start, stop, "turn", f"turn {n_turn}: {what}")]


def _of_developer(prompt: Sequence[int], start: int, stop: int) -> list[Part]:
    """Split a developer's message at its own headings, each of which stands there once at most."""
    text = b"".join(token_bytes(token) for token in prompt[start:stop])
    marks: list[tuple[int, PartKind]] = [(0, "instructions")]
    for heading, kind in _HEADINGS.items():
        at = text.rfind(f"\n\n{heading}\n".encode())
        if at > 0:
            marks.append((at, kind))
        elif f"<|message|>{heading}\n".encode() in text:
            marks[0] = (0, kind)
    places = [*(start + _token_at(prompt[start:stop], at) for at, _ in sorted(marks)), stop]
    kinds = [kind for _, kind in sorted(marks)]
    return [Part(a, b, kind, kind) for (a, b), kind in zip(pairwise(places), kinds, strict=True) if a < b]


def _token_at(tokens: Sequence[int], n_bytes: int) -> int:
    """Return the token in which the byte `n_bytes` stands."""
    at = 0
    for i, token in enumerate(tokens):
        at += len(token_bytes(token))
        if at > n_bytes:
            return i
    return len(tokens)


def _with_named(parts: list[Part], prompt: Sequence[int], named: Mapping[str, str]) -> list[Part]:
    """Cut named texts out of the parts in which they stand."""
    for name, text in named.items():
        sought = text.strip().encode("utf-8", "replace")
        for i in _in_search_order(parts) if sought else ():
            part = parts[i]
            tokens = prompt[part.start : part.stop]
            at = _content(tokens).find(sought) if part.kind != "named" else -1
            if at < 0:
                continue
            start = part.start + _token_at(tokens, at)
            stop = part.start + _token_at(tokens, at + len(sought) - 1) + 1
            cut = [(part.start, start, part.kind, part.name), (start, stop, "named", name)]
            cut.append((stop, part.stop, part.kind, part.name))
            parts[i : i + 1] = [Part(a, b, kind, word) for a, b, kind, word in cut if a < b]
            break
    return parts


def _in_search_order(parts: Sequence[Part]) -> list[int]:
    """A named text is most likely one of the question's. The system message has dates and numbers, and an
    earlier turn may have had an equal text: the nearest before the question goes first."""
    asked = [i for i, part in enumerate(parts) if part.kind == "question"]
    first = asked[0] if asked else len(parts)
    behind = [i for i in range(first, len(parts)) if i > asked[-1]]
    return [*asked, *reversed(range(first)), *behind]


def _content(tokens: Sequence[int]) -> bytes:
    """The bytes of tokens, each in its place; headers and special tokens match no text ("user", "end")."""
    found, is_header = [], False
    for token in tokens:
        is_header = token == START or (is_header and token != MESSAGE)
        piece = token_bytes(token)
        found.append(b"\xff" * len(piece) if is_header or token >= FIRST_SPECIAL else piece)
    return b"".join(found)
