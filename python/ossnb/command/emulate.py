"""gpt-oss in NumPy with another program's rounding: the effect of llama.cpp's arithmetic on the logits.

With rounding switched off it is the plain model. Tests compare that with an independent model in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..checkpoint.config import SLIDING, Config
from ..engine.attention import as_float32, one_head, rms_norm, rotated, rotation_angles, unseen_keys

Floats = NDArray[np.floating[Any]]
Tensors = Mapping[str, NDArray[Any]]

_E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
_ROWS = 8192  # of a matrix widened at a time


class Rounding(NamedTuple):
    """The rounding of numbers before they are multiplied; rows are [.., K], K a multiple of 32."""

    name: str
    dense: Callable[[Floats], Floats]  # q, k, v, o, lm_head, embed_tokens; experts only if not MXFP4
    activations: Callable[[Floats], Floats]  # what such a matrix, or an MXFP4 one, is multiplied by


def q8_0(x: Floats) -> Floats:
    """Round to ggml's Q8_0: int8 per block of 32, the scale (largest / 127) in half precision.

    >>> q8_0(np.array([[127.0, 3.4] + [0.0] * 30]))[0, :2]
    array([127.,   3.])
    """
    blocks = x.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    codes = np.rint(np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0))
    with np.errstate(over="ignore"):
        return np.asarray((codes * scale.astype(np.float16)).astype(x.dtype).reshape(x.shape))


def _as_it_is(x: Floats) -> Floats:
    return x


NONE = Rounding("none", _as_it_is, _as_it_is)
# gpt-oss as its makers publish it: MXFP4 experts, Q8_0 for the other matrices, router and norms in float32.
# Its half-precision keys, values and attention weights are left out, in its favour.
LLAMA_CPP = Rounding("llama.cpp", q8_0, q8_0)


class Emulation:
    """A model that computes every sequence from its first token, many sequences at a time."""

    def __init__(
        self, tensors: Tensors, config: Config, rounding: Rounding, dtype: DTypeLike = np.float32
    ) -> None:
        self._tensors, self._config, self._rounding, self._dtype = tensors, config, rounding, dtype
        self._lm_head: Floats | None = None

    def hidden(
        self, sequences: Sequence[Sequence[int]], tell: Callable[[int], object] = lambda n_layers: None
    ) -> list[Floats]:
        """Return the input of the output layer for each token of each sequence, [T, D] each. `tell` hears how
        many layers are done."""
        cuts = np.cumsum([len(ids) for ids in sequences])[:-1]
        ids = np.concatenate([np.asarray(ids, np.int64) for ids in sequences])
        embedded = as_float32(self._tensors["model.embed_tokens.weight"][ids])
        x = self._rounding.dense(embedded.astype(self._dtype))
        for layer in range(self._config.num_hidden_layers):
            x = x + self._attention(layer, x, cuts)
            x = x + self._experts(layer, x)
            tell(layer + 1)
        return np.split(self._rounding.activations(self._norm("model.norm.weight", x)), cuts)

    def logits(self, hidden: Floats) -> Floats:
        """Return the logits [T, V] of rows of `hidden`."""
        if self._lm_head is None:
            self._lm_head = self._dense("lm_head.weight")
        return np.asarray(hidden @ self._lm_head.T)

    def _float(self, name: str) -> Floats:
        return as_float32(self._tensors[name]).astype(self._dtype)

    def _norm(self, name: str, x: Floats) -> Floats:
        return rms_norm(x, self._float(name), self._config.rms_norm_eps)

    def _dense(self, name: str) -> Floats:
        stored = self._tensors[name]
        out = np.empty(stored.shape, self._dtype)
        for first in range(0, len(stored), _ROWS):
            rows = as_float32(stored[first : first + _ROWS]).astype(self._dtype)
            out[first : first + _ROWS] = self._rounding.dense(rows)
        return out

    def _attention(self, layer: int, x: Floats, cuts: NDArray[np.int64]) -> Floats:
        c, prefix = self._config, f"model.layers.{layer}.self_attn."
        t = self._rounding.activations(self._norm(f"model.layers.{layer}.input_layernorm.weight", x))

        def project(name: str) -> list[Floats]:
            y = t @ self._dense(f"{prefix}{name}_proj.weight").T + self._float(f"{prefix}{name}_proj.bias")
            return np.split(y.reshape(len(t), -1, c.head_dim).transpose(1, 0, 2), cuts, axis=1)

        window = c.sliding_window if c.layer_types[layer] == SLIDING else 1 << 62
        sinks = self._float(f"{prefix}sinks")
        parts = zip(project("q"), project("k"), project("v"), strict=True)
        mixed = np.concatenate([_attend(c, q, k, v, sinks, window) for q, k, v in parts])
        o = self._dense(f"{prefix}o_proj.weight")
        return np.asarray(self._rounding.activations(mixed) @ o.T + self._float(f"{prefix}o_proj.bias"))

    def _experts(self, layer: int, x: Floats) -> Floats:
        c, prefix = self._config, f"model.layers.{layer}.mlp."
        t = self._norm(f"model.layers.{layer}.post_attention_layernorm.weight", x)
        router = t @ self._float(f"{prefix}router.weight").T + self._float(f"{prefix}router.bias")
        chosen = np.argsort(-router, axis=-1, kind="stable")[:, : c.num_experts_per_tok]
        top = np.take_along_axis(router, chosen, axis=-1)
        weights = np.exp(top - top[:, :1])
        weights /= weights.sum(axis=-1, keepdims=True)
        rounded = self._rounding.activations(t)
        out = np.zeros_like(x)
        for expert in np.unique(chosen):
            rows, place = np.nonzero(chosen == expert)
            h = self._expert(f"{prefix}experts.gate_up_proj", expert, rounded[rows])
            gate, up = (
                np.minimum(h[:, ::2], c.swiglu_limit),
                np.clip(h[:, 1::2], -c.swiglu_limit, c.swiglu_limit),
            )
            with np.errstate(over="ignore"):
                act = (up + 1) * gate / (1 + np.exp(-c.swiglu_alpha * gate))
            y = self._expert(f"{prefix}experts.down_proj", expert, self._rounding.activations(act))
            out[rows] += weights[rows, place][:, None] * y
        return out

    def _expert(self, name: str, expert: int, x: Floats) -> Floats:
        """One expert's product: MXFP4 as stored, or bfloat16 [in, out] rounded as other matrices are."""
        bias = as_float32(self._tensors[f"{name}_bias"][expert]).astype(self._dtype)
        if name in self._tensors:
            stored = as_float32(self._tensors[name][expert].T).astype(self._dtype)
            return np.asarray(x @ self._rounding.dense(np.ascontiguousarray(stored)).T + bias)
        blocks, scales = self._tensors[f"{name}_blocks"][expert], self._tensors[f"{name}_scales"][expert]
        values = np.empty((*blocks.shape, 2), self._dtype)
        values[..., 0], values[..., 1] = _E2M1[blocks & 15], _E2M1[blocks >> 4]
        powers = np.exp2(scales.astype(self._dtype) - 127)
        matrix = values.reshape(len(blocks), -1, 32) * powers[..., None]
        return np.asarray(x @ matrix.reshape(len(blocks), -1).T + bias)


def _attend(c: Config, q: Floats, k: Floats, v: Floats, sinks: Floats, window: int) -> Floats:
    """Attention of one sequence, heads first: q [H, T, Dh], k and v [Hk, T, Dh] → [T, H * Dh]."""
    n, group = q.shape[1], c.num_attention_heads // c.num_key_value_heads
    angles = rotation_angles(c, n)
    q, k = rotated(q, angles, c), rotated(k, angles, c)
    unseen = unseen_keys(n, window)
    heads = [
        one_head(q[head], k[head // group], sinks[head], unseen) @ v[head // group]
        for head in range(c.num_attention_heads)
    ]
    return np.concatenate(heads, axis=-1)
