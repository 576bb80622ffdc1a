"""A real InteractiveShell with the magics, and a model that writes what a test tells it to."""

from __future__ import annotations

import builtins
import dataclasses
import itertools
import json
import sys

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import ossnb
from fakes import scripted_model
from ossnb.generation.question import Question
from ossnb.page.defaults import set_cell_defaults

SCRIPT = (
    "<|channel|>analysis<|message|>17 + 25<|end|><|start|>assistant<|channel|>final<|message|>It is **42**."
)
_requests = itertools.count()


@pytest.fixture(scope="module")
def ipython():
    builtin_names, main = dict(vars(builtins)), sys.modules["__main__"]
    config = Config()
    config.HistoryManager.hist_file = ":memory:"
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main  # a shell puts its own module there; multiprocessing wants the real one
    for name in set(vars(builtins)) - set(builtin_names):
        delattr(builtins, name)


@pytest.fixture
def shell(ipython, monkeypatch):
    """A shell with the magics freshly loaded; `use(script)` gives it a model, `asked` are its prompts."""
    ipython.reset()
    ipython.asked = []
    monkeypatch.delattr("sys.last_value", raising=False)

    def use(script):
        model = scripted_model(script)
        ask = model.ask

        def remember(question, **more):
            if question.prompt is None:  # no raw text
                ipython.asked.append((prompt_of(question), settings_of(question)))
            return ask(question, **more)

        monkeypatch.setattr(model, "ask", remember)
        ossnb.set_default_model(model)
        return model

    ipython.use = use
    use(SCRIPT)
    ipython.extension_manager.load_extension("ossnb")
    yield ipython
    ossnb.unload_ipython_extension(ipython)
    ossnb.set_default_model(None)
    ipython.extension_manager.loaded.discard("ossnb")
    set_cell_defaults({})


def run(shell, source, capsys):
    """Run a cell; return its result, and what it printed."""
    capsys.readouterr()
    result = shell.run_cell(source, store_history=True)
    captured = capsys.readouterr()
    return result, captured.out, captured.err


def fails(shell, source, capsys):
    """Run a cell that must be refused in one line, as wrong use; return what it said."""
    shell.asked.clear()
    result, out, err = run(shell, source, capsys)
    assert not result.success, "the run goes on"
    assert type(result.error_in_exec).__name__ == "UsageError", result.error_in_exec
    assert "Traceback" not in out + err
    assert not shell.asked, "the model was asked"
    return out + err


def prompt_of(question):
    """A question's text; its messages where there are several."""
    messages = question.messages
    return messages[0].content if len(messages) == 1 else messages


def settings_of(question):
    """The settings of a question that are not the defaults."""
    plain = Question.of("")
    named = {name: getattr(question, name) for name in ("effort", "instructions")}
    named = {name: value for name, value in named.items() if value != getattr(plain, name)}
    sampling = dataclasses.asdict(question.sampling)
    return named | {n: value for n, value in sampling.items() if value != getattr(plain.sampling, n)}


def texts(prompt):
    """What user and model said in a prompt."""
    if isinstance(prompt, str):
        return [prompt]
    return [message.content for message in prompt if message.channel in (None, "final")]


class NotebookPage:
    """A notebook whose cells a kernel's shell runs: outputs are kept by cell, as a front end keeps them.

    `names_cells` False is a front end that does not tell which cell it runs.
    """

    def __init__(self, shell, monkeypatch, names_cells=True):
        self.shell, self.names_cells = shell, names_cells
        self.cells = {}  # id → (source, display id → (data, metadata))
        self._running = None
        monkeypatch.setattr(shell, "kernel", object(), raising=False)
        monkeypatch.setattr(shell, "get_parent", self._request, raising=False)
        monkeypatch.setattr(shell.display_pub, "publish", self._publish)

    def _request(self):
        metadata = {"cellId": self._running[0]} if self.names_cells else {}
        return {"header": {"msg_id": self._running[1]}, "metadata": metadata}

    def _publish(self, data, metadata=None, *, transient=None, **_):
        json.dumps([data, metadata])
        self.cells[self._running[0]][1][transient["display_id"]] = (data, metadata or {})

    def run(self, name, source):
        """Run a cell, as first or again; its outputs are those of its last run."""
        self._running = (name, str(next(_requests)))
        self.cells[name] = (source, {})
        return self.shell.run_cell(source, store_history=True)

    def outputs(self, name):
        """The (data, metadata) of a cell, from top to bottom."""
        return list(self.cells[name][1].values())

    def figures(self, name):
        return self.outputs(name)[-1][0]["text/plain"]

    def save(self, path):
        notebook = nbformat.v4.new_notebook()
        for name, (source, _) in self.cells.items():
            cell = nbformat.v4.new_code_cell(source, id=name)
            cell.outputs = [
                nbformat.v4.new_output("display_data", data, metadata=metadata)
                for data, metadata in self.outputs(name)
            ]
            notebook.cells.append(cell)
        nbformat.write(notebook, path)
        return path
