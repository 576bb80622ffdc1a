"""A trace of the layers' work on a text, as NumPy arrays.

Nothing here runs while a model generates. A trace reads the text again, a block of tokens at a time, and
keeps only the arrays that you asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..checkpoint.config import Config
from ..system.arguments import integer
from ..system.text import shown_value
from .attention import as_float32, attention_weights, rms_norm

if TYPE_CHECKING:
    from .. import _core
    from .shared import Reading

Array = NDArray[Any]

KINDS = ("router", "attention", "hidden", "logit_lens", "logits")
BLOCK = 64  # tokens traced in one call: their logits are 50 MB
LENS_ELEMENTS = 1 << 22  # numbers of the logit lens at hand at a time: 16 MB

_ROUTER = ("router_logits", "experts", "expert_weights")


def check_kinds(what: Iterable[str]) -> frozenset[str]:
    """Return the kinds of trace that were asked for; raise ValueError for a kind that does not exist.

    >>> sorted(check_kinds("router"))
    ['router']
    """
    if not isinstance(what, Iterable):
        raise ValueError(f"what must be of {', '.join(KINDS)}, got {shown_value(what)}")
    named = [what] if isinstance(what, str) else list(what)
    for kind in named:
        if kind not in KINDS:
            raise ValueError(f"what must be of {', '.join(KINDS)}, got {shown_value(kind)}")
    kinds = frozenset(named)
    if not kinds:
        raise ValueError(f"what must name at least one of {', '.join(KINDS)}, got nothing")
    return kinds


def check_layers(layers: Iterable[int] | None, n_layers: int, name: str = "layers") -> list[int]:
    """Return layer numbers: all for None; numbers below zero count from the end. Errors call them `name`.

    >>> check_layers([0, -1], 24)
    [0, 23]
    """
    if layers is None:
        return list(range(n_layers))
    if not isinstance(layers, Iterable):
        raise ValueError(f"layers must be a list of integers, as [0, -1], got {shown_value(layers)}")
    chosen = list(layers)
    for layer in chosen:
        is_integer = isinstance(layer, Integral) and not isinstance(layer, bool)
        if not is_integer or not -n_layers <= layer < n_layers:
            kind = "integers" if name == "layers" else "an integer"
            raise ValueError(
                f"{name} must be {kind} in {-n_layers}..{n_layers - 1}, got {shown_value(layer)}"
            )
    if not chosen:
        raise ValueError("layers must name at least one layer, got none")
    return [int(layer) % n_layers for layer in chosen]


@dataclass(frozen=True, slots=True)
class Tracing:
    """The checked choice of arrays to keep of a text of n tokens; Model.trace describes the arrays."""

    config: Config
    kinds: frozenset[str]
    layers: list[int]
    n: int
    start: int
    n_top: int

    def __post_init__(self) -> None:
        integer("start", self.start, 0, self.n - 1, what="the tokens")
        if integer("n_top", self.n_top, 0) < 1:
            raise ValueError(f"n_top must be at least 1, got {self.n_top}")

    @property
    def first(self) -> int:
        """The first token to compute; attention needs the keys of all tokens."""
        return 0 if "attention" in self.kinds else self.start

    @property
    def n_bytes(self) -> int:
        """Room for the large arrays, twice: in parts, and joined."""
        c, rows = self.config, self.n - self.first
        n_floats = rows * c.vocab_size if "logits" in self.kinds else 0
        if self.kinds & {"hidden", "attention"}:
            n_floats += rows * (len(self.layers) + 1) * c.hidden_size
        if "attention" in self.kinds:
            n_floats += len(self.layers) * c.num_attention_heads * (self.n - self.start) * self.n
        return 2 * 4 * n_floats

    def run(
        self,
        engine: Reading,
        tensors: Mapping[str, Array],
        sequence: _core.Sequence,
        tokens: NDArray[np.int32],
    ) -> dict[str, Array]:
        """Trace; `sequence` holds the tokens before `first`."""
        lens = LogitLens(tensors, self.config, self.n_top) if "logit_lens" in self.kinds else None
        blocks = [
            self._block(engine.trace(sequence, tokens[at : at + BLOCK]), lens)
            for at in range(self.first, self.n, BLOCK)
        ]
        arrays = join_blocks(blocks, skip=self.start - self.first)
        if "attention" in self.kinds:
            each = zip(self.layers, arrays.pop("inputs"), strict=True)
            weights = [attention_weights(tensors, self.config, i, x, self.start) for i, x in each]
            arrays["attention"] = np.stack(weights)
        return {"tokens": tokens[self.start :], "layers": np.array(self.layers, np.int32), **arrays}

    def _block(self, traced: dict[str, Array], lens: LogitLens | None) -> dict[str, Array]:
        """Keep of one block what is asked for."""
        block: dict[str, Array] = {}
        hidden = traced["hidden"][1:][self.layers]
        if "router" in self.kinds:
            block |= {name: traced[name][self.layers] for name in _ROUTER}
        if "attention" in self.kinds:
            block["inputs"] = traced["hidden"][self.layers]
        if "hidden" in self.kinds:
            block |= {"embedding": traced["hidden"][0].copy(), "hidden": hidden}
        if lens is not None:
            block["lens_tokens"], block["lens_logprobs"] = lens.read(hidden)
        if "logits" in self.kinds:
            block["logits"] = traced["logits"]
        return block


def join_blocks(blocks: list[dict[str, Array]], skip: int) -> dict[str, Array]:
    """Join arrays along their token axis and leave out the first `skip` tokens, but keep all of "inputs". The
    token axis is the first of "embedding" and "logits", and the second of the others."""
    joined = {}
    for name in blocks[0]:
        axis = 0 if name in ("embedding", "logits") else 1
        array = np.concatenate([block[name] for block in blocks], axis)
        left_out = 0 if name == "inputs" else skip
        joined[name] = array[left_out:] if axis == 0 else array[:, left_out:]
    return joined


class LogitLens:
    """The model's words if it stopped after a layer: the last norm and the output layer, applied early.

    >>> lens = LogitLens(model.tensors, model.config, n_top=5)
    >>> tokens, logprobs = lens.read(model.trace("Roses are red", what="hidden")["hidden"][-1])

    It is computed in float32 from the weights as stored. The output layer is read a slice at a time.
    """

    def __init__(self, tensors: Mapping[str, Array], config: Config, n_top: int) -> None:
        self._scale = as_float32(tensors["model.norm.weight"])
        self._output = tensors["lm_head.weight"]
        self._eps = config.rms_norm_eps
        self._n_top = min(n_top, config.vocab_size)

    def read(self, hidden: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the likeliest tokens and their log-probabilities, both [..., n_top], for hidden [..., D]."""
        shape = hidden.shape[:-1]
        states = rms_norm(hidden.reshape(-1, hidden.shape[-1]), self._scale, self._eps)
        n_vocab = len(self._output)
        ids = np.zeros((len(states), self._n_top), np.int32)
        logits = np.full((len(states), self._n_top), -np.inf, np.float32)
        log_sum = np.full(len(states), -np.inf)
        rows = max(1, LENS_ELEMENTS // max(hidden.shape[-1], len(states)))
        for start in range(0, n_vocab, rows):
            part = states @ as_float32(self._output[start : start + rows]).T
            largest = part.max(axis=1)
            better = np.flatnonzero(largest > logits[:, -1])  # soon only a few
            ids[better], logits[better] = _merged(ids[better], logits[better], part[better], start)
            np.exp(np.subtract(part, largest[:, None], out=part), out=part)
            log_sum = np.logaddexp(log_sum, np.log(part.sum(axis=1, dtype=np.float64)) + largest)
        logprobs = (logits - log_sum[:, None]).astype(np.float32)
        return ids.reshape(*shape, -1), logprobs.reshape(*shape, -1)


def _merged(
    ids: NDArray[np.int32], logits: NDArray[np.float32], part: NDArray[np.float32], start: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The best tokens of those found so far and of a further slice; its first column is token `start`."""
    found = top_ids(part, min(ids.shape[1], part.shape[1]))
    ids = np.concatenate([ids, found.astype(np.int32) + np.int32(start)], 1)
    logits = np.concatenate([logits, np.take_along_axis(part, found, 1)], 1)
    best = np.argsort(-logits, axis=1, kind="stable")[:, : ids.shape[1] - found.shape[1]]
    return np.take_along_axis(ids, best, 1), np.take_along_axis(logits, best, 1)


def top_ids(logits: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Return the columns of every row's n largest values, largest first; of equals the lower column first.

    >>> top_ids(np.array([[1.0, 3.0, 2.0, 3.0]], np.float32), 3)
    array([[1, 3, 2]])
    """
    if n < logits.shape[1]:
        least = np.partition(logits, -n, axis=1)[:, -n, None]
        candidates = [_first_of(row, bound, n) for row, bound in zip(logits, least[:, 0], strict=True)]
        chosen = np.array(candidates, np.int64).reshape(-1, n)
    else:
        chosen = np.broadcast_to(np.arange(logits.shape[1]), logits.shape)
    order = np.argsort(-np.take_along_axis(logits, chosen, 1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, 1)


def _first_of(row: NDArray[np.float32], bound: np.float32, n: int) -> NDArray[np.int64]:
    """The columns above `bound`, and as many equal to it as make n; in ascending order."""
    above = np.flatnonzero(row > bound)
    equal = np.flatnonzero(row == bound)[: n - len(above)]
    return np.sort(np.concatenate([above, equal]))
