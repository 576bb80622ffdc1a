"""Replies, events and their figures."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from fakes import random_model
from ossnb.generation.record import Event, Message, Reply, Stats, TokenLogprob
from ossnb.generation.sampling import Sampling


def test_a_reply_reads_as_its_text():
    reply = Reply("4", "2 + 2", sampling=Sampling(seed=7), finish_reason="stop")
    assert str(reply) == f"{reply}" == reply.text == "4"
    assert reply.seed == 7


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
