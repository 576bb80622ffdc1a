"""Calls of functions, one by one: what comes back of bad ones is a result that a model can act on."""

from __future__ import annotations

import asyncio
import datetime
import enum
import math
import signal
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ossnb
from fakes import wait_until
from ossnb.harmony.messages import ToolCall
from ossnb.tools.approval import Asked
from ossnb.tools.function import Function
from ossnb.tools.outcome import MOST_CHARS, as_text, cut
from ossnb.tools.step import Step
from ossnb.tools.tool import Tool
from ossnb.tools.toolkit import Calls, StepStopped, Toolkit


def call(name, raw="{}"):
    return ToolCall.parse(f"functions.{name}", raw)


def step_of(function, raw="{}", **settings):
    tool = Function(function)
    return Calls(Toolkit((tool,), **settings), [tool.name]).carry_out(call(tool.name, raw))


# ---- results -----------------------------------------------------------------------------------------------


@dataclass
class Point:
    x: int


class Colour(enum.Enum):
    RED = "red"


class Odd:
    def __str__(self):
        return "an odd one"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (None, "done; the function returns nothing"),
        (3, "3"),
        (0.5, "0.5"),
        (True, "true"),
        ({"a": [1, None]}, '{"a": [1, null]}'),
        ((1, 2), "[1, 2]"),
        (Point(3), '{"x": 3}'),
        ([Point(3)], '[{"x": 3}]'),
        (Colour.RED, "red"),
        (datetime.date(2026, 11, 29), "2026-11-29"),
        (np.int64(3), "3"),
        ({"n": np.float32(0.5)}, '{"n": 0.5}'),
        (np.arange(3), "[0 1 2]"),
        (Odd(), "an odd one"),
        ([Odd()], '["an odd one"]'),
        (b"bytes \xff", "bytes �"),
        ("é 😀", "é 😀"),
        ({1: 2}, '{"1": 2}'),
    ],
)
def test_a_result_is_text(value, text):
    assert as_text(value) == text
    assert step_of(ossnb.tool(lambda: value, name="f")).result == text


def test_a_circle_is_text_too():
    circle = []
    circle.append(circle)
    assert step_of(ossnb.tool(lambda: circle, name="f")).result == "[[...]]"


def test_a_result_of_50_mb_is_cut():
    step = step_of(ossnb.tool(lambda: "<" + "y" * 50_000_000 + ">", name="f"))
    assert step.error is None
    assert len(step.result) < MOST_CHARS + 100
    assert step.result.startswith("<yyy")
    assert step.result.endswith("yyy>")
    assert "of 50,000,002 characters are left out here" in step.result
    assert step.note == "the result was cut from 50,000,002 characters"


def test_control_characters_do_not_reach_the_model():
    text = "a\x1b[31mred\x1b[0m\x1b]0;title\x07\x00\x08b\r\nc\td\x9b2Je\u2028f"
    assert step_of(ossnb.tool(lambda: text, name="f")).result == "aredb\nc\td2Jef"
    assert step_of(ossnb.tool(lambda: "\ud800", name="f")).result == "\ufffd"


@given(st.text(), st.integers(10, 50))
@settings(max_examples=200, deadline=None)
def test_any_text_is_cut_to_what_may_be_told(text, most):
    outcome = cut(text, most)
    assert not any(ord(c) < 32 and c not in "\t\n" for c in outcome.text)
    assert len(outcome.text) <= most + 80
    assert (outcome.n_cut_from is None) == (len(text) <= most)


# ---- errors ------------------------------------------------------------------------------------------------


def test_a_function_that_raises_tells_the_model_and_keeps_the_traceback():
    def f(city: str):
        raise LookupError(f"no such city: {city}")

    step = step_of(f, '{"city": "Atlantis"}')
    assert step.error == "LookupError: no such city: Atlantis"
    assert step.result == "error: LookupError: no such city: Atlantis"
    assert "in f\n" in step.traceback
    assert "toolkit.py" not in step.traceback


class Nasty(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (StopIteration(), "StopIteration"),
        (Nasty(), "Nasty"),
        (ossnb.Busy("later"), "Busy: later"),
        (ValueError("\x1b[2J\nbad"), "ValueError: \nbad"),
        (ValueError("x" * 100_000), "ValueError: xxx"),
    ],
)
def test_whatever_a_function_raises_is_its_result(error, told):
    def f():
        raise error

    step = step_of(f)
    assert step.error.startswith(told)
    assert step.result.startswith(f"error: {told}")
    assert len(step.result) < MOST_CHARS + 100


def test_arguments_that_do_not_fit_are_told_and_nothing_runs():
    ran = []

    def f(n: int):
        ran.append(n)

    assert step_of(f, '{"n": "x"}').error == (
        "the arguments of f do not fit: n: Input should be a valid integer, unable to parse string as an "
        "integer"
    )
    assert step_of(f, "{n: 3}").error.startswith("the arguments of f do not fit: Invalid JSON: key must be")
    assert not ran


