"""Loops: a thought that says the same again and again seldom ends. Greedy decoding falls into them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

LONGEST_SPAN = 128  # tokens that are said again
FEWEST_TIMES = 6
FEWEST_TOKENS = 384  # of all times together: a row of a hundred equal numbers is no loop


class Loop(NamedTuple):
    """The end of a text: `n_tokens` that were written `times` times."""

    n_tokens: int
    times: int


def found_loop(tokens: Sequence[int]) -> Loop | None:
    """Return the loop that a text ends in: at least 6 times the same span, 384 tokens in all.

    >>> found_loop([1, 2, 3] * 200)
    Loop(n_tokens=3, times=200)
    >>> found_loop([1, 2, 3] * 100) is None
    True

    A span has at most 128 tokens, and the shortest is found. Looking takes some microseconds a token.
    """
    if len(tokens) < FEWEST_TOKENS:
        return None
    last = tokens[-1]
    for n in range(1, min(LONGEST_SPAN, len(tokens) // FEWEST_TIMES) + 1):
        if tokens[-1 - n] == last:
            least = max(FEWEST_TOKENS, FEWEST_TIMES * n)
            if tokens[-least + n :] == tokens[-least:-n]:
                return Loop(n, _n_repeated(tokens, n) // n)
    return None


def _n_repeated(tokens: Sequence[int], n: int) -> int:
    """How many of the last tokens repeat a span of `n`."""
    start = len(tokens) - n
    while start > 0 and tokens[start - 1] == tokens[start - 1 + n]:
        start -= 1
    return len(tokens) - start
