"""`%%oss` in a real Jupyter kernel, driven over its sockets as a front end drives it.

The model is random: it writes until it is stopped, which is what these tests want.
"""

import json

import pytest

from kernels import LONG_PROMPT, TIMEOUT_S, WIDGET, is_answer, is_reading, running_kernel
from ossnb.page.terminal import safe_terminal


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with running_kernel(tmp_path_factory) as kernel:
        yield kernel


def test_messages_come_in_order(kernel):
    ran = kernel.run("%%oss --seed 1 --max-tokens 60 --effort low\nHi")
    assert ran.reply["status"] == "ok"
    kinds = ran.kinds()
    assert kinds[:2] == ["status", "execute_input"]
    assert set(kinds[2:-1]) == {"display_data", "update_display_data"}
    assert "execute_result" not in kinds, "the answer would be on the page twice"
    data, metadata = ran.answer()
    reply = kernel.value("dict(text=_oss.text, sha=_oss.prompt_sha256, model=_oss.model)")
    assert data["text/plain"] == safe_terminal(reply["text"])
    told = metadata["ossnb"]
    assert {"asked", "written", "fingerprint"} <= told.keys(), "what `%oss verify` reads"
    assert {name: told[name] for name in told.keys() - {"asked", "written", "fingerprint"}} == {
        "format": "ossnb reply",
        "version": 1,
        "ossnb": kernel.value("ossnb.__version__"),
        "model": reply["model"],
        "revision": None,
        "precision": "exact",
        "device": "cpu",
        "seed": 1,
        "sampling": told["sampling"],
        "effort": "low",
        "prompt_sha256": reply["sha"],
        "finish_reason": "length",
    }
    last, _ = ran.shown()[-1]
    assert "cut off at max_tokens" in last["text/plain"]
    assert "60 tokens" in last["text/plain"]


def test_all_that_is_not_the_last_draw_says_so(kernel):
    """A page that is saved in the middle must not show half an answer as a whole one."""
    ran = kernel.run("%%oss --seed 1 --max-tokens 600\nHi")
    draws = {}
    for _, message in ran.messages:
        content = message["content"]
        if "display" in message["msg_type"] and WIDGET not in content["data"]:
            draws.setdefault(content["transient"]["display_id"], []).append(content)
    assert any(len(contents) > 2 for contents in draws.values())
    for *earlier, last in draws.values():
        for content in earlier:
            shown = content["data"]
            assert all("not finished" in text and "%oss show" in text for text in shown.values()), shown
            assert content["metadata"]["ossnb"]["finish_reason"] == "unfinished"
        assert "not finished" not in last["data"]["text/plain"]


def test_same_seed_same_text(kernel):
    first, second = (kernel.run("%%oss --seed 3 --max-tokens 20\nHi").answer() for _ in range(2))
    assert first == second


def test_reply_is_out_and_underscore(kernel):
    count = kernel.run("%%oss --seed 1 --max-tokens 5\nHi").reply["execution_count"]
    assert kernel.value(f"Out[{count}] is _oss and _{count} is _oss")


def test_updates_stay_under_25_a_second(kernel):
    code = """
from ossnb.notebook.display import CellView
from ossnb.generation.record import Event
import time
view, began = CellView(), time.monotonic()
while time.monotonic() - began < 3:
    view.on(Event("reasoning" if time.monotonic() - began < 1.5 else "answer", "word ", token=1))
view.abandon()
"""
    ran = kernel.run(code)
    assert ran.reply["status"] == "ok", ran.reply
    sent = [
        message["header"]["date"].timestamp()
        for _, message in ran.messages
        if "display" in message["msg_type"]
    ]
    assert len(sent) > 10
    busiest = max(sum(1 for other in sent if 0 <= other - start < 1) for start in sent)
    assert busiest <= 25


def test_wrong_flags_stop_a_run(kernel):
    ran = kernel.run("%%oss --tempreature 1\nHi")
    assert ran.reply["status"] == "error"
    assert ran.reply["ename"] == "UsageError"
    (error,) = (message["content"] for _, message in ran.messages if message["msg_type"] == "error")
    (line,) = error["traceback"]
    assert line.startswith("UsageError: unknown flag --tempreature; did you mean --temperature?")
    assert error["evalue"] == ran.reply["evalue"] == line.removeprefix("UsageError: ")
    assert ran.reply["traceback"] == [line], "for runs that nobody watches"
    assert ran.text() == "", "once is enough"


def test_interrupt_stops_queued_cells(kernel):
    kernel.value("globals().update(ran=False)")
    first = kernel.ask("%%oss\nHi")
    second = kernel.ask("ran = True")
    _, watch = kernel.interrupt_when(is_answer, after_s=0.1)
    assert kernel.collect(first, watch).reply["status"] == "error"
    assert kernel.collect(second).reply["status"] == "aborted"
    assert kernel.value("ran") is False


def test_prefill_shows_progress_that_vanishes(kernel):
    _, watch = kernel.interrupt_when(is_reading, after_s=0.1)
    ran = kernel.run(f"%%oss\nprogress {LONG_PROMPT}", watch)
    assert any("reading the prompt" in json.dumps(m["content"], default=str) for _, m in ran.messages)
    assert not any("reading the prompt" in data["text/plain"] for data, _ in ran.shown())


def test_completion_offers_flags(kernel):
    def matches(code, at):
        request = kernel.client.complete(code, at)
        while (reply := kernel.client.get_shell_msg(timeout=TIMEOUT_S))["parent_header"]["msg_id"] != request:
            pass
        return reply["content"]["matches"]

    assert matches("%%oss --te", 10) == ["--temperature"]
    assert matches("%%oss --effort ", 15) == ["high", "low", "medium"]
    assert "--temperature" not in matches("%%oss\n--te", 10)


def test_downloads_get_a_notebook_bar_without_loading_the_hub(kernel):
    assert (
        kernel.value("ossnb.system.progress.start_progress('', 1).__class__.__name__") == "NotebookProgress"
    )


@pytest.mark.parametrize("names_cell", [True, False])
def test_the_first_notice_is_a_quiet_line_and_no_error_box(kernel, names_cell):
    """Also where outputs cannot change: in consoles, and in notebooks that a program runs."""
    ran = kernel.run(
        "import os\nnamed = os.environ.pop('OSSNB_MODEL')\n"
        "ossnb.load().close()\nos.environ['OSSNB_MODEL'] = named",
        names_cell=names_cell,
    )
    assert ran.reply["status"] == "ok", ran.reply
    assert "stream" not in ran.kinds(), "standard error stands in a red box"
    (data,) = ran.first_shown()
    assert data["text/plain"].startswith("Using the small embedded demo model.")
    assert "<div" in data["text/html"]
