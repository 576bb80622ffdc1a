"""Branches of answers that were held to a schema: they are held to it, too, where their beginning fits."""

from __future__ import annotations

import pytest

import ossnb
from ossnb.generation.question import Question
from ossnb.harmony.parser import places_of_thought
from ossnb.harmony.prompt import answer_header
from test_forms import City

QUESTION = "What is the weather in Paris?"


@pytest.fixture(scope="module")
def demo():
    return ossnb.load("demo")


@pytest.fixture(scope="module")
def reply(demo):
    return demo.generate(QUESTION, schema=City, seed=3)


def place_of_answer(tokens):
    """The first token of the final message."""
    header = answer_header()
    return next(n for n in range(len(tokens)) if tokens[n - len(header) : n] == header)


@pytest.mark.parametrize("n", [0, 5])
def test_the_answer_after_n_is_held_as_the_one_of_a_run_with_that_limit(demo, reply, n):
    limited = demo.generate(QUESTION, schema=City, seed=3, max_reasoning_tokens=n)
    after = reply.answer_after(n)
    assert (after.tokens, after.text) == (limited.tokens, limited.text)
    assert isinstance(after.parsed, City)
    assert reply.answers_after([n]).answers[n].parsed == limited.parsed


def test_a_branch_in_the_thought_gives_the_object_too(reply):
    at = places_of_thought(reply.tokens)[2]
    assert isinstance(reply.branch(at, " So").parsed, City)


def test_a_branch_with_the_replys_own_tokens_is_the_reply(reply):
    begin = place_of_answer(reply.tokens)
    for at in (begin, begin + 3, len(reply.tokens) - 2):
        branch = reply.branch(at, reply.tokens[at : at + 1])
        assert (branch.tokens, branch.parsed) == (reply.tokens, reply.parsed)


def test_a_branch_in_the_answer_goes_on_in_the_form(reply):
    at = place_of_answer(reply.tokens)
    assert reply.branch(at, '{"name": "Lima').parsed.name.startswith("Lima")


@pytest.mark.parametrize("text", ["Hello", '{"name": 3', "<|channel|>"])
def test_a_branch_that_leaves_the_form_is_not_held_to_it(reply, text, capfd):
    at = place_of_answer(reply.tokens)
    branch = reply.branch(at, text, max_tokens=at + 8)
    assert branch.form is None
    assert branch.text.startswith(text)
    assert capfd.readouterr().err == ""


def test_a_branch_with_a_header_that_is_none_is_not_held(reply):
    assert Question.branch(reply, 0, "Hello").form is None
    assert Question.branch(reply, 0, answer_header()).form == reply.form


def test_choices_can_be_branched(demo):
    reply = demo.generate("Is 7 odd?", schema=["yes", "no"], seed=1)
    other = {"yes": "no", "no": "yes"}[reply.parsed]
    branch = reply.branch(place_of_answer(reply.tokens), other)
    assert (branch.parsed, branch.finish_reason) == (other, "stop")
