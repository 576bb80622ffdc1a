"""A text is cut into pieces, such as words with the space before them; then each piece becomes tokens."""

from __future__ import annotations

from collections.abc import Iterator

import regex

# The vocabulary's own rule, o200k's: words with their endings, numbers of up to three digits, signs, blanks.
_LETTERS = r"[^\r\n\p{L}\p{N}]?"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PIECE = regex.compile(
    "|".join(
        [
            _LETTERS + _UPPER + "*" + _LOWER + "+" + _ENDING,
            _LETTERS + _UPPER + "+" + _LOWER + "*" + _ENDING,
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        ]
    )
)
_BATCH_BYTES = 1 << 16  # of pieces that are handed on together


def batches(text: str) -> Iterator[list[bytes]]:
    """Cut a text and yield its pieces in UTF-8, many at a time.

    >>> list(batches("Hello world, it's 12345"))
    [[b'Hello', b' world', b',', b" it's", b' ', b'123', b'45']]

    The time grows with the text's length, whatever it holds. The GIL is free while a piece is looked for.
    """
    pieces: list[bytes] = []
    n_bytes = 0
    for found in _PIECE.finditer(text, concurrent=True):
        pieces.append(found.group().encode())
        n_bytes += len(pieces[-1])
        if n_bytes >= _BATCH_BYTES:
            yield pieces
            pieces, n_bytes = [], 0
    if pieces:
        yield pieces
