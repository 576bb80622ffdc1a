"""Why an answer with functions or documents ended, where it ends between two of its events."""

from __future__ import annotations

import pytest

from fakes import model_of_rounds
from test_rounds import ANSWER, CALL, THINK, weather

MODELS = {
    "tools": lambda: model_of_rounds(THINK + ANSWER).stream("?", tools=[weather], seed=1),
    "docs": lambda: model_of_rounds(THINK + ANSWER).stream("?", docs={"sky": "It is green."}, seed=1),
    "neither": lambda: model_of_rounds(THINK + ANSWER).stream("?", seed=1),
}


@pytest.mark.parametrize("way", MODELS)
@pytest.mark.parametrize("reason", ["interrupted", "error", "cancelled"])
def test_a_reason_that_is_given_is_the_replys(way, reason):
    stream = MODELS[way]()
    next(event for event in stream if event.kind == "reasoning")
    stream.close(reason)
    assert stream.reply.finish_reason == reason
    assert stream.reply.reasoning
    assert list(stream) == []


@pytest.mark.parametrize("way", MODELS)
def test_an_interrupt_of_the_loops_body_is_told(way):
    stream = MODELS[way]()

    def read():
        with stream:
            next(stream)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read()
    assert stream.reply.finish_reason == "interrupted"


def test_the_reason_holds_in_a_later_round():
    stream = model_of_rounds(CALL, THINK + ANSWER).stream("?", tools=[weather], seed=1)
    for event in stream:
        if event.kind == "reasoning":
            break
    stream.close("interrupted")
    assert (stream.reply.finish_reason, len(stream.reply.steps)) == ("interrupted", 1)


@pytest.mark.parametrize("way", MODELS)
def test_a_stream_that_is_let_go_was_cancelled(way):
    ended = []
    model = model_of_rounds(THINK + ANSWER)
    options = {"tools": {"tools": [weather]}, "docs": {"docs": {"sky": "It is green."}}, "neither": {}}[way]
    stream = model.stream("?", seed=1, on_end=ended.append, **options)
    next(stream)
    del stream
    assert [reply.finish_reason for reply in ended] == ["cancelled"]
