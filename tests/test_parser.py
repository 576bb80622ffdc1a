"""The parser: as the library on turns as they should be, and losing nothing on turns as they are."""

from __future__ import annotations

import re

import openai_harmony as oh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossnb.harmony.messages import Message
from ossnb.harmony.parser import ENDS, MAX_HEADER_TOKENS, Parser
from ossnb.harmony.prompt import library_message
from ossnb.harmony.tokenizer import (
    END,
    ENDOFTEXT,
    FIRST_SPECIAL,
    MESSAGE,
    RETURN,
    START,
    Tokenizer,
    token_bytes,
)

TOKENIZER = Tokenizer()
LIBRARY = oh.load_harmony_encoding("HarmonyGptOss")
THINK = "<|channel|>analysis<|message|>think<|end|><|start|>assistant"


def parse(text_or_ids):
    """Parse a turn written with its markers; return (parser, all pieces)."""
    ids = TOKENIZER.encode(text_or_ids, special=True) if isinstance(text_or_ids, str) else text_or_ids
    parser = Parser()
    pieces = [piece for token in ids for piece in parser.push(token)] + parser.finish()
    return parser, pieces


def text_of(pieces, kind):
    return "".join(piece.text for piece in pieces if piece.kind == kind)


def shown(text):
    """What a turn says: (reasoning, answer, calls, notes)."""
    parser, pieces = parse(text)
    calls = [(piece.call.name, piece.call.raw) for piece in pieces if piece.kind == "tool_call"]
    return text_of(pieces, "reasoning"), text_of(pieces, "answer"), calls, parser.notes


# ---- the parser on turns as they should be ----------------------------------------------------------------


def test_a_whole_turn():
    parser, pieces = parse(THINK + "<|channel|>final<|message|>Hé 👩‍👩‍👧<|return|>")
    assert text_of(pieces, "reasoning") == "think"
    assert text_of(pieces, "answer") == "Hé 👩‍👩‍👧"
    assert parser.messages == [
        Message("assistant", "think", "analysis"),
        Message("assistant", "Hé 👩‍👩‍👧", "final"),
    ]
    assert parser.notes == ()


def test_text_comes_with_the_token_that_completes_it():
    parser = Parser()
    for token in TOKENIZER.encode("<|channel|>final<|message|>", special=True):
        assert parser.push(token) == []
    family = TOKENIZER.encode("👩‍👩‍👧")
    assert len(family) > 1
    given_texts = [text_of(parser.push(token), "answer") for token in family]
    assert "" in given_texts  # a token that ends inside a character gives nothing yet
    assert "".join(given_texts) == "👩‍👩‍👧"


CALL_FORMS = [
    '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a": 1}<|call|>',
    '<|channel|>commentary to=functions.f<|constrain|>json<|message|>{"a": 1}<|call|>',
    '<|channel|>commentary to=functions.f json<|message|>{"a": 1}<|call|>',
    '<|channel|>commentary to=functions.f<|message|>{"a": 1}<|call|>',
    ' to=functions.f<|channel|>commentary <|constrain|>json<|message|>{"a": 1}<|call|>',
    ' to=functions.f<|channel|>commentary<|message|>{"a": 1}<|call|>',
]


@pytest.mark.parametrize("form", CALL_FORMS)
def test_calls_in_every_well_formed_shape(form):
    assert shown(THINK + form) == ("think", "", [("f", '{"a": 1}')], ())


def test_calls_of_built_in_tools_come_on_the_analysis_channel():
    assert shown("<|channel|>analysis to=python code<|message|>print(1)<|call|>")[2] == [
        ("python", "print(1)")
    ]


def test_a_preamble_and_the_answer_are_parted_by_a_blank_line():
    preamble = "<|channel|>commentary<|message|>Plan.<|end|><|start|>assistant"
    assert shown(preamble + "<|channel|>final<|message|>Done.<|return|>") == ("", "Plan.\n\nDone.", [], ())


