"""Estimate how long a prompt takes to read, before it is read.

At first only the kernels are timed. What an engine then takes corrects its later estimates.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from .. import _core
from ..checkpoint.config import SLIDING, Config

_OUT, _IN, _TOKENS = 256, 960, 64  # a chunk of 512 tokens gives an expert of 32 about as many
_TRIES = 3


MEASURE_FIRST_S = 600.0  # an estimate of more than this is told only of an engine that has been measured

_paces: WeakKeyDictionary[Any, float] = WeakKeyDictionary()  # engine → seconds taken per second estimated


def pace(core: Any) -> float | None:
    """Return how many seconds an engine took lately for each that was estimated; None before it read any."""
    return _paces.get(core)


def measured(core: Any, estimated_s: float, taken_s: float) -> float:
    """Remember what an engine took for an estimate, and return its pace.

    >>> measured(model.engine.core, estimated_s=10.0, taken_s=5.0), pace(model.engine.core)
    (0.5, 0.5)
    """
    _paces[core] = taken_s / estimated_s
    return _paces[core]


class Rates(NamedTuple):
    """Multiply-adds a second that one thread does in the products of a precision."""

    experts: float
    dense: float


_ON_A_CARD = Rates(1e13, 1e13)  # a guess, until a pass has corrected it


def prefill_seconds(
    config: Config, n_tokens: int, depth: int, precision: str, isa: str, threads: int
) -> float:
    """Return about how many seconds it takes to read `n_tokens` after `depth` earlier ones.

    >>> seconds = [prefill_seconds(Config(), n, 0, "fast", "reference", threads=1) for n in (64, 128)]
    >>> 0 < seconds[0] < seconds[1]
    True

    The estimate is right within a factor of two where each thread has a core and the weights are in memory.
    It counts the products of all layers, and attention over the whole context. `exact` and `fast` differ in
    the products.
    """
    c, rates = config, product_rates(isa, precision)
    experts, dense = multiply_adds(c)
    seen = depth + n_tokens / 2
    keys = sum(min(seen, c.sliding_window) if kind == SLIDING else seen for kind in c.layer_types)
    attention = 2 * keys * c.num_attention_heads * c.head_dim
    exact_dense = product_rates(isa, "exact").dense  # attention is float32 in both
    per_token = experts / rates.experts + dense / rates.dense + attention / exact_dense
    return n_tokens * per_token / threads


def multiply_adds(config: Config) -> tuple[int, int]:
    """Count one prefill token's multiply-adds in experts and in other matrices, attention and head left out.

    >>> [round(n / 1e9, 2) for n in multiply_adds(Config())]
    [2.39, 0.64]
    """
    c = config
    heads = (2 * c.num_attention_heads + 2 * c.num_key_value_heads) * c.head_dim  # q, o, k, v
    experts = c.num_experts_per_tok * 3 * c.intermediate_size  # gate, up, down
    per_input = c.num_hidden_layers * c.hidden_size
    return per_input * experts, per_input * (heads + c.num_local_experts)  # with the router


@cache
def product_rates(isa: str, precision: str) -> Rates:
    """Time the kernels of a level for some milliseconds; one look serves all prompts of the process.

    A level that the CPU has not is a card's; there the first passes tell.
    """
    if isa not in _core.isa_levels():
        return _ON_A_CARD
    kernels = _core.kernels
    x = np.ones((_TOKENS, _IN), np.float32)
    rows = np.arange(_TOKENS, dtype=np.int32)
    terms = 1 if precision == "fast" else 3
    quantized = kernels.quantize(isa, terms, x)
    blocks = np.zeros((_OUT, _IN // 32, 16), np.uint8)
    scales = np.full((_OUT, _IN // 32), 127, np.uint8)
    matrix = np.zeros((_OUT, _IN), np.uint16)
    experts = _rate(lambda: kernels.mxfp4_matmul(isa, terms, blocks, scales, quantized, rows))
    if precision == "fast":
        tiles = kernels.q8_pack(isa, matrix)
        return Rates(experts, _rate(lambda: kernels.q8_matmul(isa, tiles, _OUT, _IN, quantized, rows)))
    return Rates(experts, _rate(lambda: kernels.bf16_matmul(isa, matrix, x)))


def _rate(product: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - began)
    return _OUT * _IN * _TOKENS / best


def duration(seconds: float) -> str:
    """Round seconds for people.

    >>> duration(7.3), duration(70), duration(300)
    ('7 s', '70 s', '5 min')
    """
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
