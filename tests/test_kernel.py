"""`%%oss` in a real Jupyter kernel, driven over its sockets as a front end drives it.

The model is random: it writes until it is stopped, which is what these tests want.
"""

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field

import pytest
from jupyter_client.manager import KernelManager

from ossnb.testing import write_random_checkpoint

SHAPE = {
    "vocab_size": 201_088,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "sliding_window": 128,
    "eos_token_id": (200_002,),
    "pad_token_id": 199_999,
}
TIMEOUT_S = 120
LONG_PROMPT = "{{'word ' * 100_000}}"  # many seconds of reading, in one line of source


@dataclass
class Ran:
    """What a cell did: its messages with the time each came, its reply, and when it was idle again."""

    messages: list = field(default_factory=list)
    reply: dict = field(default_factory=dict)

    def kinds(self):
        return [message["msg_type"] for _, message in self.messages]

    def shown(self):
        """The outputs as a saved notebook has them: (data, metadata) by display id, in order."""
        outputs = {}
        for _, message in self.messages:
            content = message["content"]
            if message["msg_type"] == "display_data":
                outputs[content["transient"]["display_id"]] = (content["data"], content["metadata"])
            elif message["msg_type"] == "update_display_data":
                assert content["transient"]["display_id"] in outputs, "an update came before its display"
                outputs[content["transient"]["display_id"]] = (content["data"], content["metadata"])
        return list(outputs.values())

    def answer(self):
        return next((data, metadata) for data, metadata in self.shown() if "text/markdown" in data)

    def text(self):
        return "".join(m["content"]["text"] for _, m in self.messages if m["msg_type"] == "stream")

    @property
    def idle_at(self):
        return self.messages[-1][0]


class Kernel:
    """A running kernel."""

    def __init__(self, env):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=env)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT_S)

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, code, on_message=None):
        return self.collect(self.client.execute(code), on_message)

    def collect(self, request, on_message=None):
        """Gather the messages of a request until it is done; `on_message` sees each as it comes."""
        ran = Ran()
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            message = self.client.get_iopub_msg(timeout=max(deadline - time.monotonic(), 0.1))
            if message["parent_header"].get("msg_id") != request:
                continue
            ran.messages.append((time.monotonic(), message))
            if on_message is not None:
                on_message(message)
            if message["content"].get("execution_state") == "idle":
                break
        while not ran.reply:
            reply = self.client.get_shell_msg(timeout=TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == request:
                ran.reply = reply["content"]
        return ran

    def value(self, expression):
        ran = self.run(f"import json; print(json.dumps({expression}))")
        assert ran.reply["status"] == "ok", ran.reply
        return json.loads(ran.text())

    def interrupt_when(self, arrived, after_s):
        """A watcher for `run` that interrupts `after_s` after a message for which `arrived` holds."""
        state = {"at": None}

        def watch(message):
            if state["at"] is None and arrived(message):
                time.sleep(after_s)
                state["at"] = time.monotonic()
                self.manager.interrupt_kernel()

        return state, watch


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = write_random_checkpoint(tmp_path_factory.mktemp("model") / "random", shape=SHAPE, seed=1)
    env = dict(os.environ, OSSNB_MODEL=str(folder))
    env["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one of the user's
        kernel = Kernel(env)
    loaded = kernel.run("import ossnb\nossnb.default_model()")
    assert loaded.reply["status"] == "ok", loaded.reply
    yield kernel
    kernel.stop()


def is_reading(message):
    return "reading the prompt" in message["content"].get("data", {}).get("text/plain", "")


def is_answer(message):
    return "text/markdown" in message["content"].get("data", {})


def test_messages_come_in_order(kernel):
    ran = kernel.run("%%oss --seed 1 --max-tokens 60 --effort low\nHi")
    assert ran.reply["status"] == "ok"
    kinds = ran.kinds()
    assert kinds[:2] == ["status", "execute_input"]
    assert set(kinds[2:-1]) == {"display_data", "update_display_data"}
    assert "execute_result" not in kinds, "the answer would be on the page twice"
    data, metadata = ran.answer()
    reply = kernel.value("dict(text=_oss.text, sha=_oss.prompt_sha256, model=_oss.model)")
    assert data["text/plain"] == reply["text"]
    assert metadata["ossnb"] == {
        "model": reply["model"],
        "revision": None,
        "precision": "exact",
        "seed": 1,
        "sampling": {"max_tokens": 60},
        "effort": "low",
        "prompt_sha256": reply["sha"],
        "finish_reason": "length",
        "version": kernel.value("ossnb.__version__"),
    }
    last, _ = ran.shown()[-1]
    assert "cut off at max_tokens" in last["text/plain"]
    assert "60 tokens" in last["text/plain"]


def test_same_seed_same_text(kernel):
    first, second = (kernel.run("%%oss --seed 3 --max-tokens 20\nHi").answer() for _ in range(2))
    assert first == second


def test_reply_is_out_and_underscore(kernel):
    count = kernel.run("%%oss --seed 1 --max-tokens 5\nHi").reply["execution_count"]
    assert kernel.value(f"Out[{count}] is _oss and _{count} is _oss")


def test_updates_stay_under_25_a_second(kernel):
    code = """
from ossnb.notebook.display import CellView
from ossnb.reply import Event
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
    assert "did you mean --temperature?" in ran.text()


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_interrupt_is_quick_and_keeps_the_answer(kernel, phase, record_property):
    latencies = []
    for trial in range(5):
        if phase == "prefill":
            code, arrived, after_s = f"%%oss kept <<\n{trial} {LONG_PROMPT}", is_reading, 0.02
        else:
            code, arrived, after_s = f"%%oss kept << --seed {trial}\nHi", is_answer, 0.5
        state, watch = kernel.interrupt_when(arrived, after_s)
        ran = kernel.run(code, watch)
        latencies.append(ran.idle_at - state["at"])
        assert ran.reply["status"] == "error", "queued cells would run"
        assert ran.reply["ename"] == "Stopped"
        assert ran.reply["traceback"] == []
        data, metadata = ran.answer()
        kept = kernel.value(
            "dict(text=kept.text, reason=kept.finish_reason, same=kept is _oss, n=len(kept.tokens))"
        )
        assert kept["reason"] == metadata["ossnb"]["finish_reason"] == "interrupted"
        assert kept["same"]
        assert (kept["n"] > 0) == (phase == "decode")
        assert data["text/plain"] == kept["text"]
        assert "■ stopped" in ran.shown()[-1][0]["text/plain"]
    record_property("idle_after_s", latencies)
    assert statistics.median(latencies) < 0.2, latencies
    assert max(latencies) < 1.0, latencies


def test_interrupt_stops_queued_cells(kernel):
    kernel.value("globals().update(ran=False)")
    first = kernel.client.execute("%%oss\nHi")
    second = kernel.client.execute("ran = True")
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
    assert kernel.value("ossnb.progress.start_progress('', 1).__class__.__name__") == "NotebookProgress"
