"""A thought that repeats itself for ever is ended, and the answer follows; no other text is."""

from __future__ import annotations

import random

import numpy as np
import pytest

import ossnb
from fakes import Core, model_of, scripted_model
from ossnb.generation.loops import found_loop
from ossnb.harmony.parser import places_of_thought
from ossnb.harmony.prompt import end_of_thought
from ossnb.harmony.tokenizer import END, Tokenizer

ANALYSIS = "<|channel|>analysis<|message|>"
PARAGRAPH = " Wait, let me check this once more. If x is 3, then 2x + 1 is 7, which is what we want."


def words(text):
    return Tokenizer().encode(text, special=True)


def looped(text):
    """A model that thinks the same for ever, and answers "Done." once the thought is ended."""
    begin, unit, answer = words(ANALYSIS + "Let me think."), words(text), words("Done.<|return|>")
    n_prompt = []

    def logits_after(tokens):
        n_prompt[:] = n_prompt or [len(tokens)]
        written, row = tokens[n_prompt[0] :], np.zeros(201088, np.float32)
        n = len(written)
        if END in written:
            row[answer[min(n - written.index(END) - len(end_of_thought()), len(answer) - 1)]] = 1000
        else:
            row[begin[n] if n < len(begin) else unit[(n - len(begin)) % len(unit)]] = 1000
        return row

    return model_of(Core(logits_after, 201088))


@pytest.mark.parametrize("text", [" hm", PARAGRAPH, PARAGRAPH * 2 + " Hmm."])
def test_a_loop_ends_and_the_answer_follows(text):
    events = list(looped(text).stream("Hi", seed=1, max_tokens=900))
    reply = events[-1].reply
    places = places_of_thought(reply.tokens)
    assert reply.tokens[places[-1] + 1 :] == [*end_of_thought(), *words("Done.<|return|>")]
    assert (reply.text, reply.finish_reason) == ("Done.", "stop")
    assert [message.channel for message in reply.messages] == ["analysis", "final"]
    loop = found_loop([reply.tokens[place] for place in places])
    assert loop.times >= 6
    assert 384 <= loop.n_tokens * loop.times <= len(places) < 600
    assert reply.notes == tuple(event.text for event in events if event.kind == "note")
    assert len(reply.notes) == 1


def test_the_note_says_what_was_repeated():
    reply = looped(" no").generate("Hi", seed=1)
    n_before = len(words("Let me think."))
    note = f"the thought wrote the same 1 token 384 times and was ended after {384 + n_before} tokens"
    assert reply.notes == (note,)


def test_it_is_ended_at_the_same_token_with_and_without_drafts():
    drafted, plain = (looped(PARAGRAPH).generate("Hi", seed=1, drafts=drafts) for drafts in (True, False))
    assert (drafted.tokens, drafted.notes) == (plain.tokens, plain.notes)
    assert drafted.stats.n_accepted_tokens > 100


def test_a_keyword_lets_it_go_on():
    reply = looped(" hm").generate("Hi", seed=1, max_tokens=590, end_loops=False)
    assert (reply.notes, reply.finish_reason) == ((), "length")
    assert len(places_of_thought(reply.tokens)) == 587
    again = ossnb.Reply.from_dict(reply.to_dict())
    assert again.sampling.end_loops is False
    assert "end_loops" not in ossnb.Sampling().to_dict()


@pytest.mark.parametrize("value", [1, "no", 0.5])
def test_what_is_no_choice_is_told(value):
    with pytest.raises(ValueError, match="end_loops must be True or False, got"):
        ossnb.Sampling(end_loops=value)


def test_a_limit_comes_first():
    reply = looped(" hm").generate("Hi", seed=1, max_reasoning_tokens=20)
    assert reply.notes == ("the thought was ended after 20 tokens",)


def test_a_branch_within_a_loop_ends_as_the_loop_does():
    model = looped(PARAGRAPH)
    reply = model.generate("Hi", seed=1)
    again = reply.branch(300, reply.tokens[300:310])
    assert (again.tokens, again.notes) == (reply.tokens, reply.notes)


def test_an_answer_may_repeat_itself():
    model = scripted_model("<|channel|>final<|message|>" + "la " * 400 + "<|return|>")
    reply = model.generate("Sing", max_tokens=350)
    assert (len(reply.tokens), reply.notes) == (350, ())


def ordinary_texts():
    draw = random.Random(1)
    numbers = [[draw.randrange(100) for _ in range(8)] for _ in range(60)]
    yield "\n".join(f"| {' | '.join(map(str, row))} |" for row in numbers)
    yield "| a | b | c |\n" + "|---|---|---|\n" + "| yes | no | no |\n" * 12
    yield "\n".join(f"{i}. Item {i} of the list: {draw.choice(['red', 'blue'])}" for i in range(1, 80))
    yield "\n".join(f"{a} x {b} = {a * b}" for a in range(1, 11) for b in range(1, 11))
    yield str([[int(i == j) for j in range(16)] for i in range(16)])
    yield str([0] * 100)
    yield "-" * 400 + "\n" + "=" * 400 + "\n" + "ha" * 80
    yield "0." + "142857" * 60
    yield "for i in range(10):\n    if x[i] > 0:\n        y += x[i]\n" * 5
    yield (PARAGRAPH + " So it holds.") * 5
    yield "\n".join(f"    self.value_{i} = values[{i}]" for i in range(60))
    yield " ".join("No, wait." if draw.random() < 0.9 else "Hmm." for _ in range(300))


@pytest.mark.parametrize("text", [*ordinary_texts()])
def test_ordinary_text_is_no_loop(text):
    tokens = Tokenizer().encode(text)
    assert not any(found_loop(tokens[:n]) for n in range(1, len(tokens) + 1))


@pytest.mark.parametrize("span", [1, 2, 5, 42, 43, 100, 128])
def test_a_loop_is_found_as_soon_as_it_is_one(span):
    draw = random.Random(span)
    unit = [draw.randrange(1000) + 1000 * i for i in range(span)]
    tokens = [*range(200_000, 200_050), *unit * (900 // span + 6)]
    first = next(n for n in range(1, len(tokens) + 1) if found_loop(tokens[:n]))
    assert first - 50 == max(384, 6 * span)
    assert found_loop(tokens[:first]).n_tokens == span
    assert found_loop([*tokens, 7]) is None


def test_a_longer_span_is_left_alone():
    assert found_loop([*range(129)] * 30) is None


def test_no_answer_of_the_embedded_model_is_taken_for_a_loop():
    model = ossnb.load("demo")
    for question in ("What is 17 + 25?", "Tell me a story", "List ten animals"):
        plain = model.generate(question, end_loops=False, max_tokens=200, seed=1)
        assert model.generate(question, max_tokens=200, seed=1).tokens == plain.tokens
