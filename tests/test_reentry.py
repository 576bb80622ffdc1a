"""Code of ours that runs in the middle of other code of ours: handlers of signals, and what a collector ends.

Each case runs in a process of its own, so that a hang is a failure of this test and of no other.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BEGIN = """
import faulthandler, gc, signal, sys, time
sys.path.insert(0, sys.argv[1])
from fakes import random_model
import ossnb

faulthandler.dump_traceback_later(60, exit=True)
model = random_model()
prompts = [list(range(n, n + 40)) for n in range(0, 200, 7)]
expected = [random_model().complete(p, seed=0, max_tokens=6).tokens for p in prompts]
"""
CASES = {
    "a handler that generates": """
done, told, is_inside = 0, 0, False
def handle(*_):
    global done, told, is_inside
    if is_inside:
        return  # on a slow machine handlers would run within handlers for ever
    is_inside = True
    try:
        model.complete([1, 2, 3, 4], seed=0, max_tokens=2)
        done += 1
    except ossnb.Busy:
        told += 1
    finally:
        is_inside = False
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0007)
for _ in range(6):
    for prompt, tokens in zip(prompts, expected):
        assert model.complete(prompt, seed=0, max_tokens=6).tokens == tokens
    model.forget()
signal.setitimer(signal.ITIMER_REAL, 0)
assert done > 5, (done, told)
""",
    "a handler that forgets": """
signal.signal(signal.SIGALRM, lambda *_: model.forget())
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0005)
for _ in range(5):
    for prompt, tokens in zip(prompts, expected):
        assert model.complete(prompt, seed=0, max_tokens=6).tokens == tokens
signal.setitimer(signal.ITIMER_REAL, 0)
""",
    "a handler that reads the vocabulary": """
from ossnb.harmony import tokenizer
read = 0
def handle(*_):
    global read
    read += tokenizer.Tokenizer().encode("Hello world") == [13225, 2375]
signal.signal(signal.SIGALRM, handle)
for _ in range(4):
    tokenizer.forget_vocabulary()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    assert tokenizer.Tokenizer().encode("Hello world") == [13225, 2375]
    signal.setitimer(signal.ITIMER_REAL, 0)
assert read > 0
""",
    "streams in circles that the collector ends": """
class Circle:
    def __init__(self, stream):
        self.stream, self.itself = stream, self

gc.set_threshold(20, 2, 2)
for _ in range(4):
    for prompt, tokens in zip(prompts, expected):
        left = Circle(model.stream_complete(prompt, seed=0, max_tokens=6))
        next(left.stream)
        del left
        assert model.complete(prompt, seed=0, max_tokens=6).tokens == tokens
gc.collect()
model.forget()
assert model.engine.core.kv.n_blocks == 0, model.engine.core.kv.n_blocks
""",
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGALRM")
@pytest.mark.parametrize("case", CASES)
def test_nothing_waits_for_itself(case):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + CASES[case], str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_finalizer_may_call_the_engine_when_python_ends():
    """The thread that ends the interpreter has the GIL for good; to wait for it would hang the process."""
    script = textwrap.dedent("""
        import os
        from ossnb import _core

        def answers(words=_core.Vocabulary([bytes([i]) for i in range(256)]), write=os.write):
            try:
                yield
            finally:
                write(1, b"ends")
                words.encode([b"hello"])

        still_open = answers()
        next(still_open)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"ends"
