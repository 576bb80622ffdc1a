"""Model.trace: the numbers are the engine's own, named and cut as asked for."""

from __future__ import annotations

import numpy as np
import pytest

import ossnb
import truth
from ossnb.engine.trace import BLOCK, LogitLens, top_ids
from ossnb.system import machine
from ossnb.testing import write_random_checkpoint

IDS = np.random.default_rng(0).integers(0, 200, BLOCK + 9).tolist()  # more than one block


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_random_checkpoint(tmp_path_factory.mktemp("model") / "tiny", "tiny", seed=3)


@pytest.fixture(scope="module")
def model(folder):
    with ossnb.load(folder, threads=1, context=512) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def everything(model):
    return model.trace(IDS, what=("router", "hidden", "logit_lens", "logits"), n_top=4)


def test_shapes_are_as_documented(model, everything):
    config = model.config
    n_layers, n = config.num_hidden_layers, len(IDS)
    experts, active = config.num_local_experts, config.num_experts_per_tok
    assert {name: array.shape for name, array in everything.items()} == {
        "tokens": (n,),
        "layers": (n_layers,),
        "router_logits": (n_layers, n, experts),
        "experts": (n_layers, n, active),
        "expert_weights": (n_layers, n, active),
        "embedding": (n, config.hidden_size),
        "hidden": (n_layers, n, config.hidden_size),
        "lens_tokens": (n_layers, n, 4),
        "lens_logprobs": (n_layers, n, 4),
        "logits": (n, config.vocab_size),
    }
    assert everything["experts"].dtype == everything["lens_tokens"].dtype == np.int32


def test_logits_are_those_of_a_forward_pass(model, everything):
    np.testing.assert_array_equal(everything["logits"], model.logits(IDS))


def test_the_experts_are_the_routers_choice(everything):
    logits, ids = everything["router_logits"], everything["experts"]
    best = np.argsort(-logits, axis=-1, kind="stable")[..., : ids.shape[-1]]
    np.testing.assert_array_equal(ids, best)
    chosen = np.take_along_axis(logits, ids, -1)
    weights = np.exp(chosen - chosen.max(-1, keepdims=True))
    np.testing.assert_allclose(
        everything["expert_weights"], weights / weights.sum(-1, keepdims=True), rtol=1e-4, atol=1e-6
    )


def test_the_lens_after_the_last_layer_is_what_the_model_says(everything):
    logits = everything["logits"].astype(np.float64)
    logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    found = np.take_along_axis(logprobs, everything["lens_tokens"][-1].astype(np.int64), -1)
    np.testing.assert_allclose(everything["lens_logprobs"][-1], found, atol=2e-4)
    np.testing.assert_allclose(found[:, 0], logprobs.max(-1), atol=2e-4)
    assert (np.diff(everything["lens_logprobs"], axis=-1) <= 0).all()


def test_the_lens_reads_the_output_layer_in_slices_with_the_same_result(model, everything, monkeypatch):
    monkeypatch.setattr("ossnb.engine.trace.LENS_ELEMENTS", model.config.hidden_size * 7)
    hidden = everything["hidden"][:, :5]
    ids, logprobs = LogitLens(model.tensors, model.config, 4).read(hidden)
    np.testing.assert_array_equal(ids, everything["lens_tokens"][:, :5])
    np.testing.assert_allclose(logprobs, everything["lens_logprobs"][:, :5], atol=1e-5)


