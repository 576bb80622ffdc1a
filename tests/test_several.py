"""`%%oss --n`: several answers in one cell, side by side."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from ossnb.notebook.stopping import Stopped
from shells import fails, ipython, run, shell

__all__ = ["ipython", "shell"]  # fixtures


def test_answers_stand_side_by_side_and_have_a_name(shell, capsys):
    result, out, _ = run(shell, "%%oss jokes << --n 3 --seed 7\nHi", capsys)
    assert result.success
    replies = shell.user_ns["jokes"]
    assert [reply.seed for reply in replies] == [7, 8, 9]
    assert shell.user_ns["_oss"] is replies
    assert shell.user_ns["_"] is replies
    assert "3 replies, the same token for token" in out
    assert out.rstrip().endswith("· seeds 7 to 9 · fake")
    assert [settings["seed"] for _, settings in shell.asked] == [7, 8, 9]


def test_they_are_asked_again_with_other_settings(shell, capsys):
    run(shell, "%%oss --n 2\nHi", capsys)
    result, _, _ = run(shell, "%oss again --n 3 --effort low", capsys)
    assert result.success
    assert [reply.effort for reply in shell.user_ns["_oss"]] == ["low"] * 3


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--n 0", "--n must be in 1..12, got 0"),
        ("--n 13", "--n must be in 1..12, got 13"),
        ("--n two", "needs a whole number, got 'two'"),
        ("--n 2 --chat tutor", "--n writes several answers, and --chat takes one"),
        ("--n 2 --code", "--n writes several answers, and --code takes one"),
        ("--n 2 --raw", "--n writes several answers, and --raw takes one"),
    ],
)
def test_flags_that_do_not_go_with_it_are_refused(shell, capsys, flags, said):
    assert said in fails(shell, f"%%oss {flags}\nHi", capsys)


def test_an_interrupt_shows_what_is_written(shell, capsys):
    model = shell.use("<|channel|>final<|message|>" + "word " * 400)
    model.engine.core.before_forward = lambda n: time.sleep(0.002)
    threading.Timer(0.8, signal.raise_signal, [signal.SIGINT]).start()
    result, out, err = run(shell, "%%oss --n 2 --seed 1\nHi", capsys)
    assert type(result.error_in_exec) is Stopped
    assert "2 of them stopped" in out
    assert "Traceback" not in out + err
    assert all(reply.text.startswith("word") for reply in shell.user_ns["_oss"])
