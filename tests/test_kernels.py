"""Every instruction-set level against the plain scalar one, by equality; that one against float64."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import truth
from ossnb import _core
from packing import pack_bf12, pack_q6

kernels = _core.kernels
LEVELS = [level for level in _core.isa_levels() if level != "reference"]
pytestmark = pytest.mark.skipif(not LEVELS, reason="this machine runs the reference level only")
# 12 groups, an odd number of groups, fewer than four, one, gpt-oss's own 90; multiples of 32
WIDTHS = [32, 64, 96, 160, 384, 2880]


def rng_of(*key):
    return np.random.default_rng(key)


def bf16(rng, shape, scale=1.0):
    x = np.float32(scale) * rng.standard_normal(shape, np.float32)
    return (x.view(np.uint32) >> 16).astype(np.uint16)


def same_bits(a, b):
    np.testing.assert_array_equal(np.asarray(a).view(np.uint32), np.asarray(b).view(np.uint32))


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("k", [16, *WIDTHS])
def test_bf16_matmul(isa, k):
    for n_rows, n_tokens in [(1, 1), (3, 2), (4, 6), (7, 13), (33, 5), (2, 60)]:
        rng = rng_of(1, k, n_rows, n_tokens)
        w, x = bf16(rng, (n_rows, k)), rng.standard_normal((n_tokens, k), np.float32)
        got = kernels.bf16_matmul(isa, w, x)
        same_bits(got, kernels.bf16_matmul("reference", w, x))
        exact = x.astype(np.float64) @ truth.widen(w).T.astype(np.float64)
        np.testing.assert_allclose(got, exact, atol=3e-6 * np.sqrt(k))


@pytest.mark.parametrize("isa", LEVELS)
def test_bf16_matmul_at_odd_addresses(isa):
    rng = rng_of(2)
    storage = np.zeros(2 * 5 * 96 + 3, np.uint8)
    w = bf16(rng, (5, 96))
    for offset in (0, 2):
        moved = np.ndarray((5, 96), np.uint16, storage.data, offset)
        moved[:] = w
        x = rng.standard_normal((4, 96), np.float32)
        same_bits(kernels.bf16_matmul(isa, moved, x), kernels.bf16_matmul("reference", w, x))


def plain(bits):
    return bits


def with_rare_weights(bits):
    """Zeros of both signs, subnormal and enormous numbers, at the ends of rows and of blocks too."""
    rng = rng_of(16, *bits.shape)
    odd = np.array([0, 0x8000, 1, 0x80FF, 0x7F7F, 0xFF00], np.uint16)
    n_rare = max(1, bits.size // 300)
    bits.ravel()[rng.permutation(bits.size)[:n_rare]] = rng.choice(odd, n_rare)
    bits[-1, -1], bits[0, 0] = odd[:2]
    return bits


@pytest.mark.parametrize("isa", ["reference", *LEVELS])
@pytest.mark.parametrize("k", [*WIDTHS, 1056])
@pytest.mark.parametrize("weights", [plain, with_rare_weights])
def test_bf12_matmul_gives_the_bits_of_bf16_matmul(isa, k, weights):
    for n_rows, n_tokens in [(1, 1), (3, 2), (8, 1), (30, 1), (7, 13), (33, 5), (6, 60)]:
        rng = rng_of(17, k, n_rows, n_tokens)
        w, x = weights(bf16(rng, (n_rows, k), 0.02)), rng.standard_normal((n_tokens, k), np.float32)
        packed = pack_bf12(w, 2)
        if packed is None:
            assert k * n_rows < 3000  # where two of them are too many already
            continue
        expected = kernels.bf16_matmul("reference", w, x)
        same_bits(kernels.bf12_matmul(isa, *packed, 0, n_rows, x), expected)
        for row in range(4, n_rows, 12):
            same_bits(kernels.bf12_matmul(isa, *packed, row, n_rows - row, x), expected[:, row:])


def test_bf12_is_not_used_where_it_does_not_pay():
    w = bf16(rng_of(18), (40, 64))
    assert len(pack_bf12(w)[0]) == 10
    w = np.random.default_rng(19).integers(0, 1 << 16, (40, 64), np.uint16)
    assert pack_bf12(w) is None


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("k", [16, 100, 2880])
def test_bf16_matmul_in_out(isa, k):
    for n_out, rows in [(32, [0]), (96, [2, 0]), (64, [1, 1, 0]), (160, [4, 3, 2, 1, 0, 4, 2])]:
        rng = rng_of(3, k, n_out)
        w, x, index = bf16(rng, (k, n_out)), rng.standard_normal((5, k), np.float32), np.array(rows, np.int32)
        got = kernels.bf16_matmul_in_out(isa, w, x, index)
        same_bits(got, kernels.bf16_matmul_in_out("reference", w, x, index))
        exact = x[index].astype(np.float64) @ truth.widen(w).astype(np.float64)
        np.testing.assert_allclose(got, exact, atol=6e-6 * np.sqrt(k))


def activations(rng, n_tokens, k):
    """Groups of every size: ordinary, zero, tiny, huge, one outlier."""
    x = rng.standard_normal((n_tokens, k), np.float32)
    groups = x.reshape(n_tokens, -1, 32)
    factor = np.array([1, 0, 1e-38, 1e30, 1e-3, 1], np.float32)
    groups *= factor[rng.integers(0, len(factor), groups.shape[:2])][..., None]
    groups[..., 7] *= rng.choice([1, 1e4], groups.shape[:2]).astype(np.float32)
    return x


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("terms", [1, 3])
@pytest.mark.parametrize("k", WIDTHS)
def test_quantize(isa, terms, k):
    x = activations(rng_of(4, k), 9, k)
    np.testing.assert_array_equal(kernels.quantize(isa, terms, x), kernels.quantize("reference", terms, x))


def unpack(quantized, terms, k):
    """v and unit of each input, from the stored row: an independent reading of QuantLayout."""
    groups, stored = k // 32, -(-k // 512) * 16
    codes, sums = quantized[:, : terms * 32 * stored], terms * 32 * stored
    codes = codes.view(np.int8).reshape(len(quantized), terms, 2, stored, 16)[..., :groups, :]
    v = (codes.astype(np.int64) * (256 ** np.arange(terms)[::-1])[:, None, None, None]).sum(axis=1)
    scale = quantized[:, sums + 4 * stored : sums + 8 * stored].copy().view(np.float32)[:, :groups]
    return np.moveaxis(v, 1, -1).reshape(len(quantized), groups, 32), scale.astype(np.float64) * 2


def test_quantize_keeps_22_bits_of_each_group():
    x = np.clip(activations(rng_of(5), 20, 384), -1e30, 1e30)
    v, unit = unpack(kernels.quantize("reference", 3, x), 3, 384)
    groups = x.reshape(20, -1, 32).astype(np.float64)
    largest = np.abs(groups).max(axis=-1, keepdims=True)
    error = np.abs(v * unit[..., None] - groups)
    assert (error <= np.maximum(largest * 2.0**-22, 2.0**-99)).all()
    assert np.abs(v).max() <= 2**22


def test_quantize_in_one_term_is_within_half_a_unit():
    x = np.clip(activations(rng_of(5), 20, 384), -1e30, 1e30)
    v, unit = unpack(kernels.quantize("reference", 1, x), 1, 384)
    groups = x.reshape(20, -1, 32).astype(np.float64)
    largest = np.abs(groups).max(axis=-1, keepdims=True)
    assert (np.abs(v * unit[..., None] - groups) <= np.maximum(largest * (0.5 / 120 + 1e-6), 1e-30)).all()
    assert np.abs(v).max() == 127


def test_int8_scales_lose_less_than_the_plain_one():
    """Than 127 units to the largest: a sixth less squared error in activations, a seventh in weights."""
    x = rng_of(15).standard_normal((40, 960), np.float32)
    groups = x.reshape(40, 30, 32).astype(np.float64)
    plain = np.abs(groups).max(axis=-1, keepdims=True) / 127
    plain_loss = ((np.rint(groups / plain) * plain - groups) ** 2).sum()
    v, unit = unpack(kernels.quantize("reference", 1, x), 1, 960)
    assert ((v * unit[..., None] - groups) ** 2).sum() < 0.84 * plain_loss
    w = (x.view(np.uint32) >> 16).astype(np.uint16)
    exact = truth.widen(w).reshape(40, 30, 32)
    plain = np.abs(exact).max(axis=-1, keepdims=True) / 31
    plain_loss = ((np.rint(exact / plain) * plain - exact) ** 2).sum()
    _, norms = pack_q6(w)
    assert (norms[:, 0].astype(np.float64) ** 2).sum() < 0.95 * plain_loss


def mxfp4(rng, n_rows, k, low=100, high=140):
    blocks = rng.integers(0, 256, (n_rows, k // 32, 16), np.uint8)
    scales = rng.integers(low, high, (n_rows, k // 32), np.uint8)
    scales[rng.random(scales.shape) < 0.05] = 0  # 2^-127
    return blocks, scales


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("terms", [1, 3])
@pytest.mark.parametrize("k", WIDTHS)
def test_mxfp4_matmul(isa, terms, k):
    # one row, tails of four and of a tile, one token, few tokens, all remainders of six, whole blocks of
    # sixteen and one more, more than are laid out at a time
    sizes = [(1, 1), (4, 1), (5, 3), (32, 4), (64, 6), (70, 13), (37, 9), (32, 11), (64, 20)]
    for n_rows, n_tokens in [*sizes, (16, 33), (21, 131)]:
        rng = rng_of(6, k, n_rows, n_tokens)
        blocks, scales = mxfp4(rng, n_rows, k)
        q = kernels.quantize("reference", terms, activations(rng, n_tokens, k))
        rows = rng.permutation(n_tokens).astype(np.int32)
        got = kernels.mxfp4_matmul(isa, terms, blocks, scales, q, rows)
        same_bits(got, kernels.mxfp4_matmul("reference", terms, blocks, scales, q, rows))


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("terms", [1, 3])
def test_mxfp4_matmul_of_the_largest_integers(isa, terms):
    """Every code 6 or -6, every byte of every term at its end: no partial sum may overflow."""
    blocks = np.repeat(np.array([0x77, 0xFF, 0x7F], np.uint8), 16 * 16 * 4).reshape(48, 4, 16)
    scales = np.full((48, 4), 127, np.uint8)
    v = np.array([65536 * 63 - 32768 - 128, -(65536 * 63) - 32768 - 128, 65536 * 63 + 127 * 257, 2**22])
    x = np.repeat(v / 2**22, 128).reshape(4, 128).astype(np.float32)
    q = kernels.quantize("reference", terms, x)
    ends = q[:, : 512 * terms].view(np.int8)
    assert (ends.min(), ends.max()) == (-128 if terms == 3 else -127, 127)
    rows = np.arange(4, dtype=np.int32)
    got = kernels.mxfp4_matmul(isa, terms, blocks, scales, q, rows)
    same_bits(got, kernels.mxfp4_matmul("reference", terms, blocks, scales, q, rows))
    exact = x.astype(np.float64) @ truth.dequantize(blocks, scales).reshape(48, -1).T
    np.testing.assert_allclose(got, exact, rtol=1e-6)


def test_mxfp4_matmul_is_float32_grade():
    rng = rng_of(7)
    blocks, scales = mxfp4(rng, 64, 2880, 118, 122)
    x = rng.standard_normal((6, 2880), np.float32)
    q, rows = kernels.quantize("reference", 3, x), np.arange(6, dtype=np.int32)
    got = kernels.mxfp4_matmul("reference", 3, blocks, scales, q, rows)
    exact = x.astype(np.float64) @ truth.dequantize(blocks, scales).reshape(64, -1).T
    assert np.sqrt(((got - exact) ** 2).sum() / (exact**2).sum()) < 5e-7


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("k", WIDTHS)
def test_q8_matmul(isa, k):
    sizes = [(1, 1), (16, 1), (17, 2), (31, 3), (32, 7), (70, 12), (48, 5)]
    for n_rows, n_tokens in [*sizes, (33, 17), (5, 147)]:
        rng = rng_of(13, k, n_rows, n_tokens)
        w = bf16(rng, (n_rows, k))
        tiles = kernels.q8_pack("reference", w)
        np.testing.assert_array_equal(kernels.q8_pack(isa, w), tiles)
        q = kernels.quantize("reference", 1, activations(rng, n_tokens, k))
        rows = rng.permutation(n_tokens).astype(np.int32)
        got = kernels.q8_matmul(isa, tiles, n_rows, k, q, rows)
        same_bits(got, kernels.q8_matmul("reference", tiles, n_rows, k, q, rows))


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("k", WIDTHS)
def test_q6_matmul(isa, k):
    for n_rows, n_tokens in [(1, 1), (16, 2), (17, 3), (70, 1), (33, 4), (5, 5), (20, 8), (18, 17)]:
        rng = rng_of(20, k, n_rows)
        w = bf16(rng, (n_rows, k))
        w[0, :32] = np.where(rng.random(32) < 0.5, 0x3F80, 0xBF80)  # every code at its end
        tiles = kernels.q6_pack("reference", w)
        np.testing.assert_array_equal(kernels.q6_pack(isa, w), tiles)
        q = kernels.quantize("reference", 1, activations(rng, n_tokens, k))
        rows = rng.permutation(n_tokens).astype(np.int32)
        got = kernels.q6_matmul(isa, tiles, k, q, rows)
        same_bits(got, kernels.q6_matmul("reference", tiles, k, q, rows))
        same_bits(got[-1:], kernels.q6_matmul(isa, tiles, k, q, rows[-1:]))  # alone or together


@pytest.mark.parametrize("isa", ["reference", *LEVELS])
def test_q6_matmul_of_the_largest_integers(isa):
    """Every code 31 or -31, every activation 127 or -127: no partial sum may overflow."""
    signs = np.where(rng_of(21).random((16, 96)) < 0.5, -1, 1).astype(np.float32)
    signs[:2] = [[1], [-1]]
    w = (signs.view(np.uint32) >> 16).astype(np.uint16)
    x = np.concatenate([np.ones((1, 96), np.float32), -np.ones((1, 96), np.float32), signs[5:6]])
    for rows in ([0], [1], [2], [0, 1, 2]):
        got = kernels.q6_matmul(
            isa, kernels.q6_pack(isa, w), 96, kernels.quantize(isa, 1, x), np.array(rows, np.int32)
        )
        np.testing.assert_allclose(got, x[rows] @ signs.T, rtol=5e-3, atol=0.2)


def test_q8_matmul_is_int8_grade():
    rng = rng_of(14)
    w, x = bf16(rng, (40, 2880)), rng.standard_normal((6, 2880), np.float32)
    q, rows = kernels.quantize("reference", 1, x), np.arange(6, dtype=np.int32)
    got = kernels.q8_matmul("reference", kernels.q8_pack("reference", w), 40, 2880, q, rows)
    exact = x.astype(np.float64) @ truth.widen(w).T.astype(np.float64)
    assert np.sqrt(((got - exact) ** 2).sum() / (exact**2).sum()) < 1e-2


def test_q8_pack_of_zeros_and_of_extremes():
    w = np.zeros((2, 64), np.float32)
    w[1, :32] = np.linspace(-3e38, 3e38, 32)
    w[1, 32:] = 1e-38
    bits = (w.view(np.uint32) >> 16).astype(np.uint16)
    x = np.ones((1, 64), np.float32)
    q = kernels.quantize("reference", 1, x)
    got = kernels.q8_matmul("reference", kernels.q8_pack("reference", bits), 2, 64, q, np.zeros(1, np.int32))
    assert got[0, 0] == 0
    assert np.isfinite(got).all()


@pytest.mark.parametrize("isa", LEVELS)
def test_infinite_activations_give_nan_not_nonsense(isa):
    rng = rng_of(8)
    blocks, scales = mxfp4(rng, 4, 64)
    x = rng.standard_normal((1, 64), np.float32)
    for bad in (np.inf, -np.inf, np.nan):
        x[0, 5] = bad
        rows = np.zeros(1, np.int32)
        for level in ("reference", isa):
            for terms in (1, 3):
                q = kernels.quantize(level, terms, x)
                assert np.isnan(kernels.mxfp4_matmul(level, terms, blocks, scales, q, rows)).all()


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("n", [16, 64, 2880])
def test_rms_norm(isa, n):
    rng = rng_of(9, n)
    for scale in (1e-6, 1e-3, 1.0, 1e4):
        x, w = np.float32(scale) * rng.standard_normal(n, np.float32), bf16(rng, n)
        got = kernels.rms_norm(isa, x, w, 1e-5)
        same_bits(got, kernels.rms_norm("reference", x, w, 1e-5))
        exact = x / np.sqrt((x.astype(np.float64) ** 2).mean() + 1e-5) * truth.widen(w)
        np.testing.assert_allclose(got, exact, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("n", [1, 15, 16, 33, 2880])
def test_swiglu(isa, n):
    rng = rng_of(10, n)
    h = 8 * rng.standard_normal(2 * n, np.float32)
    h[:2] = [-200.0, 7.5]  # no lower clamp on the gate, and far down its sigmoid
    got = kernels.swiglu(isa, h, 7.0, 1.702)
    same_bits(got, kernels.swiglu("reference", h, 7.0, 1.702))
    exact = truth.swiglu(h[0::2].astype(np.float64), h[1::2].astype(np.float64))
    np.testing.assert_allclose(got, exact, rtol=2e-6, atol=1e-30)


@pytest.mark.parametrize("isa", LEVELS)
def test_exp(isa):
    x = np.concatenate((np.linspace(-95, 95, 4001), [0.0, -0.0, -87.0, 88.0, -np.inf, np.nan])).astype(
        np.float32
    )
    got = kernels.exp(isa, x)
    same_bits(got, kernels.exp("reference", x))
    inside = (x > -87) & (x < 88)
    np.testing.assert_allclose(got[inside], np.exp(x[inside].astype(np.float64)), rtol=2e-7)
    assert (got[x <= -87] == 0).all()


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("n", [1, 16, 17, 1000])
def test_sum_exp(isa, n):
    x = 5 * rng_of(11, n).standard_normal(n, np.float32)
    shift = float(x.max())
    assert kernels.sum_exp(isa, x, shift) == kernels.sum_exp("reference", x, shift)
    np.testing.assert_allclose(
        kernels.sum_exp(isa, x, shift), np.exp(x.astype(np.float64) - shift).sum(), rtol=1e-6
    )


def plain_attention(q, keys, values, sinks, first, last):
    scores = q.astype(np.float64) @ keys[first : last + 1].T / np.sqrt(q.shape[1])
    with_sink = np.concatenate((scores, truth.widen(sinks)[:, None]), axis=1)
    weights = np.exp(with_sink - with_sink.max(axis=1, keepdims=True))
    return (weights[:, :-1] / weights.sum(axis=1, keepdims=True)) @ values[first : last + 1]


HEADS = [(8, 64), (2, 32), (1, 16), (5, 48), (16, 80)]  # how many share keys, and their width


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize(("n_heads", "head_dim"), HEADS)
def test_attend(isa, n_heads, head_dim):
    rng = rng_of(12, n_heads, head_dim)
    q = 3 * rng.standard_normal((4, n_heads, head_dim), np.float32)
    keys, values = rng.standard_normal((2, 150, head_dim), np.float32)
    keys[149], values[149] = np.nan, np.inf  # nobody's yet
    sinks = bf16(rng, n_heads)
    for n, last, window in [
        (1, 0, 1),
        (1, 15, 16),
        (1, 16, 99),
        (1, 3, 1),
        (1, 16, 2),
        (1, 147, 128),
        (1, 111, 12),
        (4, 0, 150),
        (4, 0, 2),
        (3, 14, 2),
        (4, 29, 128),
        (4, 62, 33),
        (4, 145, 128),
        (2, 147, 150),
    ]:
        got = kernels.attend(isa, q[:n], keys, values, sinks, last, window, 32)
        same_bits(got, kernels.attend("reference", q[:n], keys, values, sinks, last, window, 32))
        for i in range(n):
            first = max(0, last + i - window + 1)
            exact = plain_attention(q[i], keys, values, sinks, first, last + i)
            np.testing.assert_allclose(got[i], exact, atol=5e-6)
            alone = kernels.attend(isa, q[i : i + 1], keys, values, sinks, last + i, window, 32)
            same_bits(got[i], alone[0])


PIECE = 256  # keys whose weights and values are added before the next ones'
PIECE_EDGES = [  # queries, the first one's position, window
    (1, 254, 999),
    (1, 255, 999),
    (1, 256, 999),
    (1, 511, 999),
    (1, 512, 999),
    (1, 255, 256),
    (1, 256, 256),
    (1, 300, 128),
    (1, 256, 1),
    (1, 511, 256),
    (1, 600, 345),
    (3, 253, 999),
    (4, 254, 999),
    (4, 254, 2),
    (8, 380, 128),
    (8, 508, 250),
    (8, 250, 3),
]


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize(("n_heads", "head_dim"), HEADS)
def test_attend_at_the_edges_of_pieces(isa, n_heads, head_dim):
    """In blocks that pieces are made of, that an edge cuts, and that hold several pieces."""
    rng = rng_of(22, n_heads, head_dim)
    q = 2 * rng.standard_normal((8, n_heads, head_dim), np.float32)
    keys, values = rng.standard_normal((2, 640, head_dim), np.float32)
    sinks = bf16(rng, n_heads)
    for n, last, window in PIECE_EDGES:
        expected = kernels.attend("reference", q[:n], keys, values, sinks, last, window, 32)
        for block in (32, 48, 640):
            same_bits(kernels.attend(isa, q[:n], keys, values, sinks, last, window, block), expected)
        for i in range(n):
            alone = kernels.attend(isa, q[i : i + 1], keys, values, sinks, last + i, window, 32)
            same_bits(expected[i], alone[0])


def fma(a, b, c):
    """a * b + c of float32 arrays with one rounding: the sum in double, rounded to odd, then to float32."""
    product, c = a.astype(np.float64) * b, np.asarray(c, np.float64)  # the product is exact
    total = product + c
    part = total - product
    lost = (product - (total - part)) + (c - part)  # total + lost is the exact sum
    even = total.view(np.int64) % 2 == 0
    toward = np.where(lost > 0, np.inf, -np.inf)
    return np.where((lost != 0) & even, np.nextafter(total, toward), total).astype(np.float32)


def written_attention(q, keys, values, sink, first, last, piece):
    """One head's output [Dh] as docs/NUMERICS.md writes it, pieces of so many keys."""
    score = np.zeros(len(keys), np.float32)
    for d in range(len(q)):
        score = fma(q[d], keys[:, d], score)
    score *= np.float32(1 / np.sqrt(np.float32(len(q))))
    top = np.float32(max(score[first : last + 1].max(), sink))
    weight = kernels.exp("reference", score - top)
    total = mixed = None
    for start in range(first // piece * piece, last + 1, piece):
        lanes, sums = np.zeros(16, np.float32), np.zeros(len(q), np.float32)
        for j in range(max(start, first), min(start + piece, last + 1)):
            lanes[j % 16] += weight[j]
            sums = fma(weight[j], values[j], sums)
        for half in (8, 4, 2, 1):
            lanes = lanes[:half] + lanes[half : 2 * half]
        total = lanes[0] if total is None else total + lanes[0]
        mixed = sums if mixed is None else mixed + sums
    return mixed / (total + kernels.exp("reference", np.array([sink - top], np.float32))[0])


def test_fma_rounds_once():
    a, b = np.array([1 + 2.0**-12, 1, 1 - 2.0**-12], np.float32), np.float32(1 + 2.0**-12)
    c = np.array([2.0**-60, 2.0**-24, -(2.0**-24)], np.float32)
    got = fma(a, b, c).astype(np.float64)
    # the first is a tie but for c, which goes up with it; rounded in double first, it would go to even
    np.testing.assert_array_equal(got, [1 + 2.0**-11 + 2.0**-23, 1 + 2.0**-12, 1 - 2.0**-23])


@pytest.mark.parametrize(("first", "last"), [(0, 15), (0, 255), (0, 256), (129, 256), (250, 600), (0, 639)])
def test_attend_is_what_is_written(first, last):
    """In pieces: with one chain over all keys the bits are others as soon as there are two pieces."""
    rng = rng_of(23)
    q, keys, values = (rng.standard_normal((n, 48), np.float32) for n in (1, 640, 640))
    sinks = np.array([0x3F80], np.uint16)  # 1.0
    got = kernels.attend("reference", q[None], keys, values, sinks, last, last - first + 1, 32)[0, 0]
    written, chained = (
        written_attention(q[0], keys, values, np.float32(1), first, last, piece) for piece in (PIECE, 1 << 20)
    )
    same_bits(got, written)
    assert (got != chained).any() == (first // PIECE != last // PIECE)


def test_the_core_uses_no_function_that_another_device_cannot_repeat():
    """But for the rotary frequencies, which the host forms once (docs/NUMERICS.md)."""
    inexact = r"exp2?|expm1|pow|log(2|10|1p)?|a?(sin|cos|tan)h?|atan2|cbrt|hypot|[lt]gamma|erfc?"
    varies = re.compile(rf"\blong double\b|\bstd::({inexact})[fl]?\(")
    sources = sorted((Path(__file__).parent.parent / "cpp").rglob("*.*"))
    found = {(path.name, match[0]) for path in sources for match in varies.finditer(path.read_text())}
    assert found == {("rope.cpp", "std::pow("), ("rope.cpp", "std::log(")}


def test_unknown_level_is_a_clear_error():
    with pytest.raises(ValueError, match=r"'mmx'.*choose one of: reference"):
        kernels.exp("mmx", np.zeros(1, np.float32))


SMALL_SIGNAL_STACK = """
import ctypes
room = ctypes.create_string_buffer(4096)
fields = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]
Stack = type("Stack", (ctypes.Structure,), {"_fields_": fields})
stack = Stack(ctypes.addressof(room), 0, len(room))
assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0
from ossnb import _core
print(*_core.isa_levels())
"""


@pytest.mark.skipif("amx" not in LEVELS, reason="this machine has no AMX")
def test_where_linux_refuses_the_registers_of_amx_the_next_level_is_taken():
    """It does when a signal could not be delivered with them on some thread's stack for signals."""
    done = subprocess.run(
        [sys.executable, "-c", SMALL_SIGNAL_STACK], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [level for level in _core.isa_levels() if level != "amx"]
