"""Threads that the system does not start, and threads whose floating-point state a library has changed."""

from __future__ import annotations

import ctypes
import platform
import sys

import numpy as np
import pytest

import ossnb
from ossnb import _core
from ossnb.testing import write_random_checkpoint
from starved import CASES, run_starved


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS holds on Linux")
@pytest.mark.parametrize("case", CASES)
def test_with_fewer_threads_than_asked_for_it_computes_on(case):
    done = run_starved(case)
    assert done.returncode == 0, done.stderr


STATES = {"flush to zero": 0x8040, "round down": 0x2000, "round up": 0x4000, "round to zero": 0x6000}  # MXCSR


@pytest.fixture(params=STATES)
def changed_state(request):
    """A floating-point state of this thread that a library may have set: code built with -ffast-math does."""
    libm = ctypes.CDLL("libm.so.6")
    before, changed = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
    libm.fegetenv(before)
    libm.fegetenv(changed)
    changed[7] |= STATES[request.param]
    libm.fesetenv(changed)
    yield
    libm.fesetenv(before)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """By precision; the block scales reach down to 2^-127, a subnormal number."""
    folder = tmp_path_factory.mktemp("edged") / "model"
    write_random_checkpoint(folder, "tiny", seed=3, edge_cases=True)
    return {precision: ossnb.load(folder, precision=precision, threads=2) for precision in ("exact", "fast")}


def outcome(model):
    """Logits, and choices with their probabilities."""
    core, ids = model.engine.core, np.arange(2, 40, dtype=np.int32)
    logits = core.logits([(core.sequence(), ids, len(ids))])
    sampler = _core.Sampler(n_vocab=core.n_vocab, temperature=0.7, top_p=0.9, seed=4)
    chooser = _core.Chooser(sampler, 40, n_top=5)
    choices = [core.step([(core.sequence(), ids, 1)], [chooser]).choices[0], chooser.choose(logits[-1])]
    sampled = sampler.sample(logits[-1], 40, 5)
    return [logits, sampled[0], sampled[3], *(x for c in choices for x in (c.token, c.top_logprobs))]


@pytest.fixture(scope="module")
def plain(models):
    return {precision: outcome(model) for precision, model in models.items()}


RNG = np.random.default_rng(2)
X = RNG.standard_normal((3, 64)).astype(np.float32)
BLOCKS = RNG.integers(0, 256, (16, 2, 16)).astype(np.uint8)
SCALES = RNG.choice(np.array([0, 1, 5], np.uint8), (16, 2))


def products(isa, terms):
    """What experts with the smallest block scales make of ordinary activations: numbers near 2^-126."""
    quantized = _core.kernels.quantize(isa, terms, X)
    return _core.kernels.mxfp4_matmul(isa, terms, BLOCKS, SCALES, quantized, np.arange(3, dtype=np.int32))


PRODUCTS = {(isa, terms): products(isa, terms) for isa in _core.isa_levels() for terms in (1, 3)}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="sets the control word of x86")
@pytest.mark.parametrize(("isa", "terms"), PRODUCTS)
def test_a_floating_point_state_of_another_library_changes_no_product(changed_state, isa, terms):
    expected = PRODUCTS[isa, terms].view(np.uint32)
    np.testing.assert_array_equal(products(isa, terms).view(np.uint32), expected)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="sets the control word of x86")
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_a_floating_point_state_of_another_library_changes_no_answer(models, plain, changed_state, precision):
    numbers = np.array([1e-40, 1, -1, 1, -1], np.float32)
    changed = numbers / np.float32(3)
    for got, expected in zip(outcome(models[precision]), plain[precision], strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(numbers / np.float32(3), changed)  # the caller's state was given back