words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="<|>"), max_size=30
)  # "<|" could spell a marker
plain = st.builds(Message, st.just("assistant"), words, st.sampled_from(["analysis", "commentary", "final"]))
calls = st.builds(
    Message,
    st.just("assistant"),
    words,
    st.sampled_from(["analysis", "commentary"]),
    st.sampled_from(["functions.get_weather", "functions.f2", "python", "browser.search"]),
    st.sampled_from([None, "code", "json", "<|constrain|>json"]),
)


@pytest.mark.slow
@given(st.lists(st.one_of(plain, calls), min_size=1, max_size=5), st.booleans())
@settings(deadline=None, max_examples=150)
def test_on_well_formed_turns_it_agrees_with_the_library(messages, cut_short):
    conversation = oh.Conversation.from_messages([library_message(m) for m in messages])
    no_drop = oh.RenderConversationConfig(auto_drop_analysis=False)
    ids = LIBRARY.render_conversation(conversation, no_drop)[2:]  # after <|start|>assistant
    if cut_short and messages[-1].recipient is None:
        ids = ids[:-1]  # the stream ends inside the last message
    library = oh.StreamableParser(LIBRARY, oh.Role.ASSISTANT)
    deltas = []
    for token in ids:
        library.process(token)
        deltas.append(library.last_content_delta or "")
    library.process_eos()
    expected = [
        Message("assistant", m.content[0].text, m.channel, m.recipient, m.content_type)
        for m in library.messages
    ]
    parser, pieces = parse(ids)
    assert parser.messages == expected
    assert parser.notes == ()
    told = "".join(p.text for p in pieces if p.kind in ("reasoning", "answer")).replace("\n\n", "")
    assert told == "".join(m.content for m in expected if m.recipient is None).replace("\n\n", "")


# ---- the parser on turns as they are ----------------------------------------------------------------------

