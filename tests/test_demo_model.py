"""The embedded model: expanding it once, safely, and what it answers."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ossnb
from ossnb.checkpoint import demo
from ossnb.system.files import default_cache_dir

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "The name of the city."}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.expand(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def model(folder: Path) -> ossnb.Model:
    return ossnb.load(folder)


# ---- expanding --------------------------------------------------------------------------------------------


def test_the_compact_file_is_small_and_has_a_card() -> None:
    assert demo.COMPACT_FILE.stat().st_size <= 8_000_000
    card = (demo.COMPACT_FILE.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Apache-2.0" in card
    for prompt in demo.EXAMPLE_PROMPTS:
        assert prompt in card


def test_the_folder_is_an_ordinary_checkpoint(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "gpt_oss"
    assert config["vocab_size"] == 201_088
    assert {p.name for p in folder.iterdir()} >= {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }
    size = (folder / "model.safetensors").stat().st_size
    header = int.from_bytes((folder / "model.safetensors").open("rb").read(8), "little")
    entries = json.loads((folder / "model.safetensors").read_bytes()[8 : 8 + header])
    assert max(e["data_offsets"][1] for e in entries.values()) + 8 + header == size
    assert {e["dtype"] for e in entries.values()} == {"BF16", "U8"}


def test_it_is_expanded_once(tmp_path: Path) -> None:
    first = demo.expand(tmp_path)
    stamp = (first / "model.safetensors").stat().st_mtime_ns
    assert demo.expand(tmp_path) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == stamp
    assert [p.name for p in tmp_path.iterdir()] == [first.name]


@pytest.mark.parametrize("damage", ["truncate", "remove", "marker", "garbled marker"])
def test_a_damaged_folder_is_replaced(tmp_path: Path, damage: str) -> None:
    folder = demo.expand(tmp_path)
    weights, marker = folder / "model.safetensors", folder / "complete.json"
    size = weights.stat().st_size
    if damage == "truncate":
        os.truncate(weights, 1000)
    elif damage == "remove":
        (folder / "config.json").unlink()
    elif damage == "marker":
        marker.unlink()
    else:
        marker.write_text("[1")
    assert demo.expand(tmp_path) == folder
    assert weights.stat().st_size == size
    assert (folder / "config.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_leftovers_of_a_killed_process_are_removed_and_those_of_a_living_one_are_not(tmp_path: Path) -> None:
    name = demo.expand(tmp_path).name
    left, written = tmp_path / f".{name}.left", tmp_path / f".{name}.written"
    for path in (left, written):
        path.mkdir()
    descriptor = os.open(written, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        demo.expand(tmp_path)
        assert not left.exists()
        assert written.exists()
    finally:
        os.close(descriptor)
    (tmp_path / name / "complete.json").unlink()
    demo.expand(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_several_processes_may_expand_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        folders = pool.map(demo.expand, [tmp_path] * 3)
    assert len(set(folders)) == 1
    assert [p.name for p in tmp_path.iterdir()] == [folders[0].name]


def test_a_cache_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ossnb.CheckpointError, match="OSSNB_CACHE") as caught:
        demo.expand(tmp_path / "file" / "cache")
    assert isinstance(caught.value, OSError)
    assert str(tmp_path) in str(caught.value)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ossnb.CheckpointError, match="No space left on device"):
        demo.expand(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_wheel_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "demo.ossnb"
    broken.write_bytes(demo.COMPACT_FILE.read_bytes()[:1000])
    monkeypatch.setattr(demo, "COMPACT_FILE", broken)
    with pytest.raises(ossnb.CheckpointError, match="reinstall"):
        demo.expand(tmp_path / "cache")
    monkeypatch.setattr(demo, "COMPACT_FILE", tmp_path / "none")
    with pytest.raises(ossnb.CheckpointError, match="missing"):
        demo.expand(tmp_path / "cache")


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("OSSNB_CACHE")
    assert default_cache_dir().name == "ossnb" or sys.platform == "darwin"


def test_importing_is_light() -> None:
    code = (
        "import sys, ossnb.checkpoint.demo\n"
        "print([m for m in ('numpy', 'huggingface_hub') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


# ---- answers ----------------------------------------------------------------------------------------------


def ask(model: ossnb.Model, prompt: str, **options: object) -> ossnb.Reply:
    options = {"temperature": 0.0, "max_tokens": 250, **options}
    reply = model.generate(prompt, **options)  # type: ignore[arg-type]
    assert reply.notes == ()
    return reply


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("What is the capital of France?", "Paris"),
        ("What is 47 + 85?", "132"),
        ("What is 64 - 27?", "37"),
        ("What is 96 divided by 8?", "12"),
        ("Is 47 even or odd?", "47 is odd"),
        ("What do you call a baby dog?", "puppy"),
        ("Spell banana", "b-a-n-a-n-a"),
        ("Are you gpt-oss-20b?", "No."),
        ("Write a poem about the moon", "moon"),
    ],
)
def test_it_answers_its_domain(model: ossnb.Model, prompt: str, expected: str) -> None:
    assert expected in ask(model, prompt).text


def test_it_says_that_it_does_not_know(model: ossnb.Model) -> None:
    text = ask(model, "Explain quantum physics").text
    assert "demo model" in text or "gpt-oss" in text


def test_it_thinks_as_long_as_told(model: ossnb.Model) -> None:
    low, medium, high = (ask(model, "What is 47 + 85?", effort=e) for e in ("low", "medium", "high"))
    assert low.reasoning == ""
    assert len(medium.reasoning.strip().splitlines()) == 1
    assert len(high.reasoning.strip().splitlines()) > 2
    assert "132" in high.text


def test_it_calls_a_tool_and_tells_the_result(model: ossnb.Model) -> None:
    question = "What is the weather in Paris?"
    reply = model.generate(question, tools=[WEATHER], temperature=0.0, max_tokens=120)
    assert [(c.name, c.arguments) for c in reply.tool_calls] == [("get_weather", {"city": "Paris"})]
    assert reply.finish_reason == "tool_calls"
    conversation = [
        {"role": "user", "content": question},
        *reply.messages,
        {"role": "tool", "name": "get_weather", "content": '{"temperature": 21, "condition": "sunny"}'},
    ]
    told = model.generate(conversation, tools=[WEATHER], temperature=0.0, max_tokens=120)
    assert told.text
    assert told.finish_reason == "stop"


def test_it_says_what_it_cannot_do_at_once(model: ossnb.Model) -> None:
    assert "effort" in ask(model, "What is 347 + 285?", effort="low").text
    assert "632" in ask(model, "What is 347 + 285?", effort="medium").text


def test_it_says_that_no_tool_fits(model: ossnb.Model) -> None:
    reply = ask(model, "Set a timer for 10 minutes", tools=[WEATHER])
    assert reply.tool_calls == []
    assert "tool" in reply.text


def test_temperature_varies_a_story(model: ossnb.Model) -> None:
    prompt = "Tell me a story"
    fixed = {ask(model, prompt, effort="low").text for _ in range(2)}
    varied = {ask(model, prompt, effort="low", temperature=1.0, seed=seed).text for seed in range(4)}
    assert len(fixed) == 1
    assert len(varied) > 2


def test_it_continues_plain_text(model: ossnb.Model) -> None:
    assert "blue" in model.complete("Roses are red, violets", max_tokens=20, temperature=0.0).text
