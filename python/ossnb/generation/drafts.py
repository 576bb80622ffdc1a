"""Drafts: what the model will write next is guessed from what was written before.

A notebook repeats itself: code is edited, a text is quoted, a cell runs again. Where the last tokens stood
once before, the draft is what followed them there. `ahead.py` has a pass check it. A wrong draft costs
time and no more, so this module is about time: where to look, how many tokens to guess, and when not to.
"""

from __future__ import annotations

import contextlib
import statistics
from collections import deque
from collections.abc import Iterable, Sequence

GRAM = 4  # tokens that are looked up; a match has at least so many
SURE_MATCH = 8  # tokens that must have stood there before, unless the last drafts were good
LONGEST_MATCH = 32  # that is looked at
LONGEST_DRAFT = 16
TRIES = 8  # drafts whose fate is remembered
PLACES = 8  # of one beginning that are compared
PAUSE = 64  # tokens without a draft after drafts that did not pay
KEPT_TOKENS = 32_768  # of earlier replies
KEPT_TEXTS = 32
SLOPE = 0.5  # before anything is measured: a further row's time, as a share of the time of one row
LEAST_GAIN = 1.05


class Text:
    """Tokens, and where each run of four of them stood.

    >>> text = Text([1, 2, 3, 4, 5, 6, 1, 2, 3, 4])
    >>> text.longest([9, 1, 2, 3, 4])
    (4, 4)
    """

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self.tokens: list[int] = []
        self._last: dict[int, int] = {}  # a run's hash → the place behind it, the last one
        self._before: list[int] = []  # for each place the one before it with the same hash, or -1
        self.extend(tokens)

    def extend(self, tokens: Iterable[int]) -> None:
        """Append tokens. The last run is not listed, since nothing follows it yet."""
        for token in tokens:
            place = len(self.tokens)
            key = hash(tuple(self.tokens[-GRAM:])) if place >= GRAM else None
            self._before.append(-1 if key is None else self._last.get(key, -1))
            self.tokens.append(token)
            if key is not None:
                self._last[key] = place

    def longest(self, end: Sequence[int]) -> tuple[int, int]:
        """Return how many of the last tokens of `end` stood here before, and the place behind them; (0, 0)
        for fewer than four."""
        best, found = 0, 0
        place = self._last.get(hash(tuple(end[-GRAM:])), -1)
        for _ in range(PLACES):
            if place < 0:
                break
            if (n := self._n_common(place, end)) > best:
                best, found = n, place
            place = self._before[place]
        return (best, found) if best >= GRAM else (0, 0)

    def _n_common(self, place: int, end: Sequence[int]) -> int:
        n, most = 0, min(place, len(end))
        while n < most and self.tokens[place - 1 - n] == end[-1 - n]:
            n += 1
        return n

    def following(self, place: int, n: int) -> list[int]:
        """Return up to `n` tokens from `place` on; a text that repeats itself up to its end goes on so."""
        found = self.tokens[place : place + n]
        for i in range(n - len(found)):
            found.append(found[i])
        return found


class Drafts:
    """What the drafts of one model are made of, and what they cost: earlier replies, and the time of rows.

    >>> drafts = Drafts()
    >>> drafts.keep([1, 2, 3, 4], [5, 6, 7])
    >>> [text.tokens for text in drafts.texts]
    [[1, 2, 3, 4, 5, 6, 7]]

    Several threads may use it without a lock: texts do not change, and a lost one is no loss.
    """

    def __init__(self) -> None:
        self.texts: tuple[Text, ...] = ()  # the newest first
        self.costs = RowCosts()

    def keep(self, prompt: Sequence[int], reply: Sequence[int]) -> None:
        """Keep a reply, and the end of its prompt; the oldest ones go."""
        if not reply:
            return
        texts, n = [Text([*prompt[-SURE_MATCH:], *reply[-KEPT_TOKENS:]])], len(reply)
        for text in self.texts[: KEPT_TEXTS - 1]:
            n += len(text.tokens)
            if n > KEPT_TOKENS:
                break
            texts.append(text)
        self.texts = tuple(texts)

    def clear(self) -> None:
        """Forget the replies."""
        self.texts = ()