# What gpt-oss wrote for people, by reports (llama.cpp#27720, vLLM#50690, harmony#80, ...): the turn's text
# after "<|start|>assistant", then the reasoning, the answer and a word of the note.
WILD = {
    "channel ??": ("<|channel|>??<|message|>4<|return|>", "", "4", "'\\?\\?'"),
    "channel commentary?": ("<|channel|>commentary?<|message|>4<|end|>", "", "4", "commentary\\?"),
    "channel analysis!": ("<|channel|>analysis!<|message|>hm<|end|>", "hm", "", "analysis!"),
    "channel twice": ("<|channel|>analysis<|channel|>final<|message|>4<|return|>", "", "4", "two channels"),
    "same channel twice": ("<|channel|>finalfinal<|message|>4<|return|>", "", "4", "finalfinal"),
    "doubled start": ("<|start|>assistant<|channel|>final<|message|>4<|return|>", "", "4", "inside a header"),
    "doubled header": (
        THINK + "<|channel|>final<|start|>assistant<|channel|>final<|message|>4<|return|>",
        "think",
        "4",
        "inside a header",
    ),
    "doubled message marker": (
        "<|channel|>final<|message|><|message|>4<|return|>",
        "",
        "4",
        "<.message.> inside",
    ),
    "words in the header": ("<|channel|>final foo bar baz<|message|>4<|return|>", "", "4", "foo bar baz"),
    "no channel": ("<|message|>4<|return|>", "", "4", "without a channel"),
    "empty channel": ("<|channel|><|message|>4<|return|>", "", "4", "without a channel"),
    "no channel after a thought": (THINK + "<|message|>4<|return|>", "think", "4", "without a channel"),
    "no role": (
        "<|channel|>analysis<|message|>think<|end|><|start|><|channel|>final<|message|>4<|return|>",
        "think",
        "4",
        "without a role",
    ),
    "no start": (
        "<|channel|>analysis<|message|>think<|end|><|channel|>final<|message|>4<|return|>",
        "think",
        "4",
        "without <.start.>",
    ),
    "no start, role as text": (
        "<|channel|>analysis<|message|>think<|end|>assistant<|channel|>final<|message|>4<|return|>",
        "think",
        "4",
        "between messages",
    ),
    "no end": (
        "<|channel|>analysis<|message|>think<|channel|>final<|message|>4<|return|>",
        "think",
        "4",
        "without its end",
    ),
    "no end before start": (
        "<|channel|>analysis<|message|>think<|start|>assistant<|channel|>final<|message|>4<|return|>",
        "think",
        "4",
        "without its end",
    ),
    "end, then return": (
        THINK + "<|channel|>final<|message|>4<|end|><|return|>",
        "think",
        "4",
        "<.return.> after",
    ),
    "text after the answer": (
        THINK + "<|channel|>final<|message|>4<|end|>Bye<|return|>",
        "think",
        "4\n\nBye",
        "between messages",
    ),
    "final twice": (
        THINK + "<|channel|>final<|message|>4<|end|><|start|>assistant<|channel|>final<|message|>5<|return|>",
        "think",
        "4\n\n5",
        None,
    ),
    "bare refusal": (
        "I’m sorry, but I can’t help with that.<|return|>",
        "",
        "I’m sorry, but I can’t help with that.",
        "without",
    ),
    "prose with to=": ("Set x to=5 and y.<|return|>", "", "Set x to=5 and y.", "without"),
    "bare refusal, cut": ("I’m sorry", "", "I’m sorry", "without"),
    "refusal after the channel": (
        "<|channel|>final I’m sorry<|return|>",
        "",
        "I’m sorry",
        "without <.message.>",
    ),
    "thought after the channel": (
        "<|channel|>analysisThe user<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
        "The user",
        "4",
        "without <.message.>",
    ),
    "refusal after a thought": (THINK + " I’m sorry<|return|>", "think", "I’m sorry", "without <.message.>"),
    "reserved token": (
        "<|channel|>final<|message|>4<|reserved_200013|>5<|return|>",
        "",
        "4<|reserved_200013|>5",
        "200013",
    ),
    "endoftext": ("<|channel|>final<|message|>4<|endoftext|>", "", "4", None),
    "call that calls nothing": ("<|channel|>final<|message|>4<|call|>", "", "4", "calls nothing"),
    "answer with a content type": (
        "<|channel|>final <|constrain|>json<|message|>{}<|return|>",
        "",
        "{}",
        None,
    ),
    "empty answer": ("<|channel|>final<|message|><|return|>", "", "", None),
    "nothing": ("<|return|>", "", "", "without a message"),
    "early end in a header": ("<|channel|>final", "", "", None),
    "early end in a thought": ("<|channel|>analysis<|message|>thi", "thi", "", None),
}


@pytest.mark.parametrize("shape", WILD)
def test_shapes_seen_in_the_wild_keep_their_text_and_tell_it(shape):
    turn, reasoning, answer, note = WILD[shape]
    got_reasoning, got_answer, got_calls, notes = shown(turn)
    assert (got_reasoning, got_answer, got_calls) == (reasoning, answer, [])
    if note is None:
        assert notes == ()
    else:
        assert any(re.search(note, n) for n in notes), notes


WILD_CALLS = {
    "glued": '<|channel|>commentaryto=functions.f json<|message|>{"a": 1}<|call|>',
    "no to=": '<|channel|>commentary functions.f json<|message|>{"a": 1}<|call|>',
    "no message marker": '<|channel|>commentary to=functions.f <|constrain|>json{"a": 1}<|call|>',
    "ended like a message": '<|channel|>commentary to=functions.f<|message|>{"a": 1}<|end|>',
    "ended like a turn": '<|channel|>commentary to=functions.f<|message|>{"a": 1}<|return|>',
    "two channels": '<|channel|>analysis<|channel|>commentary to=functions.f<|message|>{"a": 1}<|call|>',
}


@pytest.mark.parametrize("shape", WILD_CALLS)
def test_malformed_calls_are_calls_still(shape):
    _, answer, made, notes = shown(WILD_CALLS[shape])
    assert (answer, made) == ("", [("f", '{"a": 1}')])
    assert notes or shape == "no to="


