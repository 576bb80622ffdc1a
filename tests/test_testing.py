"""The builder of random checkpoints."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import truth
from ossnb import CheckpointError
from ossnb.checkpoint.config import FULL, SLIDING, Config
from ossnb.checkpoint.layout import INDEX, open_checkpoint
from ossnb.testing import SHAPES, main, write_random_checkpoint


def digest(folder):
    files = sorted(path for path in folder.iterdir() if path.suffix == ".safetensors")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def test_same_bytes_on_every_machine(tmp_path):
    """The stored logits of transformers belong to exactly these bytes."""
    folder = write_random_checkpoint(tmp_path, "tiny", seed=1)
    assert digest(folder) == "038734b0001f5e8fa1a6e970fb3f90c1e5e770714d86a941424c704322400862"


def test_seeds_differ_everywhere(tmp_path):
    first, second = (
        open_checkpoint(write_random_checkpoint(tmp_path / str(seed), "tiny", seed)).tensors
        for seed in (1, 2)
    )
    for name, tensor in first.items():
        assert not np.array_equal(tensor, second[name]), name


def test_one_seed_is_one_model_in_every_form(tmp_path):
    ids = np.arange(0, 400, 17)
    expected = truth.logits(write_random_checkpoint(tmp_path / "hf", "tiny", 3, edge_cases=True), ids)
    forms = {
        "original": {"layout": "original"},
        "shards": {"shards": 4},
        "both": {"layout": "original", "shards": 3},
        "unquantized": {"quantized": False, "shards": 2},
    }
    for name, form in forms.items():
        folder = write_random_checkpoint(tmp_path / name, "tiny", 3, edge_cases=True, **form)
        np.testing.assert_allclose(truth.logits(folder, ids), expected, atol=1e-12, err_msg=name)


def test_file_names_are_those_of_published_checkpoints(tmp_path):
    def names(**form):
        folder = write_random_checkpoint(tmp_path / str(len(list(tmp_path.iterdir()))), "tiny", **form)
        return sorted(path.name for path in folder.iterdir())

    hf = ["config.json", "generation_config.json"]
    assert names() == [*hf, "model.safetensors"]
    assert names(layout="original") == ["config.json", "model.safetensors"]
    assert names(shards=2) == [
        *hf,
        "model-00000-of-00001.safetensors",
        "model-00001-of-00001.safetensors",
        INDEX,
    ]
    assert names(shards=2, layout="original") == [
        "config.json",
        "model--00001-of-00002.safetensors",
        "model--00002-of-00002.safetensors",
        INDEX,
    ]


@pytest.mark.parametrize(
    "shape", ["tiny", {"hidden_size": 288, "intermediate_size": 160, "num_hidden_layers": 7}]
)
def test_logits_and_activations_stay_sane(tmp_path, shape):
    folder = write_random_checkpoint(tmp_path, shape)
    exact = truth.forward(folder, np.arange(100))

    assert 0.7 < exact.logits.std() < 1.4
    assert exact.hidden[:-1].std(axis=(1, 2)).max() < 8
    counts = np.bincount(exact.experts.ravel(), minlength=4)
    assert (counts > 0).all()


def test_edge_cases_are_there(tmp_path):
    tensors = open_checkpoint(write_random_checkpoint(tmp_path, "tiny", edge_cases=True)).tensors
    for name in ("gate_up_proj", "down_proj"):
        scales = np.unique(tensors[f"model.layers.0.mlp.experts.{name}_scales"])
        assert {0, 90} < set(scales.tolist())
    bias = truth.widen(tensors["model.layers.0.mlp.experts.gate_up_proj_bias"])
    assert 0.01 < np.mean(np.abs(bias) > 7) < 0.3


def test_shapes(tmp_path):
    assert SHAPES["20b"] == Config()
    assert (SHAPES["120b"].num_hidden_layers, SHAPES["120b"].num_local_experts) == (36, 128)

    mapping = {"num_hidden_layers": 3, "num_local_experts": 6, "vocab_size": 100}
    config = open_checkpoint(write_random_checkpoint(tmp_path / "mapping", mapping)).config
    assert config.layer_types == (SLIDING, FULL, SLIDING)
    assert (config.num_local_experts, config.eos_token_id, config.pad_token_id) == (6, (99,), 98)
    assert config.hidden_size == SHAPES["tiny"].hidden_size

    given = dataclasses.replace(SHAPES["tiny"], layer_types=(FULL,) * 4, sliding_window=5)
    assert open_checkpoint(write_random_checkpoint(tmp_path / "config", given)).config == given
    assert open_checkpoint(write_random_checkpoint(tmp_path / "cut", given, layers=1)).config.layer_types == (
        SLIDING,
    )


def test_real_shapes_with_few_layers(tmp_path):
    """One layer of the 120b has its 128 experts; the vocabulary is left small here to spare the disk."""
    shape = dataclasses.replace(SHAPES["120b"], vocab_size=64, hidden_size=320, intermediate_size=320)
    opened = open_checkpoint(write_random_checkpoint(tmp_path, shape, layers=1))
    assert opened.tensors["model.layers.0.mlp.experts.gate_up_proj_blocks"].shape == (128, 640, 10, 16)


def test_progress_ends_at_the_total(tmp_path):
    seen = []
    folder = write_random_checkpoint(
        tmp_path, "tiny", progress=lambda done, total: seen.append((done, total))
    )
    n_bytes = open_checkpoint(folder).n_bytes
    assert seen[-1] == (n_bytes, n_bytes)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shape": "7b"}, "shape is '7b', expected one of 20b, 120b, tiny"),
        ({"shape": {"hiden_size": 64}}, r"unknown fields \['hiden_size'\]"),
        ({"shape": {"hidden_size": 100}}, "hidden_size is 100"),
        ({"shape": "tiny", "shards": 0}, "shards is 0"),
        ({"shape": "tiny", "shards": 1000}, "shards is 1000, expected 1..79"),
        ({"shape": "tiny", "layout": "metal"}, "layout is 'metal'"),
        ({"shape": "tiny", "layout": "original", "quantized": False}, "no unquantised form"),
    ],
)
def test_mistakes_are_named(tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        write_random_checkpoint(tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_never_writes_over_a_checkpoint(tmp_path):
    folder = write_random_checkpoint(tmp_path, "tiny")
    before = digest(folder)
    with pytest.raises(ValueError, match="already holds a checkpoint"):
        write_random_checkpoint(folder, "tiny", seed=9)
    assert digest(folder) == before


def test_disk_too_small(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**10}))
    with pytest.raises(CheckpointError, match=r"needs 13.8 GB, 10.0 GB free; free some or write elsewhere"):
        write_random_checkpoint(tmp_path, "20b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_nothing(tmp_path, error):
    def fail(done, total):
        raise error

    shape = {"vocab_size": 300_000, "hidden_size": 128}  # enough to report before the end
    with pytest.raises(error):
        write_random_checkpoint(tmp_path, shape, shards=2, progress=fail)
    assert list(tmp_path.iterdir()) == []


def test_command(tmp_path, capsys):
    assert (
        main([str(tmp_path / "a"), "--shape", "tiny", "--layers", "3", "--seed", "4", "--shards", "2"]) == 0
    )
    assert "written in" in capsys.readouterr().out
    assert open_checkpoint(tmp_path / "a").config.num_hidden_layers == 3

    assert main([str(tmp_path / "a"), "--shape", "tiny"]) == 1
    assert "already holds a checkpoint" in capsys.readouterr().err

    assert main([str(tmp_path / "b"), "--shape", "tiny", "--unquantized", "--edge-cases"]) == 0
    assert "quantization_config" not in json.loads((tmp_path / "b" / "config.json").read_text())
    assert main([str(tmp_path / "c"), "--shape", "tiny", "--layout", "original"]) == 0
    assert open_checkpoint(tmp_path / "c").layout == "original"


def test_runs_as_a_module(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "ossnb.testing", str(tmp_path), "--shape", "tiny"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert (Path(tmp_path) / "config.json").is_file()
