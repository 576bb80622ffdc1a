"""What a text is found by: its words and their parts, and pairs of characters where words have no gaps."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

MOST_CHARS = 64  # of a word
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]+|\d+(?:[.,:]\d+)+|[^\W{_CJK}]+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\dA-Za-z_]+")


def terms(text: str) -> Iterator[str]:
    """Yield the terms of a text.

    >>> list(terms("Costs of read_file: 3.14 in parseHTML"))
    ['cost', 'of', 'read_file', 'read', 'file', '3.14', 'in', 'parsehtml', 'parse', 'html']
    """
    for word in _WORD.findall(unicodedata.normalize("NFKC", text)):
        yield from _terms_of(word[:MOST_CHARS])


@functools.lru_cache(maxsize=1 << 16)
def _terms_of(word: str) -> tuple[str, ...]:
    if re.match(f"[{_CJK}]", word):
        return tuple(word[i : i + 2] for i in range(len(word) - 1)) or (word,)
    whole = _stem(word.strip("_").casefold())
    if word.islower() and word.isalpha():
        return (whole,)
    parts = [_stem(part.casefold()) for part in _PART.findall(word)]
    found = [whole, *(parts if len(parts) > 1 and word[0].isdigit() is False else [])]
    return tuple(dict.fromkeys(term for term in found if term))


def _stem(word: str) -> str:
    """Return a word without the ending of an English plural; numbers and short words stay."""
    if len(word) <= 3 or not word.isascii() or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word[:-1]
