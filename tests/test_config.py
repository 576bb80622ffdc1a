"""config.json of both layouts, and everything that must not pass."""

import dataclasses
import json

import pytest

from builders import edit_json
from ossnb import CheckpointError
from ossnb.checkpoint.config import FULL, SLIDING, Config
from ossnb.testing import write_random_checkpoint

NAMES_THE_ENGINE_READS = {
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "num_local_experts",
    "num_experts_per_tok",
    "vocab_size",
    "sliding_window",
    "layer_types",
    "rms_norm_eps",
    "rope_theta",
    "rope_factor",
    "rope_beta_fast",
    "rope_beta_slow",
    "rope_original_max_position_embeddings",
    "swiglu_limit",
    "swiglu_alpha",
    "max_position_embeddings",
}
ORIGINAL_20B = {
    "num_hidden_layers": 24,
    "num_experts": 32,
    "experts_per_token": 4,
    "vocab_size": 201088,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "swiglu_limit": 7.0,
    "head_dim": 64,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "sliding_window": 128,
    "initial_context_length": 4096,
    "rope_theta": 150000,
    "rope_scaling_factor": 32.0,
    "rope_ntk_alpha": 1,
    "rope_ntk_beta": 32,
}


@pytest.fixture
def path(tmp_path):
    """The config.json of a small model."""
    return write_random_checkpoint(tmp_path, "tiny") / "config.json"


def test_defaults_are_the_20b():
    config = Config()
    assert set(dataclasses.asdict(config)) >= NAMES_THE_ENGINE_READS
    assert config.layer_types == (SLIDING, FULL) * 12
    assert (config.num_local_experts, config.vocab_size, config.swiglu_alpha) == (32, 201088, 1.702)


def test_reads_the_original_layout(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(ORIGINAL_20B))
    assert Config.from_json(path) == Config()


def test_reads_what_transformers_5_writes(path):
    before = Config.from_json(path)
    raw = json.loads(path.read_text())
    rope = raw.pop("rope_scaling") | {"rope_theta": raw.pop("rope_theta")}
    path.write_text(json.dumps(raw | {"rope_parameters": rope, "rope_scaling": None, "swiglu_alpha": 1.702}))

    assert Config.from_json(path) == before


def test_reads_every_field_it_keeps(path):
    edit_json(
        path,
        sliding_window=77,
        rms_norm_eps=1e-6,
        rope_theta=10000,
        rope_scaling={"factor": 8, "beta_fast": 16, "beta_slow": 2, "original_max_position_embeddings": 512},
        swiglu_limit=5,
        swiglu_alpha=1.5,
        max_position_embeddings=4096,
        layer_types=[FULL, FULL, SLIDING, SLIDING],
        eos_token_id=[7, 8],
        pad_token_id=None,
    )
    config = Config.from_json(path)

    assert config.sliding_window == 77
    assert config.rms_norm_eps == 1e-6
    assert (config.rope_theta, config.rope_factor) == (10000.0, 8.0)
    assert (config.rope_beta_fast, config.rope_beta_slow) == (16.0, 2.0)
    assert config.rope_original_max_position_embeddings == 512
    assert (config.swiglu_limit, config.swiglu_alpha) == (5.0, 1.5)
    assert config.max_position_embeddings == 4096
    assert config.layer_types == (FULL, FULL, SLIDING, SLIDING)
    assert (config.eos_token_id, config.pad_token_id) == ((7, 8), None)


@pytest.mark.parametrize("change", [{"layer_types": ...}, {"layer_types": None}])
def test_missing_layer_types_alternate(path, change):
    edit_json(path, **change)
    assert Config.from_json(path).layer_types == (SLIDING, FULL, SLIDING, FULL)


