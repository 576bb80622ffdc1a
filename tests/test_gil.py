"""Other threads go on beside long work: a thread that ticks, and the longest that it stood still.

The promise is 20 ms at the 99.9th percentile on an idle machine (docs/RELIABILITY.md has the figures). The
bound here is what a busy machine does to an innocent thread; work that keeps the GIL takes far longer.
"""

from __future__ import annotations

import dataclasses
import signal
import time

import numpy as np
import pytest

import ossnb
from ossnb import _core
from ossnb.engine.estimate import product_rates
from ossnb.testing import write_random_checkpoint
from ticks import ticking

BOUND_S = 0.25
SHAPE = {"num_hidden_layers": 4, "hidden_size": 512, "intermediate_size": 512, "vocab_size": 201_088}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_random_checkpoint(tmp_path_factory.mktemp("wide") / "model", SHAPE, seed=1)


@pytest.fixture(scope="module")
def model(folder):
    ossnb.load("demo").tokenizer.encode("the vocabulary is read before anything is measured")
    return ossnb.load(folder, threads=2)


def flat_sampling(model):
    logits = np.zeros(model.config.vocab_size, np.float32)
    sampler = _core.Sampler(n_vocab=len(logits), top_p=0.99, seed=1)
    for position in range(20):
        sampler.sample(logits, position)
        _core.Chooser(sampler, position, n_top=20).choose(logits)


def rates(model):
    product_rates.cache_clear()
    product_rates("reference", "exact")
    product_rates("reference", "fast")


WORK = {
    "prefill": lambda model: model.complete(np.arange(3000) % 200_000, max_tokens=1),
    "decoding": lambda model: model.complete([1, 2], max_tokens=100, temperature=0.7, top_p=0.9),
    "logits": lambda model: model.logits(np.arange(700)),
    "tracing": lambda model: model.trace(np.arange(300), what=("router", "hidden", "logits")),
    "flat sampling": flat_sampling,
    "timing kernels": rates,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORK)
def test_other_threads_go_on_beside(name, model):
    with ticking() as gaps:
        WORK[name](model)
    assert np.quantile(gaps, 0.999) < BOUND_S, sorted(gaps)[-5:]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_other_threads_go_on_beside_loading_without_packed_copies(folder, model, precision, monkeypatch):
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", "0")
    with ticking() as gaps:
        ossnb.load(folder, precision=precision, threads=2).close()
    assert np.quantile(gaps, 0.999) < BOUND_S, sorted(gaps)[-5:]


def require_early_end(work):
    """An interrupt ends work of one call of C++. Processor time shows it, however busy the machine is."""

    def timed():
        """The seconds that it took, by the clock and of this thread, and whether an interrupt ended it."""
        began, worked = time.monotonic(), time.thread_time()
        was_interrupted = False
        try:
            work()
        except KeyboardInterrupt:
            was_interrupted = True
        return time.monotonic() - began, time.thread_time() - worked, was_interrupted

    def interrupt(*_):
        raise KeyboardInterrupt

    timed()  # what it reads comes into memory
    clock_s, whole_s, _ = timed()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, clock_s / 4)
        _, seconds, was_interrupted = timed()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert was_interrupted
    assert seconds < 0.8 * whole_s, (seconds, whole_s)


@pytest.mark.slow
def test_an_interrupt_ends_the_packing_of_an_engine_without_packed_copies(tmp_path):
    shape = {"num_hidden_layers": 8, "hidden_size": 1024, "intermediate_size": 32, "vocab_size": 512}
    model = ossnb.load(write_random_checkpoint(tmp_path / "model", shape, seed=1))
    config = dataclasses.asdict(model.config)
    require_early_end(lambda: _core.Model(config, model.tensors, threads=1, precision="fast", device="cpu"))


@pytest.mark.slow
def test_an_interrupt_ends_the_checksum_of_a_large_file():
    zeros = np.zeros(4 << 30, np.uint8)  # what nobody has written takes no memory
    require_early_end(lambda: _core.checksum(zeros, 1))
