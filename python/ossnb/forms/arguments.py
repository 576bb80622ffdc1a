"""Hold the arguments of a call to the type that the prompt tells of them.

A prompt tells what a function takes as a type of TypeScript: names, texts, numbers, given values, objects,
lists. Its grammar has these names and types in any order and any layout of JSON, so that each call that fits
its type may be written as the model likes. What a type does not tell, such as the least of a number, is
checked when the call has come.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from ..harmony.masks import Mask, allow, allows, forbid
from ..harmony.tokenizer import CALL, MESSAGE, RETURN
from .grammar import Matcher, is_here, prepare

MOST_ALTERNATIVES = 1024  # of an object whose required names are counted: twice as many for each such name
KEPT = 256  # grammars

_OPEN = re.compile(r"^\s*//.*(any further keys|keys matching )", re.MULTILINE)
_NULL_ITEMS = "some may be null"
_SKIPPED = re.compile(r"(?:\s|//[^\n]*)*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_NAME = re.compile(r"(?P<name>[^\s\"]\S*?)(?P<optional>\??):(?=\s)")
_WORDS = {
    "string": "STRING",
    "number": "NUMBER",
    "boolean": '("true" | "false")',
    "null": '"null"',
    "any": "value",
    "Array<any>": "array",
}
_WORD = re.compile("|".join(_WORDS))
_JSON = r"""
SPACE: /[ \t\r\n]+/
%ignore SPACE
STRING: /"([^"\\\x00-\x1f]|\\(["\\\/bfnrt]|u[0-9a-fA-F]{4}))*"/
NUMBER: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/
value: object | array | STRING | NUMBER | "true" | "false" | "null"
object: "{" "}" | "{" pair ("," pair)* "}"
pair: STRING ":" value
array: "[" "]" | "[" value ("," value)* "]"
"""


class Arguments:
    """What may come next in the arguments of a turn's calls.

    >>> arguments = Arguments({"functions.half": "(_: {\\nn: number,\\n}) => any;"}, n_vocab=201088)
    >>> arguments.see(200008, "functions.half"); arguments.may_be(10848), arguments.may_be(2)  # {"  #
    (True, False)

    `types` are those that a prompt tells, by the full names of the tools. Without llguidance, and for a type
    that says nothing, each token may come.
    """

    def __init__(self, types: Mapping[str, str], n_vocab: int) -> None:
        self._types = {name: told for name, told in types.items() if told} if is_here() else {}
        self._n_vocab = n_vocab
        self._recipient: str | None = None
        self._matcher: Matcher | None = None
        if self._types:
            prepare()

    def see(self, token: int, recipient: str | None) -> None:
        """Take note of a token that was written, and of whom the open message calls, if it calls."""
        if recipient != self._recipient:
            self._recipient = recipient
            # A header without <|message|> has the first words of the arguments in it.
            self._matcher = self._matcher_for(recipient) if recipient and token == MESSAGE else None
        elif self._matcher is not None:
            if self.may_be(token):
                self._matcher.take(token)
            else:
                self._matcher = None  # what was written fits no more, as where somebody put it there

    def _matcher_for(self, recipient: str) -> Matcher | None:
        grammar = arguments_grammar(self._types.get(recipient, ""))
        return None if grammar is None else Matcher(grammar)

    def may_be(self, token: int) -> bool:
        """Whether a token may come next."""
        mask = self.mask()
        return mask is None or allows(mask, token)

    def mask(self) -> Mask | None:
        """Return a bit for each token that may come next; None where each may."""
        if self._matcher is None:
            return None
        try:
            mask = self._matcher.mask(self._n_vocab)
        except ValueError:  # nothing fits, as where the library gives up
            self._matcher = None
            return None
        if allows(mask, RETURN):  # to a grammar, the end of a text
            forbid(mask, [RETURN])
            allow(mask, [CALL])
        return mask


@functools.lru_cache(maxsize=KEPT)
def arguments_grammar(told: str) -> str | None:
    """Return the grammar of the arguments that fit a type, as a prompt writes it; None for what is none.

    >>> arguments_grammar("() => any;") is None
    True
    """
    reader = _Reader(told)
    try:
        start = "object" if _OPEN.search(told) else reader.read()
    except (_NoType, ValueError, RecursionError):
        return None
    return f"start: SPACE? {start} SPACE?\n" + "\n".join(reader.rules) + _JSON


class _NoType(Exception):
    """A text that is no type as prompts write them."""


class _Field(NamedTuple):
    keys: str  # its name in a grammar
    type: str
    is_optional: bool


class _Reader:
    """Reads a type from its begin; what it means becomes rules, and a name or an expression for it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._null = ' | "null"' if _NULL_ITEMS in text else ""  # as an item of a list, which no type tells
        self._at = 0
        self.rules: list[str] = []

    def read(self) -> str:
        """Read "(_: {...}) => any;"."""
        self._expect("(")
        self._expect("_:")
        found = self._object()
        self._expect(") => any;")
        return found

    # ---- types -------------------------------------------------------------------------------------------

    def _type(self) -> str:
        """Read one or several types with bars between them."""
        self._has("|")
        kinds = [self._one()]
        while self._has("|"):
            kinds.append(self._one())
        # "a" | "b"[] may be a list of both, so the items of a list in a union may be anything
        parts = [("array" if n_lists else kind) if len(kinds) > 1 else kind for kind, n_lists in kinds]
        found = f"({' | '.join(dict.fromkeys(parts))})"
        for _ in range(kinds[0][1] if len(kinds) == 1 else 0):
            item = f"({found}{self._null})"
            found = self._rule("a", f'"[" "]" | "[" {item} ("," {item})* "]"')
        return found

    def _one(self) -> tuple[str, int]:
        """Read a type without bars; return it, and how many brackets of a list follow."""
        self._skip()
        if string := _STRING.match(self._text, self._at):
            self._at = string.end()
            kind = _literal(json.loads(string[0]))
        elif word := _WORD.match(self._text, self._at):
            self._at = word.end()
            kind = _WORDS[word[0]]
        else:
            kind = self._object()
        n_lists = 0
        while self._text.startswith("[]", self._at):
            self._at += 2
            n_lists += 1
        return kind, n_lists

    def _object(self) -> str:
        self._expect("{")
        fields: list[_Field] = []
        while not self._has("}"):
            key, is_optional = self._key()
            fields.append(_Field(_literal(key), self._type(), is_optional))
            self._has(",")
        return self._rule_of(fields) if fields else "object"

    def _key(self) -> tuple[str, bool]:
        self._skip()
        if string := _STRING.match(self._text, self._at):
            self._at = string.end()
            is_optional = self._has("?")
            self._expect(":")
            return json.loads(string[0]), is_optional
        if (name := _NAME.match(self._text, self._at)) is None:
            raise _NoType
        self._at = name.end()
        return name["name"], bool(name["optional"])

    # ---- rules -------------------------------------------------------------------------------------------

    def _rule(self, letter: str, text: str) -> str:
        name = f"{letter}{len(self.rules)}"
        self.rules.append(f"{name}: {text}")
        return name

    def _rule_of(self, fields: list[_Field]) -> str:
        """An object whose fields come in any order. A rule for each set of required names that are still
        missing sees that they come, each once."""
        required = [field for field in fields if not field.is_optional]
        if len(fields) << len(required) > MOST_ALTERNATIVES:
            required = []
        all_missing = (1 << len(required)) - 1
        name = f"o{len(self.rules)}"
        for missing in range(all_missing + 1):
            ways: list[str] = []
            for field in fields:
                bit = 1 << required.index(field) if field in required else 0
                if not bit or missing & bit:
                    ways.append(f'{field.keys} ":" {field.type} {name}after{missing & ~bit}')
            if ways:
                self.rules.append(f"{name}next{missing}: {' | '.join(ways)}")
            ends = [f'"," {name}next{missing}'] * bool(ways) + ['"}"'] * (not missing)
            self.rules.append(f"{name}after{missing}: {' | '.join(ends)}")
        empty = '"{" "}" | ' * (not all_missing)
        self.rules.append(f'{name}: {empty}"{{" {name}next{all_missing}')
        return name

    # ---- text --------------------------------------------------------------------------------------------

    def _skip(self) -> None:
        found = _SKIPPED.match(self._text, self._at)
        self._at = self._at if found is None else found.end()

    def _has(self, mark: str) -> bool:
        self._skip()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _expect(self, mark: str) -> None:
        if not self._has(mark):
            raise _NoType


def _literal(text: str) -> str:
    """A text as JSON writes it, with its letters as they are or as escapes."""
    written = dict.fromkeys(json.dumps(text, ensure_ascii=is_ascii) for is_ascii in (False, True))
    return f"({' | '.join(json.dumps(one, ensure_ascii=False) for one in written)})"
