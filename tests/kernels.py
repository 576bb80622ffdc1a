"""A real Jupyter kernel, driven over its sockets as a front end drives it."""

import contextlib
import json
import os
import sys
import time
import uuid
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
WIDGET = "application/vnd.jupyter.widget-view+json"
LONG_PROMPT = "{{'word ' * 100_000}}"  # many seconds of reading, in one line of source


@dataclass
class Ran:
    """What a cell did: its messages with the time each came, its reply, and when it was idle again."""

    messages: list = field(default_factory=list)
    reply: dict = field(default_factory=dict)

    def kinds(self):
        return [message["msg_type"] for _, message in self.messages]

    def shown(self):
        """The outputs as a saved notebook has them: (data, metadata), in order; views of widgets are left
        out."""
        outputs = {}
        for _, message in self.messages:
            if "display" not in message["msg_type"]:
                continue
            content = message["content"]
            place = content["transient"].get("display_id", message["header"]["msg_id"])
            is_update = message["msg_type"] == "update_display_data"
            assert place in outputs or not is_update, "an update came before its display"
            outputs[place] = (content["data"], content["metadata"])
        return [(data, metadata) for data, metadata in outputs.values() if WIDGET not in data]

    def answer(self):
        return next((data, metadata) for data, metadata in self.shown() if "text/markdown" in data)

    def first_shown(self):
        """The outputs as they are where updates are ignored; views of widgets are left out."""
        contents = [m["content"] for _, m in self.messages if m["msg_type"] == "display_data"]
        return [content["data"] for content in contents if WIDGET not in content["data"]]

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

    def ask(self, code, *, cell=None, names_cell=True):
        """Send a request as JupyterLab does, which names the cell; a console names none. Return its id."""
        content = {"code": code, "silent": False, "store_history": True, "stop_on_error": True}
        metadata = {"cellId": cell or uuid.uuid4().hex} if names_cell else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def run(self, code, on_message=None, **how):
        return self.collect(self.ask(code, **how), on_message)

    def click(self, button):
        """Click a button (an expression) as its page does; gather what its callbacks show."""
        return self.tell(button, {"event": "click"})

    def tell(self, widget, what):
        """Send a widget (an expression) a message as its page does; gather what follows."""
        content = {"comm_id": self.value(f"{widget}.model_id")}
        content["data"] = {"method": "custom", "content": what}
        message = self.client.session.msg("comm_msg", content)
        self.client.shell_channel.send(message)
        return self.collect(message["header"]["msg_id"], with_reply=False)

    def collect(self, request, on_message=None, with_reply=True):
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
        while with_reply and not ran.reply:
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


@contextlib.contextmanager
def running_kernel(tmp_path_factory, shape=SHAPE, **variables):
    """A kernel whose default model is a random one, loaded: it writes until it is stopped. Its cells do
    without the rules of a turn, by which it would think for ever."""
    folder = write_random_checkpoint(tmp_path_factory.mktemp("model") / "random", shape=shape, seed=1)
    env = dict(os.environ, OSSNB_MODEL=str(folder), **variables)
    env["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one of the user's
        kernel = Kernel(env)
    try:
        loaded = kernel.run(
            "import ossnb\nossnb.default_model()\n"
            "from ossnb.page.defaults import set_cell_defaults as _set\n_set({'keep_rules': False})"
        )
        assert loaded.reply["status"] == "ok", loaded.reply
        yield kernel
    finally:
        kernel.stop()


def is_reading(message):
    return "reading the prompt" in message["content"].get("data", {}).get("text/plain", "")


def is_answer(message):
    return "text/markdown" in message["content"].get("data", {})
