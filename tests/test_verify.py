"""`ossnb verify`: files, prompts and goldens, each passing and failing for the right reason."""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

import ossnb
from ossnb.checkpoint.config import Config
from ossnb.checkpoint.safetensors import read_header
from ossnb.command import verify
from ossnb.command.cli import main
from ossnb.command.verify import GOLDENS, LARGEST_GAP, check_golden, check_prompt, golden_gaps, known_as
from ossnb.harmony.messages import Message
from ossnb.harmony.prompt import render
from ossnb.loader import load
from ossnb.saved.record import record_of
from ossnb.testing import write_random_checkpoint

SHAPE = {"vocab_size": 201088, "hidden_size": 32, "num_hidden_layers": 2}
COMMIT = "0123456789" * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with the real vocabulary, so that prompts can be fed to it."""
    return write_random_checkpoint(tmp_path_factory.mktemp("verify") / "model", SHAPE, seed=5)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.delenv("OSSNB_MODEL", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "hub"


def put_into(cache: Path, repo: str, model: Path, *, are_shared: bool = False) -> Path:
    """Put a model into the hub's cache as the hub's library does; return the folder of its revision.

    With `are_shared` the weights came over Xet: a blob is a link to bytes that repositories share.
    """
    home = cache / f"models--{repo.replace('/', '--')}"
    snapshot = home / "snapshots" / COMMIT
    for part in (home / "blobs", home / "refs", snapshot):
        part.mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    for file in model.iterdir():
        hashed = hashlib.sha256 if file.suffix == ".safetensors" else hashlib.sha1
        blob = home / "blobs" / hashed(file.read_bytes()).hexdigest()
        shutil.copyfile(file, blob)
        if are_shared and file.suffix == ".safetensors":
            other = hashlib.sha256(blob.name.encode()).hexdigest()  # a hash of another kind
            (cache / "blobs" / other[:2]).mkdir(parents=True, exist_ok=True)
            blob.rename(cache / "blobs" / other[:2] / other)
            blob.symlink_to(f"../../blobs/{other[:2]}/{other}")
        (snapshot / file.name).symlink_to(f"../../blobs/{blob.name}")
    return snapshot


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_prompts_are_rendered_as_published(golden: verify.Golden) -> None:
    check = check_prompt(golden, render([Message("user", golden.text)]))
    assert check.passed, check.detail


def test_a_prompt_that_differs_in_one_token_is_told() -> None:
    ids = render([Message("user", GOLDENS[0].text)])
    check = check_prompt(GOLDENS[0], [*ids[:-1], ids[-1] + 1])
    assert check.passed is False
    assert GOLDENS[0].sha256[:8] in check.detail


def test_known_models_are_told_by_their_dimensions() -> None:
    assert known_as(Config()) == "gpt-oss-20b"
    assert known_as(Config(num_hidden_layers=36, num_local_experts=128)) == "gpt-oss-120b"
    assert known_as(Config(eos_token_id=(200002, 200012), pad_token_id=None)) == "gpt-oss-20b"
    assert known_as(Config(sliding_window=127)) is None
    assert known_as(replace(Config(), rope_factor=16.0)) is None


def test_gaps_are_zero_for_the_model_s_own_tokens_and_right_for_others(folder: Path) -> None:
    model = load(folder, threads=1)
    prompt = [5, 6, 7]
    own = list(model.complete(prompt, temperature=0, max_tokens=4).tokens)
    assert golden_gaps(model, prompt, own) == [0.0] * 4

    other = [*own[:2], own[2] ^ 1, own[3]]
    logits = model.logits([*prompt, *other])[len(prompt) - 1 : -1]
    expected = logits.max(axis=1) - logits[np.arange(4), other]
    gaps = golden_gaps(model, prompt, other)
    assert gaps == expected.tolist()
    assert gaps[2] > 0


def test_a_golden_passes_exactly_and_by_a_near_tie_and_fails_beyond() -> None:
    golden = GOLDENS[1]
    assert check_golden(golden, [0.0] * 8).detail == "8 of 8 tokens are the model's own choice"
    near = check_golden(golden, [0.0] * 3 + [LARGEST_GAP] + [0.0] * 4)
    assert near.passed
    assert "7 of 8" in near.detail
    assert "near-tie" in near.detail
    far = check_golden(golden, [0.0] * 7 + [LARGEST_GAP + 0.01])
    assert far.passed is False
    assert "token 8" in far.detail


def test_a_model_of_another_size_is_checked_as_far_as_facts_go(folder: Path) -> None:
    checks = {check.name: check for check in verify.verify(folder, threads=1)}
    assert checks["files"].passed
    assert checks["config"].passed is None
    assert all(checks[f"prompt: {golden.name}"].passed for golden in GOLDENS)
    assert checks["goldens"].passed is None
    assert "none are published" in checks["goldens"].detail


def test_goldens_fail_on_other_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "known_as", lambda config: "gpt-oss-20b")
    goldens = [check for check in verify.verify(folder) if check.name.startswith("golden:")]
    assert [check.passed for check in goldens] == [False] * len(GOLDENS)


def test_a_damaged_file_is_a_check_that_failed(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        data = file.read_bytes()
        (tmp_path / file.name).write_bytes(data[:-4] if file.suffix == ".safetensors" else data)
    (check,) = verify.verify(tmp_path)
    assert check.name == "files"
    assert check.passed is False
    assert str(tmp_path) in check.detail


# ---- what the hub published --------------------------------------------------------------------------------


@pytest.mark.parametrize("are_shared", [False, True])
def test_weights_are_compared_with_the_checksums_of_the_hub(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], are_shared: bool
) -> None:
    model = write_random_checkpoint(tmp_path / "tiny", "tiny", shards=3)
    snapshot = put_into(cache, "someone/tiny", model, are_shared=are_shared)
    assert main(["verify", "someone/tiny"]) == 0
    out, err = capsys.readouterr()
    assert "ok      checksums: 3 files of weights, " in out
    assert "with the hub's checksums" in err

    index = json.loads((snapshot / "model.safetensors.index.json").read_text())
    file = snapshot / index["weight_map"]["lm_head.weight"]
    entry = read_header(file).entries["lm_head.weight"]
    with file.open("r+b") as opened:
        opened.seek((entry.begin + entry.end) // 4 * 2)
        (byte,) = opened.read(1)
        opened.seek(-1, 1)
        opened.write(bytes([byte ^ 1]))
    assert main(["verify", "someone/tiny"]) == 1
    out = capsys.readouterr().out
    assert "ok      files: " in out, "nothing else can see it"
    (line,) = [line for line in out.splitlines() if line.startswith("FAILED")]
    assert line.startswith(f"FAILED  checksums: {file} has sha256 ")
    published = Path(os.readlink(file)).name
    assert f"published: {published[:8]}; remove {file.resolve()} and download" in line
    assert out.count(".safetensors") == 1, "the others are as published"


def test_a_folder_has_no_published_checksums(folder: Path) -> None:
    (check,) = [check for check in verify.verify(folder, threads=1) if check.name == "checksums"]
    assert check == ("checksums", None, "no checksums are published for a folder")


# ---- a notebook of anybody ---------------------------------------------------------------------------------


def test_a_folder_that_came_with_a_notebook_does_not_take_the_place_of_a_download(
    cache: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_into(cache, "someone/tiny", folder)
    write_random_checkpoint("someone/tiny", SHAPE, seed=6)
    model = ossnb.load("someone/tiny", threads=1)
    reply = model.complete([5, 6, 7], temperature=0, max_tokens=4)
    metadata = reply.to_dict(settings_only=True) | record_of(reply, model.fingerprint)
    output = {"output_type": "display_data", "data": {}, "metadata": {"ossnb": metadata}}
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": [output]}
    Path("n.ipynb").write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell]}))

    def verdict(*more: str) -> dict[str, str]:
        capsys.readouterr()
        main(["verify", "n.ipynb", "--json", "--threads", "1", *more])
        (found,) = json.loads(capsys.readouterr().out)["verdicts"]
        return found

    refused = verdict()
    assert refused["state"] == "unverified"
    assert "its model someone/tiny is a download, and a folder of that name stands here" in refused["why"]
    assert "--with MODEL" in refused["why"]
    assert verdict("--with", "someone/tiny")["state"] == "identical", "the user's own word is for the folder"
    shutil.rmtree("someone")
    diverged = verdict()
    assert diverged["state"] == "diverged"
    assert "the weights are others" in diverged["why"]
