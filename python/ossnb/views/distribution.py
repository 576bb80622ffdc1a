"""A next-token distribution in a few kB: it is right at any temperature, within an error that it tells.

The largest few hundred logits of a step are kept as they are, and the rest as a histogram with the mean of
each bin. exp(x / temperature) is convex. So a bin's true mass lies between the mass from its mean and the
mass from its two edges. The answer always comes with the distance between the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..engine.trace import top_ids
from ..generation.record import Reply
from ..generation.sampling import Sampling
from .steps import Rows

N_KEPT = 256
N_BINS = 64

Floats = NDArray[np.float64]
Reduced = tuple[NDArray[np.int32], NDArray[np.float32], float, NDArray[np.int32], Floats, Floats]


@dataclass(frozen=True, slots=True)
class Shares:
    """T steps under some settings: the probabilities of the kept tokens and of the rest.

    `error` bounds the difference of any of them from the exact distribution. Where top_p cuts, the tokens at
    the cut may come or go within this bound. `error` is 1 where nothing is known.
    """

    kept: Floats  # [T, K]
    rest: Floats  # [T], of all tokens that are not kept
    error: Floats  # [T]


@dataclass(frozen=True, slots=True)
class Distributions(Rows):
    """The distributions that the tokens of a reply were drawn from: T rows, about 4 kB each.

    >>> kept = Distributions.read(reply)
    >>> bool(kept.under(Sampling(temperature=0.7)).kept[0].sum() > 0.99)
    True
    """

    tokens: NDArray[np.int32]  # [T], those written
    ids: NDArray[np.int32]  # [T, K], likeliest first
    logits: NDArray[np.float32]  # [T, K]
    is_seen: NDArray[np.bool_]  # [T, K], counts for repetition_penalty
    n_seen_others: NDArray[np.int32]  # [T], how many of the tokens that are not kept count for it
    log_total: Floats  # [T], log of the sum of exp of all logits
    counts: NDArray[np.int32]  # [T, bins], of the other logits, largest first
    means: Floats  # [T, bins]
    edges: Floats  # [T, bins + 1], falling

    @classmethod
    def read(cls, reply: Reply, known: Mapping[int, Reduced] | None = None) -> Self:
        """Read a reply again, with its model: all of it, or the part whose steps are not `known`, by the
        number of their token. A token that nobody chose has no known step: the end of a thought that was
        ended, a header that was given."""
        steps, n = dict(known or {}), len(reply.tokens)
        if missing := [t for t in range(n) if t not in steps]:
            first, last = missing[0], missing[-1]
            tokens = [*reply.prompt_tokens, *reply.tokens[:last]]
            blocks = reply.origin.model.logit_blocks(tokens, start=len(reply.prompt_tokens) - 1 + first)
            for t, row in enumerate((row for block in blocks for row in block), first):
                if t not in steps:
                    steps[t] = reduced(row)
        return cls.of(reply.prompt_tokens, reply.tokens, (steps[t] for t in range(n)))

    @classmethod
    def of(cls, prompt: list[int], tokens: list[int], steps: Iterable[Reduced]) -> Self:
        """Join the kept parts of the steps; step t is the choice of token t."""
        columns = zip(*steps, strict=True)
        ids, logits, log_total, counts, means, edges = (np.array(column) for column in columns)
        seen = np.zeros(int(max(*prompt, *tokens, ids.max())) + 1, np.bool_)
        seen[prompt] = True
        is_seen, n_seen_others = np.empty(ids.shape, np.bool_), np.empty(len(ids), np.int32)
        for t, row in enumerate(ids):
            is_seen[t] = seen[row]
            n_seen_others[t] = seen.sum() - is_seen[t].sum()
            seen[tokens[t]] = True
        return cls(
            np.asarray(tokens, np.int32), ids, logits, is_seen, n_seen_others, log_total, counts, means, edges
        )

    def before(self) -> Floats:
        """The model's own probabilities of the kept tokens, exact, [T, K]."""
        return np.asarray(np.exp(self.logits - self.log_total[:, None]))

    def under(self, settings: Sampling) -> Shares:
        """The distribution that the sampler chooses from with these settings. They apply in its order:
        repetition penalty, temperature, top_k, top_p, min_p. Raises ValueError for a penalty below 1 or top_k
        above the kept tokens."""
        penalty = settings.repetition_penalty
        has_rest = self.counts.any(axis=1)
        if penalty < 1 or (settings.top_k > self.ids.shape[1] and has_rest.any()):
            raise ValueError(
                f"repetition_penalty must be at least 1 and top_k at most {self.ids.shape[1]} here, "
                f"got {penalty} and {settings.top_k}"
            )
        logits = self.logits.astype(np.float64)
        logits = np.where(self.is_seen, np.where(logits > 0, logits / penalty, logits * penalty), logits)
        other = np.where(has_rest, self.edges[:, 0], -np.inf)  # the largest that is not kept
        top = np.maximum(logits.max(axis=1), other)  # after a penalty it may be the other
        if settings.temperature == 0:
            return _greedy(logits, top)
        p = np.exp((logits - top[:, None]) / settings.temperature)
        low, high = self._rest(settings.temperature, top)
        largest = np.exp((other - top) / settings.temperature)
        if penalty > 1:  # seen tokens among the rest, which only get smaller
            low = np.maximum(low - self.n_seen_others * largest, 0)
        return _truncated(p, low, high, largest, settings)

    def _rest(self, temperature: float, top: Floats) -> tuple[Floats, Floats]:
        """The least and the largest sum of exp((x - top) / temperature) over the other logits."""
        width = self.edges[:, :-1] - self.edges[:, 1:]
        share = np.divide(self.means - self.edges[:, 1:], width, out=np.ones_like(width), where=width > 0)
        with np.errstate(invalid="ignore", over="ignore"):  # in empty bins, which may lie anywhere
            inner = np.exp((self.means - top[:, None]) / temperature)
            outer = np.exp((self.edges - top[:, None]) / temperature)
            chord = share * outer[:, :-1] + (1 - share) * outer[:, 1:]
            least, most = self.counts * inner, self.counts * np.maximum(chord, inner)
        is_empty = self.counts == 0
        return np.where(is_empty, 0, least).sum(axis=1), np.where(is_empty, 0, most).sum(axis=1)

    def written(self, kept: Floats) -> Floats:
        """The share of each written token, [T]; 0 where the token is not among the kept ones."""
        return np.asarray(np.where(self.ids == self.tokens[:, None], kept, 0).sum(axis=1))


