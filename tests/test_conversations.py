"""Conversations of cells: a cell that runs again, histories, and what a restart of the kernel leaves."""

from __future__ import annotations

import json

import pytest
from markdown_it import MarkdownIt

import ossnb
from fakes import scripted_model
from ossnb import loader
from ossnb.notebook.restore import read_notebook
from ossnb.saved.notebook import find_notebook
from shells import NotebookPage, fails, ipython, run, shell, texts
from test_display import ATTACKS, Tags, assert_inert

FIXTURES = ipython, shell


@pytest.fixture
def page(shell, monkeypatch):
    """A notebook in a front end that names its cells, with a model that answers "Yes."."""
    shell.use("<|channel|>final<|message|>Yes.")
    return NotebookPage(shell, monkeypatch)


def said(shell, name="a"):
    """What the user said in a conversation."""
    messages = shell.find_cell_magic("oss").__self__.chats[name].chat.messages
    return [message.content for message in messages if message.role == "user"]


def three_turns(page):
    for cell, text in (("c1", "first"), ("c2", "second"), ("c3", "third")):
        assert page.run(cell, f"%%oss --chat a\n{text}").success


# ---- a cell that runs again --------------------------------------------------------------------------------


def test_an_edited_cell_goes_on_from_what_came_before_it(shell, page):
    three_turns(page)
    assert page.run("c2", "%%oss --chat a\nsecond, edited").success
    assert texts(shell.asked[-1][0]) == ["first", "Yes.", "second, edited"]
    assert said(shell) == ["first", "second, edited"]
    reply = shell.user_ns["_oss"]
    assert reply.stats.n_cached_tokens > 0.7 * reply.stats.n_prompt_tokens, "the beginning is not read again"
    figures = page.figures("c2")
    assert figures.startswith("a, turn 2 (1 later turn dropped) · ")
    assert f"reused {reply.stats.n_cached_tokens} of {reply.stats.n_prompt_tokens} tokens" in figures
    page.run("c3", "%%oss --chat a\nthird")
    page.run("c4", "%%oss --chat a\nfourth")
    assert said(shell) == ["first", "second, edited", "third", "fourth"]


def test_running_all_cells_again_says_every_turn_once(shell, page):
    three_turns(page)
    three_turns(page)
    assert said(shell) == ["first", "second", "third"]
    assert page.figures("c3").startswith("a, turn 3 · ")


def test_an_attempt_that_gives_nothing_drops_nothing(shell, page):
    three_turns(page)

    def interrupt(n_calls):
        raise KeyboardInterrupt

    core, before = ossnb.default_model().engine.core, ossnb.default_model().engine.core.before_forward
    core.before_forward = interrupt
    assert not page.run("c1", "%%oss --chat a\nfirst, edited").success
    assert said(shell) == ["first", "second", "third"]
    assert "a is as it was before" in page.figures("c1")
    core.before_forward = before
    assert not page.run("c1", "%%oss --chat a\n" + "long " * 5000).success, "the context is full"
    assert said(shell) == ["first", "second", "third"]


def test_a_loop_in_one_cell_has_a_turn_for_each_question(shell, page):
    code = "for text in ('x', 'y'):\n    get_ipython().run_cell_magic('oss', '--chat a', text)"
    page.run("c1", code)
    page.run("c2", "%%oss --chat a\nz")
    assert said(shell) == ["x", "y", "z"]
    page.run("c1", code)
    assert said(shell) == ["x", "y"]


def test_a_history_edited_in_python_is_taken_as_it_is(shell, page):
    three_turns(page)
    del shell.user_ns["_chat"].messages[:2]
    page.run("c2", "%%oss --chat a\nsecond, edited")
    assert said(shell) == ["second, edited"]
    page.run("c1", "%%oss --chat a\nfirst")
    assert said(shell) == ["second, edited", "first"], "its turn is gone, so it is a new one"


def test_without_names_of_cells_the_same_text_twice_is_one_turn(shell, monkeypatch):
    page = NotebookPage(shell, monkeypatch, names_cells=False)
    for text in ("first", "second", "second", "first"):
        page.run("c", f"%%oss --chat a\n{text}")
    assert said(shell) == ["first", "second", "first"]


def test_in_a_terminal_every_line_is_new(shell, capsys):
    for _ in range(2):
        run(shell, "%%oss --chat a\nGo on.", capsys)
    assert said(shell) == ["Go on.", "Go on."]


