"""The attention of a reply's tokens, in one layer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..engine.attention import each_head
from ..engine.kept import Arrays, token_key
from ..engine.trace import check_layers
from ..generation.record import Author, Reply
from ..harmony.tokenizer import token_bytes
from ..system.arguments import integer
from .drawing import SHARE, legend, note, ramp, scale_labels
from .markup import Html, percent, quoted, token_name, visible
from .panel import Panel
from .strip import MAX_TOKENS, token_strip, token_traits

N_STRONGEST = 8
MAX_LIVE_BYTES = 16 << 20  # 2,000 tokens of a reply; the picture shows one token of any


def _inputs(model: Author, tokens: list[int], layer: int) -> NDArray[np.float32]:
    """Return the residual stream before a layer, [S, D]. All layers' are kept where they are small, so that a
    view of another layer reads nothing."""
    config, key = model.config, token_key(tokens)
    kept: Arrays | None = model.kept.get(("inputs", layer, key))
    if kept is not None:
        return np.asarray(kept["inputs"], np.float32)
    n_layers = config.num_hidden_layers
    n_bytes = 4 * n_layers * len(tokens) * config.hidden_size
    keeps_all = n_bytes <= model.kept.max_bytes // 2
    before = range(n_layers - 1) if keeps_all else range(max(layer - 1, 0), max(layer, 1))
    traced = model.trace(tokens, what="hidden", layers=[*before] or [0])
    found = {i + 1: states for i, states in zip(before, traced["hidden"], strict=False)}
    found[0] = traced["embedding"]
    for i in [*found] if keeps_all else [layer]:
        model.kept.put(("inputs", i, key), {"inputs": found[i].copy()})
    inputs: NDArray[np.float32] = found[layer]
    return inputs


class Attention(Panel):
    """The attention of each token of a reply to the prompt and to the reply before it.

    >>> reply.attention(layer=-1).at(17)  # doctest: +ELLIPSIS
    layer 3, mean of heads: token 17 “12” looked here; ...

    `weights` is [T, S]. Row t belongs to the pass that read token t of the reply; S counts the prompt's
    tokens too. `sinks` [T] has the rest of each row to 1. Attention says where a layer looked, not why the
    model wrote its text. `at(17)` shows another token than the last, and follows no other view. The live view
    goes from token to token.
    """

    title = "Where a token looked"

    def __init__(self, tokens: NDArray[np.int32], weights: NDArray[np.float32], label: str, at: int) -> None:
        super().__init__()
        self.tokens = tokens  # [S], the prompt's and the reply's
        self.weights = weights
        self._label = label
        self._at = at

    @classmethod
    def read(cls, reply: Reply, layer: int, head: int | None = None) -> Self:
        """Read a reply that has tokens again with its model; `head` None takes the mean of all heads."""
        model = reply.origin.model
        config, n_heads = model.config, model.config.num_attention_heads
        head = None if head is None else integer("head", head, 0, n_heads - 1, what="or None for all")
        (layer,) = check_layers([layer], config.num_hidden_layers, "layer")
        tokens = [*reply.prompt_tokens, *reply.tokens]
        inputs = _inputs(model, tokens, layer)
        start, heads = len(reply.prompt_tokens), range(n_heads) if head is None else [head]
        weights = np.zeros((len(reply.tokens), len(tokens)), np.float32)
        for one in each_head(model.tensors, config, layer, inputs, start, heads):  # all at once are gigabytes
            weights += one / np.float32(len(heads))
        label = f"layer {layer}, " + ("mean of heads" if head is None else f"head {head}")
        return cls(np.asarray(tokens, np.int32), weights, label, len(reply.tokens) - 1)

    def at(self, at: int) -> Attention:
        """Return the view of token `at` of the reply: the places where it looked."""
        at = integer("at", at, 0, len(self.weights) - 1, what="a token of the reply")
        return Attention(self.tokens, self.weights, self._label, at)

    @property
    def sinks(self) -> NDArray[np.float32]:
        """The share of attention that went to the heads' sinks, so to no token, [T]."""
        return np.asarray(1 - self.weights.sum(axis=1))

    def strongest(self, at: int, n: int = N_STRONGEST) -> list[tuple[int, str, float]]:
        """List the places where token `at` looked most: (position, text, share), largest first."""
        at = integer("at", at, 0, len(self.weights) - 1, what="a token of the reply")
        row = self.weights[at]
        order = np.argsort(-row, kind="stable")[: integer("n", n, 1)]
        return [(int(i), visible(token_bytes(int(self.tokens[i]))), float(row[i])) for i in order]

    def plain(self) -> str:
        """The places where the token looked most, as text."""
        rows = [f"{i:>6}  {quoted(text)} {percent(share)}" for i, text, share in self.strongest(self._at)]
        return "\n".join([self._head(), *rows])

    def html(self) -> Html:
        """The text up to the token, darker where it looked more."""
        row = self.weights[self._at]
        n_seen = len(self.tokens) - len(self.weights) + self._at + 1
        first = max(0, n_seen - MAX_TOKENS)
        shades = np.sqrt(row[first:n_seen] / max(float(row.max()), 1e-9))  # small shares must be seen too
        strip = token_strip(
            self.tokens[first:n_seen].tolist(),
            shades,
            lambda i: f"{first + i}: {percent(row[first + i])}",
            colour=SHARE,
            outlined=n_seen - first - 1,
            hides_special=self.hides_special,
        )
        scale = ramp((SHARE, SHARE), *scale_labels(float(row.max())))
        head = self._head()
        if first:
            head += f"; {first:,} tokens before these, with {percent(row[:first].sum())}, are not shown"
        return Html.joined([note(head), strip, legend(scale, "of the attention")])

    def make_widget(self) -> Any:
        """Make the live view; None for a text that is too long for the page."""
        from .live import AttentionView

        if self.weights.nbytes > MAX_LIVE_BYTES or len(self.tokens) > MAX_TOKENS:
            return None
        return AttentionView(
            twin=self._id,
            **token_traits(self.tokens.tolist()),
            n_prompt=len(self.tokens) - len(self.weights),
            weights=np.ascontiguousarray(self.weights, "<f4").tobytes(),
            label=self._label,
            selected=self._at,
        )

    def _head(self) -> str:
        token = int(self.tokens[len(self.tokens) - len(self.weights) + self._at])
        sink = percent(max(float(self.sinks[self._at]), 0.0))
        return f"{self._label}: token {self._at} {token_name(token)} looked here; {sink} to the sink"
