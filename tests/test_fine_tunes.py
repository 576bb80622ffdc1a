"""What fine-tunes change beside the weights: names of tensors, tokens, and the tokens that end a text."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import ossnb
from builders import edit_json, edit_tensors, read_tensors, write_safetensors
from ossnb import CheckpointError
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.system import machine
from ossnb.testing import write_random_checkpoint

IDS = [1, 5, 9, 200, 7]
COMPILED = "_orig_mod."  # what torch.compile puts before the names of the inner model


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """An unquantised checkpoint, as fine-tunes are saved."""
    return write_random_checkpoint(tmp_path_factory.mktemp("plain") / "m", "tiny", seed=5, quantized=False)


@pytest.fixture
def folder(plain, tmp_path):
    return Path(shutil.copytree(plain, tmp_path / "model"))


def rename(folder, new_name):
    def edit(tensors):
        named = {new_name(name): tensor for name, tensor in tensors.items()}
        tensors.clear()
        tensors.update(named)

    edit_tensors(folder, edit)


def one_by_one(folder):
    """Store each expert in tensors of its own, [out, in], and the router as unsloth names it."""
    stored = {}
    for name, tensor in read_tensors(folder / "model.safetensors").items():
        layer, _, kind = name.partition(".experts.")
        if kind:
            for i, own in enumerate(tensor):
                matrix, part = kind.removesuffix("_bias"), "bias" if kind.endswith("_bias") else "weight"
                stored[f"{layer}.experts.{matrix}s.{i}.{part}"] = np.ascontiguousarray(own.T)
        else:
            stored[name.replace(".router.", ".router.linear.")] = tensor
    write_safetensors(folder / "model.safetensors", stored)


def logits(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ossnb.load(folder, threads=1) as model:
            return model.logits(IDS)


# ---- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "new_name",
    [
        lambda name: name.replace(".router.", ".router.linear."),
        lambda name: f"base_model.model.{name}",
        lambda name: f"module.{COMPILED}{name}",
        lambda name: name.replace("model.", f"model.{COMPILED}"),
        lambda name: name.replace("q_proj.", "q_proj.base_layer."),
        lambda name: f"base_model.model.{name}".replace(".router.", ".router.linear."),
        lambda name: name.removeprefix("model."),
    ],
)
def test_other_names_for_the_same_tensors(folder, plain, new_name):
    rename(folder, new_name)
    expected, opened = open_checkpoint(plain), open_checkpoint(folder)
    assert opened.tensors.keys() == expected.tensors.keys()
    assert all(np.array_equal(opened.tensors[name], tensor) for name, tensor in expected.tensors.items())
    assert opened.notes == []


def test_experts_one_by_one(folder, plain):
    one_by_one(folder)
    with pytest.warns(UserWarning, match="each expert is a tensor of its own, so .* are copied into memory"):
        ossnb.load(folder, threads=1).close()
    opened = open_checkpoint(folder)
    assert not opened.quantized
    assert all(np.array_equal(opened.tensors[name], t) for name, t in open_checkpoint(plain).tensors.items())
    assert not any(tensor.flags.writeable for tensor in opened.tensors.values())
    np.testing.assert_array_equal(logits(folder), logits(plain))


def test_experts_one_by_one_that_do_not_fit(folder, monkeypatch):
    one_by_one(folder)
    monkeypatch.setattr(machine, "available_memory", lambda *_: 1000)
    with pytest.raises(MemoryError, match=r"to put them together, and 1.0 kB are free"):
        open_checkpoint(folder)


def test_an_expert_that_is_missing_or_too_much(folder):
    one_by_one(folder)
    name = "model.layers.1.mlp.experts.down_projs.{}.bias"
    edit_tensors(folder, lambda tensors: tensors.update({name.format(4): tensors.pop(name.format(2))}))
    words = "lacks model.layers.1.mlp.experts.down_projs.2.bias, and has .*down_projs.4.bias, which"
    with pytest.raises(CheckpointError, match=words):
        open_checkpoint(folder)


def test_unknown_names_stand_beside_the_missing_ones(folder):
    rename(folder, lambda name: name.replace("o_proj", "output"))
    with pytest.raises(CheckpointError) as raised:
        open_checkpoint(folder)
    told = str(raised.value)
    assert "lacks model.layers.0.self_attn.o_proj.weight" in told
    assert "has model.layers.0.self_attn.output.bias" in told
    assert "download" not in told


def test_one_tensor_under_two_names(folder):
    name = "model.layers.0.mlp.router.bias"
    other = "model.layers.0.mlp.router.linear.bias"
    edit_tensors(folder, lambda tensors: tensors.update({other: tensors[name]}))
    with pytest.raises(CheckpointError, match=r"router.*bias is .*router.*bias, which is in"):
        open_checkpoint(folder)


# ---- tokens -----------------------------------------------------------------------------------------------


def tokenizer_json(*added, before=""):
    entries = [{"id": i, "content": name, "special": True} for i, name in added]
    parts = f'{{"version": "1.0",{before} "added_tokens": {json.dumps(entries)}, "model": {{"vocab": {{}}}}}}'
    return parts.replace('"added_tokens": ', '"added_tokens":')


OWN = (
    (199998, "<|startoftext|>"),
    (200006, "<|start|>"),
    (200017, "<|reserved_200017|>"),
    (200018, "<|endofprompt|>"),
)


@pytest.mark.parametrize("before", ["", '"filler": "' + "x" * 2_000_000 + '",'])
def test_added_tokens_are_one_warning(folder, before):
    text = tokenizer_json(*OWN, (200013, "<|picture|>"), (201088, "\x1b[2J<|im_start|>"), before=before)
    (folder / "tokenizer.json").write_text(text)
    with pytest.warns(UserWarning, match="tokens that gpt-oss's has not") as caught:
        ossnb.load(folder, threads=1).close()
    (warning,) = [str(w.message) for w in caught if w.category is UserWarning]
    assert "'<|picture|>' (200013), '\\x1b[2J<|im_start|>' (201088)." in warning
    assert "\x1b" not in warning


def test_gpt_oss_own_tokens_are_nothing_to_tell(folder):
    (folder / "tokenizer.json").write_text(tokenizer_json(*OWN))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ossnb.load(folder, threads=1).close()


def test_the_small_file_tells_where_the_large_one_is_missing(folder):
    listed = {"200013": {"content": "<|picture|>", "special": True}}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": listed}))
    with pytest.warns(UserWarning, match=r"'<\|picture\|>' \(200013\)"):
        ossnb.load(folder, threads=1).close()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"added_tokens":7}',
        '{"added_tokens":[7]}',
        '{"added_tokens":[{"id":-1,"content":"a"}]}',
        "\xff",
    ],
)
def test_a_damaged_tokenizer_is_told_and_the_weights_are_read(folder, text):
    (folder / "tokenizer.json").write_text(text, encoding="latin-1")
    with pytest.warns(UserWarning, match=r"tokens that this model added are not known: .*tokenizer.json"):
        ossnb.load(folder, threads=1).close()


# ---- the end of a text ------------------------------------------------------------------------------------


def greedy(folder, n):
    with ossnb.load(folder, threads=1) as model:
        return model.complete(IDS, temperature=0, max_tokens=n, repetition_penalty=3.0)


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_a_custom_end_ends_a_text(folder, file):
    for name in ("config.json", "generation_config.json"):
        edit_json(folder / name, eos_token_id=None)
    long = greedy(folder, 12)
    end = long.tokens[6]
    assert (long.finish_reason, long.tokens.index(end)) == ("length", 6)
    edit_json(folder / file, eos_token_id=[511, end])
    ended = greedy(folder, 12)
    assert (ended.finish_reason, ended.tokens) == ("stop", long.tokens[:7])


def test_generation_config_goes_before_config(folder):
    edit_json(folder / "config.json", eos_token_id=7)
    edit_json(folder / "generation_config.json", eos_token_id=[8, 9])
    assert open_checkpoint(folder).config.eos_token_id == (8, 9)
    (folder / "generation_config.json").unlink()
    assert open_checkpoint(folder).config.eos_token_id == (7,)


def test_an_end_outside_the_vocabulary_is_told(folder):
    edit_json(folder / "generation_config.json", eos_token_id=[511, 200002])
    with pytest.warns(UserWarning, match="eos_token_id 200002 is not among the 512 tokens"):
        ossnb.load(folder, threads=1).close()


@pytest.mark.parametrize("value", ["a", [1, "a"], -1, 1 << 40, 1.5, True, {}])
def test_an_end_that_is_no_token(folder, value):
    edit_json(folder / "generation_config.json", eos_token_id=value)
    with pytest.raises(CheckpointError, match=r"generation_config.json: eos_token_id is "):
        open_checkpoint(folder)
