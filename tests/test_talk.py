"""`ossnb chat`: a conversation line by line, in a pipe and on a terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

import ossnb
from fakes import scripted_model
from ossnb import loader
from ossnb.command import cli
from ossnb.testing import write_random_checkpoint

HELLO = (
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>"
)


@pytest.fixture
def chat(monkeypatch, capsys):
    """Say lines to a scripted model; returns the exit code, stdout, stderr and what was asked."""

    def talk(lines, *flags, script=HELLO):
        asked = []
        model = scripted_model(script)
        ask = model.ask
        monkeypatch.setattr(
            model, "ask", lambda question, **more: asked.append(question) or ask(question, **more)
        )
        monkeypatch.setattr(loader, "load", lambda *args, **settings: model)
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        capsys.readouterr()
        code = cli.main(["chat", *map(str, flags)])
        return code, *capsys.readouterr(), asked

    return talk


@pytest.fixture
def folder(tmp_path):
    """Random weights: an answer that does not end by itself."""
    shape = {"vocab_size": 201088, "hidden_size": 32, "num_hidden_layers": 2}
    return write_random_checkpoint(tmp_path / "model", shape, seed=11)


def test_answers_alone_on_stdout_and_the_history_grows(chat):
    code, out, err, asked = chat("Hi\n\n  \nAnd now?\n", "--seed", 7, "--instructions", "Be brief.")
    assert (code, out) == (0, "Hello.\nHello.\n")
    assert [len(question.messages) for question in asked] == [1, 4]
    assert asked[1].messages[0].content == "Hi"
    assert {question.instructions for question in asked} == {"Be brief."}
    assert err.count("seed 7") == 2
    assert "Hm." not in err


def test_the_thought_is_shown_on_request(chat):
    _, out, err, _ = chat("Hi\n", "--show-reasoning")
    assert out == "Hello.\n"
    assert "Hm." in err


def test_a_line_with_a_backslash_goes_on(chat):
    _, _, _, asked = chat("one\\\ntwo\\\nthree\nlast\\")
    assert [question.messages[-1].content for question in asked] == ["one\ntwo\nthree", "last\n"[:-1]]


def test_commands(chat, tmp_path):
    file = tmp_path / "kept.json"
    lines = f"Hi\n/effort low\n/effort\nHi\n/save {file}\n/reset\nHi\n/help\n/quit\nnever said\n"
    code, out, err, asked = chat(lines)
    assert (code, out) == (0, "Hello.\n" * 3)
    assert [(len(question.messages), question.effort) for question in asked] == [
        (1, "medium"),
        (4, "low"),
        (1, "low"),
    ]
    assert len(json.loads(file.read_text())["messages"]) == 6
    assert err.count("effort low\n") == 2
    assert "/save FILE" in err
    assert f"saved to {file}" in err


def test_a_saved_conversation_goes_on(chat, tmp_path):
    chat(f"Hi\n/save {tmp_path / 'kept.json'}\n")
    code, out, err, asked = chat("And?\n", "--load", tmp_path / "kept.json")
    assert (code, out, len(asked[0].messages)) == (0, "Hello.\n", 4)
    code, out, err, _ = chat("And?\n", "--load", tmp_path / "kept.json", "--seed", 1)
    assert (code, out) == (2, "")
    assert "--load takes the settings of the conversation from its file" in err
    code, _, err, _ = chat("And?\n", "--load", tmp_path / "none.json")
    assert code == 1
    assert "none.json" in err


def test_the_file_of_a_conversation_is_read_before_the_model(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(loader, "load", lambda *args, **settings: pytest.fail("the model was loaded"))
    assert cli.main(["chat", "--load", str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/effort huge", "error: effort must be one of low, medium, high, got 'huge'"),
        ("/save", "error: /save needs a file"),
        ("/save /no/such/folder/a.json", "error: [Errno 2]"),
        ("/fly\x1b[2J", "said to the model"),
        (
            "/fly",
            "error: there is no command /fly; /help lists them. To send a line that begins with /, write",
        ),
        ("/efort low", "error: there is no command /efort; did you mean effort?"),
        ("/etc/hosts is what?", "said to the model"),
        ("x" * 2_000_000, "error: the prompt has at least"),
    ],
)
def test_what_goes_wrong_ends_nothing(chat, line, said):
    code, out, err, asked = chat(f"{line}\nHi\n")
    assert code == 0
    if said == "said to the model":
        assert (out, asked[0].messages[-1].content) == ("Hello.\n" * 2, line)
    else:
        assert said in err
        assert out.strip().splitlines() == ["Hello."]


def test_an_empty_and_a_closed_input(chat):
    assert chat("")[:2] == (0, "")
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m ossnb chat --model demo <&-"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: standard input is closed" in done.stderr


def test_a_character_that_is_cut_off_ends_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "ossnb", "chat", "--model", "demo", "--temperature", "0"],
        input=b"What is 2 + 2?\nCaf\xe9\n\xe9",
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"2 + 2 = 4.\n")
    assert done.stderr.count(b" prompt tokens") == 3


def test_an_input_that_cannot_be_read_is_an_error(chat, monkeypatch, capsys):
    class Unreadable(io.StringIO):
        n_reads = 0

        def readline(self):
            self.n_reads += 1
            assert self.n_reads == 1
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(io, "StringIO", Unreadable)
    code, out, err, _ = chat("")
    assert (code, out) == (1, "")
    assert "error: [Errno 5] Input/output error" in err


def test_a_conversation_is_kept_at_home(chat, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    _, _, err, _ = chat("Hi\n/save ~/a.json\n/save /no/such/b.json\n/save ~no-such-user/c.json\n")
    assert "saved to ~/a.json" in err
    assert "No such file or directory: '/no/such/b.json'" in err
    assert "error: the file is '~no-such-user/c.json', and there is no such user's home" in err
    assert ".part" not in err
    code, _, _, asked = chat("And?\n", "--load", "~/a.json")
    assert (code, len(asked[0].messages)) == (0, 4)
    assert (tmp_path / "a.json").exists()


def test_an_interrupt_ends_a_conversation_in_a_pipe(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "ossnb", "chat", "--model", str(folder), "--seed", "5", "--show-reasoning"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        process.stdin.write(b"Hi\nAnd now?\n")
        process.stdin.flush()
        assert select.select([process.stdout, process.stderr], [], [], 120)[0], "it writes nothing"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err.count(b"ended by: interrupted") == err.count(b" prompt tokens") == 1


# ---- on a terminal -----------------------------------------------------------------------------------------


class Terminal:
    """`ossnb chat` on a terminal of its own."""

    def __init__(self, *flags):
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ossnb", "chat", *map(str, flags)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=os.environ | {"TERM": "xterm"},
        )
        os.close(theirs)
        os.set_blocking(self.ours, False)
        self.seen = b""

    def wait_for(self, pattern, seconds=60):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.seen, re.DOTALL):
            assert time.monotonic() < deadline, (pattern, self.seen[-2000:])
            try:
                self.seen += os.read(self.ours, 65536)
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:  # it has ended
                assert re.search(pattern, self.seen, re.DOTALL), (pattern, self.seen[-2000:])
        found, self.seen = self.seen, b""
        return found

    def type(self, text):
        os.write(self.ours, text.encode())

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours)


def test_ctrl_c_stops_an_answer_and_ctrl_d_ends_the_conversation(folder, tmp_path):
    terminal = Terminal("--model", folder, "--seed", 5)
    try:
        terminal.wait_for(rb"/help lists the commands.*> ")
        terminal.type("Hi\n")
        terminal.wait_for(rb"thinking|\w{20}")
        terminal.process.send_signal(signal.SIGINT)
        terminal.wait_for(rb"ended by: interrupted.*> ")
        terminal.process.send_signal(signal.SIGINT)  # at the prompt
        terminal.wait_for(rb"Ctrl-D or /quit ends the conversation.*> ")
        terminal.type(f"/save {tmp_path / 'kept.json'}\n")
        terminal.wait_for(rb"saved to .*> ")
        terminal.type("\x04")
        assert terminal.process.wait(timeout=30) == 0
    finally:
        terminal.close()
    with ossnb.load(folder) as model:
        kept = ossnb.Chat.load(tmp_path / "kept.json", model)
    assert kept.messages[0].content == "Hi"
    assert len(kept.messages) > 1, "what was written before the interrupt stays"
