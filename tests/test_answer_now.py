"""The button beside a long thought, in a real kernel whose page hears it while the cell runs."""

from __future__ import annotations

import pytest

from kernels import WIDGET, running_kernel
from ossnb.views.answer_now import AnswerNow
from test_approval import PageOfAKernel

SEEN, ANSWER = {"type": "ask", "id": "1"}, {"type": "answer"}


@pytest.mark.parametrize("content", [None, [], "answer", {}, {"type": "ask"}, {"type": ["answer"]}])
def test_nothing_but_a_click_ends_the_thought(content):
    ended = []
    button = AnswerNow(lambda: ended.append(True))
    button.receive(content)
    assert ended == []
    button.receive(ANSWER)
    assert ended == [True]


def test_without_a_notebook_there_is_no_button():
    assert not AnswerNow(lambda: None).is_ready


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with running_kernel(tmp_path_factory) as kernel:
        code = (
            "import sys, time\nfrom fakes import thinking_model\nfrom ossnb.notebook import display\n"
            "display.OFFER_AFTER_S = 0.3\n"
            "def thinks(n_words):\n"
            "    model = thinking_model('It is 42.', n_words)\n"
            "    model.engine.core.before_forward = lambda n: time.sleep(0.01)\n"
            "    ossnb.set_default_model(model)\n"
            "thinks(1000)"
        )
        assert kernel.run(code).reply["status"] == "ok"
        yield kernel


CELL = "%%oss --seed 1\nGo."


# A call between two thoughts. Where somebody ends a thought, the model answers with anything.
TWO_THOUGHTS = """
from fakes import model_of_rounds
def look():
    "Look."
    return "there"
words = " ".join(map(str, range(60)))
call = "<|channel|>commentary to=functions.look <|constrain|>json<|message|>{}<|call|>"
thought = f"<|channel|>analysis<|message|>{words}<|end|><|start|>assistant"
model = model_of_rounds(thought + call, thought + "<|channel|>final<|message|>It is 42.")
model.engine.core.before_forward = lambda n: time.sleep(0.01)
ossnb.set_default_model(model)
"""


def assert_nothing_stays(ran, n_thoughts=1):
    """Each thought had its button, the kernel has closed them, and something else is in their places."""
    shown = {m["content"]["transient"]["display_id"]: m["content"] for m in displays(ran)}
    views = [m["content"] for m in displays(ran) if WIDGET in m["content"]["data"]]
    closed = [m["content"]["comm_id"] for _, m in ran.messages if m["msg_type"] == "comm_close"]
    assert [view["data"][WIDGET]["model_id"] in closed for view in views] == [True] * n_thoughts
    last = [shown[view["transient"]["display_id"]]["data"] for view in views]
    assert all(WIDGET not in data and data["text/plain"] for data in last)
    assert sum(kind == "comm_open" for kind in ran.kinds()) == len(closed)


def displays(ran):
    return [m for _, m in ran.messages if "display" in m["msg_type"]]


@pytest.mark.slow
def test_a_click_ends_the_thought_while_the_cell_runs(kernel):
    ran = kernel.run(CELL, PageOfAKernel(kernel, SEEN, ANSWER))
    assert ran.reply["status"] == "ok"
    (note,) = kernel.value("_oss.notes")
    assert note.startswith("the thought was ended after ")
    assert kernel.value("_oss.text") == ran.answer()[0]["text/plain"] == "It is 42."
    assert_nothing_stays(ran)


@pytest.mark.slow
def test_a_button_that_nobody_clicks_goes_with_the_thought(kernel):
    kernel.run("thinks(100)")
    ran = kernel.run(CELL)
    assert kernel.value("_oss.notes") == []
    assert ran.answer()[0]["text/plain"] == "It is 42."
    assert_nothing_stays(ran)


@pytest.mark.slow
def test_stop_takes_the_button_with_it(kernel):
    kernel.run("thinks(1000)")
    _, watch = kernel.interrupt_when(lambda m: WIDGET in m["content"].get("data", ()), after_s=0.2)
    ran = kernel.run(CELL, watch)
    assert ran.reply["ename"] == "Stopped"
    assert ran.answer()[0]["text/plain"] == "stopped before the answer began"
    assert_nothing_stays(ran)


@pytest.mark.slow
@pytest.mark.parametrize(("messages", "n_thoughts"), [((), 2), ((SEEN, ANSWER), 1)], ids=["read", "ended"])
def test_each_long_thought_has_its_button_and_one_click_ends_those_that_follow(kernel, messages, n_thoughts):
    kernel.run(TWO_THOUGHTS)
    page = PageOfAKernel(kernel, *messages)
    ran = kernel.run("%%oss --seed 1 --tool look --max-tokens 600\nGo.", page)
    assert ran.reply["status"] == "ok"
    assert_nothing_stays(ran, n_thoughts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    ["sys.modules['ossnb.views.live'] = None", "display.OFFER_AFTER_S = 1000"],
    ids=["widgets are missing", "the thought is short"],
)
def test_where_there_is_no_button_the_answer_comes_all_the_same(kernel, code):
    kernel.run(f"thinks(100)\nwas = display.OFFER_AFTER_S, sys.modules['ossnb.views.live']\n{code}")
    try:
        ran = kernel.run(CELL)
        assert ran.reply["status"] == "ok"
        assert ran.answer()[0]["text/plain"] == "It is 42."
        assert "comm_open" not in ran.kinds()
    finally:
        kernel.run("display.OFFER_AFTER_S, sys.modules['ossnb.views.live'] = was")


@pytest.mark.slow
def test_a_console_gets_no_button(kernel):
    kernel.run("thinks(100)")
    ran = kernel.run(CELL, names_cell=False)
    assert ran.answer()[0]["text/plain"] == "It is 42."
    assert "comm_open" not in ran.kinds()
