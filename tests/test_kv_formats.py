"""Keys and values in bfloat16 and int8: rounded numbers in the written order, however a pass is run."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import ossnb
from ossnb import _core
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.errors import CheckpointError
from ossnb.generation.record import Reply
from ossnb.testing import write_random_checkpoint

LEVELS = _core.isa_levels()
NARROW = ["bf16", "int8"]
SHAPE = {
    "num_hidden_layers": 3, "hidden_size": 96, "intermediate_size": 64, "num_attention_heads": 16,
    "num_key_value_heads": 2, "head_dim": 64, "num_local_experts": 8, "vocab_size": 300,
    "sliding_window": 128,
}  # fmt: skip
IDS = np.random.default_rng(6).integers(0, 300, 300).astype(np.int32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_random_checkpoint(tmp_path_factory.mktemp("kv") / "model", SHAPE, seed=5)


def core(folder, kv, **settings):
    opened = open_checkpoint(folder)
    return _core.Model(
        dataclasses.asdict(opened.config), opened.tensors, kv_format=kv, **{"threads": 2} | settings
    )


def logits(model, chunks=()):
    sequence, parts, at = model.sequence(), [], 0
    for n in [*chunks, len(IDS)]:
        if len(piece := IDS[at : at + n]):
            parts.append(model.logits([(sequence, piece, len(piece))]))
        at += n
    return np.concatenate(parts)


def rounded(kv, x):
    """Rows of keys or values as the format keeps them, in plain NumPy."""
    if kv == "bf16":
        bits = x.astype(np.float32).view(np.uint32).astype(np.uint64)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
    largest = np.abs(x).max(axis=-1, keepdims=True)
    codes = np.rint(x * (np.float32(127) / largest)).astype(np.float32)
    return codes * (largest / np.float32(127))


def attention(isa, kv, q, keys, values, last=None, window=999, block=32):
    sinks = np.full(q.shape[1], 0x3F00, np.uint16)
    last = len(keys) - len(q) if last is None else last
    return _core.kernels.attend(isa, q, keys, values, sinks, last, window, block, kv)


def same_bits(a, b):
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


@pytest.mark.parametrize("kv", NARROW)
@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize(("n_heads", "width"), [(8, 64), (2, 32), (1, 16), (5, 48), (16, 80)])
def test_attention_is_that_of_the_rounded_numbers(kv, isa, n_heads, width):
    rng = np.random.default_rng([n_heads, width])
    q = 3 * rng.standard_normal((4, n_heads, width), np.float32)
    keys, values = rng.standard_normal((2, 620, width), np.float32)
    keys[3] *= 1e4  # one loud key does not blur the others
    for n, last, window in [(1, 0, 1), (1, 16, 2), (4, 0, 2), (4, 145, 128), (3, 253, 999), (4, 600, 345)]:
        expected = attention(
            "reference", "float32", q[:n], rounded(kv, keys), rounded(kv, values), last, window
        )
        for block in (32, 48, 640):
            same_bits(attention(isa, kv, q[:n], keys, values, last, window, block), expected)


@pytest.mark.parametrize("kv", NARROW)
@pytest.mark.parametrize("isa", LEVELS)
def test_odd_numbers_are_kept(kv, isa):
    """Zeros, ties, subnormal numbers and the largest ones; what is no number stays none."""
    q = np.ones((1, 1, 16), np.float32)
    keys = np.zeros((2, 16), np.float32)
    values = np.array([[1 + 2.0**-8, 1 + 3 * 2.0**-8, -0.0, 1e-40, 3e38, *[0.0] * 11]] * 2, np.float32)
    expected = attention("reference", "float32", q, keys, rounded(kv, values))
    same_bits(attention(isa, kv, q, keys, values), expected)
    assert (attention(isa, kv, q, keys, np.zeros_like(values)) == 0).all()
    for bad in (np.nan, np.inf):
        values[1, 2] = bad
        got = attention(isa, kv, q, keys, values)[0, 0]
        assert not np.isfinite(got[2])
        assert np.isfinite(attention(isa, kv, q, keys, values, last=0)).all()  # a key that is not seen


@pytest.mark.parametrize("kv", NARROW)
def test_the_same_bits_every_way(folder, kv):
    expected = logits(core(folder, kv, threads=1))
    for isa in LEVELS:
        same_bits(logits(core(folder, kv, isa=isa), [1, 126, 1, 1, 100]), expected)
    model = core(folder, kv, threads=3)
    a, b = model.sequence(), model.sequence()
    together = model.logits([(a, IDS[:200], 200), (b, IDS[:77], 77)])
    same_bits(together, np.concatenate([expected[:200], expected[:77]]))
    child = a.fork()
    child.rewind(130)
    same_bits(model.logits([(child, IDS[130:], 170)]), expected[130:])
    copied = model.sequence([model.kv.make_from(model.kv.read(block)) for block in a.blocks], a.length)
    same_bits(model.logits([(copied, IDS[200:], 100)]), expected[200:])


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_what_it_costs_and_saves(folder, precision):
    plain = core(folder, "float32", precision=precision)
    expected = logits(plain)
    errors = {}
    for kv, share in (("bf16", 1 / 2), ("int8", (64 + 4) / (4 * 64))):
        model = core(folder, kv, precision=precision)
        assert model.kv_format == kv
        assert model.kv_bytes_per_token == plain.kv_bytes_per_token * share
        errors[kv] = np.sqrt(np.square(logits(model) - expected).mean()) / expected.std()
    assert 0 < errors["bf16"] < errors["int8"] < 0.1


@pytest.mark.parametrize("kv", ["float32", *NARROW])
def test_a_pass_reads_the_bytes_that_are_kept(folder, kv):
    model = core(folder, kv)
    sequence = model.sequence()
    model.step([(sequence, IDS[:200], 0)], [])
    n_bytes = [
        model.step([(sequence, IDS[at : at + 1], 1)], [greedy(model, at)]).n_bytes for at in (200, 201)
    ]
    assert n_bytes[1] - n_bytes[0] == model.kv_bytes_per_token // 3  # one of three layers sees all keys


def greedy(model, position):
    return _core.Chooser(_core.Sampler(n_vocab=model.n_vocab, temperature=0), position + 1)


# ---- in Python


@pytest.mark.parametrize("kv", NARROW)
def test_answers_are_the_same_alone_together_and_from_kept_keys(kv):
    with ossnb.load("demo", kv=kv) as model:
        first = model.generate("Tell me a story about a fox.", temperature=1, seed=3)
        again = model.generate("Tell me a story about a fox.", temperature=1, seed=3)
        drafted = model.generate("Tell me a story about a fox.", temperature=1, seed=3, drafts=True)
        rows = model.map(["fox", "cat", "dog"], "Tell me a story about a {}.", temperature=1, seed=3)
        assert first.tokens == again.tokens == drafted.tokens
        assert again.stats.n_cached_tokens > 0
        for name, row in zip(["fox", "cat", "dog"], rows, strict=True):
            seed = row.reply.seed
            alone = model.generate(f"Tell me a story about a {name}.", temperature=1, seed=seed)
            assert row.reply.tokens == alone.tokens
        assert (model.kv, first.kv) == (kv, kv)


def test_a_reply_says_how_they_were_kept():
    replies = {}
    for kv in ("float32", "int8"):
        with ossnb.load("demo", kv=kv) as model:
            reply = replies[kv] = model.generate("What is 2 + 2?", temperature=0)
        assert Reply.from_dict(json.loads(json.dumps(reply.to_dict()))).kv == kv
    assert "kv" not in replies["float32"].to_dict(settings_only=True)
    assert replies["int8"].to_dict(settings_only=True)["kv"] == "int8"
    assert ossnb.to_frame(list(replies.values()))["kv"].tolist() == ["float32", "int8"]
    assert "int8" in ossnb.compare(list(replies.values())).html()


def test_kept_keys_of_another_format_are_refused(tmp_path):
    file = tmp_path / "kept.ossnb"
    with ossnb.load("demo", kv="bf16") as model:
        model.generate("What is 2 + 2?", temperature=0)
        model.save_cache(file)
    with ossnb.load("demo", kv="bf16", cache=file) as model:
        assert model.generate("What is 2 + 2?", temperature=0).stats.n_cached_tokens > 0
    with pytest.raises(CheckpointError, match="keys and values of another device, format or build"):
        ossnb.load("demo", kv="int8", cache=file)


def test_more_tokens_fit_the_same_memory(monkeypatch):
    from ossnb.system import machine

    monkeypatch.setattr(machine, "available_memory", lambda: 20_000_000)
    fit = {}
    for kv in ("float32", "int8"):
        with ossnb.load("demo", kv=kv) as model:
            fit[kv] = model.context
    assert fit["int8"] > fit["float32"]


@pytest.mark.parametrize("kv", ["fp8", "", 8, True])
def test_a_format_that_is_none_is_an_error(kv):
    with pytest.raises((ValueError, TypeError), match=r"kv must be 'float32', 'bf16' or 'int8', got"):
        ossnb.load("demo", kv=kv)
    with pytest.raises(TypeError, match="here it is kv"):
        ossnb.load("demo", cache_type_k="q8_0")
