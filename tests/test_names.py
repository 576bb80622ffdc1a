"""The names that people try for a model: what they mean, and what is said where they mean nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ossnb
from ossnb.checkpoint.names import did_you_mean, is_demo, name_of, repository

SMALL, LARGE = "openai/gpt-oss-20b", "openai/gpt-oss-120b"


@pytest.mark.parametrize(
    ("name", "repo"),
    [
        ("20b", SMALL),
        ("20B", SMALL),
        ("20", SMALL),
        ("120B", LARGE),
        ("gpt-oss-20b", SMALL),
        ("GPT-OSS-120B", LARGE),
        ("gpt_oss_20b", SMALL),
        ("gpt-oss:20b", SMALL),  # Ollama's name
        ("gpt oss 20b", SMALL),
        ("gptoss20b", SMALL),
        ("openai/gpt-oss-20b", SMALL),
        ("openai/gpt-oss-20b/", SMALL),
        ("openai/gpt-oss:120b", LARGE),
        ("https://huggingface.co/openai/gpt-oss-20b", SMALL),
        ("https://huggingface.co/openai/gpt-oss-20b/", SMALL),
        ("http://www.huggingface.co/openai/gpt-oss-20b?library=transformers#top", SMALL),
        ("huggingface.co/models/openai/gpt-oss-20b", SMALL),
        ("hf.co/unsloth/gpt-oss-20b", "unsloth/gpt-oss-20b"),
        ("hf://someone/tuned", "someone/tuned"),
        ("unsloth/gpt-oss-20b", "unsloth/gpt-oss-20b"),
        ("someone/gpt-oss-20b-tuned", "someone/gpt-oss-20b-tuned"),
    ],
)
def test_what_a_name_means(name, repo):
    assert repository(name) == (repo, None)


@pytest.mark.parametrize(
    ("address", "revision"),
    [
        ("https://huggingface.co/openai/gpt-oss-20b/tree/main", "main"),
        ("https://huggingface.co/openai/gpt-oss-20b/tree/main/", "main"),
        ("https://huggingface.co/openai/gpt-oss-20b/blob/v1/config.json", "v1"),
        ("https://huggingface.co/openai/gpt-oss-20b/tree/refs%2Fpr%2F7", "refs/pr/7"),
        ("hf://openai/gpt-oss-20b@v2", "v2"),
    ],
)
def test_an_address_may_name_a_revision(address, revision):
    assert repository(address) == (SMALL, revision)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt-oss",
        "20bb",
        "21b",
        "a/b/c",
        "20 b/c",
        "gpt-oss-20b.gguf",
        "https://huggingface.co/",
        "https://huggingface.co/openai",
        "https://huggingface.co/datasets/a/b",
        "https://github.com/openai/gpt-oss",
    ],
)
def test_names_that_mean_no_repository(name):
    assert repository(name) is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (5, "got 5; load"),
        (20, r'got 20; write load\("20b"\)'),
        (120, r'got 120; write load\("120b"\)'),
        (b"demo", "got b'demo'"),
        (["20b"], r"got \['20b'\]"),
        (1.5, "got 1.5"),
        (True, "got True"),
        pytest.param(10**5000, "got a very large int", id="a large number"),
    ],
)
def test_what_is_no_name_is_a_type_error(source, words):
    with pytest.raises(TypeError, match=f"a model is named by a str or a path .*{words}") as raised:
        ossnb.load(source)
    assert len(str(raised.value)) < 300


def test_a_model_is_no_name_of_one():
    with ossnb.load("demo") as model, pytest.raises(TypeError, match="it is a model already"):
        ossnb.load(model)


def test_names_of_the_embedded_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with ossnb.load(" Demo ") as model:
        assert model.source == "demo"
    (tmp_path / "DEMO").mkdir()
    assert not is_demo("DEMO"), "a folder of that name goes first"
    assert is_demo("demo")
    with pytest.raises(ossnb.CheckpointError, match="has no config"):
        ossnb.load("DEMO")
    with pytest.raises(ossnb.CheckpointError, match="no such folder"):
        ossnb.load(Path("demo"))


def test_none_is_the_default_of_every_setting_of_load():
    settings = dict.fromkeys(("precision", "threads", "context", "kv_memory", "device", "revision"))
    with ossnb.load("demo", **settings) as model:
        assert (model.precision, model.device) == ("exact", "cpu")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gpt-os-20b", "gpt-oss-20b"),
        ("Gpt-oss-20", "gpt-oss-20b"),
        ("opnai/gpt-oss-120b", LARGE),
        ("demmo", "demo"),
        ("20bb", "20b"),
        ("./modls/mine", ""),
        ("llama", ""),
        ("", ""),
    ],
)
def test_near_names(name, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert did_you_mean(name) == (f"; did you mean {meant}?" if meant else "")


def test_near_names_of_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-fine-tune").mkdir()
    (tmp_path / "my-fine-tunes.txt").touch()
    (tmp_path / "odd\x1b[2Jfolder").mkdir()
    with pytest.raises(ossnb.CheckpointError, match=r"did you mean my-fine-tune\?"):
        ossnb.load("my-finetune")
    assert did_you_mean("./my-fine-tun/") == "; did you mean ./my-fine-tune?"
    (tmp_path / "models" / "tuned").mkdir(parents=True)
    with pytest.raises(ossnb.CheckpointError, match=r"did you mean models/tuned\?"):
        ossnb.load(Path("models/tune"))
    assert did_you_mean("odd[2Jfolder") == r"; did you mean odd\x1b[2Jfolder?"


def test_a_path_keeps_its_blanks():
    assert name_of(Path(" 20b ")) == " 20b "


def test_a_folder_of_another_family_is_told_by_its_config(tmp_path):
    """Nothing but config.json is there: so nothing else was read."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 4096}))
    with pytest.raises(ossnb.CheckpointError, match="model_type is 'llama', expected 'gpt_oss': only "):
        ossnb.load(f"{tmp_path}/")