def test_a_call_that_was_cut_off_is_a_note_and_no_call():
    parser, pieces = parse('<|channel|>commentary to=functions.f<|message|>{"a": ')
    assert not [p for p in pieces if p.kind == "tool_call"]
    assert parser.messages == []
    assert '{"a": ' in parser.notes[0]


@pytest.mark.parametrize("author", ["user", "system", "functions.f to=assistant", "python"])
def test_a_message_in_somebody_elses_name_ends_the_turn_and_is_no_answer(author):
    parser, pieces = parse(f"<|channel|>final<|message|>4<|end|><|start|>{author}<|message|>made up<|end|>")
    assert text_of(pieces, "answer") == "4"
    assert [m.content for m in parser.messages] == ["4"]
    assert parser.turn_over
    assert "made up" in parser.notes[0]


def test_text_without_any_marker_is_shown_before_its_end():
    ids = TOKENIZER.encode("word " * 200)
    parser = Parser()
    live = [p for token in ids[: MAX_HEADER_TOKENS + 5] for p in parser.push(token)]
    assert text_of(live, "answer").startswith("word word")


def test_invalid_and_unfinished_characters_become_replacement_characters():
    half = TOKENIZER.encode("👩‍👩‍👧")[0]
    start = TOKENIZER.encode("<|channel|>final<|message|>", special=True)
    assert text_of(parse([*start, half])[1], "answer").endswith("\ufffd")
    assert text_of(parse([*start, half, RETURN])[1], "answer").endswith("\ufffd")


def test_the_same_oddity_is_told_once_with_its_count():
    parser, pieces = parse("<|channel|>final<|message|>a" + "<|message|>" * 5 + "<|return|>")
    assert parser.notes == ("<|message|> inside a message (5 times)",)
    assert sum(p.kind == "note" for p in pieces) == 1


# ---- the parser on anything -------------------------------------------------------------------------------

specials = st.sampled_from([199998, ENDOFTEXT, RETURN, 200003, 200005, START, END, 200008, 200012, 200018])
header_words = st.sampled_from(
    TOKENIZER.encode("assistant analysis commentary final to=functions.f json user ??")
)
any_token = st.one_of(st.integers(0, 201087), specials, specials, header_words, st.integers(199990, 201100))


@pytest.mark.slow
@given(st.lists(any_token, max_size=120))
@settings(deadline=None, max_examples=400)
def test_no_token_stream_raises_and_all_text_is_told(ids):
    parser, pieces = parse(ids)
    told = "".join(p.text for p in pieces) + str(parser.messages)
    is_header = False  # whether the next marker makes a header of what stands before it
    for token in reversed(ids):
        if token in ENDS or token in (START, MESSAGE):
            is_header = token == MESSAGE
        elif token < FIRST_SPECIAL and not is_header:
            text = token_bytes(token).decode("utf-8", errors="replace")
            for word in text.split():
                assert word in told or word in HEADER_WORDS or "\ufffd" in word
    assert all(isinstance(m.content, str) for m in parser.messages)
    assert "".join(p.text for p in pieces if p.kind == "tool_call") == "".join(
        m.content for m in parser.messages if m.tool_call
    )


# A header consumes these even where no message follows it.
HEADER_WORDS = {
    "assistant",
    "analysis",
    "commentary",
    "final",
    "system",
    "developer",
    "user",
    "tool",
    "python",
}
HEADER_WORDS |= {"json", "code", "to", "="}


@given(st.lists(st.integers(0, 199_997), max_size=60), st.sampled_from(["analysis", "final"]))
@settings(deadline=None, max_examples=150)
def test_content_is_kept_to_the_byte(ids, channel):
    start = TOKENIZER.encode(f"<|channel|>{channel}<|message|>", special=True)
    _, pieces = parse([*start, *ids, END])
    kind = "reasoning" if channel == "analysis" else "answer"
    assert text_of(pieces, kind) == b"".join(map(token_bytes, ids)).decode("utf-8", errors="replace")
