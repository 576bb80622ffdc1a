"""The log: opt-in, one place for every reply, and never an answer's enemy."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import ossnb
from fakes import scripted_model
from ossnb import log
from ossnb.command import cli
from shells import ipython, run, shell

FIXTURES = ipython, shell

HELLO = "<|channel|>final<|message|>Hello Füchsin.<|return|>"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A home of its own, in which the log is off."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("OSSNB_LOG")
    return tmp_path / "state" / "ossnb"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A log that a variable names."""
    monkeypatch.setenv("OSSNB_LOG", str(tmp_path / "logs" / "my log #1.sqlite"))
    return tmp_path / "logs" / "my log #1.sqlite"


@pytest.fixture
def main(capsys):
    def run(*arguments):
        capsys.readouterr()
        try:
            code = cli.main(["log", *map(str, arguments)])
        except SystemExit as exit:
            code = int(exit.code or 0)
        return code, *capsys.readouterr()

    return run


def ask(prompt="Hi", **settings):
    return scripted_model(HELLO).generate(prompt, **settings)


def test_it_is_off_until_someone_wants_it(state):
    ask()
    assert log.current() is None
    assert not state.exists()


def test_without_a_home_it_is_off_and_silent(monkeypatch, main, capsys):
    def homeless():
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(log.Path, "home", homeless)
    ask()
    assert capsys.readouterr().err == ""
    code, _, err = main("on")
    assert code == 1
    assert err == "error: this user has no home folder; name a file in OSSNB_LOG\n"


@pytest.mark.parametrize("content", [b"", b"on", b"off\n", b"\xff\n\xfe\n"])
def test_a_switch_that_was_damaged(state, content, capsys):
    state.mkdir(parents=True)
    (state / "log-switch").write_bytes(content)
    assert ask().text == "Hello Füchsin."
    assert capsys.readouterr().err == ""
    assert (state / "log.sqlite").exists() == (content == b"on")


def test_every_way_to_ask_is_kept(file):
    model = scripted_model(HELLO)
    model.generate("one")
    list(model.stream("two"))
    model.chat("Be brief.").say("three")
    asyncio.run(model.agenerate("four"))
    model.complete("five", max_tokens=2)
    reply = model.generate("six")
    branch = reply.branch(3, "x")
    kept = log.Log(file)
    assert [entry.asked for entry in reversed(kept.entries())] == [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "six",
    ]
    assert kept.reply() == branch
    assert kept.reply(6) == reply
    assert kept.question(3)["instructions"] == "Be brief."
    assert kept.count() == 7


def test_cells_are_kept(file, shell, capsys):
    run(shell, "%%oss --seed 7 --chat a\nHi", capsys)
    (entry,) = log.Log(file).entries()
    assert (entry.asked, log.Log(file).reply()) == ("Hi", shell.user_ns["_oss"])


def test_a_stopped_answer_is_kept_and_one_that_never_began_is_not(file):
    stream = scripted_model(HELLO).stream("Hi")
    for event in stream:
        if event.kind == "answer":
            break
    stream.close()
    scripted_model(HELLO).stream("never").close()
    (entry,) = log.Log(file).entries()
    assert (entry.text, log.Log(file).reply().finish_reason) == ("Hello", "cancelled")


def test_only_the_owner_may_read_it(file, state):
    before = os.umask(0)
    try:
        ask()
        log.switch_on()
    finally:
        os.umask(before)
    for path in (file, state / "log.sqlite", state / "log-switch"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (file.parent, state):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_on_and_off(main, state, tmp_path, monkeypatch):
    assert main()[1] == f"the log is off: no replies yet; its file: {state / 'log.sqlite'}\n"
    assert main("on")[:2] == (0, f"the log is on: {state / 'log.sqlite'}\n")
    ask()
    assert main()[1].startswith("the log is on: 1 reply, ")
    assert main("on", tmp_path / "other.sqlite")[1] == f"the log is on: {tmp_path / 'other.sqlite'}\n"
    ask("kept elsewhere")
    assert main("off")[1] == f"the log is off; the file stays: {tmp_path / 'other.sqlite'}\n"
    ask("kept nowhere")
    assert [entry["asked"] for entry in json.loads(main("list", "--json")[1])] == ["kept elsewhere"]
    monkeypatch.setenv("OSSNB_LOG", "off")
    assert "OSSNB_LOG is 'off', which goes first" in main("on")[2]
    ask("kept nowhere")
    monkeypatch.setenv("OSSNB_LOG", "on")
    assert "OSSNB_LOG is 'on', which goes first" in main("off")[2]
    ask("kept again")
    assert log.Log(state / "log.sqlite").entries()[0].asked == "kept again"


def test_list_show_and_search(main, file):
    reply = ask("What is a Füchsin?\x1b[2J", seed=2**63)
    ask("Tell me " + "more " * 100, instructions="Be brief.")
    code, out, _ = main("list")
    first, second = out.splitlines()
    assert code == 0
    assert first.split()[0] == "1"
    assert "What is a Füchsin?" in first
    assert "Hello Füchsin." in first
    assert len(second) < 130
    assert main("list", "-n", 1)[1].splitlines() == [second]
    assert main("search", "FÜCHSIN?")[1].splitlines() == [first]
    assert main("search", "100%")[:2] == (0, "")
    assert json.loads(main("show", 1, "--json")[1]) == reply.to_dict()
    out = main("show")[1]
    for words in ("instructions: Be brief.", "user: Tell me more", "answer: Hello Füchsin.", "seed "):
        assert words in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list"], 1, "error: there is no log in "),
        (["show"], 1, "error: there is no log in "),
        (["show", "x"], 2, "takes a number, got 'x'"),
        (["show", "9" * 30], 2, "takes a number, got"),
        (["search"], 2, "needs words"),
        (["list", "-n", "0"], 2, "-n must be at least 1, got 0"),
        (["off", "now"], 2, "takes no further word, got 'now'"),
        (["fly"], 2, "action is one of on, off, list, show, search, got 'fly'"),
        (["on", "~no-such-user/log"], 1, "there is no such user's home"),
    ],
)
def test_wrong_use_is_one_clear_line(main, arguments, code, said):
    got, out, err = main(*arguments)
    assert (got, out) == (code, "")
    assert said in err


