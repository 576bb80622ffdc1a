"""Thinking under control: a thought that ends early, and the answer that follows it."""

from __future__ import annotations

import asyncio
import threading

import pytest

import ossnb
from fakes import model_of_rounds, scripted_model, thinking_model
from ossnb.generation.question import Question
from ossnb.harmony.parser import places_of_thought
from ossnb.harmony.prompt import answer_header, end_of_thought
from ossnb.harmony.tokenizer import Tokenizer
from ossnb.system.text import counted

QUESTION = "What is 17 + 25?"


@pytest.fixture(scope="module")
def demo():
    return ossnb.load("demo")


@pytest.fixture(scope="module")
def whole(demo):
    return demo.generate(QUESTION, seed=3)


def words(text):
    return Tokenizer().encode(text, special=True)


def test_the_tokens_between_thought_and_answer_are_harmonys():
    assert answer_header() == words("<|channel|>final<|message|>")
    assert end_of_thought() == words("<|end|><|start|>assistant<|channel|>final<|message|>")


@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_a_thought_ends_after_so_many_tokens_and_the_answer_follows(demo, whole, n):
    reply = demo.generate(QUESTION, seed=3, max_reasoning_tokens=n)
    places = places_of_thought(whole.tokens)
    written = whole.tokens[: places[n - 1] + 1]
    assert reply.tokens[: len(written) + 6] == [*written, *end_of_thought()]
    assert len(places_of_thought(reply.tokens)) == n
    assert whole.reasoning.startswith(reply.reasoning)
    assert reply.notes == (f"the thought was ended after {counted(n, 'token')}",)
    assert reply.finish_reason == "stop"
    assert [message.channel for message in reply.messages] == ["analysis", "final"]


def test_no_thought_at_all(demo):
    reply = demo.generate(QUESTION, seed=3, max_reasoning_tokens=0)
    assert (reply.reasoning, reply.tokens[:3]) == ("", answer_header())
    assert reply.text


@pytest.mark.parametrize("n_more", [1, 3])
def test_no_thought_needs_room_for_the_answers_header_too(n_more):
    model = scripted_model("<|channel|>final<|message|>Hi")
    n = len(model.prompt_tokens(Question.of("Hi")))
    model.context = n + n_more
    with pytest.raises(ossnb.ContextFull, match=f"the prompt has {n + 3} tokens"):
        model.generate("Hi", max_reasoning_tokens=0, seed=1)
    assert model.engine.core.computed == []
    model.context = n + 4
    reply = model.generate("Hi", max_reasoning_tokens=0, seed=1)
    assert (len(reply.tokens), reply.text, reply.finish_reason) == (4, "Hi", "context")


def test_no_thought_needs_that_room_in_later_rounds():
    call = "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"
    scripts = "<|channel|>final<|message|>Look.<|end|>" + call, "<|channel|>final<|message|>Hi<|return|>"

    def f():
        return "x"

    def ask(context):
        model = model_of_rounds(*scripts, context=context)
        return model.generate("?", tools=[f], max_reasoning_tokens=0, seed=1)

    n = len(ask(4096).prompt_tokens)  # of the second round
    full = ask(n + 3)
    assert (full.text, full.finish_reason, len(full.steps)) == ("Look.", "context", 1)
    assert "the results of tools fill the context" in full.notes[0]
    assert (ask(n + 4).text, ask(n + 4).finish_reason) == ("Look.\n\nHi", "context")


def test_a_thought_that_ends_by_itself_stays(demo, whole):
    n = len(places_of_thought(whole.tokens))
    reply = demo.generate(QUESTION, seed=3, max_reasoning_tokens=n + 1)
    assert (reply.tokens, reply.notes) == (whole.tokens, ())


@pytest.mark.parametrize("n", [0, 1, 9])
@pytest.mark.parametrize(
    "settings", [{"seed": 3}, {"temperature": 0}, {"seed": 5, "repetition_penalty": 1.3}]
)
def test_the_answer_after_n_is_the_one_of_a_run_with_that_limit(demo, n, settings):
    reply = demo.generate(QUESTION, **settings)
    limited = demo.generate(QUESTION, max_reasoning_tokens=n, **{**settings, "seed": reply.seed})
    after = reply.answer_after(n)
    assert (after.tokens, after.text) == (limited.tokens, limited.text)


def test_an_answer_after_more_than_the_thought_is_told(whole):
    n = len(places_of_thought(whole.tokens))
    with pytest.raises(ValueError, match=rf"n must be in 0\.\.{n}, a number of the thought's tokens"):
        whole.answer_after(n + 1)


SCRIPT = "<|channel|>analysis<|message|>" + "hm " * 300 + "<|end|>"


def test_stop_thinking_ends_the_thought_from_any_thread():
    model = scripted_model(SCRIPT)
    stream = model.stream("Hi", seed=1, max_tokens=60)
    n_seen = 0
    for event in stream:
        n_seen += event.kind == "reasoning"
        if n_seen == 5 and event.kind == "reasoning":
            caller = threading.Thread(target=stream.stop_thinking)
            caller.start()
            caller.join()
    reply = stream.reply
    places = places_of_thought(reply.tokens)
    assert len(places) == 5
    assert reply.tokens[places[-1] + 1 :][:6] == end_of_thought()
    limited = model.stream("Hi", max_reasoning_tokens=2, max_tokens=20)
    notes = [event.text for event in limited if event.kind == "note"]
    assert notes[0] == "the thought was ended after 2 tokens"


@pytest.mark.parametrize("n_before", [0, 3])
def test_an_awaited_stream_stops_thinking_before_or_after_it_began(n_before):
    stream = thinking_model("It is 42.").astream("Hi", seed=1)

    async def ask():
        for _ in range(n_before):
            await anext(stream)
        stream.stop_thinking()
        return await stream.run()

    reply = asyncio.run(ask())
    n_thought = len(places_of_thought(reply.tokens))
    assert n_thought <= n_before
    assert reply.notes == (f"the thought was ended after {counted(n_thought, 'token')}",)
    assert reply.text == "It is 42."


def test_stop_thinking_in_the_answer_changes_nothing():
    model = scripted_model("<|channel|>final<|message|>Hello there, friend.<|return|>")
    stream = model.stream("Hi", seed=1)
    for _ in stream:
        stream.stop_thinking()
    assert (stream.reply.text, stream.reply.notes) == ("Hello there, friend.", ())


def test_max_tokens_counts_the_tokens_that_end_the_thought():
    reply = scripted_model(SCRIPT).generate("Hi", max_reasoning_tokens=4, max_tokens=10)
    assert (len(reply.tokens), reply.finish_reason) == (10, "length")


def test_the_limit_is_kept_with_the_reply(demo):
    reply = demo.generate(QUESTION, seed=3, max_reasoning_tokens=2)
    again = ossnb.Reply.from_dict(reply.to_dict())
    assert again.sampling.max_reasoning_tokens == 2
    assert demo.generate(QUESTION, **reply.sampling.to_dict()).tokens == reply.tokens


@pytest.mark.parametrize("n", [-1, 1.5, "many", True])
def test_a_limit_that_is_none_is_told(demo, n):
    with pytest.raises(ValueError, match="max_reasoning_tokens must be"):
        demo.generate(QUESTION, max_reasoning_tokens=n)


def test_raw_text_has_no_thought_to_limit(demo):
    limited = demo.complete("Roses are red", max_tokens=3, temperature=0, max_reasoning_tokens=0)
    assert limited.tokens == demo.complete("Roses are red", max_tokens=3, temperature=0).tokens