def test_attention_mixes_the_values_to_what_the_reference_gives(folder, model):
    """The weights, applied to the reference's own values, must give its attention in every layer."""
    config, tensors = truth.read_config(folder), truth.read_tensors(folder)
    hidden = truth.forward(folder, IDS).hidden
    traced = model.trace(IDS, what="attention")["attention"]
    cos, sin = truth.rope(config, len(IDS))
    for i, weights in enumerate(traced.astype(np.float64)):
        layer = {k.removeprefix(f"model.layers.{i}."): v for k, v in tensors.items() if f"layers.{i}." in k}
        t = truth.rmsnorm(config, hidden[i], layer["input_layernorm.weight"])
        window = config["sliding_window"] if config["layer_types"][i] == "sliding_attention" else len(IDS)
        expected = truth.attention(config, layer, t, cos, sin, window)
        values = (t @ layer["self_attn.v_proj.weight"].T + layer["self_attn.v_proj.bias"]).reshape(
            len(t), -1, config["head_dim"]
        )
        values = np.repeat(values, weights.shape[0] // values.shape[1], axis=1)
        mixed = np.einsum("hts,shd->thd", weights, values).reshape(len(t), -1)
        found = mixed @ layer["self_attn.o_proj.weight"].T + layer["self_attn.o_proj.bias"]
        np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


def test_attention_sees_the_past_in_the_window_and_leaves_the_rest_to_the_sink(model):
    weights = model.trace(IDS, what="attention")["attention"]
    assert weights.shape == (
        model.config.num_hidden_layers,
        model.config.num_attention_heads,
        len(IDS),
        len(IDS),
    )
    distance = np.arange(len(IDS))[:, None] - np.arange(len(IDS))
    assert (weights[:, :, distance < 0] == 0).all()
    assert (weights[0][:, distance >= model.config.sliding_window] == 0).all()
    assert weights[1][:, distance >= model.config.sliding_window].max() > 0
    assert weights.sum(axis=-1).max() < 1
    part = model.trace(IDS, what=("attention", "router"), layers=[1], start=60)
    np.testing.assert_allclose(part["attention"][0], weights[1][:, 60:], atol=1e-6)
    assert part["experts"].shape[1] == len(IDS) - 60


def test_layers_and_start_choose_parts_of_the_same_arrays(model, everything):
    part = model.trace(IDS, what=("router", "hidden"), layers=[-1, 0], start=BLOCK + 2)
    np.testing.assert_array_equal(part["layers"], [model.config.num_hidden_layers - 1, 0])
    np.testing.assert_array_equal(part["tokens"], IDS[BLOCK + 2 :])
    for name in ("router_logits", "experts", "expert_weights", "hidden"):
        np.testing.assert_array_equal(part[name], everything[name][[-1, 0], BLOCK + 2 :])
    np.testing.assert_array_equal(part["embedding"], everything["embedding"][BLOCK + 2 :])


def test_start_takes_what_was_read_before_from_the_kept_sequences(model):
    reply = model.complete(IDS, max_tokens=3, seed=1)
    tokens = IDS + reply.tokens
    with_cache = model.trace(tokens, what="router", start=len(IDS))
    model.forget()
    np.testing.assert_array_equal(
        model.trace(tokens, what="router", start=len(IDS))["router_logits"], with_cache["router_logits"]
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"what": "thoughts"}, "router, attention, hidden, logit_lens, logits, got 'thoughts'"),
        ({"what": ()}, "at least one"),
        ({"layers": [99]}, "got 99"),
        ({"layers": []}, "at least one layer"),
        ({"start": len(IDS)}, f"start must be in 0..{len(IDS) - 1}"),
        ({"n_top": 0}, "n_top must be at least 1"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(model, arguments, told):
    with pytest.raises(ValueError, match=told):
        model.trace(IDS, **arguments)


def test_more_than_the_context_holds_is_refused(model):
    with pytest.raises(ossnb.ContextFull, match="513 tokens"):
        model.trace([1] * 513)


def test_a_closed_model_says_so(tmp_path):
    write_random_checkpoint(tmp_path, "tiny", seed=3)
    model = ossnb.load(tmp_path, threads=1, context=64)
    model.close()
    with pytest.raises(RuntimeError, match="was closed"):
        model.trace(IDS[:4], what=("logit_lens", "attention"))


def test_arrays_that_would_not_fit_are_refused_before_anything_runs(model, monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: 1000)
    for kind in ("attention", "hidden", "logits"):
        with pytest.raises(MemoryError, match="arrays of 4 tokens need"):
            model.trace(IDS[:4], what=kind)


def test_top_ids_orders_equals_by_id():
    rows = np.random.default_rng(1).integers(0, 5, (20, 40)).astype(np.float32)
    expected = np.argsort(-rows, axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(top_ids(rows, 7), expected)
    assert top_ids(rows[:0], 7).shape == (0, 7)
