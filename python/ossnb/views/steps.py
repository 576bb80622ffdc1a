"""The model's view of every token of a reply: the numbers behind the token view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..engine.kept import Arrays, token_key
from ..engine.trace import top_ids
from ..generation.record import Reply
from ..system.arguments import integer


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
        """Take these numbers of a reply that has tokens; `read_reply` reads it where nothing is kept."""
        n_top = integer("n_top", n_top, 1, reply.origin.model.config.vocab_size)
        read = read_reply(reply, n_top)
        return cls(*(read[f.name][:, :n_top] if read[f.name].ndim > 1 else read[f.name] for f in fields(cls)))

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


N_TOP = 8  # likeliest tokens that are kept at least


def read_reply(reply: Reply, n_top: int = N_TOP, *, with_experts: bool = False) -> Arrays:
    """Read a reply that has tokens with its model: the columns of Steps.

    >>> read_reply(reply)["top_ids"].shape
    (50, 8)

    `with_experts` adds "experts" int32 and "expert_weights", both [L, T, A]. The model keeps all that was
    read, so that the next view of the reply reads only what is missing.
    """
    model = reply.origin.model
    tokens = [*reply.prompt_tokens, *reply.tokens]
    key = ("reply", len(reply.prompt_tokens), token_key(tokens))
    kept = model.kept.get(key) or {}
    n_kept = kept["top_ids"].shape[1] if kept else 0
    if n_kept >= n_top and ("experts" in kept or not with_experts):
        return kept
    n_top = min(max(n_top, n_kept, N_TOP), model.config.vocab_size)
    start, experts = len(reply.prompt_tokens) - 1, _Experts()
    if with_experts:
        blocks = experts.aside(model.trace_blocks(tokens, start), len(reply.tokens))
    else:
        blocks = model.logit_blocks(tokens[:-1], start)
    steps = Steps.of(reply.tokens, blocks, n_top)
    found = {field.name: getattr(steps, field.name) for field in fields(steps)}
    return model.kept.put(key, {**kept, **found, **experts.joined()})


class _Experts:
    """The experts that a trace for the logits tells on its way."""

    def __init__(self) -> None:
        self._blocks: list[dict[str, NDArray[Any]]] = []

    def aside(
        self, traced: Iterable[dict[str, NDArray[Any]]], n_tokens: int
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the logits that each of n tokens was chosen from, and put the experts aside."""
        for block in traced:
            self._blocks.append({name: block[name].copy() for name in ("experts", "expert_weights")})
            if n_tokens > 0:  # the pass that read the last token chose none
                yield block["logits"][:n_tokens]
            n_tokens -= len(block["logits"])

    def joined(self) -> dict[str, NDArray[Any]]:
        """Return the experts of the reply's tokens; the first pass read the prompt's last token."""
        names = self._blocks[0] if self._blocks else ()
        return {name: np.concatenate([b[name] for b in self._blocks], axis=1)[:, 1:] for name in names}


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
