"""What the doors of the library say to a wrong argument: its name, what came, and what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ossnb
from fakes import scripted_model
from ossnb.generation.question import Question
from ossnb.harmony.messages import Message
from ossnb.harmony.tokenizer import Tokenizer

ANSWER = "<|channel|>final<|message|>Good."


@pytest.fixture(scope="module")
def demo():
    with ossnb.load("demo", threads=1) as model:
        yield model


@pytest.fixture(scope="module")
def reply(demo):
    return demo.generate("What is 2 + 2?", temperature=0)


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ({"role": "user", "content": "Hi"}, "a list of messages, got dict; put it into a list"),
        (Message("user", "Hi"), "got Message; put it into a list"),
        (Question.of("Hi"), "got Question; model.ask(question) answers it"),
        (["Hi", "Ho"], "got str; model.map(prompts) asks each of several prompts"),
        ([{"role": "user"}], "message 0: a message of role 'user' needs a content"),
        ([{"role": "system", "content": None}], "message 0: a message of role 'system' needs a content"),
        ([{"role": "developer"}], "a message of role 'developer' needs a content"),
    ],
)
def test_a_prompt_of_another_kind_is_told_its_door(prompt, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        scripted_model(ANSWER).generate(prompt)


def test_an_effort_goes_by_its_name():
    model = scripted_model(ANSWER)
    with pytest.raises(ValueError, match=r'got \'low\'; for the effort write effort="low"'):
        model.generate("Hi", "low")
    with pytest.raises(ValueError, match="got 'HIGH'; did you mean high"):
        model.generate("Hi", effort="HIGH")
    assert model.generate("Hi", "Be low.", "low").text == "Good."


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda m, r: m.complete(""), "prompt must be text to go on from, got ''"),
        (lambda m, r: m.complete([]), "prompt must have at least one token, got none"),
        (lambda m, r: r.branch(0, ""), "text must have at least one token, got none"),
        (lambda m, r: m.trace(""), "prompt must be text or token ids to read, got ''"),
        (lambda m, r: m.logits([999999]), "token_ids[0] must be in 0..201087 (vocab_size), got 999999"),
        (lambda m, r: r.attention(9), "layer must be an integer in -4..3, got 9"),
        (lambda m, r: r.logit_lens(layers=[9]), "layers must be integers in -4..3, got 9"),
        (lambda m, r: m.generate("Hi", temperature=float("inf")), "temperature must be finite and >= 0"),
        (lambda m, r: r.sources(named={"df": "not there"}), "that of 'df' is not in it: 'not there'"),
        (lambda m, r: ossnb.sliders(reply="x"), "reply must be a Reply, as generate() returns one, got 'x'"),
        (lambda m, r: m.chat().save(""), "the file is '', and a path must not be empty"),
        (lambda m, r: m.chat().save(5), "the file must be a path, as a text or a pathlib.Path, got 5"),
        (lambda m, r: ossnb.Chat.load(5, m), "the file must be a path, as a text or a pathlib.Path, got 5"),
        (lambda m, r: m.save_cache(b"a"), "the file of kept keys and values must be a path, as a text or"),
        (lambda m, r: m.map(["Hi"], resume=5), "resume must be a path, as a text or a pathlib.Path, got 5"),
        (lambda m, r: m.map(["Hi"], resume=""), "resume is '', and a path must not be empty"),
        (lambda m, r: r.inspect().to_html(5), "the page must be a path, as a text or a pathlib.Path, got 5"),
        (lambda m, r: ossnb.python(give=["df"]), "give must be a dict of names and values, as in"),
        (lambda m, r: ossnb.python(give=0), 'give={"df": df}, got 0'),
        (lambda m, r: ossnb.Documents({"a": "b"}).search(5), "query must be a text"),
        (lambda m, r: Tokenizer().encode(5), "text must be a str, got 5"),
        (lambda m, r: Tokenizer().decode("x"), "ids must be a sequence of integers, got 'x'"),
        (lambda m, r: Tokenizer().decode(5), "ids must be a sequence of integers, got 5"),
    ],
)
def test_a_message_names_the_argument_of_its_door(demo, reply, use, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        use(demo, reply)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda m: m.generate(), "Model.generate() got wrong arguments: missing a required argument"),
        (lambda m: m.samples(), "Model.samples() got wrong arguments: missing a required argument"),
        (lambda m: m.complete(), "Model.complete() got wrong arguments: missing a required argument"),
        (lambda m: ossnb.load("demo", "fast"), "load() got wrong arguments: too many positional"),
        (lambda m: ossnb.generate(), "generate() got wrong arguments: missing a required argument"),
    ],
)
def test_a_call_without_its_arguments_names_the_callers_class(demo, call, told):
    with pytest.raises(TypeError, match=re.escape(told)):
        call(demo)


@pytest.mark.parametrize("name", ["demo", "20b"])
def test_a_path_names_a_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ossnb.CheckpointError, match=rf"no such folder.* write load\('{name}'\)"):
        ossnb.load(Path(name))


def test_a_file_that_is_no_model_keeps_its_name(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("no model")
    with pytest.raises(ossnb.CheckpointError, match=re.escape(f"{file}: is a file beside no config.json")):
        ossnb.load(file)
