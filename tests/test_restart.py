"""A conversation in real kernels: cells in a queue, a cell run again, and a restart."""

from __future__ import annotations

import os
import sys

import nbformat
import pytest
from jupyter_client.manager import KernelManager

TIMEOUT_S = 240
SET_UP = """
import ossnb
from fakes import scripted_model
ossnb.set_default_model(scripted_model("<|channel|>final<|message|>Yes."))
"""


class FrontEnd:
    """A notebook's front end: it names the cells it asks a kernel to run, and keeps their outputs."""

    def __init__(self, folder, session=None):
        environment = dict(os.environ, IPYTHONDIR=str(folder / "ipython"))
        environment["PYTHONPATH"] = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
        environment.pop("JPY_SESSION_NAME", None)
        if session is not None:
            environment["JPY_SESSION_NAME"] = str(session)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel
            self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=environment)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT_S)
        self.cells = {}

    def __enter__(self):
        self.run(("setup", SET_UP))
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def restart(self):
        """Restart the kernel, whatever it does."""
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=TIMEOUT_S)
        self.run(("setup", SET_UP))

    def run(self, *cells, until=None):
        """Send all cells at once, wait until the last is done, or some output has the text `until`; return
        what each printed."""
        session, waiting = self.client.session, {}
        for name, source in cells:
            content = {"code": source, "silent": False, "store_history": True, "stop_on_error": True}
            request = session.msg("execute_request", content, metadata={"cellId": name})
            waiting[request["header"]["msg_id"]] = name
            self.cells[name] = nbformat.v4.new_code_cell(source, id=name)
            self.client.shell_channel.send(request)
        printed, places = dict.fromkeys((name for name, _ in cells), ""), {}
        while waiting:
            message = self.client.get_iopub_msg(timeout=TIMEOUT_S)
            name = waiting.get(message["parent_header"].get("msg_id"))
            kind, content = message["msg_type"], message["content"]
            if name is None:
                continue
            if kind == "status" and content["execution_state"] == "idle":
                del waiting[message["parent_header"]["msg_id"]]
            elif kind in ("display_data", "update_display_data"):
                output = nbformat.v4.new_output("display_data", content["data"], metadata=content["metadata"])
                outputs = self.cells[name].outputs
                at = places.setdefault(content["transient"]["display_id"], len(outputs))
                outputs[at : at + 1] = [output]
                if until is not None and until in content["data"]["text/plain"]:
                    break
            elif kind == "stream":
                printed[name] += content["text"]
            assert kind != "error", content
        return printed

    def save(self, path):
        nbformat.write(nbformat.v4.new_notebook(cells=list(self.cells.values())), path)


def test_a_conversation_outlives_its_kernel(tmp_path):
    path = tmp_path / "lesson.ipynb"
    with FrontEnd(tmp_path) as kernel:
        kernel.run(*((name, f"%%oss --chat a\n{name}") for name in ("one", "two", "three")))
        kernel.run(("two", "%%oss --chat a\ntwo, edited"), ("four", "%%oss --chat a\nfour"))
        told = kernel.run(("history", "%oss history a"))
        assert told == {"history": ""}
        history = kernel.cells["history"].outputs[0].data["text/plain"]
        assert [line for line in history.split("\n") if line.startswith("[")] == [
            "[1] one",
            "[2] two, edited",
            "[3] four",
        ]
        kernel.save(path)
    with FrontEnd(tmp_path, session=path) as kernel:
        told = kernel.run(("restore", "%oss restore"), ("history", "%oss history a"))
        assert told["restore"] == "from lesson.ipynb, as it was saved:\na: 3 turns\n"
        assert kernel.cells["history"].outputs[0].data["text/plain"] == history
        kernel.run(("four", "%%oss --chat a\nfour, edited"))
        figures = kernel.cells["four"].outputs[-1].data["text/plain"]
        assert figures.startswith("a, turn 3 · "), "it is said anew, not once more"


def test_a_page_loaded_anew_while_an_answer_is_written_gets_all_of_it(tmp_path):
    path = tmp_path / "lesson.ipynb"
    answer = "<|channel|>analysis<|message|>Well.<|end|><|start|>assistant<|channel|>final<|message|>"
    answer += "one two three " * 60
    with FrontEnd(tmp_path, session=path) as kernel:
        kernel.run(
            ("model", f"model = scripted_model({answer!r})\nossnb.set_default_model(model)"),
            ("slow", "import time\nmodel.engine.core.before_forward = lambda n_calls: time.sleep(0.02)"),
        )
        kernel.run(("one", "%%oss --chat a\none"), until="one two three one two three")
        kernel.save(path)
        saved = nbformat.read(path, as_version=4).cells[-1].outputs[-1]
        assert "not finished" in saved.data["text/markdown"]
        told = kernel.run(("restore", "%oss restore"), ("show", "%oss show"))
        cell = list(kernel.cells).index("one") + 1
        assert told["restore"] == (
            "a: goes on already; `%oss reset a` ends it\n"
            f"cell {cell}: saved before its answer ended; `%oss show` draws the last answer\n"
        )
        thinking, shown, figures = kernel.cells["show"].outputs
        assert "Well." in thinking.data["text/html"]
        assert shown.data["text/plain"].count("one two three") == 60
        assert shown.metadata["ossnb"]["chat"]["name"] == "a"
        assert figures.data["text/plain"].startswith("a, turn 1 · ")
        kernel.save(path)
        kernel.restart()
        told = kernel.run(("restore", "%oss restore"))
        assert "a: 1 turn" in told["restore"], "from what was drawn again"


def test_a_restart_while_an_answer_is_written_loses_nothing_before_it(tmp_path):
    path = tmp_path / "lesson.ipynb"
    answer = "<|channel|>final<|message|>" + "one two three " * 300
    with FrontEnd(tmp_path, session=path) as kernel:
        kernel.run(
            ("model", f"model = scripted_model({answer!r})\nossnb.set_default_model(model)"),
            *((name, f"%%oss --chat a --max-tokens 20\n{name}") for name in ("one", "two")),
            ("slow", "import time\nmodel.engine.core.before_forward = lambda n_calls: time.sleep(0.02)"),
        )
        kernel.run(("three", "%%oss --chat a\nthree"), until="one two three one two three")
        kernel.restart()
        kernel.save(path)
        assert "one two three" in kernel.cells["three"].outputs[-1].data["text/plain"]
        told = kernel.run(("restore", "%oss restore"))
        cell = list(kernel.cells).index("three") + 1
        assert told["restore"] == (
            "from lesson.ipynb, as it was saved:\na: 2 turns\n"
            f"left out: cell {cell}: its answer was not finished; run it again\n"
        )
        kernel.run(("three", "%%oss --chat a\nthree"))
        assert kernel.cells["three"].outputs[0].data["text/plain"] == "Yes."
        assert kernel.cells["three"].outputs[-1].data["text/plain"].startswith("a, turn 3 · ")
