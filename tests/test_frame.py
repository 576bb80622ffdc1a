"""`ossnb.to_frame`: replies as a table, in both libraries."""

from __future__ import annotations

import sys

import pandas
import polars
import pytest

import ossnb
from fakes import scripted_model
from ossnb.generation.frame import table

ANSWER = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>42"
LIBRARIES = {"pandas": pandas, "polars": polars}


def rows(frame, library):
    return frame.to_dict("records") if library == "pandas" else frame.to_dicts()


@pytest.fixture
def replies():
    model = scripted_model(ANSWER)
    return [
        model.generate("What is 17 + 25?", seed=2**64 - 1, logprobs=True),
        model.generate("Why?", effort="low", seed=1, temperature=0.5, max_tokens=300, stop=["zz", 7]),
    ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_row_for_each_reply(replies, library):
    frame = ossnb.to_frame(replies, library=library)
    assert isinstance(frame, LIBRARIES[library].DataFrame)
    first, second = rows(frame, library)
    assert [first["question"], second["question"]] == ["What is 17 + 25?", "Why?"]
    assert (first["text"], first["reasoning"], first["finish_reason"]) == ("42", "Hm.", "stop")
    assert (first["seed"], second["seed"]) == (2**64 - 1, 1)
    assert (second["effort"], second["temperature"], second["max_tokens"]) == ("low", 0.5, 300)
    assert second["stop"] == "'zz', 7"
    for row, reply in zip((first, second), replies, strict=True):
        stats = reply.stats.to_dict()
        assert {name: row[name] for name in stats} == stats
        assert list(row["tokens"]) == reply.tokens
        assert row["prompt_sha256"] == reply.prompt_sha256
    logprobs = [token.logprob for token in replies[0].logprobs]
    assert first["mean_logprob"] == pytest.approx(sum(logprobs) / len(logprobs))
    assert "presence_penalty" not in first, "a setting that nobody changed"


@pytest.mark.parametrize("library", LIBRARIES)
def test_missing_values_stay_missing(replies, library):
    frame = ossnb.to_frame(replies, library=library)
    missing = frame["mean_logprob"].isna() if library == "pandas" else frame["mean_logprob"].is_null()
    assert list(missing) == [False, True]
    limits = frame["max_tokens"]
    assert str(limits.dtype) == "Int64"
    assert limits[1] == 300


@pytest.mark.parametrize("library", LIBRARIES)
def test_none_one_and_named_replies(replies, library):
    assert len(ossnb.to_frame(replies[0], library=library)) == 1
    assert len(ossnb.to_frame(iter(replies), library=library)) == 2
    empty = ossnb.to_frame([], library=library)
    assert (len(empty), "text" in empty.columns) == (0, True)
    named = ossnb.to_frame({"warm": replies[0], "cold": replies[1]}, library=library)
    assert next(iter(named.columns)) == "name"
    assert list(named["name"]) == ["warm", "cold"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([3, 2.5, None], [3.0, 2.5, None]),
        ([True, 2], [1, 2]),
        ([1, "a", None], ["1", "a", None]),
        ([1, {"k": 2}], ["1", "{'k': 2}"]),
        (["a", {"k": 2}], ["a", "{'k': 2}"]),
        ([[1], [2.5]], [[1.0], [2.5]]),
        ([{"a": 1}, {"b": 2}], [{"a": 1, "b": None}, {"a": None, "b": 2}]),
        ([2**130, 1], [str(2**130), "1"]),
        (["half \ud800", "b"], ["half \ufffd", "b"]),
        ([], []),
    ],
)
def test_values_of_several_types_are_all_shown_in_polars(values, shown):
    assert table({"a": values}, "polars", {})["a"].to_list() == shown


def test_calls_notes_and_biases_have_words():
    call = "<|channel|>commentary to=functions.weather<|message|>{}<|call|>"
    tools = [{"name": "weather", "parameters": {"type": "object", "properties": {}}}]
    reply = scripted_model(call).generate("Hi", tools=tools, logit_bias={5: -1, 7: 2.5}, seed=1)
    (row,) = rows(ossnb.to_frame([reply], library="polars"), "polars")
    assert row["tool_calls"] == ["weather"]
    assert row["logit_bias"] == "5: -1, 7: 2.5"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (5, "takes a list of replies, or a dict of them, got 5"),
        ("text", "takes a list of replies"),
        (["text"], r"takes replies, got 'text' at 0"),
        ({"a": None}, "takes replies, got None at 'a'"),
    ],
)
def test_what_is_no_reply(wrong, words):
    with pytest.raises(TypeError, match=words):
        ossnb.to_frame(wrong)


def test_the_library_that_is_there_is_taken(replies, monkeypatch):
    monkeypatch.delitem(sys.modules, "pandas")
    assert isinstance(ossnb.to_frame(replies), polars.DataFrame), "it is imported already"
    monkeypatch.setitem(sys.modules, "polars", None)  # as if it were not installed
    with pytest.raises(ImportError, match="to_frame needs polars, which is not installed"):
        ossnb.to_frame(replies, library="polars")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas or polars, .*: pip install pandas; reply"):
        ossnb.to_frame(replies)
    with pytest.raises(ValueError, match="library must be 'pandas', 'polars' or None, got 'numpy'"):
        ossnb.to_frame(replies, library="numpy")