# ---- again -------------------------------------------------------------------------------------------------


def test_again_takes_the_place_of_the_turn(shell, page):
    three_turns(page)
    page.run("c4", "%oss again --temperature 0.5")
    assert said(shell) == ["first", "second", "third"]
    assert texts(shell.asked[-1][0]) == ["first", "Yes.", "second", "Yes.", "third"]
    assert shell.asked[-1][1]["temperature"] == 0.5
    page.run("c3", "%%oss --chat a\nthird, edited")
    assert said(shell) == ["first", "second", "third, edited"], "the turn still belongs to its cell"


# ---- history -----------------------------------------------------------------------------------------------


def test_history_tells_what_was_said(shell, capsys):
    _, out, _ = run(shell, "%oss history", capsys)
    assert "there is no conversation" in out
    run(shell, '%%oss --chat tutor --instructions "Be brief."\nWhat is 17 + 25?', capsys)
    for line in ("%oss history", "%oss history tutor"):
        _, out, _ = run(shell, line, capsys)
        assert out == ("tutor: 1 turn with fake, told: Be brief.\n\n[1] What is 17 + 25?\nIt is **42**.\n"), (
            "the answer, without the thoughts"
        )
    run(shell, "%%oss --chat other\nHi", capsys)
    _, out, _ = run(shell, "%oss history", capsys)
    assert out == "tutor: 1 turn, What is 17 + 25?\nother: 1 turn, Hi\n"
    assert "there is no chat 'tuto'; did you mean tutor?" in fails(shell, "%oss history tuto", capsys)
    assert "takes one word" in fails(shell, "%oss history tutor other", capsys)


def test_history_is_markdown_in_which_nothing_is_active(shell, monkeypatch):
    attack = "\n\n".join(ATTACKS)
    shell.use(f"<|channel|>final<|message|>{attack}\n```python\nx = '<b>'")
    page = NotebookPage(shell, monkeypatch)
    page.run("c1", f"%%oss --chat a\n{attack}\n\n</div><script>alert(2)</script>")
    page.run("c2", "%oss history a")
    ((data, _),) = page.outputs("c2")
    shown = Tags(MarkdownIt("commonmark", {"html": True}).enable("table").render(data["text/markdown"]))
    assert_inert(shown)
    assert "<script>alert(2)</script>" in shown.text
    assert "x = '<b>'" in shown.text
    assert "[1] " + attack in data["text/plain"]


def test_reloading_the_extension_forgets_nothing(shell, page, capsys):
    three_turns(page)
    result, _, _ = run(shell, "%reload_ext ossnb", capsys)
    assert result.success
    page.run("c4", "%%oss --chat a\nfourth")
    assert said(shell) == ["first", "second", "third", "fourth"]
    run(shell, "%reload_ext ossnb\n%reload_ext ossnb", capsys)
    page.run("c2", "%%oss --chat a\nsecond, edited")
    assert said(shell) == ["first", "second, edited"], "cells keep their turns"
    run(shell, "%reload_ext ossnb\n%oss again", capsys)
    assert said(shell) == ["first", "second, edited"]
    run(shell, "%unload_ext ossnb\n%load_ext ossnb", capsys)
    _, out, _ = run(shell, "%oss history", capsys)
    assert "there is no conversation" in out, "who unloads it is done with it"


# ---- restore -----------------------------------------------------------------------------------------------


@pytest.fixture
def restart(shell):
    """Forget all that a kernel's restart would make it forget."""

    def forget():
        ossnb.unload_ipython_extension(shell)
        shell.asked.clear()
        ossnb.load_ipython_extension(shell)

    return forget


def test_a_chat_is_what_it_was_after_a_restart(shell, page, restart, tmp_path, capsys):
    shell.user_ns["name"] = "Ada"
    page.run("c0", '%%oss --chat a --instructions "Be brief."\nI am {{name}}. 🙂 שלום')
    page.run("c1", "%%oss --chat b\nHi")
    page.run("c2", "%%oss --chat a\nWho am I?")
    before = list(shell.find_cell_magic("oss").__self__.chats["a"].chat.messages)
    path = page.save(tmp_path / "my lesson.ipynb")
    restart()
    _, out, _ = run(shell, f"%oss restore '{path}'", capsys)
    assert out == "from my lesson.ipynb, as it was saved:\na: 2 turns\nb: 1 turn\n"
    kept = shell.find_cell_magic("oss").__self__.chats["a"].chat
    assert kept.messages == before
    assert kept.instructions == "Be brief."
    page.run("c2", "%%oss --chat a\nWhat is my name?")
    assert said(shell) == ["I am Ada. 🙂 שלום", "What is my name?"], "cells keep their turns too"
    _, out, _ = run(shell, f"%oss restore '{path}'", capsys)
    assert "a: goes on already; `%oss reset a` ends it" in out
    assert said(shell) == ["I am Ada. 🙂 שלום", "What is my name?"]


