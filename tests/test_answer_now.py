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


def assert_nothing_stays(ran):
    """The kernel has closed the button, and the answer has its place."""
    data, _ = ran.answer()
    assert data["text/plain"] == "It is 42."
    opened, closed = (
        [m["content"]["comm_id"] for _, m in ran.messages if m["msg_type"] == kind]
        for kind in ("comm_open", "comm_close")
    )
    views = [m["content"] for _, m in ran.messages if WIDGET in m["content"].get("data", ())]
    assert len(views) == 1
    assert views[0]["data"][WIDGET]["model_id"] in closed
    assert set(closed) <= set(opened)
    (place,) = [
        m["content"]["transient"]["display_id"]
        for _, m in ran.messages
        if m["content"].get("data") == data and m["msg_type"] == "update_display_data"
    ]
    assert place == views[0]["transient"]["display_id"]


@pytest.mark.slow
def test_a_click_ends_the_thought_while_the_cell_runs(kernel):
    ran = kernel.run(CELL, PageOfAKernel(kernel, SEEN, ANSWER))
    assert ran.reply["status"] == "ok"
    (note,) = kernel.value("_oss.notes")
    assert note.startswith("the thought was ended after ")
    assert 0 < kernel.value("len(_oss.reasoning)") < 5000
    assert_nothing_stays(ran)


@pytest.mark.slow
def test_a_button_that_nobody_clicks_goes_with_the_thought(kernel):
    kernel.run("thinks(100)")
    ran = kernel.run(CELL)
    assert kernel.value("_oss.notes") == []
    assert_nothing_stays(ran)


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
