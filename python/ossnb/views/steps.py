"""The model's view of every token of a reply: the numbers behind the token view."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..engine.trace import top_ids
from ..generation.record import Reply


class Rows:
    """Arrays of the same length, as fields of a dataclass; `rows[10:20]` takes this part of each."""

    __slots__ = ()

    def __getitem__(self, part: slice) -> Self:
        return type(self)(*(getattr(self, field.name)[part] for field in fields(self)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Steps(Rows):
    """T rows, one a token: the distribution it was drawn from, before penalties and temperature.

    >>> steps = Steps.read(reply, n_top=8)
    >>> steps.top_ids.shape
    (50, 8)
    """

    tokens: NDArray[np.int32]  # [T]
    logprobs: NDArray[np.float32]  # [T], of the tokens written
    ranks: NDArray[np.int32]  # [T], how many tokens were likelier
    entropies: NDArray[np.float32]  # [T], in nats
    top_ids: NDArray[np.int32]  # [T, n_top], likeliest first
    top_logits: NDArray[np.float32]  # [T, n_top]
    top_logprobs: NDArray[np.float32]  # [T, n_top]

    @classmethod
    def read(cls, reply: Reply, n_top: int) -> Self:
        """Read a reply that has tokens again with its model."""
        model = reply.origin.model
        if not 1 <= n_top <= model.config.vocab_size:
            raise ValueError(f"n_top must be in 1..{model.config.vocab_size}, got {n_top}")
        tokens = [*reply.prompt_tokens, *reply.tokens]
        blocks = model.logit_blocks(tokens[:-1], start=len(reply.prompt_tokens) - 1)
        return cls.of(reply.tokens, blocks, n_top)

    @classmethod
    def of(cls, tokens: list[int], blocks: Iterable[NDArray[np.float32]], n_top: int) -> Self:
        """Reduce blocks of logits [n, V] to the kept values; row t is before token t."""
        parts, done = [], 0
        for block in blocks:
            parts.append(_reduced(np.asarray(tokens[done : done + len(block)], np.int32), block, n_top))
            done += len(block)
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def __len__(self) -> int:
        return len(self.tokens)


def _reduced(
    tokens: NDArray[np.int32], logits: NDArray[np.float32], n_top: int
) -> tuple[NDArray[np.generic], ...]:
    largest = logits.max(axis=1, keepdims=True)
    weights = np.exp(logits - largest)
    total = weights.sum(axis=1, dtype=np.float64)
    # entropy = log(sum) - mean of (logit - largest)
    mean = np.einsum("tv,tv->t", weights, logits - largest, dtype=np.float64) / total
    chosen = np.take_along_axis(logits, tokens[:, None], 1)
    log_total = np.log(total) + largest[:, 0]
    best = top_ids(logits, n_top)
    best_logits = np.take_along_axis(logits, best, 1)
    return (
        tokens,
        (chosen[:, 0] - log_total).astype(np.float32),
        (logits > chosen).sum(axis=1).astype(np.int32),
        (np.log(total) - mean).astype(np.float32),
        best.astype(np.int32),
        best_logits,
        (best_logits - log_total[:, None]).astype(np.float32),
    )