class RowCosts:
    """How long passes of several rows take, beside those of one row.

    >>> costs = RowCosts()
    >>> costs.measure(1, 0.1), costs.measure(5, 0.2), costs.of(5)
    (None, None, 2.0)

    Each number of rows has its own slope: the time of a further row. A number without measurements has that
    of its neighbours.
    """

    def __init__(self) -> None:
        self._one: deque[float] = deque(maxlen=9)
        self._slopes: dict[int, deque[float]] = {}

    def measure(self, n_rows: int, seconds: float) -> None:
        """Take the time of a pass."""
        if n_rows == 1:
            self._one.append(seconds)
        elif (ones := [*self._one]) and (one := statistics.median(ones)) > 0:
            slope = max((seconds / one - 1) / (n_rows - 1), 0.0)
            self._slopes.setdefault(n_rows, deque(maxlen=5)).append(slope)

    def age(self) -> None:
        """Drop the oldest measurement of each: a machine that was busy is not busy for ever."""
        for n_rows, slopes in [*self._slopes.items()]:
            with contextlib.suppress(IndexError):  # another thread dropped the last one
                slopes.popleft()
            if not slopes:
                self._slopes.pop(n_rows, None)

    def of(self, n_rows: int) -> float:
        """Return the time of a pass of so many rows, in passes of one row."""
        measured = [(n, [*slopes]) for n, slopes in [*self._slopes.items()]]
        known = sorted((n, statistics.median(slopes)) for n, slopes in measured if slopes)
        below = [pair for pair in known if pair[0] <= n_rows]
        above = [pair for pair in known if pair[0] >= n_rows]
        if not known:
            slope = SLOPE
        elif not below or not above:
            slope = (below[-1] if below else above[0])[1]
        else:
            (low, first), (high, last) = below[-1], above[0]
            slope = first if low == high else first + (last - first) * (n_rows - low) / (high - low)
        return 1 + slope * (n_rows - 1)


class Drafter:
    """The drafts of one generation.

    >>> drafter = Drafter(Drafts(), always=True)
    >>> drafter.draft([5, 6, 7, 8, 9, 10, 11, 12, 13, 5, 6, 7, 8, 9, 10, 11, 12], most=3)
    [13, 5, 6]

    With `always` it drafts as much as it finds, and looks at no clock.
    """

    def __init__(self, drafts: Drafts, always: bool) -> None:
        self._drafts = drafts
        self._always = always
        self._own = Text()  # prompt and reply so far
        self._tries: deque[tuple[int, int]] = deque(maxlen=TRIES)  # (drafted, kept)
        self._silent_until = 0  # a position

    def draft(self, tokens: Sequence[int], most: int) -> list[int]:
        """Guess at most so many tokens that follow `tokens`: the prompt, and the reply so far."""
        self._own.extend(tokens[len(self._own.tokens) :])
        if most < 1 or len(tokens) < self._silent_until:
            return []
        end = self._own.tokens[-LONGEST_MATCH:]
        n, text, place = 0, self._own, 0
        for candidate in (self._own, *self._drafts.texts):
            n_here, at = candidate.longest(end)
            if n_here > n:
                n, text, place = n_here, candidate, at
            if n == len(end):
                break
        if n < self._least_match():
            return []
        n_drafted = self._length(n, min(n, most, LONGEST_DRAFT))
        if n_drafted == 0:
            self._rest(len(tokens))
            return []
        if text is self._own:
            return text.following(place, n_drafted)
        return text.tokens[place : place + n_drafted]

    def learn(self, n_drafted: int, n_kept: int) -> None:
        """Note how many tokens of a draft were those that the model chose."""
        self._tries.append((n_drafted, n_kept))

    def time(self, n_rows: int, seconds: float) -> None:
        """Take the time of a pass of this generation alone."""
        self._drafts.costs.measure(n_rows, seconds)

    def _least_match(self) -> int:
        last = [*self._tries][-2:]
        return GRAM if len(last) == 2 and all(n == kept for n, kept in last) else SURE_MATCH

    def _length(self, n_match: int, most: int) -> int:
        """Return the length of draft that gives most tokens in a pass's time; 0 if none pays.

        Each token is taken to be right with the same probability. It is estimated from the last drafts and
        from the match: four tokens of it count as one token that was right.
        """
        if self._always:
            return most
        n_right = sum(kept for _, kept in self._tries) + n_match / 4
        n_wrong = sum(kept < n for n, kept in self._tries) + 1
        p = n_right / (n_right + n_wrong)
        gains = {n: (1 - p ** (n + 1)) / (1 - p) / self._drafts.costs.of(n + 1) for n in range(1, most + 1)}
        best = max(gains, key=gains.__getitem__)
        return best if gains[best] >= LEAST_GAIN else 0

    def _rest(self, position: int) -> None:
        self._silent_until = position + PAUSE
        self._tries.clear()
        self._drafts.costs.age()
