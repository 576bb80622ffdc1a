"""`ossnb bench --quality`: the arithmetic against independent ones, the figures against plain formulas."""

import json

import numpy as np
import pytest

import truth
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.command import quality
from ossnb.command.emulate import LLAMA_CPP, NONE, Emulation, q8_0
from ossnb.testing import write_random_checkpoint

SHAPE = {"hidden_size": 96, "intermediate_size": 64, "num_hidden_layers": 3, "num_local_experts": 8}


def emulated(folder, rounding, sequences, dtype=np.float64):
    opened = open_checkpoint(folder)
    model = Emulation(opened.tensors, opened.config, rounding, dtype)
    return [model.logits(hidden) for hidden in model.hidden(sequences)]


@pytest.mark.parametrize("quantized", [True, False])
def test_without_rounding_it_is_the_model(quantized, tmp_path):
    folder = write_random_checkpoint(tmp_path / "m", SHAPE, seed=4, quantized=quantized, edge_cases=True)
    rng = np.random.default_rng(5)
    sequences = [rng.integers(0, 512, n).tolist() for n in (40, 1, 7)]  # past the window of 16
    for ids, got in zip(sequences, emulated(folder, NONE, sequences), strict=True):
        np.testing.assert_allclose(got, truth.logits(folder, ids), atol=2e-5)


def test_rounding_costs_what_int8_costs(tmp_path):
    folder = write_random_checkpoint(tmp_path / "m", SHAPE, seed=4)
    ids = np.random.default_rng(5).integers(0, 512, 60).tolist()
    exact = truth.logits(folder, ids)
    (got,) = emulated(folder, LLAMA_CPP, [ids], np.float32)
    error = np.median(np.abs(got - exact)) / exact.std()
    assert 0.002 < error < 0.1


def plain_q8_0(block):
    """ggml's quantize_row_q8_0 and back, element by element."""
    scale = max(abs(float(v)) for v in block) / 127
    stored = float(np.float16(scale))
    return [round(float(v) / scale) * stored if scale else 0.0 for v in block]


def test_q8_0_is_ggml_s(tmp_path):
    rng = np.random.default_rng(6)
    x = rng.standard_normal((5, 96)) * np.exp(rng.uniform(-8, 8, (5, 1)))
    x[2, 32:64] = 0
    x[3, 40] = 300 * np.abs(x[3]).max()
    expected = [[v for b in range(3) for v in plain_q8_0(row[32 * b : 32 * b + 32])] for row in x]
    np.testing.assert_allclose(q8_0(x), expected, rtol=1e-12)
    blocks = x.reshape(5, 3, 32)
    step = np.abs(blocks).max(axis=-1, keepdims=True) / 127
    assert (np.abs(q8_0(x).reshape(5, 3, 32) - blocks) <= step * (0.5 + 127 / 2**11) + 1e-7).all()


def test_divergence_is_kullback_s_and_leibler_s():
    rng = np.random.default_rng(7)
    x = 6 * rng.standard_normal((4, 1000))
    y = x + 0.05 * rng.standard_normal((4, 1000))
    p, q = (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (x, y))
    expected = (p * np.log(p / q)).sum(axis=1)
    np.testing.assert_allclose(quality.divergence(x, y), expected, rtol=1e-9)
    np.testing.assert_allclose(
        quality.divergence(x.astype(np.float32), y.astype(np.float32)), expected, atol=3e-7
    )
    assert np.abs(quality.divergence(x.astype(np.float32), x.astype(np.float32))).max() == 0


def test_report_of_a_small_model(tmp_path, capsys):
    folder = write_random_checkpoint(tmp_path / "m", SHAPE, seed=4)
    report = quality.measure(folder, conversations=4, threads=1)
    assert "comparing the predictions in 4 conversations\n" in capsys.readouterr().err
    assert json.loads(json.dumps(report)) == report
    assert (report["conversations"], report["tokens"]) == (4, "random tokens")
    assert report["positions"] > 40
    for name in ("fast", "kv_bf16", "kv_int8", "llama_cpp"):
        found = report[name]
        assert 0.5 < found["top1_agreement"] <= 1
        assert 0 < found["mean_kl"] < found["p99_kl"] < 0.5
        assert 0 < found["logit_error"] < 0.5
    assert report["kv_bf16"]["mean_kl"] < report["kv_int8"]["mean_kl"]
    text = quality.render_report(report)
    assert f"{report['fast']['mean_kl']:.2e}" in text
    assert f"{report['llama_cpp']['top1_agreement']:.2%}" in text


def test_more_conversations_than_there_are_is_an_error(tmp_path):
    folder = write_random_checkpoint(tmp_path / "m", SHAPE, seed=4)
    with pytest.raises(ValueError, match=r"conversations must be in 1\.\.144, got 145"):
        quality.measure(folder, conversations=145)


def test_conversations_end_where_their_answers_do():
    for ids, n in quality.held_out(9):
        answer = ids[-n + 1 :]
        assert ids[-n] == 173781  # "assistant": the first place compared is before the answer's first token
        assert answer[0] == 200005  # <|channel|>
        assert 200002 not in ids  # <|return|> is predicted, not read