@pytest.mark.parametrize("n_calls", [4, 12], ids=["in its thoughts", "in its answer"])
def test_a_turn_that_an_error_ended_comes_back_too(shell, page, restart, tmp_path, capsys, n_calls):
    model = shell.use("<|channel|>analysis<|message|>Well, well.<|end|>"
                      "<|start|>assistant<|channel|>final<|message|>It is so.")  # fmt: skip
    page.run("c1", "%%oss --chat a\nfirst")
    begun = len(model.engine.core.computed)

    def fail(n):
        if n - begun >= n_calls:  # nor when what was only kept has given way
            raise MemoryError("no room for the next block")

    model.engine.core.before_forward = fail
    assert isinstance(page.run("c2", "%%oss --chat a\nsecond").error_in_exec, MemoryError)
    before = list(shell.find_cell_magic("oss").__self__.chats["a"].chat.messages)
    assert said(shell) == ["first", "second"]
    path = page.save(tmp_path / "n.ipynb")
    restart()
    _, out, _ = run(shell, f"%oss restore {path}", capsys)
    assert "a: 2 turns\n" in out
    assert shell.find_cell_magic("oss").__self__.chats["a"].chat.messages == before


def test_outputs_of_dropped_turns_stay_dropped(shell, page, restart, tmp_path, capsys):
    three_turns(page)
    page.run("c2", "%%oss --chat a\nsecond, edited")
    page.run("c4", "%%oss --chat a\nfourth")
    page.run("c5", "%oss again")
    path = page.save(tmp_path / "n.ipynb")
    restart()
    _, out, _ = run(shell, f"%oss restore {path}", capsys)
    assert "a: 3 turns\n" in out
    assert said(shell) == ["first", "second, edited", "fourth"]


def test_turns_whose_beginning_is_missing_are_told(shell, page, restart, tmp_path, capsys):
    three_turns(page)
    del page.cells["c2"]
    path = page.save(tmp_path / "n.ipynb")
    restart()
    _, out, _ = run(shell, f"%oss restore {path}", capsys)
    assert "a: 1 turn; 1 later left out" in out
    assert said(shell) == ["first"]
    del page.cells["c1"]
    restart()
    _, out, _ = run(shell, f"%oss restore {page.save(path)}", capsys)
    assert "a: not taken up" in out


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda chat, reply: reply.update(version=2), "version 2 of a reply was written by a newer ossnb"),
        (lambda chat, reply: reply.pop("format"), "a reply must have format, which is missing"),
        (lambda chat, reply: reply.update(chat=[]), "chat must be an object, got list"),
        (lambda chat, reply: chat.pop("place"), "chat must have chat.place, which is missing"),
        (lambda chat, reply: chat.update(instructions=1), "chat.instructions must be text or null, got 1"),
        (lambda chat, reply: chat["messages"][0].update(role="boss"), "role must be one of"),
        (lambda chat, reply: chat["messages"][0].update(content=1), "content must be text, got 1"),
        (lambda chat, reply: chat["messages"][0].update(run="x"), "unknown field 'run'"),
        (lambda chat, reply: chat.update(messages=[]), "at least one message"),
        (lambda chat, reply: chat.update(time=None), "time must be text, got None"),
        (lambda chat, reply: chat["messages"][0].update(content="forged"), "not taken up"),
    ],
)
def test_a_damaged_turn_is_left_out_and_told(shell, page, restart, tmp_path, capsys, change, why):
    page.run("c1", "%%oss --chat a\nfirst")
    path = page.save(tmp_path / "n.ipynb")
    notebook = json.loads(path.read_text())
    reply = notebook["cells"][0]["outputs"][0]["metadata"]["ossnb"]
    change(reply["chat"], reply)
    path.write_text(json.dumps(notebook))
    restart()
    result, out, _ = run(shell, f"%oss restore {path}", capsys)
    assert result.success
    assert why in out
    assert "a" not in shell.find_cell_magic("oss").__self__.chats