def test_a_number_that_is_not_there(main, file):
    ask()
    code, _, err = main("show", 7)
    assert code == 1
    assert "has no reply 7; `ossnb log list` shows the numbers" in err


def damaged(path):
    path.write_bytes(b"this is no database, " * 100)


def another_program(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")


def newer(path):
    log.Log(path).make()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9")


def torn(path):
    log.Log(path).add(ossnb.Question.of("Hi"), ask())
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def a_folder(path):
    path.mkdir()


def a_pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damaged, "is no log, or a damaged one"),
        (torn, "is no log, or a damaged one"),
        (another_program, "is a database of another program"),
        (newer, "was written by a newer ossnb"),
        (a_folder, "is no plain file"),
        (a_pipe, "is no plain file"),
    ],
)
def test_a_log_that_cannot_be_used_is_a_sentence_and_loses_no_answer(
    file, main, capsys, spoil, said, monkeypatch
):
    file.parent.mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("OSSNB_LOG", "off")
        spoil(file)
    capsys.readouterr()
    assert ask().text == "Hello Füchsin."
    noted = capsys.readouterr().err
    assert noted.startswith("note: this answer is not in the log: ")
    assert said in noted
    assert noted.count("\n") == 1
    code, _, err = main("list")
    assert code == 1
    assert err.startswith("error: ")
    assert said in err


@pytest.mark.parametrize("name", ["~no-such-user/log", "/proc/no/such/log"])
def test_a_place_where_no_log_can_be(name, monkeypatch, capsys):
    monkeypatch.setenv("OSSNB_LOG", name)
    assert ask().text == "Hello Füchsin."
    assert "note: this answer is not in the log: " in capsys.readouterr().err


def test_a_log_that_another_program_holds(file, monkeypatch, capsys):
    log.Log(file).make()
    monkeypatch.setattr(log, "PATIENCE_S", 0.05)
    holder = sqlite3.connect(file)
    holder.execute("BEGIN EXCLUSIVE")
    assert ask().text == "Hello Füchsin."
    holder.close()
    assert "cannot be used now: database is locked" in capsys.readouterr().err
    ask()
    assert log.Log(file).count() == 1


def test_a_caller_that_fails_at_the_end_has_its_answer_kept(file):
    def fail(reply):
        raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        scripted_model(HELLO).stream("Hi", on_end=fail).run()
    assert log.Log(file).count() == 1


def test_several_threads_write_one_log(file):
    threads = [threading.Thread(target=ask, args=(f"question {i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = log.Log(file).entries()
    assert sorted(entry.asked for entry in entries) == [f"question {i}" for i in range(8)]
    assert len({entry.id for entry in entries}) == 8


def test_several_threads_make_one_log(tmp_path):
    for i in range(20):
        new = log.Log(tmp_path / f"{i}.sqlite")
        all_here = threading.Barrier(8)

        def make(new=new, all_here=all_here):
            all_here.wait(timeout=60)
            new.make()

        with ThreadPoolExecutor(8) as pool:
            for made in [pool.submit(make) for _ in range(8)]:
                made.result()
        assert new.count() == 0


def test_measurements_are_no_conversations(file):
    with log.paused():
        ask()
    assert not file.exists()


def test_what_another_thread_asks_meanwhile_is_kept(file):
    with log.paused(), ThreadPoolExecutor(1) as pool:
        pool.submit(ask, "from beside").result()
        ask("a check")
    ask("after it")
    assert [entry.asked for entry in log.Log(file).entries()] == ["after it", "from beside"]


def test_the_command_line_keeps_its_answers(file):
    done = subprocess.run(
        [sys.executable, "-m", "ossnb", "run", "--model", "demo", "--temperature", "0", "What is 2 + 2?"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "2 + 2 = 4.\n"
    (entry,) = log.Log(file).entries()
    assert (entry.asked, entry.text) == ("What is 2 + 2?", "2 + 2 = 4.")
