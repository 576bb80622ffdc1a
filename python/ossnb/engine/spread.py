"""How the attention of some tokens spreads over spans of the text before them, in all heads of some layers.

A text may have a hundred thousand tokens, so no array here has a row and a column for each. One reading keeps
the keys of as many layers as fit into MOST_BYTES; a long text is read several times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checkpoint.config import Config
from .attention import Floats, Heads, one_head, rotation_angles

MOST_BYTES = 512 << 20  # of keys and inputs that are kept in one reading
MOST_EACH = (
    16 << 20
)  # bytes of the shares of each token in each head: 24 layers, 64 heads, 400 tokens, 6 spans
MOST_WEIGHTS = 4 << 20  # of one head that are at hand at a time: 32 MB with what comes of them

Blocks = Callable[[], Iterator[Mapping[str, NDArray[Any]]]]  # one reading, as Model.trace_blocks has it


@dataclass(frozen=True, slots=True)
class Spread:
    """Shares of attention. With the sinks' part, which no token gets, they add up to 1.

    `by_token` [T, K] is the mean of all heads, `by_head` [L, heads, K] the mean of all T tokens, and `heat`
    [start] that of all for each single token before `start`. `each` [L, heads, T, K] is no mean; it has no
    layers where it would take more than MOST_EACH bytes.
    """

    by_token: NDArray[np.float32]
    by_head: NDArray[np.float32]
    heat: NDArray[np.float32]
    each: NDArray[np.float32]


def spread(
    blocks: Blocks,
    tensors: Mapping[str, NDArray[Any]],
    config: Config,
    layers: Sequence[int],
    n: int,
    start: int,
    bounds: Sequence[int],
) -> Spread:
    """Return how the tokens from `start` on, of n, attend to K spans.

    Span k goes from bounds[k] to bounds[k + 1]; the bounds go from 0 to n. `blocks()` reads the text from its
    begin on.
    """
    n_heads, n_rows = config.num_attention_heads, n - start
    by_token = np.zeros((n_rows, len(bounds) - 1))
    by_head = np.zeros((len(layers), n_heads, len(bounds) - 1))
    heat = np.zeros(start)
    n_bytes = 4 * len(layers) * n_heads * by_token.size
    each = np.zeros((len(layers) if n_bytes <= MOST_EACH else 0, n_heads, *by_token.shape), np.float32)
    angles = rotation_angles(config, n)
    places = {layer: i for i, layer in enumerate(layers)}
    for group in _groups(config, layers, n, start):
        kept = {layer: _Kept(Heads(tensors, config, layer), config, n, start) for layer in group}
        at = 0
        for block in blocks():
            size = block["hidden"].shape[1]
            for layer, one in kept.items():
                one.take(block["hidden"][layer], at, angles[at : at + size])
            at += size
        while kept:
            layer = next(iter(kept))
            for head, rows, weights, first in kept.pop(layer).weights(angles):
                sums = _sums(weights, first, bounds)
                by_token[rows] += sums
                by_head[places[layer], head] += sums.sum(axis=0)
                if len(each):
                    each[places[layer], head, rows] = sums
                heat[first:] += weights[:, : start - first].sum(axis=0)
    n_all = len(layers) * n_heads
    return Spread(
        (by_token / n_all).astype(np.float32),
        (by_head / n_rows).astype(np.float32),
        (heat / (n_all * n_rows)).astype(np.float32),
        each,
    )


def _groups(config: Config, layers: Sequence[int], n: int, start: int) -> Iterator[list[int]]:
    """Split layers into groups whose keys and inputs fit into MOST_BYTES; at least one layer each."""
    group: list[int] = []
    n_bytes = 0
    for layer in dict.fromkeys(layers):
        sliding = config.layer_types[layer] == "sliding_attention"
        n_keys = n - max(start - config.sliding_window + 1, 0) if sliding else n
        needs = 4 * (n_keys * config.num_key_value_heads * config.head_dim + (n - start) * config.hidden_size)
        if group and n_bytes + needs > MOST_BYTES:
            yield group
            group, n_bytes = [], 0
        group.append(layer)
        n_bytes += needs
    if group:
        yield group


class _Kept:
    """The keys of a layer that the tokens from `start` on see, and the inputs of these tokens."""

    def __init__(self, heads: Heads, config: Config, n: int, start: int) -> None:
        self._heads = heads
        self._n, self._start = n, start
        self.first = max(start - heads.window + 1, 0) if heads.window else 0  # the first key that is seen
        self._keys = np.zeros((config.num_key_value_heads, n - self.first, config.head_dim), np.float32)
        self._inputs = np.zeros((n - start, config.hidden_size), np.float32)

    def take(self, inputs: Floats, at: int, angles: Floats) -> None:
        """Take the layer's inputs [B, D] of the tokens from `at` on."""
        skip = max(self.first - at, 0)
        if skip < len(inputs):
            begin = at + skip - self.first
            keys = self._heads.keys(inputs[skip:], angles[skip:])
            self._keys[:, begin : begin + keys.shape[1]] = keys
        skip = max(self._start - at, 0)
        if skip < len(inputs):
            begin = at + skip - self._start
            self._inputs[begin : begin + len(inputs) - skip] = inputs[skip:]

    def weights(self, angles: Floats) -> Iterator[tuple[int, slice, Floats, int]]:
        """Yield (head, rows, their weights [rows, keys], the position of the first key)."""
        n_rows = max(1, MOST_WEIGHTS // (self._n - self.first))
        for begin in range(0, len(self._inputs), n_rows):
            rows = slice(begin, min(begin + n_rows, len(self._inputs)))
            positions = np.arange(self._start + rows.start, self._start + rows.stop)
            queries = self._heads.queries(self._inputs[rows], angles[positions])
            distance = positions[:, None] - np.arange(self.first, self._n)
            unseen = (distance < 0) | (distance >= (self._heads.window or self._n))
            for head, one in enumerate(queries):
                keys = self._keys[head // self._heads.group]
                found = one_head(one, keys, self._heads.sinks[head], unseen)
                yield head, rows, np.asarray(found, np.float32), self.first


def _sums(weights: Floats, first: int, bounds: Sequence[int]) -> NDArray[np.float64]:
    """Add up weights [rows, keys from `first` on] over each span."""
    spans = [(max(a - first, 0), max(b - first, 0)) for a, b in pairwise(bounds)]
    return np.stack([weights[:, a:b].sum(axis=1, dtype=np.float64) for a, b in spans], axis=1)
