"""The memory of a card, planned before any of it is taken: weights, work space, keys and values.

Everything here is arithmetic. The weights are counted as the engine puts them into a card's memory
(cpp/ops/cuda/weights.cpp), array by array. The embedding stays on the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..checkpoint.config import Config
from ..system.progress import size_text

ROWS = 512  # the tokens of the largest pass; see engine/scheduler.py
BLOCK_TOKENS = 32  # of keys and values
LEAST_TOKENS = 512  # with less context nothing can be asked

_ARRAY, _PAGE = 256, 2 << 20  # bytes: arrays of weights begin at multiples, and memory is given in multiples
_SLAB = 64 << 20  # bytes of keys and values that the engine asks for at a time
# Blocks whose keys of sliding layers are on the card: those that one pass reads, of some forty sequences with
# a window of 128, and of two with any window.
_AT_HAND = 256
_SCORES = 32 << 20  # numbers: scores of attention that are worked at together
_PIECE = 256  # keys
_HEAD_ROWS = 32  # whose logits are there at a time
_KV_BYTES = {"float32": 4, "bf16": 2, "int8": 1}


@dataclass(frozen=True)
class Plan:
    """What a model needs of a card's memory.

    >>> plan = Plan(Config())
    >>> round(plan.weights / 1e9, 1), plan.tokens(16_600_000_000) >= 32_768
    (12.8, True)

    `is_mxfp4` says whether the experts are in MXFP4, else in bfloat16. `has_copies` says whether there are
    packed copies: of the attention's matrices for `exact` (bf12; for `fast`, Q8, they always are), and of the
    output layer for its screen (Q6). `host_layers` is how many layers have their experts on the host, where
    the CPU computes them. `host_memory` is how many bytes of keys and values may be with the host: those of
    sliding layers that no window reaches.
    """

    config: Config
    precision: str = "exact"
    kv: str = "float32"
    is_mxfp4: bool = True
    has_copies: bool = True
    host_layers: int = 0
    host_memory: int = 0

    @property
    def weights(self) -> int:
        """Bytes of the weights."""
        return _paged(_laid_out(self._arrays()))

    @property
    def work(self) -> int:
        """Bytes of work space, at most."""
        return sum(map(_paged, self._work()))

    @property
    def block_bytes(self) -> int:
        """Bytes of keys and values of BLOCK_TOKENS tokens."""
        return self.config.num_hidden_layers * self._layer_block

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of keys and values of a token."""
        return self.block_bytes // BLOCK_TOKENS

    def room(self, available: int) -> int:
        """Bytes of keys and values that `available` bytes and those of the host leave room for."""
        places = self._places(available)
        if self._n_parts == 1:
            return places * self.block_bytes
        with_host = (places + self.host_memory // self._part) // 2
        return min(max(places - self._at_hand, places // 2), with_host) * self.block_bytes

    def on_card(self, available: int) -> int:
        """Bytes of memory that keys and values take of `available` ones at most."""
        return self._places(available) * self._part

    def tokens(self, available: int) -> int:
        """Tokens of context that `available` bytes of memory leave room for, at most the model's own."""
        blocks = self.room(available) // self.block_bytes
        # A sequence that writes into a block that another one shares takes a copy of it first.
        return min(self.config.max_position_embeddings, max(0, blocks - 1) * BLOCK_TOKENS)

    def needed(self, tokens: int) -> int:
        """Bytes of memory that are needed for so many tokens of context."""
        places, slab = self._slab
        return self.weights + self.work + -(-self._places_for(tokens) // places) * slab

    def fitted(self, tokens: int, available: int, most_host_layers: int) -> Plan | None:
        """Return the plan with the fewest layers on the host that has room for so many tokens, if any has."""
        for n in range(most_host_layers + 1):
            plan = replace(self, host_layers=n)
            if plan.needed(tokens) <= available:
                return plan
        return None

    def in_words(self, tokens: int) -> str:
        """Say what is needed for so many tokens."""
        kept = self.needed(tokens) - self.weights - self.work
        host = f" beside the experts of {self.host_layers} layers" if self.host_layers else ""
        return (
            f"{size_text(self.weights)} for weights{host}, {size_text(self.work)} of work space and "
            f"{size_text(kept)} for the keys and values of {tokens:,} tokens"
        )

    def what_fits(self, available: int, tokens: int) -> list[str]:
        """List the changes of a load's arguments that each would let so many tokens fit, and the largest
        context that fits."""
        found = []
        if (most := self.tokens(available)) >= LEAST_TOKENS:
            found.append(f"context={most}")
        others = {
            'kv="bf16"': replace(self, kv="bf16"),
            'kv="int8"': replace(self, kv="int8"),
            'precision="fast"': replace(self, precision="fast"),
        }
        found += [told for told, other in others.items() if other.needed(tokens) <= available]
        return found

    # ---- keys and values -----------------------------------------------------------------------------------
    # A block has a part for the layers that see all keys, and one for the sliding layers; where a model has
    # one kind of layers, it has one part. All parts have places of the same size (cpp/ops/cuda/kv.h).

    @property
    def _layer_block(self) -> int:
        """Bytes of a block in one layer."""
        c = self.config
        head = BLOCK_TOKENS * (c.head_dim * _KV_BYTES[self.kv] + (4 if self.kv == "int8" else 0))
        return 2 * c.num_key_value_heads * head

    @property
    def _n_parts(self) -> int:
        return len(set(self.config.layer_types))

    @property
    def _part(self) -> int:
        """Bytes of a part."""
        kinds = self.config.layer_types
        return max(kinds.count(kind) for kind in kinds) * self._layer_block

    @property
    def _at_hand(self) -> int:
        """Count the blocks whose keys of sliding layers are on the card at least."""
        n_read = -(-(self.config.sliding_window + ROWS) // BLOCK_TOKENS) + 3  # of one sequence, by one pass
        return max(_AT_HAND, 2 * n_read)

    @property
    def _slab(self) -> tuple[int, int]:
        """The places, and the bytes, that the engine asks for at a time."""
        places = max(1, _SLAB // self._part)
        return places, _paged(places * self._part)

    def _places(self, available: int) -> int:
        """Count the places that `available` bytes of memory leave room for."""
        places, slab = self._slab
        return max(0, available - self.weights - self.work) // slab * places

    def _places_for(self, tokens: int) -> int:
        """Count the places that so many tokens need on the card."""
        blocks = -(-tokens // BLOCK_TOKENS) + 1
        if self._n_parts == 1:
            return blocks
        return max(blocks + min(blocks, self._at_hand), 2 * blocks - self.host_memory // self._part)

    # ---- array by array ------------------------------------------------------------------------------------

    def _arrays(self) -> Iterator[int]:
        c = self.config
        queries, keys = c.num_attention_heads * c.head_dim, c.num_key_value_heads * c.head_dim
        d, experts = c.hidden_size, c.num_local_experts
        for layer in range(c.num_hidden_layers):
            yield from (2 * d, 2 * c.num_attention_heads, 2 * d, 2 * experts * d, 2 * experts)
            for rows, k in ((queries, d), (keys, d), (keys, d), (d, queries)):
                yield from self._dense(rows, k)
            if layer >= self.host_layers:
                yield from self._experts()
        yield 2 * d
        yield 2 * c.vocab_size * d
        if self.has_copies:
            yield from (-(-c.vocab_size // 16) * d // 32 * (16 * 32 * 6 // 8 + 16 * 2), 8 * c.vocab_size)

    def _experts(self) -> Iterator[int]:
        """Those of a layer."""
        c = self.config
        experts = c.num_local_experts
        for rows, k in ((2 * c.intermediate_size, c.hidden_size), (c.hidden_size, c.intermediate_size)):
            yield 2 * experts * rows
            n = experts * rows * k
            yield from (n // 2, n // 32) if self.is_mxfp4 else (2 * n,)

    def _dense(self, rows: int, k: int) -> Iterator[int]:
        yield 2 * rows  # the bias
        if self.precision == "fast" and k % 32 == 0:
            yield -(-rows // 16) * k // 32 * (16 * 32 + 16 * 2)
        elif self.precision == "exact" and self.has_copies:
            tiles = -(-rows // 4)
            yield from (tiles * k // 32 * 192, 16, 4 * (tiles + 1))
            yield rows * k // 1000 * 8  # rare weights: their number depends on the weights
        else:
            yield 2 * rows * k

    def _work(self) -> Iterator[int]:
        c, t = self.config, ROWS
        d, queries = c.hidden_size, c.num_attention_heads * c.head_dim
        pairs = t * c.num_experts_per_tok
        yield from (4 * t * d, 4 * t * queries) * 2  # the residual stream and queries; of wanted rows
        yield from (4 * t * d, 4 * t * d)  # after the norms of layers, and of the head
        yield from (4 * t * c.num_local_experts, 4 * pairs, 4 * pairs, 4 * pairs)  # the router's choice
        yield 12 * (c.num_local_experts + pairs)  # the experts' work
        yield 4 * pairs * d
        yield t * max(_quantized(d, 3), _quantized(queries, 1))
        yield pairs * _quantized(c.intermediate_size, 3)
        if not self.is_mxfp4:
            yield 4 * pairs * c.intermediate_size
        if self.host_layers:  # a place for a layer's experts, which come over the bus for long prompts
            yield _laid_out(self._experts())
        yield 4 * t * c.num_key_value_heads
        whole_row = c.num_attention_heads * c.max_position_embeddings
        scores = max(min(_SCORES, t * whole_row), whole_row)
        pieces = scores // _PIECE + t * c.num_attention_heads
        yield from (4 * scores, 4 * pieces, 4 * pieces, 4 * pieces * c.head_dim)
        yield from (4 * _HEAD_ROWS * c.vocab_size, 4 * _HEAD_ROWS * -(-c.vocab_size // 32))
        if self.has_copies:  # the screen's: bounds, the blocks' best, candidates
            yield from (4 * _HEAD_ROWS * c.vocab_size, _HEAD_ROWS * c.vocab_size, _HEAD_ROWS * c.vocab_size)
        # A pass's own table: embeddings, angles, and the blocks of all its rows. It doubles as it grows, and
        # the old one goes when the new one is there.
        yield 3 * (t * (2 * d + 4 * c.head_dim + 128) + 8 * c.max_position_embeddings)


def _laid_out(arrays: Iterator[int]) -> int:
    """Bytes of arrays of weights, one behind the other."""
    return sum(-(-n // _ARRAY) * _ARRAY for n in arrays)


def _paged(n_bytes: int) -> int:
    return -(-n_bytes // _PAGE) * _PAGE


def _quantized(k: int, terms: int) -> int:
    """Bytes of a row of quantised activations."""
    return -(-(k // 32 * (32 * terms + 8)) // 16) * 16
