"""A conversation that outgrew its context: an error, or without its oldest turns."""

from __future__ import annotations

import pytest

import ossnb
from fakes import scripted_model

SCRIPT = "<|channel|>final<|message|>Good.<|return|>"
TURN = "a sentence of some length about nothing, " * 8


@pytest.fixture
def model():
    model = scripted_model(SCRIPT)
    model.context = 600
    return model


def talk(n):
    said = [("user", f"{i} {TURN}") if i % 2 == 0 else ("assistant", f"{i} good") for i in range(2 * n - 1)]
    return [{"role": role, "content": text} for role, text in said]


def prompt(model, messages, **options):
    return model.generate(messages, **options).prompt_text


def test_without_the_wish_it_is_an_error_that_names_it(model):
    with pytest.raises(ossnb.ContextFull, match=r'leave out its oldest turns with overflow="drop_oldest"'):
        model.generate(talk(12))


def test_the_oldest_turns_go_and_a_note_says_how_many(model):
    events = list(model.stream(talk(12), overflow="drop_oldest", instructions="Be brief."))
    reply = events[-1].reply
    (note,) = reply.notes
    assert note in [event.text for event in events if event.kind == "note"]
    assert "the oldest 8 turns of the conversation were left out (16 messages)" in note
    assert "600 tokens" in note
    text = model.tokenizer.decode(reply.prompt_tokens)
    assert "Be brief." in text
    assert "22 a sentence" in text
    assert "0 a sentence" not in text.replace("20 a", "").replace("10 a", "")
    assert len(reply.prompt_tokens) <= 600 - 150


def test_a_conversation_that_fits_is_left_alone(model):
    plain, wished = (model.generate(talk(3), **o) for o in ({}, {"overflow": "drop_oldest"}))
    assert plain.prompt_tokens == wished.prompt_tokens
    assert wished.notes == ()


def test_the_next_turns_begin_alike(model):
    model.context = 2000
    begins = set()
    for n in range(30, 42):
        reply = model.generate(talk(n), overflow="drop_oldest")
        text = model.tokenizer.decode(reply.prompt_tokens)
        begins.add(text.split(" a sentence")[0].rpartition(">")[2])
    assert len(begins) <= 4  # a step drops several turns, and then none for a while


def test_the_last_turn_stays_and_may_still_be_too_long(model):
    messages = [*talk(4), {"role": "assistant", "content": "good"}, {"role": "user", "content": TURN * 20}]
    with pytest.raises(ossnb.ContextFull, match="1,"):
        model.generate(messages, overflow="drop_oldest")


def test_a_chat_keeps_its_whole_history(model):
    chat = model.chat(overflow="drop_oldest", instructions="Be brief.")
    notes = [chat.say(f"{i} {TURN}").notes for i in range(12)]
    assert len(chat.messages) == 24
    assert notes[0] == ()
    assert all(notes[8:])


def test_a_wrong_value_is_named(model):
    with pytest.raises(ValueError, match="overflow must be one of"):
        model.generate("Hi", overflow="truncate")
    with pytest.raises(TypeError, match="overflow"):
        model.generate("Hi", truncation="auto")
    assert model.generate("Hi", overflow=None).text == "Good."


def test_samples_leave_out_the_same_turns_and_read_their_prompt_once(model):
    wish = {"overflow": "drop_oldest"}
    replies = model.samples(talk(12), 2, seed=1, progress=False, **wish)
    first, second = sorted(reply.stats.n_cached_tokens for reply in replies)
    n_prompt, block_tokens = len(replies[0].prompt_tokens), model.engine.core.kv.block_tokens
    assert first == 0
    assert n_prompt - block_tokens < second < n_prompt, "whole blocks at least"
    alone = [model.generate(talk(12), seed=seed, **wish) for seed in (1, 2)]
    assert [(r.seed, r.prompt_tokens, r.tokens, r.notes) for r in replies] == [
        (r.seed, r.prompt_tokens, r.tokens, r.notes) for r in alone
    ]


def test_what_is_scored_stands_after_the_turns_that_are_left(model):
    question = ossnb.Question.of(talk(12), overflow="drop_oldest")
    assert model.score(question, "Good.").total == pytest.approx(0)
    assert model.choose(question, ["Bad.", "Good."]).text == "Good."
    with pytest.raises(ossnb.ContextFull):
        model.score(ossnb.Question.of(talk(12)), "Good.")


def test_a_map_reads_once_what_its_rows_share(model):
    rows = [[*talk(12)[:-1], {"role": "user", "content": f"{n} {TURN}"}] for n in range(3)]
    answers = model.map(rows, overflow="drop_oldest", seed=1, progress=False)
    n_tokens = [(a.reply.stats.n_prompt_tokens, a.reply.stats.n_cached_tokens) for a in answers]
    (_, first), *others = sorted(n_tokens, key=lambda n: n[1])
    assert first == 0
    assert all(n_cached > n_prompt // 2 for n_prompt, n_cached in others), n_tokens
