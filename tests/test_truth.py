"""The float64 truth against what transformers computed."""

import json
from pathlib import Path

import numpy as np
import pytest

import truth
from ossnb.testing import write_random_checkpoint

DATA = Path(__file__).parent / "data"
CASES = json.loads((DATA / "oracle" / "cases.json").read_text())


@pytest.mark.parametrize("layout", ["hf", "original"])
@pytest.mark.parametrize("prompt", ["short", "long"])
def test_agrees_with_transformers_on_the_stored_model(layout, prompt):
    def stored(what):
        return np.load(DATA / "tiny_a" / f"{what}_{prompt}.npy")

    exact = truth.forward(DATA / "tiny_a" / layout, stored("prompt"))

    assert np.abs(exact.logits - stored("logits")).max() < 2.5e-5
    np.testing.assert_allclose(exact.hidden, stored("hidden"), atol=2e-4)
    np.testing.assert_array_equal(exact.experts, stored("router_idx"))
    np.testing.assert_allclose(exact.expert_weights, stored("router_w"), atol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_transformers_on_rebuilt_models(name, tmp_path):
    case = CASES[name]
    folder = write_random_checkpoint(tmp_path, **case["checkpoint"])
    with np.load(DATA / "oracle" / f"{name}.npz") as stored:
        for n_tokens in case["prompts"]:
            ids, rows = stored[f"p{n_tokens}_ids"], stored[f"p{n_tokens}_rows"]
            greedy = stored[f"p{n_tokens}_greedy"]
            exact = truth.forward(folder, np.concatenate((ids, greedy)))

            assert len(ids) == n_tokens
            assert np.abs(exact.logits[rows] - stored[f"p{n_tokens}_logits"]).max() < 1e-4
            np.testing.assert_array_equal(exact.experts[:, :n_tokens], stored[f"p{n_tokens}_experts"])
            np.testing.assert_array_equal(exact.logits[n_tokens - 1 : -1].argmax(axis=-1), greedy)


def test_dequantizes_the_worked_example():
    example = json.loads((DATA / "mxfp4_example.json").read_text())
    block = np.array([[int(byte, 16) for byte in example["bytes"]]], np.uint8)

    values = truth.dequantize(block, np.array([example["scale_byte"]], np.uint8))

    np.testing.assert_array_equal(values, example["values"])
    np.testing.assert_array_equal(np.signbit(values), np.signbit(example["values"]))


def test_smallest_scale_is_not_lost():
    block = np.full((1, 16), 0x11, np.uint8)
    np.testing.assert_array_equal(truth.dequantize(block, np.zeros(1, np.uint8)), np.full(32, 2.0**-128))


def test_angles_are_those_of_the_published_model():
    """Frequencies may differ by float32 rounding, which far positions multiply; nothing else may differ."""
    with np.load(DATA / "rope_real.npz") as stored:
        config = {
            "head_dim": 64,
            "rope_theta": 150000.0,
            "rope_factor": 32.0,
            "rope_original": 4096,
            "rope_beta_fast": 32.0,
            "rope_beta_slow": 1.0,
        }
        inverse, positions = truth.inverse_frequencies(config), stored["positions"]
        np.testing.assert_allclose(inverse, stored["inv_freq_f32"], rtol=2.5e-7)

        cos, sin = truth.rope(config, 131072)
        bound = 2e-6 + 1.35 * positions[:, None] * np.abs(inverse - stored["inv_freq_f32"])
        bound += positions[:, None] * inverse * 2.0**-24  # the product's own rounding
        assert (np.abs(cos[positions] - stored["cos_f32"]) <= bound).all()
        assert (np.abs(sin[positions] - stored["sin_f32"]) <= bound).all()


def test_activation_clamps_the_gate_only_from_above():
    gate, up = np.array([-9.0, 9.0, 9.0]), np.array([1.0, 9.0, -9.0])
    at_limit = 7 / (1 + np.exp(-1.702 * 7))

    np.testing.assert_allclose(
        truth.swiglu(gate, up), [2 * -9 / (1 + np.exp(1.702 * 9)), 8 * at_limit, -6 * at_limit], rtol=1e-14
    )


def test_the_window_is_sixteen_keys_wide(tmp_path):
    """With one sliding layer, the token 16 back is out of sight and the one 15 back is not."""
    folder = write_random_checkpoint(tmp_path, "tiny", layers=1)
    ids = np.arange(40, dtype=np.int32)
    changed = ids.copy()
    changed[10] = 400
    moved = np.abs(truth.logits(folder, ids) - truth.logits(folder, changed)).max(axis=-1)

    assert (moved[:10] == 0).all()
    assert (moved[10:26] > 0).all()
    assert (moved[26:] < 1e-12).all()  # a product sums in another order when its rows move
