"""The attention weights of one layer, computed anew in NumPy from the residual stream.

The engine never stores these weights: its attention runs over blocks of keys. So a trace forms them from the
layer's input and its tensors, in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checkpoint.config import SLIDING, Config

Floats = NDArray[np.float32]


def as_float32(tensor: NDArray[Any]) -> Floats:
    """Return a stored tensor as float32; bf16 is stored as uint16, its upper half.

    >>> as_float32(np.array([0x3F80], np.uint16))
    array([1.], dtype=float32)
    """
    if tensor.dtype == np.uint16:
        return (tensor.astype(np.uint32) << 16).view(np.float32)
    return tensor.astype(np.float32)


def rms_norm(x: Floats, scale: Floats, eps: float) -> Floats:
    """Divide rows by their root mean square and scale them."""
    power = np.mean(np.square(x, dtype=np.float64), axis=-1, keepdims=True)
    return np.asarray(x / np.sqrt(power + eps) * scale, np.float32)


def attention_weights(
    tensors: Mapping[str, NDArray[Any]], config: Config, layer: int, inputs: Floats, start: int = 0
) -> Floats:
    """Return how much each token from `start` on attends to each token, [heads, T - start, T].

    >>> hidden = model.trace("Roses are red", what="hidden")["hidden"][0]
    >>> bool(attention_weights(model.tensors, model.config, 0, hidden).sum(axis=-1).max() <= 1.00001)
    True

    The values are those of `each_head`, for all heads.
    """
    return np.stack([*each_head(tensors, config, layer, inputs, start)])


def each_head(
    tensors: Mapping[str, NDArray[Any]],
    config: Config,
    layer: int,
    inputs: Floats,
    start: int = 0,
    heads: Iterable[int] | None = None,
) -> Iterator[Floats]:
    """Yield how much each token from `start` on attends to each token, [T - start, T], for each of `heads` or
    all.

    `inputs` [T, D] is the residual stream before the layer, from position 0. A row adds up to 1 less the
    share of the head's sink. Sliding layers see the last `sliding_window` tokens.
    """
    looks = Heads(tensors, config, layer)
    n = len(inputs)
    angles = rotation_angles(config, n)
    queries, keys = looks.queries(inputs[start:], angles[start:]), looks.keys(inputs, angles)
    unseen = unseen_keys(n, looks.window or n)[start:]
    for head in range(config.num_attention_heads) if heads is None else heads:
        sink = looks.sinks[head]
        yield np.asarray(one_head(queries[head], keys[head // looks.group], sink, unseen), np.float32)


class Heads:
    """What a layer's heads look with: queries and keys from its input, in float32.

    >>> looks = Heads(model.tensors, model.config, 0)
    >>> looks.keys(np.zeros((3, 192), np.float32), rotation_angles(model.config, 3)).shape
    (2, 3, 32)

    `window` is how many tokens a sliding layer sees, None for all. `group` heads share a head of keys.
    """

    def __init__(self, tensors: Mapping[str, NDArray[Any]], config: Config, layer: int) -> None:
        self._tensors, self._config = tensors, config
        self._prefix = f"model.layers.{layer}."
        self.group = config.num_attention_heads // config.num_key_value_heads
        self.window = config.sliding_window if config.layer_types[layer] == SLIDING else None
        self.sinks = as_float32(tensors[self._prefix + "self_attn.sinks"])

    def queries(self, inputs: Floats, angles: Floats) -> Floats:
        """Return the queries [heads, T, Dh] of rows of the residual stream [T, D] at these angles."""
        return rotated(self._project("q_proj", inputs), angles, self._config)

    def keys(self, inputs: Floats, angles: Floats) -> Floats:
        """Return the keys [heads of keys, T, Dh] of rows of the residual stream [T, D] at these angles."""
        return rotated(self._project("k_proj", inputs), angles, self._config)

    def _project(self, name: str, inputs: Floats) -> Floats:
        scale = as_float32(self._tensors[self._prefix + "input_layernorm.weight"])
        normed = rms_norm(inputs, scale, self._config.rms_norm_eps)
        weight, bias = (
            as_float32(self._tensors[f"{self._prefix}self_attn.{name}.{part}"]) for part in ("weight", "bias")
        )
        projected = np.asarray(normed @ weight.T + bias)
        return projected.reshape(len(inputs), -1, self._config.head_dim).transpose(1, 0, 2)


def unseen_keys(n: int, window: int) -> NDArray[np.bool_]:
    """Return for each of n positions the keys, of n, that it does not see: later ones, and those before its
    window."""
    distance = np.arange(n)[:, None] - np.arange(n)
    return np.asarray((distance < 0) | (distance >= window))


def one_head(queries: NDArray[Any], keys: NDArray[Any], sink: Any, unseen: NDArray[np.bool_]) -> NDArray[Any]:
    """Return one head's attention [T, S] of queries [T, Dh] to keys [S, Dh], its sink taking part."""
    scores = queries @ keys.T / math.sqrt(queries.shape[-1])
    scores[unseen] = -np.inf
    top = np.maximum(scores.max(axis=-1, keepdims=True), sink)
    weights = np.exp(scores - top)
    return np.asarray(weights / (weights.sum(axis=-1, keepdims=True) + np.exp(sink - top)))


def rotation_angles(config: Config, n_positions: int) -> Floats:
    """YaRN's angles [n, head_dim / 2]: fast ones as trained, slow ones stretched, a ramp between."""
    half = config.head_dim // 2
    base = math.log(config.rope_theta)
    frequencies = np.exp(-base * np.arange(half) / half)

    def index_of(n_turns: float) -> float:
        """The frequency that turns so often in the original context."""
        return half * math.log(config.rope_original_max_position_embeddings / (n_turns * 2 * math.pi)) / base

    fast, slow = index_of(config.rope_beta_fast), index_of(config.rope_beta_slow)
    stretched = np.clip((np.arange(half) - fast) / (slow - fast), 0, 1)
    frequencies = (frequencies * (1 - stretched + stretched / config.rope_factor)).astype(np.float32)
    return np.asarray(np.arange(n_positions, dtype=np.float32)[:, None] * frequencies)


def rotated(x: Floats, angles: Floats, config: Config) -> Floats:
    """Turn element i of each head with element i + head_dim / 2; YaRN lengthens them a little too."""
    concentration = np.float32(0.1 * math.log(config.rope_factor) + 1)
    cos, sin = np.cos(angles) * concentration, np.sin(angles) * concentration
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