@dataclass
class Station:
    name: str

    def __post_init__(self):
        {"Rome": 1}[self.name]


def test_whatever_the_type_of_a_parameter_raises_is_the_result():
    def f(at: Station):
        return at.name

    assert step_of(f, '{"at": {"name": "Rome"}}').result == "Rome"
    step = step_of(f, '{"at": {"name": "Oz"}}')
    assert step.error == "the arguments of f do not fit: KeyError: 'Oz'"
    assert "in __post_init__\n" in step.traceback


def test_an_unknown_tool_is_told_with_the_known_ones():
    calls = Calls(Toolkit((Function(int_of), Function(half))), ["int_of", "half"])
    assert calls.carry_out(call("double")).error == "there is no tool 'double'; the tools are: int_of, half"
    assert calls.carry_out(call("x\x1b[2J")).error.startswith("there is no tool 'x\\x1b[2J'; the tools are")


def int_of(text: str) -> int:
    return int(text)


def half(n: float) -> float:
    return n / 2


@pytest.mark.parametrize(
    "name",
    ["half", "halfjson", "half<|channel|>commentary", "half code", "Half", "functions.half", "half.json"],
)
def test_a_name_that_means_one_tool_is_taken_as_it(name):
    calls = Calls(Toolkit((Function(int_of), Function(half))), ["int_of", "half"])
    step = calls.carry_out(ToolCall(name, {"n": 3}, '{"n": 3}', f"functions.{name}"))
    assert step.result == "1.5"
    assert step.note == ("" if name == "half" else f"{name!r} was taken as 'half'")


@pytest.mark.parametrize("name", ["halfway", "hal", "half_2", "intjson", ""])
def test_a_name_that_is_not_clear_is_not_guessed(name):
    step = Calls(Toolkit((Function(half),)), ["half"]).carry_out(ToolCall(name, {"n": 3}, '{"n": 3}', name))
    assert step.error.startswith("there is no tool")


# ---- time --------------------------------------------------------------------------------------------------


def test_a_function_that_hangs_is_left_behind():
    release = threading.Event()

    def f():
        release.wait(30)

    step = step_of(f, timeout=0.2)
    assert step.seconds < 20
    assert step.error == "f took longer than 0.2 s; it is left behind in its thread"
    (thread,) = [t for t in threading.enumerate() if t.name == "ossnb, the tool f"]
    assert thread.daemon, "it does not keep the process alive"
    release.set()
    thread.join(20)
    assert not thread.is_alive()