def _greedy(logits: Floats, top: Floats) -> Shares:
    kept = np.zeros_like(logits)
    kept[np.arange(len(logits)), logits.argmax(axis=1)] = 1
    return Shares(kept, np.zeros(len(logits)), (logits.max(axis=1) < top).astype(np.float64))


def _truncated(p: Floats, low: Floats, high: Floats, largest: Floats, settings: Sampling) -> Shares:
    """Apply top_k, top_p and min_p to weights of at most 1 a row. The rest has a sum between `low` and
    `high`, and no weight of it is above `largest`."""
    order = np.argsort(-p, axis=1, kind="stable")
    p = np.take_along_axis(p, order, 1)
    # Where a cut goes by rank, others may stand before kept tokens that a penalty took below them.
    is_below = p < largest[:, None]
    unsure = np.zeros_like(low)
    if settings.top_k:
        unsure = largest * is_below[:, : settings.top_k].sum(axis=1)
        p[:, settings.top_k :] = 0
        low, high = np.zeros_like(low), np.zeros_like(high)
    elif settings.top_p < 1:
        unsure = np.where(is_below, p, 0).sum(axis=1)
    rest = (low + high) / 2
    goal = settings.top_p * (p.sum(axis=1) + rest)
    mass_before = np.cumsum(p, axis=1) - p
    if settings.top_p < 1:
        p = np.where((mass_before < goal[:, None]) | (mass_before == 0), p, 0)
        taken = np.clip(goal - p.sum(axis=1), 0, rest)
        scale = np.divide(taken, rest, out=np.zeros_like(rest), where=rest > 0)
        rest, low, high = taken, low * scale, high * scale
    if settings.min_p:
        passes = largest >= settings.min_p
        p = np.where(p >= settings.min_p, p, 0)
        rest, high, unsure = (np.where(passes, mass, 0) for mass in (rest, high, unsure))
        low = np.zeros_like(low)
        unsure += is_below[:, 0]  # then nobody knows the likeliest, from which min_p counts
    total = np.maximum(p.sum(axis=1) + rest, 1e-300)
    kept = np.empty_like(p)
    np.put_along_axis(kept, order, p / total[:, None], axis=1)
    off = np.maximum(high - rest, rest - low) + unsure
    return Shares(kept, rest / total, np.minimum(off / np.maximum(total - off, 1e-300), 1))


def reduced(logits: NDArray[np.float32]) -> Reduced:
    """Reduce one step's logits [V]: keep the largest with their ids, the log of the total, and a histogram of
    the rest, finest at its top."""
    kept = top_ids(logits[None], min(N_KEPT, len(logits)))[0]
    top = float(logits[kept[0]])
    log_total = top + float(np.log(np.exp(logits - top).sum(dtype=np.float64)))
    rest = np.delete(logits, kept).astype(np.float64)
    if not len(rest):
        empty = np.zeros(N_BINS, np.int32)
        return kept.astype(np.int32), logits[kept], log_total, empty, np.zeros(N_BINS), np.zeros(N_BINS + 1)
    highest, lowest = float(rest.max()), float(rest.min())
    span = highest - lowest
    edges = highest - span * (np.arange(N_BINS + 1) / N_BINS) ** 2
    depth = np.sqrt((highest - rest) / span) * N_BINS if span > 0 else np.zeros(len(rest))
    bins = np.minimum(depth.astype(np.int64), N_BINS - 1)
    counts = np.bincount(bins, minlength=N_BINS)
    sums = np.bincount(bins, rest, minlength=N_BINS)
    means = np.divide(sums, counts, out=edges[1:].copy(), where=counts > 0)
    # Rounding may carry a mean over its edge by a hair.
    means = np.clip(means, edges[1:], edges[:-1])
    return kept.astype(np.int32), logits[kept], log_total, counts.astype(np.int32), means, edges
