"""A child forked at any moment finds no lock locked by a thread that it does not have."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import ossnb
from children import LIMIT_S, in_child
from fakes import scripted_model, wait_until
from ossnb.harmony import tokenizer
from ossnb.testing import write_random_checkpoint
from ossnb.views.sliders import Sliders

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
HELLO = "<|channel|>final<|message|>Hello.<|return|>"


class Held:
    """A thread that is inside `function`, which calls the `wait` it gets, until the block ends."""

    def __init__(self, function):
        self._reached, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: function(self.wait), name="the holder")

    def wait(self, *_):
        self._reached.set()
        assert self._go.wait(LIMIT_S)

    def __enter__(self):
        self._thread.start()
        assert self._reached.wait(LIMIT_S)
        return self

    def __exit__(self, *_):
        self._go.set()
        self._thread.join(LIMIT_S)


SCRIPT = """
import multiprocessing
import ossnb

def answer(prompt):
    return model.generate(prompt, temperature=0).text

model = ossnb.load("demo")
pool = multiprocessing.get_context("fork").Pool(1)
print(pool.apply(answer, ("What is 2 + 2?",)))
"""


@pytest.mark.slow
def test_a_pool_right_after_load_answers():
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (ran.stdout, ran.returncode) == ("2 + 2 = 4.\n", 0), ran.stderr


@pytest.mark.parametrize("delay_s", [0, 0.02, 0.1, 0.3])
def test_a_child_forked_while_the_vocabulary_is_read_has_it(delay_s):
    tokenizer.forget_vocabulary()
    reading = tokenizer.read_vocabulary()
    time.sleep(delay_s)
    assert in_child(lambda: tokenizer.Tokenizer().encode("Hello world")) == "[13225, 2375]"
    reading.join(LIMIT_S)
    assert tokenizer.Tokenizer().encode("Hello world") == [13225, 2375]


def test_a_child_forked_beside_an_awaited_answer_awaits_its_own():
    model = scripted_model(HELLO)

    def await_answer(wait):
        model.engine.core.before_forward = wait
        asyncio.run(model.agenerate("Hi"))

    with Held(await_answer):
        fresh = scripted_model(HELLO)
        told = in_child(lambda: asyncio.run(asyncio.wait_for(fresh.agenerate("Hi"), 20)).text)
    assert told == "Hello."


def test_a_turn_that_another_thread_holds_is_free_in_a_child():
    model = scripted_model(HELLO)
    reading = model.engine.reading("reading a text")
    with Held(reading.in_turn):
        told = in_child(lambda: reading.in_turn(lambda: "done"))
    assert told.startswith(
        "Busy: this process was forked while the model was busy in the thread 'the holder'"
    )
    assert reading.in_turn(lambda: "done") == "done"


def test_a_stream_that_another_thread_reads_ends_in_a_child():
    model = scripted_model(HELLO)
    stream = model.stream("Hi")

    def read(wait):
        model.engine.core.before_forward = wait
        stream.run()

    def end():
        stream.cancel()
        with pytest.raises(ossnb.Busy, match="this process was forked while the model was busy"):
            model.generate("Hi")
        model.close()
        return "done"

    with Held(read):
        assert in_child(end) == "done"
    assert stream.reply.text == "Hello."


def test_a_fork_waits_for_the_tree_of_kept_prompts(monkeypatch):
    """The thread inside the tree goes on, and the child finds the tree whole."""
    model = scripted_model(HELLO)
    model.generate("Hi")
    core = model.engine.core
    make, inside = core.sequence, threading.Event()

    def slowly(*args):
        inside.set()
        time.sleep(0.3)
        return make(*args)

    monkeypatch.setattr(core, "sequence", slowly)
    other = threading.Thread(target=model.generate, args=("Hi",))
    other.start()
    assert inside.wait(LIMIT_S)
    assert in_child(lambda: model.forget() or model.n_kept_bytes) == "0"
    other.join(LIMIT_S)
    assert model.generate("Hi").text == "Hello."


def test_a_child_of_a_panel_that_writes_may_write_too():
    model = scripted_model(HELLO)
    panel = Sliders(model, prompt="Hi")

    def write(wait):
        model.engine.core.before_forward = wait
        panel.generate()

    with Held(write):
        panel.model = scripted_model(HELLO)
        assert in_child(lambda: panel.generate().text) == "Hello."
    wait_until(lambda: panel.reply is not None)


def test_threads_that_fork_at_once_do_not_wait_for_each_other():
    told = []
    threads = [threading.Thread(target=lambda: told.append(in_child(lambda: "done"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_S)
    assert told == ["done"] * 4
    assert scripted_model(HELLO).generate("Hi").text == "Hello."


@pytest.mark.slow
def test_a_child_forked_while_blocks_are_made_lets_go_of_its_sequences(tmp_path):
    """The books of the blocks may be locked, and half changed: the child leaves them alone."""
    shape = {"num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 64}
    model = ossnb.load(write_random_checkpoint(tmp_path / "model", shape, seed=1), threads=1)
    core, is_over = model.engine.core, threading.Event()

    def make_blocks():
        while not is_over.is_set():
            sequence = core.sequence()
            core.step([(sequence, np.arange(2, 400, dtype=np.int32), 0)], [])

    kept = core.sequence()
    core.step([(kept, np.arange(2, 400, dtype=np.int32), 0)], [])
    maker = threading.Thread(target=make_blocks)
    maker.start()
    try:

        def let_go():
            nonlocal kept
            del kept
            return "let go"

        for _ in range(25):
            assert in_child(let_go) == "let go"
    finally:
        is_over.set()
        maker.join()
    assert kept.length == 398
