"""The file of a map: only whole answers are in it, and one that cannot be read is asked again."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

import ossnb
from fakes import scripted_model
from ossnb.many.store import Store
from test_many import mapped, random_harmony_model

HELLO = "<|channel|>final<|message|>Hello."
ROWS = ["short", *(f"long {n}" for n in range(8))]


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def change_second_answer(path, **changes):
    """Change a file's answer to the second question; return the lines before it was changed."""
    lines = lines_of(path)
    changed = [*lines[:2], {**lines[2], "reply": {**lines[2]["reply"], **changes}}, *lines[3:]]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))
    return lines


def asked_by(model):
    """The questions that a model is asked from now on, as they come."""
    asked, ask = [], model.ask
    model.ask = lambda question: asked.append(question.messages[-1].content) or ask(question)
    return asked


# A schema and logprobs: what the schema forbids once had the logarithm of 0, which is no number of JSON.
@pytest.mark.parametrize(
    "changes",
    [
        {"logprobs": [{"token": 1, "text": "a", "logprob": float("-inf"), "top": []}]},
        {"seed": -1},
        {"form": {"kind": "json", "content": 3}},
        {"version": 9},
        {"messages": 3},
        {"sampling": {"temperature": "hot"}},
    ],
    ids=str,
)
def test_an_answer_that_cannot_be_read_back_is_asked_again(tmp_path, capsys, changes):
    path, rows, settings = tmp_path / "out.jsonl", ["x", "y", "z", "y"], {"max_tokens": None, "in_flight": 1}
    mapped(scripted_model(HELLO), path, rows, **settings).run()
    before = change_second_answer(path, **changes)
    capsys.readouterr()
    model = scripted_model(HELLO)
    asked = asked_by(model)
    answers = mapped(model, path, rows, **settings).run()
    assert asked == ["y"]
    assert [answer.text for answer in answers] == ["Hello."] * 4
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"1 answer in {str(path)!r} cannot be read back and is asked again (")
    assert lines_of(path)[-1]["reply"]["tokens"] == before[2]["reply"]["tokens"]
    assert len(mapped(model, path, rows, **settings).run().found) == 4
    assert (asked, capsys.readouterr().err) == (["y"], ""), "the file has a whole answer now"


def test_several_that_cannot_be_read_back_are_told_in_one_line(tmp_path, capsys):
    path = tmp_path / "out.jsonl"
    mapped(random_harmony_model(), path).run()
    lines = lines_of(path)
    for line in lines[1:]:
        line["reply"]["tokens"] = None
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    capsys.readouterr()
    assert not any(answer.error for answer in mapped(random_harmony_model(), path))
    told = capsys.readouterr().err
    assert told.endswith("cannot be read back and are asked again (tokens must be a list, got None)\n")
    assert told.startswith("6 answers in ")


def test_half_an_answer_of_an_earlier_version_is_asked_again(tmp_path):
    path = tmp_path / "out.jsonl"
    mapped(random_harmony_model(), path, in_flight=1).run()
    before = change_second_answer(path, finish_reason="cancelled", tokens=[], text="")
    model = random_harmony_model()
    asked = asked_by(model)
    answers = mapped(model, path).run()
    assert asked == ["1"]
    assert answers[1].reply.tokens == before[2]["reply"]["tokens"]


@pytest.mark.parametrize("n", [0, 3])
def test_an_answer_that_the_engine_ends_is_none(tmp_path, n):
    model, path = random_harmony_model(), tmp_path / "out.jsonl"
    ask = model.ask

    def ended(question):
        stream = ask(question)
        if question.messages[-1].content == str(n):
            stream.cancel()
        return stream

    model.ask = ended
    answers = mapped(model, path, in_flight=1)
    with pytest.raises(RuntimeError, match="stopped from outside its map, as at the end of the process"):
        answers.run()
    assert sorted(answers.found) == list(range(n))
    assert len(lines_of(path)) == 1 + n
    model.ask = ask
    assert len(answers.run().found) == 6


@dataclasses.dataclass
class City:
    name: str


def test_an_answer_of_the_file_has_its_type_and_its_model(tmp_path):
    path, script = tmp_path / "out.jsonl", '<|channel|>final<|message|>{"name": "Rome"}<|return|>'
    settings = {"schema": City, "resume": path, "seed": 1, "progress": False}
    model = scripted_model(script)
    new = [model.map(rows, **settings)[-1].reply for rows in (["a"], ["a", "b"])]
    old = model.map(["b", "a"], **settings)[1].reply
    assert (old.parsed, old) == (City("Rome"), new[0])
    assert old.origin.model is model
    plain = {**settings, "schema": json.loads(json.dumps(new[0].form.content))}
    model.map(["c"], **plain).run()
    assert model.map(["c"], **plain)[0].reply.parsed == {"name": "Rome"}


