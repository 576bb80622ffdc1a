"""The examples in docstrings run, and give what they say."""

from __future__ import annotations

import builtins
import doctest
import importlib

import pytest

import ossnb

MODULES = [
    "attention",
    "bench",
    "checkpoint",
    "config",
    "doctor",
    "harmony",
    "messages",
    "notebook.commands",
    "notebook.complete",
    "notebook.defaults",
    "notebook.interpolate",
    "notebook.options",
    "parser",
    "progress",
    "sampling",
    "stops",
    "testing",
    "trace",
    "verify",
    "views.markup",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(builtins, "_", None, raising=False)  # doctest leaves its last value there
    module = importlib.import_module(f"ossnb.{name}")
    result = doctest.testmod(module, extraglobs={"ossnb": ossnb})
    assert result.attempted > 0
    assert result.failed == 0
