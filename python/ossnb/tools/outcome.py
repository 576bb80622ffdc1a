"""What a function returns, as text for the model: short enough, and without control characters."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from ..harmony.tokenizer import well_formed
from ..system.text import seen_only
from .tool import Result

MOST_CHARS = 16_000  # of a result, some 4,000 tokens
NOTHING = "done; the function returns nothing"

# Escape sequences of terminals go whole, before what is left of them goes with all that nobody sees.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]?")


class Outcome(NamedTuple):
    """A text for the model, and how many characters it had where it was cut."""

    text: str
    n_cut_from: int | None = None

    @property
    def note(self) -> str:
        """Say that the text was cut; "" where it was not."""
        return "" if self.n_cut_from is None else f"the result was cut from {self.n_cut_from:,} characters"


def as_text(value: Any) -> str:
    """Return a value as text: text as it is, other values as JSON, and what JSON cannot hold by its str().

    >>> as_text({"sky": "clear", "temperature": 21})
    '{"sky": "clear", "temperature": 21}'

    A ValueError refuses generators and other iterators: they may have no end.
    """
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    if (found := _iterator_in(value)) is not None:
        kind = type(found).__name__
        raise ValueError(f"a result must be a value, got a {kind}, which may have no end; return a list")
    try:
        plain = to_jsonable_python(value, fallback=_plain, bytes_mode="base64")
        return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    except (PydanticSerializationError, ValueError, TypeError, RecursionError):  # a circle, or odd keys
        return str(value)


def _iterator_in(value: Any) -> Any:
    """Return the first iterator of a result, also within lists and dicts; None where there is none."""
    if isinstance(value, Iterator | AsyncIterator):
        return value
    if not isinstance(value, dict | list | tuple):
        return None
    parts = value.values() if isinstance(value, dict) else value
    try:
        return next((found for one in parts if (found := _iterator_in(one)) is not None), None)
    except RecursionError:  # a circle
        return None


def as_result(value: Any, most: int = MOST_CHARS) -> Result:
    """Return what a call returned as a Result whose text is cut to `most` characters.

    >>> as_result(42).text
    '42'
    """
    result = value if isinstance(value, Result) else Result(as_text(value))
    outcome = cut(result.text, most)
    note = "; ".join(text for text in (result.note, outcome.note) if text)
    return replace(result, text=outcome.text, note=note)


def _plain(value: Any) -> Any:
    """A value of another library, for JSON: NumPy's numbers as numbers, everything else as its text."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return item()
    return str(value)


def cut(text: str, most: int = MOST_CHARS) -> Outcome:
    """Return a text for the model: without control characters, and of a long one the begin and the end.

    >>> cut("\\x1b[31mred\\x1b[0m").text
    'red'
    >>> cut("a" * 50 + "b" * 50, most=40).text
    'aaaaaaaaaaaaaaaaaaaa\\n[… 60 of 100 characters are left out here …]\\nbbbbbbbbbbbbbbbbbbbb'
    """
    n_chars = len(text)
    if n_chars <= most:
        return Outcome(_clean(text))
    head, tail = text[: most - most // 2], text[n_chars - most // 2 :]
    gap = f"\n[… {n_chars - most:,} of {n_chars:,} characters are left out here …]\n"
    return Outcome(_clean(head) + gap + _clean(tail), n_chars)


def _clean(text: str) -> str:
    return well_formed(seen_only(_ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))))
