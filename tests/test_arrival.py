"""An answer reaches front ends that ignore updates: consoles, an ipywidgets `Output`, `capture_output`.

They draw the first message of each output and nothing later, so these tests look at no update either.
"""

import json

import pytest

from kernels import LONG_PROMPT, is_answer, running_kernel
from ossnb.page.terminal import safe_terminal

ASK = "get_ipython().run_cell_magic('oss', '--temperature 0 --seed 1', 'What is 17 + 25?')"
CELL = "%%oss --temperature 0 --seed 1\nWhat is 17 + 25?"
INTERRUPT = """
import os, re, signal, threading, time
def interrupt_once(how_far):  # from within: where updates are ignored, no message tells how far an answer is
    def watch():
        while not any(re.search(how_far, turn.doing) for turn in random.engine.turns.waiting()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=watch).start()
"""
OUTPUT = "import ipywidgets as W\nout = W.Output()\ndisplay(out)\nwith out:\n    "


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with running_kernel(tmp_path_factory) as kernel:
        code = f"random = ossnb.default_model(); demo = ossnb.load('demo')\n{INTERRUPT}"
        assert kernel.run(code).reply["status"] == "ok"
        yield kernel


@pytest.fixture
def demo(kernel):
    """A kernel whose model answers; the one of `kernel` writes until it is stopped."""
    kernel.run("ossnb.set_default_model(demo)")
    yield kernel
    kernel.run("ossnb.set_default_model(random)")


def plain(outputs):
    return [data["text/plain"] for data in outputs]


def assert_whole(outputs, kernel):
    """Whether these are the thinking, the answer and the figures, each once and complete."""
    thinking, answer, figures = outputs
    reply = kernel.value("dict(text=_oss.text, reasoning=_oss.reasoning)")
    assert "<details" in thinking["text/html"]
    assert reply["reasoning"] in thinking["text/plain"]
    assert answer["text/plain"] == reply["text"]
    assert "42" in answer["text/markdown"]
    assert "tok/s" in figures["text/plain"]


def test_a_console_gets_each_part_once(demo):
    ran = demo.run(CELL, names_cell=False)
    assert "update_display_data" not in ran.kinds()
    assert_whole(ran.first_shown(), demo)
    assert ran.first_shown() == [data for data, _ in ran.shown()]
    assert demo.run(CELL).shown()[1] == ran.shown()[1], "as a notebook saves it, with its metadata"


@pytest.mark.parametrize("names_cell", [True, False])
def test_an_output_widget_gets_each_part_once(demo, names_cell):
    ran = demo.run(OUTPUT + ASK, names_cell=names_cell)
    assert "update_display_data" not in ran.kinds()
    assert_whole(ran.first_shown(), demo)


def test_where_nobody_looks_there_is_no_preview(demo):
    views = demo.run(OUTPUT + ASK, names_cell=False).kinds().count("display_data")
    assert views == 4, "the Output and three parts"


def test_outside_of_the_output_a_cell_streams_again(demo):
    ran = demo.run(f"{OUTPUT}print(1)\n{ASK}")
    assert "update_display_data" in ran.kinds()


def test_a_widgets_callback_streams_into_a_preview_and_ends_complete(demo):
    demo.run(
        "button, out = W.Button(), W.Output()\n@out.capture()\ndef ask(_):\n    print('before')\n"
        f"    {ASK}\nbutton.on_click(ask)"
    )
    ran = demo.click("button")
    assert_whole(ran.first_shown(), demo)
    assert ran.text() == "before\n"
    states = [m["content"]["data"].get("state", {}) for _, m in ran.messages if m["msg_type"] == "comm_msg"]
    drawn = [state["outputs"] for state in states if "outputs" in state]
    texts = [outputs[0]["data"]["text/plain"] for outputs in drawn if outputs]
    assert len(texts) > 1
    assert all("not finished" in text for text in texts)
    assert drawn[-1] == [], "the preview is gone when the answer is there"


def test_interact_shows_an_answer(demo):
    ran = demo.run(f"W.interact(lambda n: {ASK}, n=W.IntSlider(1))", names_cell=False)
    assert_whole(ran.first_shown(), demo)


def test_captured_output_has_each_part_once(demo):
    ran = demo.run(
        "from IPython.utils.capture import capture_output\n"
        f"with capture_output() as kept:\n    {ASK}\n"
        "import json\nprint(json.dumps([output.data for output in kept.outputs]))"
    )
    assert_whole(json.loads(ran.text()), demo)


def test_after_a_stop_the_text_so_far_is_there(kernel):
    kernel.run("interrupt_once('[0-9][0-9] tokens so far')")
    ran = kernel.run("%%oss --seed 1\nHi", names_cell=False)
    *_, answer, figures = plain(ran.first_shown())
    assert answer == safe_terminal(kernel.value("_oss.text"))
    assert "stopped" in figures


def test_a_prompt_that_is_read_slowly_leaves_no_trace(kernel):
    kernel.run("interrupt_once('tokens done')")
    ran = kernel.run(f"%%oss\nslow {LONG_PROMPT}", names_cell=False)
    assert not any("reading the prompt" in text for text in plain(ran.first_shown()))
    given, stopped = plain(ran.first_shown())[:2]
    assert given.startswith("[given · 'word '")
    assert stopped == "stopped before the answer began"


def test_a_bar_comes_when_it_is_full(kernel):
    ran = kernel.run(
        "from ossnb.system.progress import start_progress\n"
        "bar = start_progress('a model', 2_000_000)\nbar.update(2_000_000)\nbar.close()",
        names_cell=False,
    )
    assert plain(ran.first_shown()) == ["a model\n2.0 MB of 2.0 MB, 100%"]


def test_a_notebook_keeps_its_stream(kernel):
    _, watch = kernel.interrupt_when(is_answer, after_s=0.3)
    assert "update_display_data" in kernel.run("%%oss\nHi", watch).kinds()


def test_a_live_view_answers_the_page_that_asks(demo):
    demo.run("view = demo.generate('What is 17 + 25?', seed=1).inspect(); view")
    (answer,) = [
        message["content"]["data"]["content"]
        for _, message in demo.tell("view.widget", {"type": "ask"}).messages
        if message["msg_type"] == "comm_msg" and message["content"]["data"]["method"] == "custom"
    ]
    assert "export default" in answer["module"]
    assert len(answer["values"]["alternatives"]) == len(answer["values"]["tokens"]) > 10