def test_fields_that_change_nothing_are_ignored(path):
    before = Config.from_json(path)
    edit_json(path, use_cache=False, router_aux_loss_coef=0.1, torch_dtype="bfloat16", a_new_one={"x": 1})
    assert Config.from_json(path) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "llama"}, "model_type is 'llama', expected 'gpt_oss'"),
        ({"model_type": ...}, "model_type is missing"),
        ({"attention_bias": False}, "attention_bias is False, expected True"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu', expected 'silu'"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True, expected False"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quant_method is 'bitsandbytes'"),
        ({"quantization_config": "awq"}, "quant_method is 'awq'"),
        ({"experts_per_token": 3}, "experts_per_token is 3, expected 2"),
        ({"num_hidden_layers": 5}, "layer_types has 4 entries, expected 5"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0, expected a whole number from 1"),
        ({"num_hidden_layers": -3}, "num_hidden_layers is -3"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers is 1000000000000"),
        ({"num_hidden_layers": 4.0}, "num_hidden_layers is 4.0"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"num_hidden_layers": ...}, "num_hidden_layers is missing"),
        ({"hidden_size": 65}, "hidden_size is 65, expected a multiple of 32"),
        ({"hidden_size": "64"}, "hidden_size is '64'"),
        ({"hidden_size": 1 << 40}, "hidden_size is 1099511627776"),
        ({"intermediate_size": 100}, "intermediate_size is 100, expected a multiple of 32"),
        ({"head_dim": 24}, "head_dim is 24, expected a multiple of 16"),
        ({"num_attention_heads": 5}, "expected a multiple of num_key_value_heads 2"),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0"),
        ({"num_experts_per_tok": 5, "experts_per_token": 5}, "expected at most num_local_experts 4"),
        ({"vocab_size": None}, "vocab_size is None"),
        ({"sliding_window": None}, "sliding_window is None"),
        (
            {"rope_scaling": None},
            "rope_scaling is null, expected an object with rope_type 'yarn'; remove the line",
        ),
        ({"rms_norm_eps": 0}, "rms_norm_eps is 0, expected a number above 0"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps is nan"),
        ({"rope_theta": float("inf")}, "rope_theta is inf"),
        ({"rope_theta": 1}, "rope_theta is 1.0, expected above 1"),
        ({"swiglu_limit": -7.0}, "swiglu_limit is -7.0"),
        ({"layer_types": "full_attention"}, "layer_types is 'full_attention'"),
        (
            {"layer_types": [SLIDING, FULL, "chunked_attention", FULL]},
            r"layer_types\[2\] is 'chunked_attention'",
        ),
        ({"eos_token_id": "end"}, "eos_token_id is 'end'"),
        ({"eos_token_id": [1, -1]}, r"eos_token_id is \[1, -1\]"),
        ({"rope_scaling": "yarn"}, "rope_scaling is 'yarn', expected an object"),
        ({"rope_scaling": {"rope_type": "linear"}}, "rope_type is 'linear', expected 'yarn'"),
        ({"rms_norm_eps": 1e-46}, "rms_norm_eps is 1e-46, expected a number above 0, from 1e-30 to 1e\\+30"),
        ({"rope_theta": 1e39}, "rope_theta is 1e\\+39, expected a number"),
        ({"swiglu_limit": 10**400}, "swiglu_limit is 1000"),
        ({"rope_scaling": {"factor": 1e300}}, "rope_factor is 1e\\+300, expected a number"),
        ({"rope_scaling": {"factor": 10**400}}, "rope_factor is 1000"),
        ({"rope_scaling": {"attention_factor": 10**400}}, "attention_factor is 1000"),
        ({"eos_token_id": 10**30}, "eos_token_id is 1000"),
        ({"pad_token_id": "x"}, "pad_token_id is 'x', expected a token id or null"),
        ({"pad_token_id": 1 << 40}, "pad_token_id is "),
        ({"hidden_size": 10**4000}, "hidden_size is 1000"),
        ({"layer_types": ["\x1b[2J" * 999] * 4}, "layer_types.0. is .*999|characters"),
        ({"rope_scaling": {"truncate": True}}, "truncate is true, expected false"),
        ({"rope_scaling": {"truncate": ...}}, 'truncate is "missing", expected false'),
        ({"rope_scaling": {"factor": ...}}, "rope_factor is missing"),
        ({"rope_scaling": {"factor": 0.5}}, "rope_factor is 0.5, expected at least 1"),
        ({"rope_scaling": {"beta_fast": 1.0}}, "rope_beta_fast is 1.0, expected above rope_beta_slow"),
        ({"rope_scaling": {"attention_factor": 1.0}}, "attention_factor is 1.0, expected 1.346"),
        ({"rope_scaling": {"mscale": 1.0}}, "mscale is 1.0"),
    ],
)
def test_impossible_values_are_named(path, changes, words):
    edit_json(path, **changes)
    with pytest.raises(CheckpointError, match=words) as raised:
        Config.from_json(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ('{"model_type": "gpt_oss",', "not valid JSON"),
        ("[1]", "holds a JSON list, expected an object"),
        ("[" * 100_000, "not valid JSON"),
        ("\xff\xfe", "not valid JSON"),
    ],
)
def test_files_that_are_no_config(tmp_path, text, words):
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=words):
        Config.from_json(path)


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        Config.from_json(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"num_experts": 2}, "at most num_local_experts 2"), ({"rope_ntk_beta": 0}, "rope_beta_fast is 0")],
)
def test_original_names_are_checked_too(tmp_path, changes, words):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(ORIGINAL_20B | changes))
    with pytest.raises(CheckpointError, match=words):
        Config.from_json(path)


def test_config_is_frozen_and_checked_when_made_by_hand():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().hidden_size = 64
    with pytest.raises(ValueError, match="hidden_size is 100"):
        Config(hidden_size=100)
