"""Malformed headers: calls are calls wherever they stand, fields are well formed, and no word is lost."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headers import SPECIALS, TOKENIZER, VOCABULARY, lost_words, parse, random_stream
from ossnb.harmony.messages import Message, ToolCall
from ossnb.harmony.prompt import render
from ossnb.harmony.tokenizer import CHANNEL, CONSTRAIN, START, token_bytes

# ---- calls ------------------------------------------------------------------------------------------------

F, PYTHON = ("functions.f", "commentary"), ("python", "analysis")

# The header of a call → the recipient and the channel that were meant.
CALLS = {
    " to=functions.f": F,
    "<|channel|>final to=functions.f": F,
    "<|channel|>comment to=functions.f": F,
    "<|channel|>?? to=functions.f <|constrain|>json": F,
    "<|channel|> to=functions.f": F,
    "<|channel|>to=functions.f json": F,
    " to=functions.f<|channel|>final": F,
    " to=functions.f<|channel|>tool": F,
    "<|channel|>analysis<|channel|>final to=functions.f": F,
    "<|channel|>functions.f": F,
    "<|channel|>functions.f json": F,
    "<|channel|>functions.f <|constrain|>json": F,
    "<|channel|>functions.f?": F,
    "<|channel|>final functions.f": F,
    "<|channel|>python": PYTHON,
    "<|channel|>python code": PYTHON,
    "<|channel|>browser.search": ("browser.search", "analysis"),
    " to=python": PYTHON,
    "<|channel|>final to=python code": PYTHON,
    "<|channel|>code to=python": PYTHON,
    "<|channel|>commentary to=functions.f?": F,
    "<|channel|>commentary to=functions.f.": F,
    "<|channel|>commentary to=functions.f, <|constrain|>json": F,
    '<|channel|>commentary to="functions.f"': F,
    "<|channel|>commentary to='functions.f' <|constrain|>json": F,
    "<|channel|>commentary to=“functions.f”": F,
    "<|channel|>commentary to=`functions.f` json": F,
    "<|channel|>commentary to=<functions.f>": F,
    "<|channel|>commentary to=functions.f()": F,
    "<|channel|>commentary to = functions.f": F,
    "<|channel|>commentary to= functions.f": F,
    "<|channel|>commentary TO=functions.f": F,
    "<|channel|>commentary <|constrain|>json to=functions.f": F,
    "<|channel|>commentary <|constrain|>to=functions.f json": F,
    "<|channel|>commentary functions.f?": F,
    '<|channel|>analysis to="python" code': PYTHON,
    "<|channel|>analysis to=python? code": PYTHON,
    "<|channel|>commentary to=functions.my_tool-2_?": ("functions.my_tool-2_", "commentary"),
    "<|channel|>commentary to=weather?": ("weather", "commentary"),
    "<|channel|>commentaryto=functions.f": F,
    "<|channel|>commentary to:functions.f": F,
    "<|channel|>commentary to: functions.f json": F,
    "commentary to=functions.f": F,
    "assistantanalysis to=python": PYTHON,
    '<|channel|>commentary "functions.f"': F,
    "<|channel|>commentary.functions.f": F,
    "<|channel|>commentary to=functions.f (json)": F,
    "<|channel|>Commentary to=functions.f": F,
    "assistant<|channel|>commentary to=functions.f!": F,
}


@pytest.mark.parametrize("header", CALLS)
def test_a_call_is_a_call_wherever_it_stands(header):
    parser, pieces = parse(header + '<|message|>{"a": 1}<|call|>')
    (message,) = parser.messages
    assert (message.recipient, message.channel) == CALLS[header]
    assert [piece.call.raw for piece in pieces if piece.kind == "tool_call"] == ['{"a": 1}']
    assert not [piece for piece in pieces if piece.kind == "answer"]
    if "to=" in header and not re.search("commentary|analysis to=(functions.f|python)( |$)", header):
        assert parser.notes


@pytest.mark.parametrize(
    "header",
    [
        "<|channel|>functions.f",
        "<|channel|>functions.f ",
        "<|channel|>final to=functions.f",
        "<|channel|>commentary to=functions.f? ",
        '<|channel|>commentary to="functions.f"',
        " to=functions.f <|constrain|>json",
    ],
)
def test_a_call_without_its_message_marker_has_its_arguments(header):
    parser, pieces = parse(header + '{"a": 1}<|call|>')
    assert [(m.recipient, m.channel, m.content) for m in parser.messages] == [(*F, '{"a": 1}')]
    assert "tool_call" in [piece.kind for piece in pieces]


def test_prose_that_names_a_tool_stays_prose():
    for text in ("python is a language", "Set x to=5", "Pass to=nobody, then go"):
        parser, _ = parse(text + "<|return|>")
        assert [(m.content, m.recipient) for m in parser.messages] == [(text, None)]
    parser, _ = parse("assistants are many<|return|>")
    assert parser.messages[0].content == "assistants are many"


@pytest.mark.parametrize("channel", [None, "final", "comment"])
def test_a_call_in_a_history_is_on_a_channel_for_calls_and_its_thought_stays(channel):
    messages = [
        Message("user", "q"),
        Message("assistant", "look it up", "analysis"),
        Message("assistant", "{}", channel, "functions.f", "json"),
        Message("tool", "2", "commentary", "assistant", name="functions.f"),
    ]
    text = TOKENIZER.decode(render(messages))
    assert "look it up" in text
    assert "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>" in text
    python = [Message("user", "q"), Message("assistant", "1", channel, "python", "code")]
    assert "to=python<|channel|>analysis" in TOKENIZER.decode(render(python))


# ---- half characters --------------------------------------------------------------------------------------

HALVES = [150, TOKENIZER.encode("👩")[0], TOKENIZER.encode("é" * 3)[0], 189, 255]
HALVES = [token for token in HALVES if "\ufffd" in token_bytes(token).decode(errors="replace")]


def is_well_formed(text):
    return text is None or not any("\ud800" <= c <= "\udfff" for c in text)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize(
    "header",
    [
        "<|channel|>commentary to=functions.f#",
        "<|channel|>commentary to=#functions.f",
        "<|channel|>commentary to=tool#",
        "<|channel|>comm# to=functions.f",
        "<|channel|>#",
        "<|channel|>final json#",
        "<|channel|>final <|constrain|>js#on",
        "<|end|><|start|>user#",
        "<|end|><|start|>functions.f#",
        "#",
        "# to=x#",
    ],
)
@pytest.mark.parametrize("end", ["<|message|>{}<|call|>", "<|message|>{}", "{}<|return|>", "<|end|>", ""])
def test_half_a_character_in_a_header_leaves_every_field_well_formed(header, end, half):
    ids = []
    for i, part in enumerate(header.split("#")):
        ids += [half] * (i > 0) + TOKENIZER.encode(part, special=True)
    parser, pieces = parse(ids + TOKENIZER.encode(end, special=True))
    for message in parser.messages:
        assert all(map(is_well_formed, message.to_dict().values()))
        render([Message("user", "q"), message])
    assert all(is_well_formed(text) for text in (*parser.notes, *(piece.text for piece in pieces)))
    for piece in pieces:
        if piece.call is not None:
            assert is_well_formed(piece.call.name + piece.call.recipient)


def test_every_field_of_a_message_is_well_formed_whoever_writes_it():
    message = Message("tool", "a\ud800", "\udfffx", "to\udc80", "t\ud83d\ude00", name="functions.\ud800")
    assert message == Message("tool", "a\ufffd", "\ufffdx", "to\ufffd", "t😀", name="functions.\ufffd")
    call = ToolCall.parse("functions.\ud800", '{"\\ud800": ["\\udfff", "\\ud83d\\ude00"]}')
    assert (call.name, call.arguments) == ("\ufffd", {"\ufffd": ["\ufffd", "😀"]})


@pytest.mark.parametrize("field", ["content", "channel", "recipient", "content_type", "name"])
def test_a_field_that_is_no_text_is_refused(field):
    with pytest.raises(ValueError, match=f"message {field} must be a str, got int"):
        Message(**{"role": "user", "content": "x", field: 3})


# ---- no word is lost --------------------------------------------------------------------------------------

streams = st.lists(st.one_of(st.sampled_from(SPECIALS), st.sampled_from(VOCABULARY)), max_size=60)


@given(streams)
@settings(deadline=None, max_examples=300)
def test_no_word_of_a_stream_is_lost(ids):
    assert lost_words(ids) == []


def test_no_word_of_many_random_streams_is_lost():
    rng = random.Random(12)
    for _ in range(1500):
        ids = random_stream(rng, 40)
        assert lost_words(ids) == [], TOKENIZER.decode(ids)


@pytest.mark.parametrize(
    "turn",
    [
        "<|start|>user<|channel|>odd<|constrain|>alpha<|message|>hi<|end|>",
        "<|channel|>commentary to=functions.f <|constrain|>alpha<|message|>{",
        "<|channel|>commentary <|constrain|>alpha<|start|>assistant<|channel|>final<|message|>4<|return|>",
        "<|channel|>final <|constrain|>json beta",
        "<|channel|>alpha<|channel|>beta<|channel|>final<|message|>4<|return|>",
        "<|channel|>analysis<|channel|>alpha<|message|>4<|return|>",
        "assistant:alpha<|message|>4<|return|>",
    ],
)
def test_no_word_of_these_headers_is_lost(turn):
    ids = TOKENIZER.encode(turn, special=True)
    assert lost_words(ids) == []


N = 20_000
MARKERS = {
    "channels": [CHANNEL] * N,
    "types": [CONSTRAIN] * N,
    "types, then channels": [CONSTRAIN] * N + [CHANNEL] * N,
    "both in turn": [CHANNEL, CONSTRAIN] * N,
    "starts": [START, CHANNEL] * N,
    "names": [CHANNEL, *TOKENIZER.encode("final"), CONSTRAIN] * N,
}


@pytest.mark.parametrize("case", MARKERS)
@pytest.mark.parametrize("end", ["<|message|>4<|return|>", "<|end|>", ""])
def test_a_header_of_many_markers_is_read_in_linear_time(case, end):
    began = time.perf_counter()
    parse([*MARKERS[case], *TOKENIZER.encode(end, special=True)])
    assert time.perf_counter() - began < 4


def test_a_channel_without_its_marker_is_a_channel():
    for turn in ("final<|message|>4<|return|>", "<|end|><|start|>assistantfinal<|message|>4<|return|>"):
        parser, _ = parse(turn)
        assert parser.messages == [Message("assistant", "4", "final")]
        assert parser.notes


def test_what_is_no_content_type_is_told_in_a_note():
    for words in ("to=?", "(json)", "??"):
        parser, _ = parse(f"<|channel|>final {words}<|message|>4<|return|>")
        assert parser.messages == [Message("assistant", "4", "final")]
        assert words in "".join(parser.notes)
