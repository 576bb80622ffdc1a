"""Replies, events and their figures."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.core.formatters import MarkdownFormatter

import ossnb
from fakes import random_model, scripted_model
from ossnb.generation.record import Event, FinishReason, Message, Reply, Stats, TokenLogprob, ToolCall
from ossnb.generation.sampling import Sampling, SamplingOptions


def test_a_reply_reads_as_its_text():
    reply = Reply("4", "2 + 2", sampling=Sampling(seed=7), finish_reason="stop")
    assert str(reply) == f"{reply}" == reply.text == "4"
    assert reply.seed == 7


def test_a_notebook_shows_it_as_markdown_in_which_nothing_runs():
    formatter = MarkdownFormatter()
    assert formatter(Reply(text="**42** <script>")) == "**42** &lt;script>"
    assert formatter(Reply(text=" \n")) is None, "its repr says more"


def test_its_repr_tells_what_one_wants_to_know_first():
    stats = Stats(n_new_tokens=11, n_decode_steps=10, decode_s=2.0)
    reply = Reply(
        "4", finish_reason="length", sampling=Sampling(seed=7), stats=stats, prompt_tokens=[1] * 9999
    )
    assert repr(reply) == "Reply('4', finish_reason='length', seed=7, 11 tokens, 5.0 tok/s)"


def test_replies_events_and_figures_cannot_change():
    for thing in (
        Reply("4"),
        Event("answer", "4"),
        Stats(),
        Message("user", "q"),
        TokenLogprob(1, b"a", -1.0),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, dataclasses.fields(thing)[0].name, "x")


def test_messages_of_a_reply_join_a_history():
    reply = Reply("4", messages=[Message("assistant", "4", "final")])
    history = [{"role": "user", "content": "q"}]
    assert [*history, *reply.messages] == history + reply.messages


def test_speeds_are_counts_over_times_and_zero_where_nothing_ran():
    stats = Stats(
        n_prompt_tokens=100,
        n_cached_tokens=20,
        n_new_tokens=11,
        n_decode_steps=10,
        prefill_s=0.5,
        decode_s=2.0,
        decode_bytes=6_000_000_000,
    )
    assert (stats.prefill_tok_s, stats.decode_tok_s, stats.gb_s) == (160.0, 5.0, 3.0)
    drafted = dataclasses.replace(stats, n_decode_steps=4, n_drafted_tokens=9, n_accepted_tokens=6)
    assert drafted.decode_tok_s == 5.0, "ten tokens after the first, in four passes"
    held = dataclasses.replace(stats, n_decode_steps=7, n_given_tokens=3)
    assert held.decode_tok_s == 5.0, "three of the ten had no choice, and no pass of their own"
    assert (Stats().prefill_tok_s, Stats().decode_tok_s, Stats().gb_s) == (0.0, 0.0, 0.0)


def test_a_tokens_text_may_be_a_part_of_a_character():
    assert TokenLogprob(1, "é".encode(), -0.5).text == "é"
    assert TokenLogprob(1, "é".encode()[:1], -0.5).text == "\ufffd"


def test_what_needs_the_model_says_how_to_have_it_again():
    def written():
        model = random_model()  # nobody else keeps it
        return model.complete([1, 2], max_tokens=3)

    reply = written()
    with pytest.raises(RuntimeError, match=r"but 'fake' is not there any more.*model = ossnb.load\('fake'\)"):
        reply.inspect()
    copy = pickle.loads(pickle.dumps(reply))
    assert copy == reply
    with pytest.raises(RuntimeError, match="loaded from a file, or made by hand, has none"):
        copy.branch(1, [2])


# ---- as JSON ---------------------------------------------------------------------------------------------

ids = st.integers(0, 201087)
counts = st.integers(0, 2**40)
finite = st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
samplings = st.builds(
    Sampling,
    max_tokens=st.none() | st.integers(1, 10**6),
    temperature=st.floats(0, 10),
    top_p=st.floats(0.01, 1),
    top_k=st.integers(0, 1000),
    min_p=st.floats(0, 0.99),
    repetition_penalty=st.floats(0.1, 2),
    presence_penalty=st.floats(-2, 2),
    logit_bias=st.dictionaries(ids, st.floats(-100, 100), max_size=3),
    stop=st.lists(ids | st.text(min_size=1), max_size=3),
    seed=st.none() | st.integers(0, 2**64 - 1),
    logprobs=st.integers(0, 100),
)
messages = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "tool", "developer"]),
    content=st.text(),
    channel=st.none() | st.sampled_from(["final", "analysis", "commentary"]),
    recipient=st.none() | st.text(),
    name=st.none() | st.text(),
)
tokens_told = st.builds(
    TokenLogprob,
    token=ids,
    bytes=st.binary(max_size=8),
    logprob=finite,
    top=st.lists(
        st.builds(TokenLogprob, token=ids, bytes=st.binary(max_size=4), logprob=finite), max_size=2
    ).map(tuple),
)
replies = st.builds(
    Reply,
    text=st.text(),
    reasoning=st.text(),
    tool_calls=st.lists(
        st.builds(ToolCall.parse, st.text(), anything.map(json.dumps) | st.text()).filter(
            lambda call: call == ToolCall.parse(call.recipient, call.raw)  # NaN equals nothing
        ),
        max_size=2,
    ),
    messages=st.lists(messages, max_size=3),
    tokens=st.lists(ids, max_size=5),
    logprobs=st.lists(tokens_told, max_size=2),
    finish_reason=st.sampled_from(get_args(FinishReason)),
    notes=st.lists(st.text(), max_size=2).map(tuple),
    stats=st.builds(Stats, counts, counts, counts, counts, finite, finite, counts, counts, counts),
    sampling=samplings,
    effort=st.sampled_from([None, "low", "medium", "high"]),
    prompt_tokens=st.lists(ids, max_size=5),
    prompt_sha256=st.text(),
    model=st.text(),
    revision=st.none() | st.text(),
    precision=st.sampled_from(["exact", "fast"]),
    device=st.sampled_from(["", "cpu", "cuda:0"]),
)


def through_json(content):
    return json.loads(json.dumps(content, allow_nan=False))


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(replies)
def test_a_reply_that_was_written_is_read_as_it_was(reply):
    written = through_json(reply.to_dict())
    read = Reply.from_dict(written)
    assert read == reply
    assert read.to_dict() == written, "what is read can be written again"


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(replies, st.data())
def test_a_damaged_field_is_named_and_nothing_else_happens(reply, data):
    written = through_json(reply.to_dict())
    name = data.draw(st.sampled_from(sorted(written)))
    written[name] = data.draw(anything)
    told = None
    try:
        Reply.from_dict(written)
    except ValueError as error:
        told = str(error)
    assert told is None or any(word in told for word in (name, *SamplingOptions.__annotations__, "message "))


def written_reply():
    """A reply with a bit of everything, as JSON."""
    model = scripted_model(
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary to=functions.add "
        '<|constrain|>json<|message|>{"a": 1}<|call|>'
    )
    reply = model.generate("Hi", effort="low", logprobs=2, seed=2**60, temperature=0.5)
    assert Reply.from_dict(through_json(reply.to_dict())) == reply
    return through_json(reply.to_dict())


def test_json_tells_everything():
    written = written_reply()
    assert (written["format"], written["version"], written["ossnb"]) == ("ossnb reply", 1, ossnb.__version__)
    assert (written["model"], written["revision"], written["device"]) == ("fake", "r1", "cpu")
    assert written["seed"] == str(2**60)
    assert "seed" not in written["sampling"]
    assert written["tool_calls"] == [
        {"name": "add", "arguments": {"a": 1}, "raw": '{"a": 1}', "recipient": "functions.add"}
    ]
    assert written["logprobs"][0].keys() == {"token", "bytes", "logprob", "top"}
    assert written["stats"]["n_new_tokens"] == len(written["tokens"])
    assert {"prefill_tok_s", "decode_tok_s", "gb_s"} < written["stats"].keys()


def test_settings_only_is_a_part_of_it_that_stays_small():
    reply = Reply.from_dict(written_reply())
    part = reply.to_dict(settings_only=True)
    assert part.items() <= reply.to_dict().items()
    assert list(part) == [
        *("format", "version", "ossnb", "model", "revision", "precision", "device", "effort", "seed"),
        *("sampling", "prompt_sha256", "finish_reason"),
    ]
    with pytest.raises(
        ValueError, match="a reply must have text, which is missing; a record of settings_only"
    ):
        Reply.from_dict(part)


def test_arguments_that_json_cannot_hold_are_read_from_the_text_again():
    call = ToolCall.parse("functions.f", '{"x": NaN}')
    assert call.to_dict() == {"name": "f", "arguments": None, "raw": '{"x": NaN}', "recipient": "functions.f"}
    (read,) = Reply.from_dict(through_json(Reply("", tool_calls=[call]).to_dict())).tool_calls
    assert read.arguments["x"] != read.arguments["x"], "it is NaN"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((), [], "a reply must be an object, got list"),
        (("format",), "ossnb chat", "format must be \"ossnb reply\", got 'ossnb chat'"),
        (("version",), 2, "version 2 of a reply was written by a newer ossnb; this one reads version 1"),
        (("version",), "1", "version must be an integer >= 1, got '1'"),
        (("text",), None, "text must be text, got None"),
        (("revision",), 3, "revision must be text or null, got 3"),
        (("effort",), "max", "effort must be one of null, low, medium, high, got 'max'"),
        (("finish_reason",), [], "finish_reason must be one of stop, stop_string,"),
        (("tokens",), [1, -1], "tokens must be a list of integers >= 0, got -1 at 1"),
        (("tokens",), [True], "tokens must be a list of integers >= 0, got True at 0"),
        (("prompt_tokens",), "12", "prompt_tokens must be a list, got '12'"),
        (("notes",), [1], "notes must be a list of texts, got 1 at 0"),
        (("messages",), [{"role": "user"}], "message 0 must be an object with role and content"),
        (("seed",), -1, "seed must be in 0..18446744073709551615, got -1"),
        (("sampling",), None, "sampling must be an object, got NoneType"),
        (("sampling", "temperature"), -1, "temperature must be >= 0, got -1"),
        (("stats", "prefill_s"), "fast", "stats.prefill_s must be a number, got 'fast'"),
        (("stats", "n_new_tokens"), 1.5, "stats.n_new_tokens must be an integer >= 0, got 1.5"),
        (("tool_calls", 0), 1, "tool_calls[0] must be an object, got int"),
        (("tool_calls", 0, "raw"), 1, "tool_calls[0].raw must be text, got 1"),
        (("logprobs", 0, "logprob"), None, "logprobs[0].logprob must be a number, got None"),
        (("logprobs", 0, "bytes"), [256], "must be in 0..255, got 256"),
        (
            ("logprobs", 0, "top", 1, "token"),
            "x",
            "logprobs[0].top[1].token must be an integer >= 0, got 'x'",
        ),
    ],
)
def test_what_is_wrong_with_json_is_named(path, value, message):
    written = written_reply()
    whole = {"reply": written}
    place, key = whole, "reply"
    for step in path:
        place, key = place[key], step
    place[key] = value
    with pytest.raises(ValueError, match=re.escape(message)):
        Reply.from_dict(whole["reply"])


@pytest.mark.parametrize("name", ["model", "tokens", "device", "stats", "seed"])
def test_a_missing_field_is_named(name):
    written = written_reply()
    del written[name]
    with pytest.raises(ValueError, match=f"a reply must have {name}, which is missing"):
        Reply.from_dict(written)


def test_fields_of_a_newer_ossnb_are_left_out_with_a_note():
    written = written_reply()
    reply = Reply.from_dict(written)
    written["mood"] = "good"
    written["sampling"]["mirostat"] = 2
    written["stats"]["joules"] = 3.5
    written["tool_calls"][0]["id"] = "c1"
    read = Reply.from_dict(written)
    assert read.notes == tuple(
        f"{name} comes from a newer ossnb and was left out"
        for name in ("mood", "sampling.mirostat", "stats.joules", "tool_calls[0].id")
    )
    assert dataclasses.replace(read, notes=()) == reply


def test_a_reply_is_json_text_and_back():
    reply = scripted_model("<|channel|>final<|message|>Hello<|return|>").generate(
        "Hi", logprobs=True, seed=2**60
    )
    assert json.loads(reply.to_json()) == reply.to_dict()
    assert "\n" not in reply.to_json()
    for text in (reply.to_json(), reply.to_json(indent=1), reply.to_json().encode()):
        assert ossnb.Reply.from_json(text) == reply
    strange = dataclasses.replace(reply, model="folder\udcff", text="süß")
    assert json.loads(strange.to_json().encode())["text"] == "süß"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff", "nonsense"])
def test_text_that_is_no_json_is_no_reply(text):
    with pytest.raises(ValueError, match="a reply must be JSON, as to_json"):
        ossnb.Reply.from_json(text)


def test_from_json_takes_text():
    with pytest.raises(TypeError, match="from_json takes text, got 5"):
        ossnb.Reply.from_json(5)
