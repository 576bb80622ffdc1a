"""Tokens chosen from bounds of the logits: always the token that all logits give."""

import dataclasses

import numpy as np
import pytest

import truth
from ossnb import _core, load
from ossnb.checkpoint import packed as derived
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.testing import write_random_checkpoint
from packing import pack_q6

SHAPE = {
    "num_hidden_layers": 1, "hidden_size": 96, "intermediate_size": 32, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "num_local_experts": 2, "num_experts_per_tok": 1,
    "vocab_size": 3001,
}  # fmt: skip
LEVELS = _core.isa_levels()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return open_checkpoint(write_random_checkpoint(tmp_path_factory.mktemp("screen") / "m", SHAPE, seed=9))


def model_with(opened, lm_head=None, isa="", threads=1, precision="exact"):
    """A model with a screen, and its output layer exchanged for another."""
    tensors = dict(opened.tensors)
    if lm_head is not None:
        tensors["lm_head.weight"] = lm_head
    tiles, norms = pack_q6(tensors["lm_head.weight"])
    tensors |= {"lm_head.weight.q6": tiles, "lm_head.weight.q6_norms": norms}
    shape = dataclasses.asdict(opened.config)
    return _core.Model(shape, tensors, threads=threads, isa=isa, precision=precision)


def both(model, ids, sampler, position):
    """(token of a step, rows of lm_head read for it, token from all logits), after the same tokens.

    A model without a screen reads V rows; what this one reads beside the screen are rows.
    """
    ids = np.asarray(ids, np.int32)
    step = model.step([(model.sequence(), ids, 1)], [_core.Chooser(sampler, position)])
    (logits,) = model.logits([(model.sequence(), ids, 1)])
    whole = model.step([(model.sequence(), ids, 1)], [_core.Chooser(sampler, position, keeps_logits=True)])
    n_screen = -(-model.n_vocab // 16) * (96 // 32) * 416 + model.n_vocab * 8
    n_rows = (step.n_bytes - whole.n_bytes - n_screen) / (2 * 96) + model.n_vocab
    return step.choices[0].token, n_rows, sampler.sample(logits, position)[0]


def sampler_of(model, temperature, seed=0):
    return _core.Sampler(n_vocab=model.n_vocab, temperature=temperature, seed=seed)


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_random_models_many_seeds(opened, isa, precision):
    model, n_read = model_with(opened, isa=isa, precision=precision), []
    rng = np.random.default_rng(0)
    for seed in range(60):
        ids = rng.integers(0, 3001, 2)
        for temperature in (0, 0.3, 1.0, 2.5):
            got, n_rows, expected = both(model, ids, sampler_of(model, temperature, seed), 3 * seed)
            assert got == expected
            n_read.append(n_rows)
    assert 1 <= np.median(n_read) < 100  # rows, of 3001


@pytest.mark.parametrize("temperature", [1e-11, 1e-6, 0.01, 30.0, 1e9, 1e300])
def test_extreme_temperatures(opened, temperature):
    model = model_with(opened)
    for seed in range(25):
        got, _, expected = both(model, [seed, 7], sampler_of(model, temperature, seed), seed)
        assert got == expected


def bits(w):
    return (np.asarray(w, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def wide(w):
    return truth.widen(w).astype(np.float32)


def ties_everywhere(w, rng):
    return np.tile(w[:1], (len(w), 1))


def ties_in_pairs(w, rng):
    w[1::2] = w[: len(w) - 1 : 2]
    return w


def ties_but_for_one_bit(w, rng):
    w[:] = w[0]
    w[np.arange(len(w)), rng.integers(0, w.shape[1], len(w))] ^= 1  # the last bit of one weight each
    return w


def zeros(w, rng):
    return np.zeros_like(w)


def outliers(w, rng):
    f = wide(w)
    f[rng.integers(0, len(f), 300), rng.integers(0, f.shape[1], 300)] = 300  # rows whose codes lose the rest
    return bits(f)


def all_sizes(w, rng):
    return bits(wide(w) * np.exp(rng.uniform(-60, 3, (len(w), 1))).astype(np.float32))


def subnormal(w, rng):
    return bits(wide(w) * np.float32(1e-37))


def huge(w, rng):
    return bits(wide(w) * np.float32(1e35))


def infinite_rows(w, rng):
    w[rng.integers(0, len(w), 5), 3] = 0x7F80
    return w


def not_numbers(w, rng):
    w[rng.integers(0, len(w), 5), 3] = 0x7FC0
    return w


def two_far_ahead(w, rng):
    f = wide(w)
    f[[40, 2900]] = 50 * f[17]
    return bits(f)


@pytest.mark.parametrize(
    "adversary",
    [
        ties_everywhere, ties_in_pairs, ties_but_for_one_bit, zeros, outliers, all_sizes, subnormal, huge,
        infinite_rows, not_numbers, two_far_ahead,
    ],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_adversaries(opened, adversary):
    rng = np.random.default_rng(1)
    model = model_with(opened, adversary(opened.tensors["lm_head.weight"].copy(), rng), threads=2)
    for seed in range(12):
        for temperature in (0, 0.7, 1.0, 4.0):
            ids = rng.integers(0, 3001, 2)
            got, _, expected = both(model, ids, sampler_of(model, temperature, seed), seed)
            assert got == expected


def test_nearest_rivals_are_told_apart(opened):
    """Rows that differ in their last bits only, with the winner last, first and in the middle."""
    rng = np.random.default_rng(2)
    base = opened.tensors["lm_head.weight"]
    plain, seen = model_with(opened), set()
    for seed in range(30):
        (logits,) = plain.logits([(plain.sequence(), np.array([seed], np.int32), 1)])
        w = base.copy()
        w[1000:1060] = bits(3 * wide(base[logits.argmax()]))
        w[1000:1060] += rng.integers(0, 2, (60, 96)).astype(np.uint16)
        model = model_with(opened, w)
        got, _, expected = both(model, [seed], sampler_of(model, 0), 0)
        assert got == expected
        seen.add(got)
    assert seen <= set(range(1000, 1060))
    assert len(seen) > 10


def test_ties_go_to_the_lower_token(opened):
    model = model_with(opened, np.tile(opened.tensors["lm_head.weight"][:1], (3001, 1)))
    assert both(model, [1, 2], sampler_of(model, 0), 0)[::2] == (0, 0)


@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_the_same_text_and_fewer_bytes(tmp_path, monkeypatch, precision):
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path / "cache"))
    folder = write_random_checkpoint(tmp_path / "m", SHAPE | {"hidden_size": 256}, seed=4)
    settings = [{"temperature": 0}, {"seed": 5}, {"seed": 6, "temperature": 0.6}]
    plain = load(folder, precision=precision)
    monkeypatch.setattr(derived, "LEAST_BYTES", 0)
    screening = load(folder, precision=precision)
    for options in settings:
        expected = plain.complete([5, 6, 7], max_tokens=40, **options)
        got = screening.complete([5, 6, 7], max_tokens=40, **options)
        assert got.tokens == expected.tokens
        assert got.stats.decode_bytes < 0.65 * expected.stats.decode_bytes


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize(
    "options",
    [{"logprobs": 2}, {"top_p": 0.9}, {"top_k": 5}, {"min_p": 0.1}, {"logit_bias": {5: 1.0}},
     {"repetition_penalty": 1.1}, {"presence_penalty": 0.5}, {"frequency_penalty": 0.5}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_requests_for_the_whole_distribution_get_it(tmp_path, monkeypatch, options, precision):
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path / "cache"))
    folder = write_random_checkpoint(tmp_path / "m", SHAPE, seed=4)
    expected = load(folder, precision=precision).complete([5, 6, 7], max_tokens=12, seed=3, **options)
    monkeypatch.setattr(derived, "LEAST_BYTES", 0)

    got = load(folder, precision=precision).complete([5, 6, 7], max_tokens=12, seed=3, **options)

    assert got.tokens == expected.tokens
    assert got.logprobs == expected.logprobs
    assert got.stats.decode_bytes >= got.stats.n_decode_steps * 3001 * 96 * 2  # all of lm_head, each time


def test_rows_share_the_screen_unless_one_reads_all_of_lm_head(opened):
    model, n_most = model_with(opened), 21
    samplers = [sampler_of(model, (0, 1.0, 0.7, 1.3)[i % 4], seed=i) for i in range(n_most)]
    ids = np.arange(5, 5 + n_most, dtype=np.int32)
    logits = model.logits([(model.sequence(), ids, n_most)])
    expected = [s.sample(row, i)[0] for i, (s, row) in enumerate(zip(samplers, logits, strict=True))]

    def step(n, **last):
        choosers = [_core.Chooser(samplers[i], i) for i in range(n_most - n, n_most)]
        if last:
            choosers[-1] = _core.Chooser(samplers[-1], n_most - 1, **last)
        done = model.step([(model.sequence(), ids, n)], choosers)
        assert [choice.token for choice in done.choices] == expected[n_most - n :]
        return done.n_bytes

    lm_head = 3001 * 96 * 2
    n_bytes = [step(n) for n in (1, 2, 3, 9, n_most)]
    assert max(n_bytes) - n_bytes[0] < 0.2 * lm_head  # what is rescored for each row
    assert step(n_most, n_top=1) > n_bytes[-1] + 0.2 * lm_head


def test_a_cancelled_screen_leaves_the_sequence_as_it_was(opened):
    model, flag = model_with(opened), _core.CancelFlag()
    sequence = model.sequence()
    model.step([(sequence, np.array([1, 2], np.int32), 0)], [])
    flag.set()
    chooser = _core.Chooser(sampler_of(model, 0), 3002)
    with pytest.raises(_core.Cancelled):
        model.step([(sequence, np.full(3000, 3, np.int32), 1)], [chooser], flag)
    assert sequence.length == 2