def test_a_coroutine_is_awaited_and_a_late_one_is_cancelled():
    ended = []

    async def f(seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "slept"

    assert step_of(f, '{"seconds": 0}').result == "slept"
    assert step_of(f, '{"seconds": 30}', timeout=0.2).error.startswith("f took longer than 0.2 s")
    wait_until(lambda: ended == ["cancelled"])


def test_without_a_limit_a_call_takes_its_time():
    assert step_of(ossnb.tool(lambda: time.sleep(0.05), name="f"), timeout=math.inf).error is None


def test_a_call_nobody_waits_for_is_stopped():
    release = threading.Event()
    began = time.monotonic()
    calls = Calls(Toolkit((Function(ossnb.tool(lambda: release.wait(30), name="f")),)), ["f"])
    with pytest.raises(StepStopped) as stopped:
        calls.carry_out(call("f"), lambda: time.monotonic() - began > 0.1)
    assert stopped.value.step.seconds < 20
    assert not stopped.value.is_interrupt
    assert stopped.value.step.result.startswith("error: the user stopped this call")
    release.set()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGALRM")
def test_an_interrupt_stops_a_call_at_once():
    release = threading.Event()

    def f():
        signal.raise_signal(signal.SIGALRM)  # the main thread hears of it
        release.wait(30)

    calls = Calls(Toolkit((Function(f),)), ["f"])
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(StepStopped) as stopped:
            calls.carry_out(call("f"))
        assert stopped.value.step.seconds < 10
        assert stopped.value.is_interrupt
    finally:
        signal.signal(signal.SIGALRM, previous)
        release.set()


def on_start(monkeypatch, name, then):
    """Start threads of a name by `then(start, thread)`, as a busy machine or an interrupt does."""
    start = threading.Thread.start

    def started(thread):
        return then(start, thread) if thread.name == name else start(thread)

    monkeypatch.setattr(threading.Thread, "start", started)


@pytest.mark.parametrize("ending", ["limit", "cancel", "interrupt"])
def test_a_call_that_ends_before_its_thread_begins_never_begins(monkeypatch, ending):
    ran, late = [], []

    def start_late(start, thread):
        late.append(threading.Timer(0.3, start, (thread,)))
        late[0].start()
        if ending == "interrupt":
            raise KeyboardInterrupt

    on_start(monkeypatch, "ossnb, the tool f", start_late)
    f = ossnb.tool(lambda: ran.append(1), name="f")
    if ending == "limit":
        assert step_of(f, timeout=0.1).error.startswith("f took longer than 0.1 s")
    else:
        with pytest.raises(StepStopped):
            Calls(Toolkit((Function(f),)), ["f"]).carry_out(call("f"), lambda: ending == "cancel")
    late[0].join()
    wait_until(lambda: "ossnb, the tool f" not in [thread.name for thread in threading.enumerate()])
    assert ran == []


def test_a_coroutine_that_comes_after_the_limit_does_not_begin():
    ran, release = [], threading.Event()

    async def late():
        ran.append(1)

    def f():
        release.wait(30)
        return late()

    assert step_of(f, timeout=0.1).error.startswith("f took longer than 0.1 s")
    release.set()
    wait_until(lambda: "ossnb, the tool f" not in [thread.name for thread in threading.enumerate()])
    assert ran == []


class Stopped(Tool):
    """A call that runs until it is stopped; here it does so in the thread that reads the answer."""

    name = "python"
    definition = {"type": "builtin", "name": "python", "description": "Waits."}  # noqa: RUF012

    def __init__(self, is_here=False):
        self.runs_here = is_here
        self.begun, self.ended = threading.Event(), threading.Event()

    def bind(self, call):
        return self

    def __call__(self):
        self.begun.set()
        return "stopped" if self.ended.wait(30) else "went on"

    def stop(self, why):
        self.ended.set()


def test_an_interrupt_while_the_thread_starts_ends_a_call_that_can_be_ended(monkeypatch):
    tool = Stopped()

    def start_and_interrupt(start, thread):
        start(thread)
        assert tool.begun.wait(30)
        raise KeyboardInterrupt

    on_start(monkeypatch, "ossnb, the tool python", start_and_interrupt)
    assert Calls(Toolkit((tool,)), ["python"]).carry_out(call_of_python()).result == "stopped"


def test_an_interrupt_while_the_thread_of_a_limit_starts_ends_that_thread(monkeypatch):
    tool, name = Stopped(is_here=True), "ossnb, a call's limit"

    def start_and_interrupt(start, thread):
        start(thread)
        raise KeyboardInterrupt

    on_start(monkeypatch, name, start_and_interrupt)
    with pytest.raises(StepStopped) as stopped:
        Calls(Toolkit((tool,)), ["python"]).carry_out(call_of_python())
    assert stopped.value.is_interrupt
    assert not tool.begun.is_set()
    wait_until(lambda: name not in [thread.name for thread in threading.enumerate()])


def call_of_python():
    return ToolCall.parse("python", "x = 1")


def test_a_function_may_start_threads():
    def f():
        threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(threads)

    assert step_of(f).result == "20"


def test_a_system_without_threads_is_told(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert step_of(half, '{"n": 3}').error == "half could not be started: can't start new thread"


# ---- circles -----------------------------------------------------------------------------------------------


def test_the_same_call_is_made_twice_told_once_and_then_stopped():
    ran = []

    def f(a: int, b: int = 0):
        ran.append(a)
        return "the same"

    calls = Calls(Toolkit((Function(f),)), ["f"])
    spellings = ['{"a": 1, "b": 2}', '{"b":2,"a":1}', '{"a": 1,"b": 2}', '{"a": 1, "b": 2}']
    steps, circles = [], []
    for raw in spellings:
        steps.append(calls.carry_out(call("f", raw)))
        circles.append(calls.goes_in_circles)
    assert ran == [1, 1]
    assert [step.error is None for step in steps] == [True, True, False, False]
    assert steps[2].error.startswith("this call was made 2 times with the same result")
    assert circles == [False, False, False, True]


def test_a_call_with_new_results_may_come_again():
    results = iter(range(10))
    calls = Calls(Toolkit((Function(ossnb.tool(lambda: next(results), name="f")),)), ["f"])
    assert [calls.carry_out(call("f")).result for _ in range(6)] == list("012345")
    assert not calls.goes_in_circles


# ---- the user's word ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (True, None),
        (np.True_, None),
        (False, "the user declined this call"),
        (None, "the user declined this call"),
        ("not today", "the user declined this call: not today"),
    ],
)
def test_a_call_needs_the_word_of_approve(said, error):
    asked = []

    def approve(call):
        asked.append((call.name, call.arguments))
        return said

    step = step_of(half, '{"n": 3}', approve=approve)
    assert step.error == error
    assert step.result == ("1.5" if error is None else f"error: {error}")
    assert asked == [("half", {"n": 3})]


