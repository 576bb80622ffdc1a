"""The user's word before a call: by a click on the page of the running cell, or on the keyboard."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from functools import partial

import pytest

import ossnb
from fakes import wait_until
from kernels import WIDGET, running_kernel
from ossnb.generation.question import Question
from ossnb.harmony.messages import ToolCall
from ossnb.tools.approval import Asked, ask, set_page_asker
from ossnb.tools.toolkit import Calls, StepStopped, Toolkit
from ossnb.views.approval import Approval, ask_on_page
from test_display import ATTACKS, Tags

CODE = ToolCall.parse("python", "if x:\n    y = '\u202e'")
ADD = ToolCall.parse("functions.add", '{"a": 1, "b": 2}')
SEEN, YES, NO = {"type": "ask"}, {"type": "decide", "runs": True}, {"type": "decide", "runs": False}


def never():
    return False


@pytest.fixture
def on_page(monkeypatch):
    """Ask by panels, which are kept; nobody's keyboard is there."""
    panels = []

    def ask_there(asked, is_over):
        panels.append(Approval(asked))
        return panels[-1].wait(is_over)

    monkeypatch.setattr("builtins.input", lambda prompt="": pytest.fail("the keyboard was asked"))
    set_page_asker(ask_there)
    yield panels
    set_page_asker(None)


@pytest.mark.parametrize("messages", [[YES], [SEEN, YES], [SEEN, YES, NO], [{"type": "decide"}, SEEN, YES]])
def test_the_first_click_decides(messages):
    panel = Approval(Asked.about(ADD))
    for message in messages:
        panel.receive(message)
    assert panel.wait(never) is True
    assert panel.widget.state == "runs"
    assert panel.widget.words == "✓ You said yes: it ran"
    assert "<summary" in panel.html()
    assert panel.plain().splitlines() == [
        "Run add with these arguments?",
        '{"a": 1, "b": 2}',
        "✓ You said yes: it ran",
    ]


def test_a_no_is_a_refusal(on_page):
    threading.Thread(target=lambda: (wait_until(lambda: on_page), on_page[0].receive(NO))).start()
    step = Calls(Toolkit((ossnb.tool(add),), approve="ask"), ["add"]).carry_out(ADD)
    assert step.error == "the user declined this call"
    assert on_page[0].state == "refused"
    assert "You said no: it did not run" in on_page[0].html()


@pytest.mark.parametrize(
    "message", [None, [], "decide", {}, {"type": "decide", "runs": "yes"}, {"runs": True}]
)
def test_a_message_that_makes_no_sense_decides_nothing(message):
    panel = Approval(Asked.about(CODE))
    for one in (message, SEEN, NO):
        panel.receive(one)
    assert panel.wait(never) is False


def test_a_page_that_shows_no_buttons_leaves_it_to_the_keyboard(monkeypatch, capsys):
    monkeypatch.setattr("ossnb.views.approval.SEEN_S", 0.2)
    panel, asked = Approval(Asked.about(CODE)), []
    set_page_asker(lambda about, is_over: panel.wait(is_over))
    monkeypatch.setattr("builtins.input", lambda prompt: asked.append(prompt) or "not now")
    try:
        assert ask(CODE) == "not now"
    finally:
        set_page_asker(None)
    assert asked == ["Run this code? [y, n, or why not] "]
    assert "if x:\n    y = '\\u202e'\n" in capsys.readouterr().out
    assert panel.widget.state == "typed"
    assert panel.html() == panel.plain() == ""


def test_an_interrupt_ends_the_question_and_the_call_does_not_begin(on_page):
    done = []
    calls = Calls(Toolkit((ossnb.tool(add),), approve="ask", on_step=done.append), ["add"])

    def interrupt():
        wait_until(lambda: on_page)
        on_page[0].receive(SEEN)  # and then the page is gone
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(StepStopped) as stopped:
        calls.carry_out(ADD)
    assert time.monotonic() - began < 10
    assert stopped.value.is_interrupt
    assert stopped.value.step.error == "the user declined this call, by an interrupt, and it did not begin"
    assert on_page[0].state == "interrupted"


def test_a_cancelled_answer_ends_the_question(on_page):
    ended = threading.Event()
    threading.Timer(0.3, ended.set).start()
    assert ask(CODE, ended.is_set) == "the answer was stopped"
    assert on_page[0].state == "stopped"


