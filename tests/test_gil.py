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


def standstill(work):
    """The 99.9th percentile of how long another thread stood still beside `work`, in the best of three runs:
    a busy machine stops that thread, too, and work that keeps the GIL stops it in every run."""
    best = float("inf")
    for _ in range(3):
        with ticking() as gaps:
            work()
        best = min(best, np.quantile(gaps, 0.999))
        if best < BOUND_S:
            break
    return best


@pytest.mark.slow
@pytest.mark.parametrize("name", WORK)
def test_other_threads_go_on_beside(name, model):
    def work():
        model.forget()  # so that nothing is left from a run before
        WORK[name](model)

    assert standstill(work) < BOUND_S


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_other_threads_go_on_beside_loading_without_packed_copies(folder, model, precision, monkeypatch):
    monkeypatch.setenv("OSSNB_CACHE_LIMIT", "0")
    work = lambda: ossnb.load(folder, precision=precision, threads=2).close()  # noqa: E731
    assert standstill(work) < BOUND_S


def require_early_end(work):
    """An interrupt ends work of one call of C++. Processor time shows it, however busy the machine is."""

    def timed():
        """The seconds that it took, by the clock and of this thread, and whether an interrupt ended it."""
        nonlocal is_at_work
        began, worked = time.monotonic(), time.thread_time()
        was_interrupted = False
        try:
            is_at_work = True
            work()
            is_at_work = False
        except KeyboardInterrupt:
            was_interrupted = True
        return time.monotonic() - began, time.thread_time() - worked, was_interrupted

    def interrupt(*_):
        if is_at_work:  # elsewhere it would end the tests
            raise KeyboardInterrupt

    is_at_work = False
    timed()  # what it reads comes into memory
    first, second = timed(), timed()  # the less of each: after a pause the interrupt would come too late
    clock_s, whole_s = min(first[0], second[0]), min(first[1], second[1])
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(5):  # a busy machine delays the signal; work without an end is late in each try
            signal.setitimer(signal.ITIMER_REAL, clock_s / 4)
            _, seconds, was_interrupted = timed()
            signal.setitimer(signal.ITIMER_REAL, 0)
            if was_interrupted and seconds < 0.8 * whole_s:
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert was_interrupted
    assert seconds < 0.8 * whole_s, (seconds, whole_s)


@pytest.mark.slow
def test_an_interrupt_ends_the_packing_of_an_engine_without_packed_copies(tmp_path):
    shape = {"num_hidden_layers": 32, "hidden_size": 1024, "intermediate_size": 32, "vocab_size": 512}
    model = ossnb.load(write_random_checkpoint(tmp_path / "model", shape, seed=1))
    config = dataclasses.asdict(model.config)
    require_early_end(lambda: _core.Model(config, model.tensors, threads=1, precision="fast", device="cpu"))


@pytest.mark.slow
def test_an_interrupt_ends_the_checksum_of_a_large_file():
    zeros = np.zeros(4 << 30, np.uint8)  # what nobody has written takes no memory
    require_early_end(lambda: _core.checksum(zeros, 1))
