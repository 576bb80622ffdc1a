"""Several users of one model: nobody hangs, nobody starves, and who cannot be served is told why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import ossnb
from children import in_child
from fakes import random_model, scripted_model, wait_until
from ossnb import loader
from ossnb.engine.turns import Turn, Turns
from ossnb.testing import write_random_checkpoint

HELLO = "<|channel|>final<|message|>Hello there, friend.<|return|>"
LIMIT_S = 60


class Held:
    """A model whose engine stands still in a generation of another thread, or in a reading, until
    `release`."""

    def __init__(self, model, prompt=(1, 2, 3), reads=False):
        self.reached, self.go = threading.Event(), threading.Event()
        self.replies = []

        def before_forward(n):
            if threading.current_thread() is self.thread:
                self.reached.set()
                assert self.go.wait(LIMIT_S)

        model.engine.core.before_forward = before_forward

        def work():
            tokens = list(prompt)
            self.replies.append(model.logits(tokens) if reads else model.complete(tokens, max_tokens=3))

        self.thread = threading.Thread(target=work, name="panel")
        self.thread.start()
        assert self.reached.wait(LIMIT_S)

    def release(self):
        self.go.set()
        self.thread.join(LIMIT_S)


# ---- waiting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["logits", "threads"])
def test_who_waits_too_long_is_told_who_is_busy_with_what(use):
    model = random_model()
    held = Held(model, [3] * 600)
    model.patience_s = 0.1
    doing = r"in the thread 'panel': reading a prompt, 0 of 600 tokens done, for \d+ s"
    uses = {
        "logits": lambda: model.logits([1, 2]),
        "threads": lambda: setattr(model, "threads", 2),
    }
    try:
        with pytest.raises(ossnb.Busy, match=f"the model is busy {doing}; wait for it, stop it, or set"):
            uses[use]()
    finally:
        held.release()
    assert held.replies[0].finish_reason == "length"
    assert model.complete([1, 2], max_tokens=2).finish_reason == "length"


def test_another_thread_is_told_the_same():
    model, errors = random_model(), []
    held = Held(model, reads=True)
    model.patience_s = 0.1

    def ask():
        try:
            model.complete([1, 2])
        except ossnb.Busy as error:
            errors.append(str(error))

    second = threading.Thread(target=ask)
    second.start()
    second.join(LIMIT_S)
    held.release()
    assert "'panel'" in errors[0]


def test_who_shares_the_next_pass_is_not_told_that_the_model_is_busy():
    model, replies = random_model(), []
    held = Held(model, [3] * 600)
    model.patience_s = 0.05
    others = [
        threading.Thread(target=lambda n=n: replies.append(model.complete([n, 2], max_tokens=3)))
        for n in range(3)
    ]
    for other in others:
        other.start()
    time.sleep(0.3)
    held.release()
    for other in others:
        other.join(LIMIT_S)
    assert [reply.finish_reason for reply in replies] == ["length"] * 3


def test_a_reading_ahead_of_those_who_share_is_told_after_the_patience():
    """What others waited for passes that it shares does not count."""
    model, told = random_model(), []
    held = Held(model, [3] * 1200)
    core, reads = model.engine.core, threading.Event()
    stop = core.before_forward

    def before_forward(n):
        stop(n)
        if threading.current_thread().name == "reader":
            assert reads.wait(LIMIT_S)

    core.before_forward = before_forward

    def ask():
        try:
            model.complete([1, 2], max_tokens=3)
        except ossnb.Busy as error:
            told.append(str(error))

    model.patience_s = None
    reader = threading.Thread(target=lambda: model.logits([1, 2]), name="reader")
    reader.start()
    wait_until(lambda: len(model.engine.turns.waiting()) == 2, LIMIT_S)
    model.patience_s = 0.1
    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: len(model.engine.turns.waiting()) == 3, LIMIT_S)
    time.sleep(0.3)
    held.go.set()
    asking.join(LIMIT_S)
    reads.set()
    reader.join(LIMIT_S)
    held.release()
    assert len(told) == 1
    assert "the model is busy in the thread 'reader'" in told[0]


def test_who_is_patient_gets_the_turn():
    model = random_model()
    held = Held(model, reads=True)
    model.patience_s = None
    threading.Timer(0.3, held.go.set).start()
    assert model.complete([1, 2], max_tokens=2).finish_reason == "length"
    held.release()


def test_a_wait_can_be_cancelled_and_interrupted():
    model = random_model()
    held = Held(model)
    model.patience_s = None
    stream = model.stream_complete([1, 2])
    threading.Timer(0.1, stream.cancel).start()
    assert stream.run().finish_reason == "cancelled"
    threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(ossnb.Interrupted) as caught:
        model.complete([1, 2])
    assert caught.value.reply.tokens == []
    held.release()


def test_who_comes_while_a_long_prompt_is_read_computes_after_the_piece_under_way():
    model = random_model()
    core, go = model.engine.core, threading.Event()

    def before_forward(n):
        if n == 1:
            assert go.wait(LIMIT_S)

    core.before_forward = before_forward
    long = threading.Thread(target=lambda: model.complete([3] * 512 * 6, max_tokens=1), name="long")
    short = threading.Thread(target=lambda: model.complete([1, 2], max_tokens=3), name="short")
    long.start()
    wait_until(lambda: len(core.computed) == 1, LIMIT_S)
    short.start()
    time.sleep(0.2)  # it stands in the queue now
    go.set()
    long.join(LIMIT_S)
    short.join(LIMIT_S)
    assert core.computed[:2] == [(0, 512), (512, 512)]
    assert (0, 2) in core.computed[2:4]
    assert sum(n for _, n in core.computed) == 512 * 6 + 2 + 1 + 1


def test_a_generation_may_run_in_the_loop_over_another():
    model = scripted_model(HELLO)
    inner = [model.generate("And?").text for event in model.stream("Hi") if event.kind == "done"]
    assert inner == ["Hello there, friend."]
    half = model.stream("Hi")  # left lying around, it takes no turn from anybody
    next(half)
    texts = []
    other = threading.Thread(target=lambda: texts.append(model.generate("Hi").text))
    other.start()
    other.join(LIMIT_S)
    assert texts == ["Hello there, friend."]


def test_what_runs_inside_a_call_is_refused_at_once():
    model, errors = random_model(), []
    model.patience_s = None

    def handler(number, frame):
        with pytest.raises(ossnb.Busy) as caught:
            model.complete([1, 2])
        errors.append(str(caught.value))

    def before_forward(n):
        if n == 2:
            signal.raise_signal(signal.SIGUSR1)

    model.engine.core.before_forward = before_forward
    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        assert model.complete([1, 2], max_tokens=5).finish_reason == "length"
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert "runs inside of that, as the handler of a signal does" in errors[0]
    assert "in the main thread: writing an answer, 2 tokens so far" in errors[0]


@pytest.mark.parametrize("method", ["add", "ahead_of", "remove"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupt_at_any_line_leaves_no_turn_behind(method, when, monkeypatch):
    model = random_model()
    original = getattr(Turns, method)

    def interrupted(self, turn):
        monkeypatch.setattr(Turns, method, original)
        if when == "after":
            original(self, turn)
        raise KeyboardInterrupt

    monkeypatch.setattr(Turns, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.complete([1, 2], max_tokens=3)
    replies = []
    other = threading.Thread(target=lambda: replies.append(model.complete([1, 2], max_tokens=3)))
    other.start()
    other.join(LIMIT_S)
    assert replies[0].finish_reason == "length"
    assert model.complete([1, 2], max_tokens=3, seed=replies[0].seed).tokens == replies[0].tokens


def test_nothing_of_python_runs_when_a_use_of_the_model_goes():
    """An interrupt that falls into a finalizer, or into the callback of a weak reference, is lost; one that
    waited for a call of C++ to end does fall into the first Python code there is."""
    seen = []
    model = random_model()
    stream = model.stream_complete([1, 2], max_tokens=2)
    stream.run()
    sys.setprofile(lambda frame, event, arg: seen.append(frame.f_code.co_name) if event == "call" else None)
    try:
        del stream
        del model
    finally:
        sys.setprofile(None)
    assert seen == []


# ---- the default model ------------------------------------------------------------------------------------


@pytest.fixture
def loading(monkeypatch):
    """Another thread is loading the default model; `go` lets it end."""
    started, go = threading.Event(), threading.Event()

    def load():
        started.set()
        assert go.wait(LIMIT_S)
        return scripted_model(HELLO)

    monkeypatch.setattr(loader, "load", load)
    ossnb.set_default_model(None)
    thread = threading.Thread(target=ossnb.default_model, name="background")
    thread.start()
    assert started.wait(LIMIT_S)
    yield go
    go.set()
    thread.join(LIMIT_S)
    ossnb.set_default_model(None)


def test_who_waits_for_the_default_model_is_told_that_it_loads(loading, monkeypatch):
    with monkeypatch.context() as impatient:
        impatient.setattr(Turn.__init__, "__defaults__", (0.1,))
        with pytest.raises(
            ossnb.Busy, match=r"the default model is busy in the thread 'background': loading"
        ):
            ossnb.default_model()
    loading.set()
    assert ossnb.default_model().generate("Hi").text == "Hello there, friend."


def test_a_model_set_while_another_loads_stays(loading):
    chosen = random_model()
    ossnb.set_default_model(chosen)
    loading.set()
    time.sleep(0.1)
    assert ossnb.default_model() is chosen


def test_asking_for_the_default_model_while_one_loads_it_is_refused(monkeypatch):
    ossnb.set_default_model(None)
    monkeypatch.setattr(loader, "load", ossnb.default_model)
    with pytest.raises(ossnb.Busy, match="runs inside of that"):
        ossnb.default_model()
    ossnb.set_default_model(None)


# ---- other processes --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """A folder with a model that takes long for a prompt."""
    shape = {"num_hidden_layers": 24, "hidden_size": 256, "intermediate_size": 256, "vocab_size": 300}
    return write_random_checkpoint(tmp_path_factory.mktemp("slow") / "m", shape, seed=3)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_the_model_computes_is_told_so_and_can_load_it_anew(slow):
    model = ossnb.load(slow)
    stream = model.stream_complete([1, 2] * 4000)
    working = threading.Thread(target=stream.run, name="panel")
    working.start()
    wait_until(lambda: stream.reply.stats.prefill_s > 0, LIMIT_S)

    def ask_both():
        try:
            model.complete([1, 2], max_tokens=1)
        except ossnb.Busy as error:
            with ossnb.load(slow) as fresh:
                return f"{error} | {fresh.complete([1, 2], max_tokens=2).finish_reason}"
        return "forked between two passes"

    told = next(told for _ in range(20) if not (told := in_child(ask_both)).startswith("forked between"))
    stream.cancel()
    working.join(LIMIT_S)
    assert "this process was forked while the model was busy in the thread 'panel': reading a prompt" in told
    assert told.endswith(" | length")
    assert model.complete([1, 2], max_tokens=1).finish_reason == "length"


SCRIPT = """
import sys, threading, time
import ossnb
model = ossnb.load(sys.argv[1])
started = threading.Event()

def work():
    while True:
        for event in model.stream_complete([1, 2] * 1000):
            started.set()
        model.forget()

threading.Thread(target=work, daemon=True).start()
started.wait()
"""


def test_a_process_may_end_while_a_thread_generates(slow):
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(slow)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


COMES_BACK_LATE = """
import threading, time
import numpy as np
from ossnb import _core

sampler = _core.Sampler(n_vocab=201088, temperature=1.0, top_p=0.9, seed=1)
logits, started = np.zeros(201088, np.float32), threading.Event()

def work():
    while True:
        started.set()
        sampler.sample(logits, 0)  # some 50 ms without the GIL

for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
started.wait()
time.sleep(0.1)
"""


def test_a_thread_may_come_back_from_the_engine_when_python_is_gone():
    ran = subprocess.run(
        [sys.executable, "-c", COMES_BACK_LATE], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