@pytest.mark.parametrize(
    ("approve", "error"),
    [
        (lambda call: call.arguments["path"] == "/tmp", "approve raised KeyError: 'path'"),
        (lambda call: np.array([1, 2]), "approve raised ValueError: The truth value of an array"),
        (lambda call, more: True, "approve raised TypeError: "),
    ],
)
def test_an_approve_that_raises_has_not_said_yes(approve, error):
    step = step_of(half, '{"n": 3}', approve=approve)
    assert step.error.startswith(error)
    assert step.result == f"error: {step.error}"


def test_an_interrupt_in_approve_goes_on():
    def approve(call):
        raise KeyboardInterrupt

    with pytest.raises(StepStopped) as stopped:
        step_of(half, '{"n": 3}', approve=approve)
    assert stopped.value.is_interrupt


@pytest.mark.parametrize("name", ["half", "HALF", "halfjson", "functions.half", "half.py"])
def test_approve_is_asked_about_the_call_that_would_run(name):
    asked = []
    calls = Calls(Toolkit((Function(half),), approve=lambda c: asked.append(c) or c.name != "half"), ["half"])
    step = calls.carry_out(ToolCall(name, {"n": 3}, '{"n": 3}', f"functions.{name}"))
    assert step.error == "the user declined this call"
    assert asked == [call("half", '{"n": 3}')]


class Snippets(Tool):
    name = "python"
    definition = {"type": "builtin", "name": "python", "description": "Runs code."}  # noqa: RUF012

    def bind(self, call):
        return lambda: call.raw


@pytest.mark.parametrize("recipient", ["python", "functions.python", "functions.Python", "python.exec"])
def test_code_is_asked_about_as_code(recipient):
    asked = []
    toolkit = Toolkit((Snippets(),), approve=lambda call: asked.append(Asked.about(call)) or True)
    assert Calls(toolkit, ["python"]).carry_out(ToolCall.parse(recipient, "x = 1")).result == "x = 1"
    assert asked == [Asked("Run this code?", "x = 1", True)]


def test_nobody_is_asked_about_a_call_that_cannot_be():
    asked = []
    step_of(half, '{"m": 3}', approve=asked.append)
    assert not asked


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("y", None),
        (" YES ", None),
        ("n", "the user declined this call"),
        ("", "the user declined this call"),
        ("use 4", "the user declined this call: use 4"),
        (EOFError(), "the user declined this call: nobody is there to be asked"),
        (RuntimeError("no stdin"), "the user declined this call: nobody is there to be asked"),
    ],
)
def test_ask_asks_by_input(monkeypatch, typed, error):
    asked = []

    def type_in(prompt):
        asked.append(prompt)
        if isinstance(typed, Exception):
            raise typed
        return typed

    monkeypatch.setattr("builtins.input", type_in)
    assert step_of(half, '{"n": 3}', approve="ask").error == error
    assert asked == ['Run half with {"n": 3}? [y, n, or why not] ']


def test_what_is_asked_drives_no_terminal(monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or "n")
    step_of(int_of, '{"text": "\\u001b[2J\x1b[2J' + "a" * 5000 + '"}', approve="ask")
    assert not asked or "\x1b" not in asked[0]
    step_of(int_of, '{"text": "\\u001b[2J' + "a" * 5000 + '"}', approve="ask")
    assert "\x1b" not in asked[-1]
    assert len(asked[-1]) < 2200


# ---- as data -----------------------------------------------------------------------------------------------


def test_a_step_is_data():
    step = Step(call("f", '{"a": [1]}'), "r\ud800", 0.5, "e", "n", "Traceback")
    reply = ossnb.Reply("x", steps=[step], sampling=ossnb.Sampling(seed=1))
    again = ossnb.Reply.from_json(reply.to_json())
    assert again == reply
    assert again.steps[0].arguments == {"a": [1]}
    assert again.steps[0].result == "r\ufffd"
    assert again.steps[0].traceback == "", "a file has none"
    assert reply.to_dict(settings_only=True)["steps"] == reply.to_dict()["steps"]
    assert "steps" not in ossnb.Reply("x", sampling=ossnb.Sampling(seed=1)).to_dict()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seconds", "x", r"steps\[0\].seconds must be a number, got 'x'"),
        ("result", None, r"steps\[0\].result must be text"),
        ("call", 3, r"steps\[0\].call must be an object"),
    ],
)
def test_a_damaged_step_is_named(field, value, message):
    reply = ossnb.Reply("x", steps=[Step(call("f"), "r")], sampling=ossnb.Sampling(seed=1)).to_dict()
    reply["steps"][0][field] = value
    with pytest.raises(ValueError, match=message):
        ossnb.Reply.from_dict(reply)
