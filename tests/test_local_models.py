"""`ossnb models` and `ossnb download`: what is on this machine."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from huggingface_hub import constants

from ossnb import CheckpointError
from ossnb.checkpoint import demo, local
from ossnb.command import cli
from ossnb.testing import write_random_checkpoint

COMMIT = "0123456789" * 4


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A machine without models: an empty cache, an empty hub cache, an empty folder."""
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("OSSNB_MODEL", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def main(capsys):
    def run(*arguments):
        capsys.readouterr()
        code = cli.main([*map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def downloaded(place, repo, shards=3):
    folder = place / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots" / COMMIT
    return write_random_checkpoint(folder, "tiny", shards=shards)


def test_a_bare_machine_has_the_embedded_model(place, main):
    code, out, _ = main("models")
    assert code == 0
    assert out.splitlines()[0].split()[:1] == ["demo"]
    assert "comes with the package" in out
    assert "0 packed copies of weights, 0 B, in " in out
    assert not (place / "cache").exists(), "looking expands nothing"


def test_all_kinds_with_their_sizes(place, main, monkeypatch):
    whole, part = downloaded(place, "someone/tuned"), downloaded(place, "openai/gpt-oss-20b")
    (part / "model-00001-of-00002.safetensors").unlink()
    other = downloaded(place, "meta-llama/llama")
    (other / "config.json").write_text(json.dumps({"model_type": "llama"}))
    mine = write_random_checkpoint(place / "here" / "mine", "tiny")
    (place / "here" / "empty").mkdir()
    (place / "here" / "file.txt").touch()
    named = write_random_checkpoint(place / "elsewhere", "tiny", shards=2)
    (named / "model.safetensors.index.json").write_text("{")
    monkeypatch.setenv("OSSNB_MODEL", str(named))
    listed = json.loads(main("models", "--json")[1])
    assert [(model["name"], model["kind"], model["complete"]) for model in listed] == [
        ("demo", "embedded", False),
        ("openai/gpt-oss-20b", "hub", False),
        ("someone/tuned", "hub", True),
        (str(named), "folder", False),
        ("mine", "folder", True),
    ]
    sizes = {model["name"]: model["bytes"] for model in listed}
    assert sizes["mine"] == sum(path.stat().st_size for path in mine.glob("*.safetensors"))
    assert sizes["someone/tuned"] == sum(path.stat().st_size for path in whole.glob("*.safetensors"))
    text = main("models")[1]
    assert "downloaded at 0123456789, incomplete: `ossnb download openai/gpt-oss-20b` goes on" in text
    assert "folder, incomplete: some of its files are missing" in text
    assert "llama" not in text


def test_a_damaged_model_is_told_and_hides_no_other(place, main):
    index, cut = downloaded(place, "someone/index"), downloaded(place, "someone/cut")
    downloaded(place, "someone/whole")
    (index / "model.safetensors.index.json").write_text('{"weight_map"')
    os.truncate(cut / "model-00001-of-00002.safetensors", 1000)
    mine = write_random_checkpoint(place / "here" / "mine", "tiny")
    os.truncate(mine / "model.safetensors", 1000)
    code, out, _ = main("models", "--json")
    assert code == 0
    assert {model["name"]: model["complete"] for model in json.loads(out)} == {
        "demo": False,
        "someone/index": False,
        "someone/cut": False,
        "someone/whole": True,
        "mine": False,
    }
    assert "incomplete: some of its files are missing or damaged" in main("models")[1]


def test_folders_that_are_given(place, main):
    write_random_checkpoint(place / "models" / "a", "tiny")
    names = [model["name"] for model in json.loads(main("models", place / "models", "--json")[1])]
    assert names == ["demo", str(place / "models" / "a")]
    names = [model["name"] for model in json.loads(main("models", place / "models" / "a", "--json")[1])]
    assert names == ["demo", str(place / "models" / "a")]
    code, out, err = main("models", place / "none")
    assert (code, out) == (1, "")
    assert err == f"error: {place / 'none'}: cannot be looked into: No such file or directory\n"


def test_the_expanded_model_has_its_size(place):
    folder = demo.expand()
    (model,) = local.models()
    assert (model.folder, model.is_complete) == (folder, True)
    assert model.n_bytes > 100_000_000
    (folder / "model.safetensors").unlink()
    assert not local.models()[0].is_complete


def test_download_of_what_is_here(place, main):
    folder = downloaded(place, "someone/tuned")
    refs = folder.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    code, out, err = main("download", "https://huggingface.co/someone/tuned")
    assert (code, out) == (0, f"{folder}\n")
    assert err.startswith("someone/tuned is here, ")
    assert main("download", folder)[:2] == (0, f"{folder}\n")


def test_download_that_cannot_be(place, main, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    code, out, err = main("download", "gpt-oss-20b")
    assert (code, out) == (1, "")
    assert "HF_HUB_OFFLINE forbids downloads" in err
    code, _, err = main("download", "no-such")
    assert code == 1
    assert "no such folder, nor a hub id" in err
    code, _, err = main("download", "20b", "--revision", "../x")
    assert code == 1
    assert "revision is '../x'" in err


def test_a_folder_that_vanishes(place):
    folder = write_random_checkpoint(place / "here" / "mine", "tiny")
    shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match="cannot be looked into"):
        local.models([str(folder)])
