"""`%%oss --n`: several answers in one cell, side by side."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from IPython.utils.capture import capture_output

import ossnb
from fakes import wait_until
from ossnb.many.answers import Answers
from ossnb.notebook.progress import NotebookProgress
from ossnb.notebook.several import show_rows
from ossnb.notebook.stopping import Stopped
from shells import NotebookPage, fails, ipython, run, shell
from starting import MOMENTS, interrupt_the_start

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


def test_one_answer_is_shown_as_every_answer_is(shell, capsys):
    result, out, err = run(shell, "%%oss jokes << --n 1 --seed 7\nHi", capsys)
    assert result.success, err
    (reply,) = shell.user_ns["jokes"]
    assert "It is **42**." in out
    assert out.rstrip().endswith("seed 7 · fake")
    _, out, _ = run(shell, "%oss show", capsys)
    assert "It is **42**." in out
    assert run(shell, "%oss again", capsys)[0].success
    assert [again.seed == reply.seed for again in shell.user_ns["_oss"]] == [False]


def test_one_answer_comes_again_in_verify(shell, capsys, monkeypatch, tmp_path):
    page = NotebookPage(shell, monkeypatch)
    assert page.run("a", "%%oss --n 1 --seed 7\nHi").success
    assert [data["text/plain"] for data, _ in page.outputs("a")][1] == "It is **42**."
    path = page.save(tmp_path / "n.ipynb")
    _, out, _ = run(shell, f"%oss verify {path}", capsys)
    assert "1 answer: 1 identical, 0 diverged, 0 not verified" in out


@pytest.mark.parametrize("n_passes", range(5))
def test_an_early_interrupt_shows_what_there_is(shell, capsys, n_passes):
    """The first pass reads the prompt for all, and each answer begins by one of its own."""
    core, stopped = shell.use("<|channel|>final<|message|>" + "word " * 400).engine.core, []

    def interrupt(n):
        if len(core.passes) >= n_passes and not stopped:
            stopped.append(n)
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.3)

    core.before_forward = interrupt
    result, out, err = run(shell, "%%oss --n 2 --seed 1\nHi", capsys)
    assert type(result.error_in_exec) is Stopped
    assert "Traceback" not in out + err
    assert "stopped" in out
    replies = shell.user_ns["_oss"]
    assert {reply.finish_reason for reply in replies} <= {"cancelled", "interrupted"}
    assert all(
        f"seed {reply.seed}" in out or f"seed={reply.seed}" in out for reply in replies if reply.tokens
    )


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupt_that_comes_while_a_thread_starts_leaves_none_running(shell, monkeypatch, moment):
    model = shell.use("<|channel|>final<|message|>" + "word " * 400)
    wait_for_the_late = interrupt_the_start(monkeypatch, "one of many, number 1", moment)
    with pytest.raises(ossnb.Interrupted) as stopped:
        model.samples("Hi", 2, seed=1)
    replies = stopped.value.replies
    assert [reply.finish_reason for reply in replies] == ["cancelled", "cancelled"]
    n_passes = len(model.engine.core.passes)
    wait_for_the_late()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("one of many")])
    assert len(model.engine.core.passes) == n_passes


def test_of_answers_that_did_not_all_begin_the_others_are_shown(shell, capsys, monkeypatch):
    """Three answers are interrupted when two, one and none of them have begun."""
    model = shell.use("<|channel|>final<|message|>Hello.<|return|>")
    begun = [model.generate("Hi", seed=seed) for seed in (1, 2)]
    for n_begun, said in (
        (2, ["2 replies, the same token for token", "3 answers"]),
        (1, ["Hello.\n", "2 further answers not begun", "seed 1"]),
        (0, ["stopped · 2 further answers not begun · 0 tokens"]),
    ):
        replies = [*begun[:n_begun], *[empty(model)] * (3 - n_begun)]

        def interrupted(*arguments, replies=replies):
            raise ossnb.Interrupted(replies[0], replies=replies)

        monkeypatch.setattr("ossnb.notebook.magic.samples", interrupted)
        result, out, err = run(shell, "%%oss --n 3\nHi", capsys)
        assert type(result.error_in_exec) is Stopped, err
        assert all(words in out for words in said), out
        assert shell.user_ns["_oss"] == replies


def empty(model):
    """A reply that was stopped before it began."""
    stream = model.stream("Hi", seed=9)
    stream.close("interrupted")
    return stream.reply


# ---- rows --------------------------------------------------------------------------------------------------


def test_each_row_of_a_variable_is_asked(shell, capsys):
    shell.user_ns["rows"] = [{"word": "cat"}, {"word": "dog"}, {"wrod": "x"}]
    result, out, _ = run(shell, "%%oss table << --map rows --seed 3\nSpell {word}. {{x}}", capsys)
    assert result.success
    answers = shell.user_ns["table"]
    assert [prompt for prompt, _ in shell.asked] == ["Spell cat. {x}", "Spell dog. {x}"]
    assert (len(answers.found), answers[2].error[:10], answers.seed) == (3, "ValueError", 3)
    assert "It is **42**." in out
    assert "3 of 3 rows · 1 error · " in out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--map nowhere\n{}", "--map names a variable with rows, and there is no 'nowhere'"),
        ("--map number\n{}", "map takes rows"),
        ("--map rows --n 2\n{}", "--map asks once for each row, and --n several times; give one of them"),
        ("--map rows --chat x\n{}", "--map writes several answers, and --chat takes one"),
        ("--map rows\n{", "has a mistake"),
    ],
)
def test_rows_that_cannot_be_asked_are_told(shell, capsys, line, said):
    shell.user_ns |= {"rows": ["a"], "number": 5}
    assert said in fails(shell, f"%%oss {line}", capsys)


def test_an_interrupted_map_shows_and_keeps_its_rows(shell, capsys):
    model = shell.use("<|channel|>final<|message|>Hello.<|return|>")
    core, interrupts = model.engine.core, []

    def interrupt_after_some_rows(n):
        time.sleep(0.01)
        if len(core.passes) > 30 and not interrupts:
            interrupts.append(signal.raise_signal(signal.SIGINT))

    core.before_forward = interrupt_after_some_rows
    shell.user_ns["rows"] = [str(i) for i in range(400)]
    result, out, _ = run(shell, "%%oss --map rows\nSay {}", capsys)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    found = shell.user_ns["_oss"].found
    assert 0 < len(found) < 400
    assert f"{len(found)} of 400 rows" in out


def test_a_bar_is_drawn_again_for_new_figures_though_it_has_not_moved(shell, monkeypatch):
    """As of a few long answers: the tokens grow, and none is finished."""
    NotebookPage(shell, monkeypatch)
    drawn, figures, now = [], "0 tokens", 0.0
    monkeypatch.setattr(
        "ossnb.page.output.Output.show", lambda self, data, **_: drawn.append(data["text/plain"])
    )
    bar = NotebookProgress("2 answers to write", 2, lambda done: figures, lambda: now)
    for now in range(1, 7):
        figures = f"{now // 2} tokens"
        bar.update(0)
    bar.close()
    assert [text.splitlines()[1] for text in drawn] == [f"{n} tokens" for n in (0, 1, 2, 3, 3)]


def test_what_a_table_shows_is_text(shell, capsys):
    shell.use("<|channel|>final<|message|>\x1b]0;title\x07$x$ <b>bold</b><|return|>")
    shell.user_ns["rows"] = ["a"]
    result, out, _ = run(shell, "%%oss --map rows\nSay {}", capsys)
    assert result.success
    assert "\x1b" not in out
    with capture_output() as captured:
        show_rows(shell.user_ns["_oss"])
    (table,) = [shown.data for shown in captured.outputs]
    assert table["text/html"].startswith('<div class="tex2jax_ignore mathjax_ignore">')
    assert "<b>" not in table["text/html"]
    assert "\x1b" not in table["text/plain"]
    assert "1 of 1 row" in captured.stdout


class Panic(BaseException):
    """As those of polars are."""


@pytest.mark.parametrize("error", [Panic, RuntimeError, ImportError])
def test_a_table_that_fails_gives_way_to_lines_and_hides_no_interrupt(shell, capsys, monkeypatch, error):
    def fail(self, *arguments, **settings):
        raise error("no table")

    monkeypatch.setattr(Answers, "to_frame", fail)
    shell.user_ns["rows"] = ["a"]
    result, out, _ = run(shell, "%%oss --map rows\nSay {}", capsys)
    assert result.success
    assert "It is **42**." in out
    assert "1 of 1 row" in out

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Answers, "run", interrupted)
    result, _, _ = run(shell, "%%oss --map rows\nSay {}", capsys)
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
