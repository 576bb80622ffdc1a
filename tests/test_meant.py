"""Whether a name means a model that is there already, without loading one."""

from __future__ import annotations

import pytest

from fakes import scripted_model
from ossnb.notebook.meant import means

SMALL = "openai/gpt-oss-20b"


def model_of(source, revision="r1"):
    model = scripted_model("")
    model.source, model.revision = source, revision
    return model


@pytest.mark.parametrize(
    ("name", "source", "is_meant"),
    [
        ("demo", "demo", True),
        (" Demo ", "demo", True),
        ("demo", SMALL, False),
        ("20b", SMALL, True),
        ("gpt-oss:20B", SMALL, True),
        ("https://huggingface.co/openai/gpt-oss-20b", SMALL, True),
        ("hf://openai/gpt-oss-20b@r1", SMALL, True),
        ("hf://openai/gpt-oss-20b@r2", SMALL, False),
        ("120b", SMALL, False),
        ("20b", "demo", False),
        ("someone/tuned", "someone/tuned", True),
        ("", "demo", False),
        ("no such model", "no such model", False),
    ],
)
def test_a_name_of_the_hub_means_the_model_from_there(name, source, is_meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert means(name, model_of(source)) is is_meant


def test_a_folder_means_itself_however_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("mine", "other", "demo"):
        (tmp_path / name).mkdir()
    model = model_of("mine", None)
    assert all(means(name, model) for name in ("mine", "./mine/", "~/mine", str(tmp_path / "mine")))
    assert not any(means(name, model) for name in ("other", "demo", "gone", "20b", "mine/mine"))
    assert not means("demo", model_of("./demo", None)), "a folder of this name is ./demo"
    assert means("./demo", model_of("./demo", None))
    assert not means("mine", model_of("gone", None))
    (tmp_path / "openai/gpt-oss-20b").mkdir(parents=True)
    assert not means(SMALL, model_of(SMALL)), "the folder goes first, and the model came from the hub"
