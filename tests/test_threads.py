"""Threads that the system does not start, and threads whose floating-point state a library has changed."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

import ossnb
from ossnb import _core
from ossnb.testing import write_random_checkpoint

# Runs where the address space has room for some more threads, and not for all that are asked for. A thread's
# stack is as large as the limit on stacks was when the process began: 1 GB here.
LIMITED = """
import os, resource, sys, warnings
import numpy as np
import ossnb

ids = np.arange(300, 340, dtype=np.int32)

def logits(core):
    return core.logits([(core.sequence(), ids, 1)])

def limit(gigabytes):
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + int(gigabytes * 2**30), hard))

model = ossnb.load("demo", threads=1)
core = model.engine.core
expected = logits(core)
"""
CASES = {
    "the engine": """
limit(4.5)
core.threads = 64
assert 1 < core.threads < 64, core.threads
assert np.array_equal(logits(core), expected)
core.threads = 1
assert np.array_equal(logits(core), expected)
""",
    "the setter": """
limit(2.5)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    model.threads = 4 * os.cpu_count()
assert 1 <= model.threads < 4 * os.cpu_count(), model.threads
assert "threads" in str(seen[0].message) and "limit" in str(seen[0].message), seen
assert np.array_equal(logits(core), expected)
""",
    "loading": """
limit(3.5)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    other = ossnb.load("demo", threads=4 * os.cpu_count(), context=512)
assert 1 <= other.threads < 4 * os.cpu_count(), other.threads
assert any("threads" in str(w.message) for w in seen), seen
assert np.array_equal(logits(other.engine.core), expected)
""",
    "a forked child": """
core.threads = 4
read, write = os.pipe()
if os.fork() == 0:
    limit(2.5)
    same = np.array_equal(logits(core), expected)
    os.write(write, b"%d %d" % (same, core.threads))
    os._exit(0)
os.close(write)
same, n = map(int, os.read(read, 100).split())
assert same and 1 <= n <= 8, (same, n)
""",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS holds on Linux")
@pytest.mark.parametrize("case", CASES)
def test_with_fewer_threads_than_asked_for_it_computes_on(case):
    command = f'ulimit -s 1048576; exec "{sys.executable}" -c "$CODE"'
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "CODE": LIMITED + CASES[case]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
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
