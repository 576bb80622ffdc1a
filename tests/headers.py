"""Turns as a parser reads them, random streams of tokens, and a check that no word of them is lost."""

from __future__ import annotations

import random
import re

from ossnb.harmony.parser import Parser
from ossnb.harmony.tokenizer import FIRST_SPECIAL, Tokenizer, token_bytes

TOKENIZER = Tokenizer()

# Words that say nothing beyond the field they name: a header consumes them even where no message follows it.
MARKS = ["assistant", "analysis", "commentary", "final", "to", "="]
VOCABULARY = [
    *TOKENIZER.encode("assistant analysis commentary final to=functions.f json code user python"),
    *TOKENIZER.encode(" alpha beta? gamma! \"delta\" to=x to='functions.g' ?? , . { }: tool functions."),
    *TOKENIZER.encode("assistantanalysisfinal userX commentaryto= toolfunctions.h browser.search "),
]
SPECIALS = [199998, 199999, 200002, 200003, 200005, 200006, 200007, 200008, 200012, 200018]


def parse(text_or_ids):
    """Parse a turn written with its markers; return (parser, all pieces)."""
    ids = TOKENIZER.encode(text_or_ids, special=True) if isinstance(text_or_ids, str) else text_or_ids
    parser = Parser()
    pieces = [piece for token in ids for piece in parser.push(token)] + parser.finish()
    return parser, pieces


def random_stream(rng: random.Random, at_most: int) -> list[int]:
    """Draw tokens of headers and messages in any order."""
    n = rng.randint(1, at_most)
    return [rng.choice(SPECIALS if rng.random() < 0.4 else VOCABULARY) for _ in range(n)]


def lost_words(ids):
    """The words of a stream that stand neither in a piece, nor in a message, nor in a note."""
    parser, pieces = parse(ids)
    fields = [text for message in parser.messages for text in message.to_dict().values()]
    told = "".join([*(piece.text for piece in pieces), *fields, *parser.notes])
    told = "".join(told.split()).lower()
    text = b"".join(token_bytes(t) if t < FIRST_SPECIAL else b" " for t in ids).decode(errors="replace")
    lost = []
    for word in text.lower().split():
        if word in told:
            continue
        for mark in MARKS:
            word = word.replace(mark, " ")
        lost += [part for part in re.split(r"[\s?!.,:;*_'\"-]+", word) if part not in told]
    return lost