def test_a_demo_answer_of_the_file_can_be_looked_at(tmp_path):
    with ossnb.load("demo") as model:
        settings = {"seed": 1, "temperature": 0, "resume": tmp_path / "out.jsonl", "progress": False}
        new = model.map(["What is 2 + 2?"], **settings)[0].reply
        old = model.map(["What is 2 + 2?"], **settings)[0].reply
        assert old is not new
        assert old.inspect().probabilities.tolist() == new.inspect().probabilities.tolist()


def test_a_file_is_read_once_and_anew_where_another_wrote_it(tmp_path, monkeypatch):
    path, read, loads = tmp_path / "out.jsonl", [], json.loads
    mapped(scripted_model(HELLO), path, range(3), max_tokens=None, seed=1).run()
    monkeypatch.setattr("ossnb.many.store.json.loads", lambda text: read.append(text) or loads(text))
    model = scripted_model(HELLO)
    asked = asked_by(model)
    answers = mapped(model, path, range(4), max_tokens=None, seed=1)
    assert len(read) == 4  # a first line, and three answers
    assert [answer.text for answer in answers] == ["Hello."] * 4
    assert (len(read), asked) == (4, ["3"])
    late = mapped(model, path, range(6), max_tokens=None, seed=1)
    mapped(model, path, range(5), max_tokens=None, seed=1).run()
    late.run()
    assert asked == ["3", "4", "5"]


def test_a_store_that_is_opened_again_has_what_came_since(tmp_path):
    path = tmp_path / "out.jsonl"
    with Store(path, 1) as store:
        store.add("a", {"error": "no"})
    with store.reopen():
        assert store.answers == {}, "its own lines are known"
        store.add("b", {"error": "no"})
    with Store(path) as other:
        assert list(other.answers) == ["a", "b"]
        with pytest.raises(BlockingIOError):
            store.reopen()
        other.add("c", {"error": "no"})
    with store.reopen():
        assert list(store.answers) == ["a", "b", "c"]
    path.unlink()
    with store.reopen():
        assert (store.answers, store.seed) == ({}, 1)
    path.write_text("not json\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="line 1 of"):
            store.reopen()
    assert path.read_text() == "not json\n"


LEFT_OPEN = """
import sys
sys.path.insert(0, {tests!r})
from test_many import mapped, model_of_short_and_long
from test_map_file import ROWS
coming = mapped(model_of_short_and_long(), {path!r}, ROWS, max_tokens=None, seed=2).as_done()
next(coming)
"""


@pytest.mark.slow
def test_the_end_of_the_process_leaves_no_half_answers(tmp_path):
    path = tmp_path / "out.jsonl"
    script = LEFT_OPEN.format(tests=str(Path(__file__).parent), path=str(path))
    ran = subprocess.run([sys.executable, "-c", script], timeout=300, check=False, capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, b"")
    (kept,) = lines_of(path)[1:]
    assert (kept["reply"]["text"], kept["reply"]["finish_reason"]) == ("Hi.", "stop")
    model = scripted_model(HELLO)
    asked = asked_by(model)
    answers = mapped(model, path, ROWS, max_tokens=None, seed=2).run()
    assert sorted(asked) == ROWS[1:]
    assert [answer.text for answer in answers] == ["Hi.", *["Hello."] * 8]


LEFT_WRITING = """
import os, sys, threading
from pathlib import Path
from ossnb.many.store import Store

class Left:
    def __init__(self, store):
        self.close = store.close
    def __del__(self):
        self.close()

path = Path({path!r})
store = Store(path, 1)
left, add = Left(store), store.add
del store
threading.Thread(target=add, args=("k", {{"error": "x" * 64_000_000}}), daemon=True).start()
while os.path.getsize(path) < 1_000_000:
    pass
"""


@pytest.mark.slow
def test_the_end_of_the_process_may_come_in_the_middle_of_a_line(tmp_path):
    path = tmp_path / "out.jsonl"
    script = LEFT_WRITING.format(path=str(path))
    ran = subprocess.run([sys.executable, "-c", script], timeout=300, check=False, capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, b"")
    with Store(path) as store:
        assert store.seed == 1
        store.add("l", {"error": "the next"})
    with Store(path) as store:
        assert store.answers["l"] == {"error": "the next"}


def test_a_disk_that_is_full_in_the_middle_of_a_line_leaves_none_of_it(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "out.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store(path, 1) as store:
        before = path.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 1000, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                store.add("a", {"error": "x" * 5000})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        store.add("b", {"error": "no"})
    with Store(path) as store:
        assert store.answers == {"b": {"error": "no"}}
