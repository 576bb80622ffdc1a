"""Keys and values that memory has no room for: an error of the answer that wants them, and of no other."""

from __future__ import annotations

import pytest

from fakes import random_model
from ossnb.many.together import as_done
from ossnb.system import machine

BLOCKS = 400  # that fit, of 32 tokens each


@pytest.fixture
def model(monkeypatch):
    model = random_model(context=100_000)
    kv, left_alone = model.engine.core.kv, 256 << 20

    def free():
        return left_alone + BLOCKS * kv.block_bytes - kv.used_bytes

    monkeypatch.setattr(machine, "available_memory", free)
    return model


def prompt(n_blocks, seed):
    return [(seed + 7 * i) % 300 for i in range(32 * n_blocks)]


def test_what_is_only_kept_gives_way(model):
    for seed in range(4):
        model.complete(prompt(BLOCKS // 2, seed), max_tokens=3, temperature=0)
    assert model.engine.core.kv.n_blocks <= BLOCKS


def test_an_answer_that_does_not_fit_is_an_error_with_the_numbers(model):
    with pytest.raises(MemoryError, match=r"the next keys and values need .* of free memory .*in_flight"):
        model.complete(prompt(BLOCKS + 1, 1), max_tokens=3, temperature=0)
    assert model.complete([1, 2, 3], max_tokens=3, temperature=0).tokens


def test_of_answers_that_do_not_fit_together_some_are_written(model):
    """Three of them want more than there is. Whoever fails lets the others go on."""
    prompts = [prompt(BLOCKS // 2, seed) for seed in (1, 2, 3)]
    expected = [random_model(context=100_000).complete(p, seed=5, max_tokens=4).tokens for p in prompts]
    streams = [model.stream_complete(p, seed=5, max_tokens=4) for p in prompts]
    written = 0
    for number, result in as_done(streams, most=3):
        if isinstance(result, MemoryError):
            continue
        written += 1
        assert result.tokens == expected[number]
    assert written >= 1
    assert model.engine.core.kv.n_blocks <= BLOCKS
    assert model.complete(prompts[0], seed=5, max_tokens=4).tokens == expected[0]