def test_a_chat_goes_on_with_the_model_there_is(shell, page, restart, tmp_path, capsys):
    page.run("c1", "%%oss --chat a\nfirst")
    path = page.save(tmp_path / "n.ipynb")
    restart()
    other = scripted_model("<|channel|>final<|message|>Yes.")
    other.source = "20b"
    ossnb.set_default_model(other)
    _, out, _ = run(shell, f"%oss restore {path}", capsys)
    assert "a: 1 turn; begun with fake, goes on with 20b" in out


@pytest.fixture
def loads(monkeypatch):
    """The names of the models that are loaded from now on; each is another object."""
    found = []

    def load(source=None, **settings):
        found.append(source)
        model = scripted_model("<|channel|>final<|message|>Yes.")
        model.source = source or "demo"
        return model

    monkeypatch.setattr(loader, "load", load)
    ossnb.set_default_model(None)
    return found


@pytest.mark.parametrize("between", ["restart", "%oss load 20b", "%oss load demo"])
def test_a_chat_whose_cells_name_their_model_goes_on(shell, page, restart, loads, tmp_path, capsys, between):
    line = "%%oss --model demo --chat a"
    assert page.run("c1", f"{line}\nfirst").success
    path = page.save(tmp_path / "n.ipynb")
    if between == "restart":
        restart()
        ossnb.set_default_model(None)
        run(shell, f"%oss restore {path}", capsys)
    else:
        assert run(shell, between, capsys)[0].success
    loads.clear()
    model = shell.find_cell_magic("oss").__self__.chats["a"].chat.model
    for cell in ("c2", "c3"):
        result = page.run(cell, f"{line}\n{cell} {{{{'word ' * 50}}}}")
        assert result.success, result.error_in_exec
    assert loads == [], "no model is loaded a second time"
    assert [text[:5] for text in said(shell)] == ["first", "c2 wo", "c3 wo"]
    assert shell.find_cell_magic("oss").__self__.chats["a"].chat.model is model
    assert page.run("c4", "%%oss --model demo\nHi").success
    assert loads == [], "nor for another question"
    told = fails(shell, "%%oss --model 120b --chat a\nHi", capsys)
    assert "the chat 'a' runs on demo; `%oss reset a` ends it" in told
    assert "120b" not in loads, "none is loaded to be refused"


def test_a_name_twice_is_reset_once(shell, page, capsys):
    page.run("c1", "%%oss --chat a\nfirst")
    _, out, _ = run(shell, "%oss reset a a", capsys)
    assert out == "forgot a\n"


def test_the_notebook_is_found_where_the_front_end_tells(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text("{}")
    assert find_notebook({}, {"JPY_SESSION_NAME": str(path)}, "restore") == path
    assert (
        find_notebook({"__vsc_ipynb_file__": str(path)}, {"JPY_SESSION_NAME": "elsewhere.ipynb"}, "restore")
        == path
    )
    with pytest.raises(ValueError, match=r"gone\.ipynb is not there \(any more\); give the path"):
        find_notebook({}, {"JPY_SESSION_NAME": str(tmp_path / "gone.ipynb")}, "restore")
    for environment in ({}, {"JPY_SESSION_NAME": "Console 1"}):
        with pytest.raises(ValueError, match=r"does not tell its notebook; give the path: `%oss restore"):
            find_notebook({}, environment, "restore")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no notebook"),
        ("not JSON", "is not a notebook: it must be a JSON file"),
        ("[]", "not a notebook of format 4"),
        ('{"worksheets": []}', "not a notebook of format 4"),
        ("[" * 100_000, "is not a notebook"),
    ],
)
def test_other_files_are_refused(shell, capsys, tmp_path, content, why):
    path = tmp_path / "n.ipynb"
    if content is not None:
        path.write_text(content)
    assert why in fails(shell, f"%oss restore {path}", capsys)


def test_odd_notebooks_have_no_conversation(tmp_path, shell, capsys, monkeypatch):
    path = tmp_path / "n.ipynb"
    cells = [1, {}, {"outputs": 3}, {"outputs": [2, {"metadata": []}, {"metadata": {"ossnb": {"seed": 1}}}]}]
    path.write_text(json.dumps({"cells": cells}))
    assert read_notebook(path) == ({}, [])
    monkeypatch.chdir(tmp_path)
    _, out, _ = run(shell, "%oss restore n.ipynb", capsys)
    assert "n.ipynb has no conversation in it" in out
