"""The examples in docstrings run on the embedded model, and give what they say.

What an example may use without making it: `ossnb`, `np`, `Path`, the names of its module, and READY below.
OSSNB_WRITE_OUTPUTS=1 writes anew what they say; look at the difference.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import doctest
import functools
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import ossnb
import renewal
from ossnb.checkpoint.demo import expand

SOURCES = Path(ossnb.__file__).parent
MODULES = [
    ".".join(["ossnb", *path.relative_to(SOURCES).with_suffix("").parts]).removesuffix(".__init__")
    for path in sorted(SOURCES.rglob("*.py"))
    if ">>>" in path.read_text()
]
QUESTION = "What is 17 + 25?"


@functools.cache
def model():
    return ossnb.load("demo")


@functools.cache
def reply():
    return model().generate(QUESTION, temperature=0)


READY = {
    "model": model,
    "reply": reply,  # an answer to QUESTION
    "chat": lambda: model().chat(),
    "folder": expand,  # the model's checkpoint
}


def run_awaiting(source, names):
    """Run a statement with `await` or `async for` in an event loop, as a notebook does."""
    code = compile(source, "<example>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    asyncio.run(eval(code, names))


def prepare(test):
    """Put what the examples use beside the names of their module."""
    ossnb.set_default_model(model())
    used = set()
    for example in test.examples:
        try:
            used |= {node.id for node in ast.walk(ast.parse(example.source)) if isinstance(node, ast.Name)}
        except SyntaxError:  # doctest reports it
            continue
        if re.search(r"\b(await|async)\b", example.source):
            example.source = f"run_awaiting({example.source!r}, globals())\n"
    test.globs |= {"ossnb": ossnb, "np": np, "Path": Path, "run_awaiting": run_awaiting}
    test.globs |= {name: READY[name]() for name in used & READY.keys() - test.globs.keys()}


def examples(name):
    """The docstrings of a module that have examples."""
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "_", None, raising=False)  # doctest leaves its last value there
    report: list[str] = []
    recorder = renewal.Recorder()
    runner = recorder if renewal.is_asked_for() else doctest.DocTestRunner()
    for test in examples(name):
        prepare(test)
        runner.run(test, out=report.append)
    ossnb.set_default_model(None)
    renewal.write_docstrings(recorder.differing)
    assert not report, "".join(report)


@pytest.mark.parametrize("name", MODULES)
def test_an_example_that_does_not_run_says_why(name):
    """A comment before the directive: `# downloads 13 GB  # doctest: +SKIP`."""
    lines = inspect.getsource(importlib.import_module(name)).splitlines()
    skipped = [line for line in lines if re.search(r"doctest:.*\+SKIP", line)]
    silent = [line for line in skipped if not re.search(r"#\s*\w[^#]+#\s*doctest:", line)]
    assert not silent, "\n".join(silent)
