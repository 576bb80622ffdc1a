"""Functions that ask the model themselves, by `await`: an answer that runs them never waits for itself."""

from __future__ import annotations

import asyncio

import pytest

from fakes import model_of_rounds, wait_until
from test_rounds import ANSWER, CALL, MODEL_CALL, THINK

PATIENCE_S = 120


def run(coroutine):
    """Run to the end; a loop that hangs fails the test instead of hanging it."""

    async def limited():
        async with asyncio.timeout(PATIENCE_S):
            return await coroutine

    return asyncio.run(limited())


@pytest.mark.parametrize("way", ["async", "sync"])
def test_a_function_may_await_an_answer_within_an_awaited_one(way):
    model = model_of_rounds(CALL, ANSWER)

    async def inner(city):
        return (await model.agenerate(f"{city}?", seed=1, run_tools=False)).messages[-1].content

    async def weather(city: str):
        return await inner(city)

    def plain_weather(city: str):
        return asyncio.run(inner(city))

    plain_weather.__name__ = "weather"
    tool = weather if way == "async" else plain_weather
    reply = run(model.agenerate("?", tools=[tool], timeout=30, seed=1))
    assert [(step.error, step.result) for step in reply.steps] == [(None, '{"city": "Paris"}')]
    assert reply.text == "Sunny."


def test_the_answers_that_a_function_awaits_together_share_passes():
    model = model_of_rounds(MODEL_CALL, THINK + ANSWER)

    def wait_for_all(n):
        wait_until(lambda: len(model.engine.turns.waiting()) == 4)
        model.engine.core.before_forward = lambda n: None

    async def weather(city: str):
        model.engine.core.before_forward = wait_for_all
        asked = (model.agenerate(f"{n}?", seed=n, run_tools=False) for n in range(4))
        return str(len(await asyncio.gather(*asked)))

    reply = run(model.agenerate("?", tools=[weather], timeout=60, seed=1))
    assert (reply.steps[0].error, reply.steps[0].result) == (None, "4")
    assert 3 <= max(model.engine.core.passes) <= 4


def test_a_function_may_ask_one_that_asks_one():
    model = model_of_rounds(CALL, ANSWER)

    async def weather(city: str, depth: int = 0):
        if depth == 2:
            return "deep"
        tool = asked(depth + 1)
        return (await model.agenerate("?", tools=[tool], timeout=30, seed=1)).steps[0].result

    def asked(depth):
        async def weather_there(city: str):
            return await weather(city, depth)

        weather_there.__name__ = "weather"
        return weather_there

    reply = run(model.agenerate("?", tools=[asked(0)], timeout=60, seed=1))
    assert (reply.steps[0].error, reply.steps[0].result) == (None, "deep")