def test_one_question_at_a_time(on_page):
    said = []
    threads = [threading.Thread(target=lambda: said.append(ask(CODE))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for n in (1, 2):
        wait_until(lambda n=n: len(on_page) == n)
        time.sleep(0.1)
        assert len(on_page) == n
        on_page[-1].receive(YES)
    for thread in threads:
        thread.join(10)
    assert said == [True, True]


async def async_yes(call):
    return True


def yields_yes(call):
    yield True


async def async_yields_yes(call):
    yield True


class AsyncYes:
    async def __call__(self, call):
        return True


DELAYED = {
    "async": async_yes,
    "yields": yields_yes,
    "async and yields": async_yields_yes,
    "an object": AsyncYes(),
    "its method": AsyncYes().__call__,
    "partial": partial(async_yes),
}


@pytest.mark.parametrize("function", DELAYED.values(), ids=DELAYED)
@pytest.mark.parametrize("name", ["approve", "on_step"])
def test_a_function_that_nobody_awaits_is_refused_at_the_door(name, function):
    with pytest.raises(ValueError, match=f"{name} must be .* write it with def and return"):
        Question.of("q", tools=[add], **{name: function})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("function", DELAYED.values(), ids=DELAYED)
def test_what_is_to_be_awaited_is_no_yes(function):
    toolkit = Toolkit((ossnb.tool(add),), approve=lambda call: function(call))
    step = Calls(toolkit, ["add"]).carry_out(ADD)
    assert step.error.startswith("approve must return True, False or a reason, got a")
    assert step.result == f"error: {step.error}"


def test_the_time_of_a_call_begins_after_the_wait_for_approval(monkeypatch):
    clock, waited = time.monotonic, []

    def approve(call):
        waited.append(5000)
        return call.name == "add"

    monkeypatch.setattr("time.monotonic", lambda: clock() + sum(waited))
    toolkit = Toolkit((ossnb.tool(add), ossnb.tool(add, name="more")), approve=approve)
    calls = Calls(toolkit, ["add", "more"])
    made, refused = (
        calls.carry_out(ToolCall.parse(f"functions.{name}", '{"a": 1, "b": 2}')) for name in ("add", "more")
    )
    assert made.result == "3"
    assert refused.error == "the user declined this call"
    assert waited == [5000, 5000]
    assert max(made.seconds, refused.seconds) < 5000


@pytest.mark.parametrize("attack", [*ATTACKS, "\x1b[2J</pre></details><script>alert(1)</script>"])
@pytest.mark.parametrize("decided", [True, False])
def test_what_is_asked_is_text(attack, decided):
    panel = Approval(Asked.about(ToolCall.parse("python", attack)))
    if decided:
        panel.receive(YES)
        panel.wait(never)
    tags = Tags(panel.html())
    assert set(tags.tags) <= {"div", "details", "summary", "pre"}
    assert not tags.handlers
    assert "\x1b" not in panel.bundle()["text/plain"] + panel.html()


def test_without_a_notebook_there_is_no_page():
    assert ask_on_page(Asked.about(CODE), never) is None


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


# ---- a real kernel -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with running_kernel(tmp_path_factory) as kernel:
        code = (
            "from fakes import model_of_rounds\nfrom ossnb.views import approval\nx = 1\n"
            "call = '<|channel|>analysis to=python code<|message|>x += 1<|call|>'\n"
            "ossnb.set_default_model(model_of_rounds(call, '<|channel|>final<|message|>Done.'))"
        )
        assert kernel.run(code).reply["status"] == "ok"
        yield kernel


CELL = "%%oss --tool python:here --seed 1\nGo."


class PageOfAKernel:
    """A page that shows the buttons, and whose messages go to a thread beside the cell's."""

    def __init__(self, kernel, *messages):
        self._client, self._messages = kernel.client, messages
        self._client.control_channel.send(self._client.session.msg("create_subshell_request", {}))
        self._subshell = self._client.get_control_msg(timeout=60)["content"]["subshell_id"]

    def __call__(self, message):
        view = message["content"].get("data", {}).get(WIDGET)
        for one in self._messages if view else ():
            self._tell(view["model_id"], one)

    def _tell(self, comm, content):
        data = {"comm_id": comm, "data": {"method": "custom", "content": content}}
        message = self._client.session.msg("comm_msg", data)
        message["header"]["subshell_id"] = self._subshell
        self._client.shell_channel.send(message)


@pytest.mark.slow
@pytest.mark.parametrize(("said", "words", "added"), [(YES, "You said yes", 1), (NO, "You said no", 0)])
def test_a_kernel_hears_the_click_while_its_cell_runs(kernel, said, words, added):
    before = int(kernel.value("x"))
    ran = kernel.run(CELL, PageOfAKernel(kernel, SEEN, said))
    assert ran.reply["status"] == "ok"
    assert int(kernel.value("x")) == before + added
    shown = "\n".join(data["text/plain"] for data, _ in ran.shown())
    assert re.search(f"Run this code\\?\nx \\+= 1\n. {words}", shown)


@pytest.mark.slow
def test_a_kernel_that_nobody_hears_is_interrupted_or_refuses(kernel):
    """A page shows the buttons and goes; then an interrupt ends it. Without buttons nobody is asked."""
    before = kernel.value("x")
    page = PageOfAKernel(kernel, SEEN)

    def show_and_interrupt(message):
        page(message)
        if WIDGET in message["content"].get("data", {}):
            threading.Timer(1, kernel.manager.interrupt_kernel).start()

    ran = kernel.run(CELL, show_and_interrupt)
    assert ran.reply["status"] == "error"
    assert ran.reply["ename"] == "Stopped"
    kernel.run("approval.SEEN_S = 0.5")
    ran = kernel.run(CELL)
    assert ran.reply["status"] == "ok"
    assert "the user declined this call: nobody is there to be asked" in kernel.value("_oss.steps[0].error")
    ran = kernel.run(CELL, names_cell=False)  # as a console, where no widget is tried
    assert "nobody is there" in kernel.value("_oss.steps[0].error")
    assert "comm_open" not in ran.kinds()
    assert kernel.value("x") == before
