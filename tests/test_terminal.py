"""Escape sequences that a model or a file writes never reach a terminal, whatever way they take."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from IPython.core.formatters import IPythonDisplayFormatter

import ossnb
from fakes import scripted_model
from ossnb import loader
from ossnb.command import cli
from ossnb.notebook.display import CellView
from ossnb.page.figures import stats_line
from ossnb.page.output import Output
from ossnb.system.fields import Fields
from ossnb.system.progress import TerminalProgress, of_bytes
from ossnb.system.text import shown, shown_value
from ossnb.views.sliders import Sliders

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


@pytest.fixture
def seen(monkeypatch):
    """Call a function; return what it returns, and what a person sees of both standard streams, without the
    marks that ossnb itself writes."""
    monkeypatch.setenv("NO_COLOR", "1")

    def call(function, *arguments):
        screen = Screen()
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout", screen)
            patch.setattr("sys.stderr", screen)
            result = function(*arguments)
        return result, screen.getvalue().replace("\r\x1b[K", "")

    return call


@pytest.fixture
def published(monkeypatch):
    """What is sent to the page."""
    sent = []
    monkeypatch.setattr(
        "IPython.display.publish_display_data", lambda data, metadata=None, **rest: sent.append((data, rest))
    )
    return sent


SCRIPTS = [
    f"<|channel|>final<|message|>{EVIL}<|return|>",
    f"<|channel|>{EVIL}<|message|>Hello<|return|>",  # a note names the channel
    f"<|channel|>final {EVIL} <|message|>Hello<|return|>",
    f"<|channel|>analysis<|message|>{EVIL}<|end|><|start|>assistant<|channel|>final<|message|>Hi<|return|>",
    f'<|channel|>commentary to=functions.f<|message|>{{"a": "{EVIL}"}}<|call|>',
    f"<|channel|>commentary to=functions.{EVIL}<|message|>{{}}<|call|>",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_command_line(seen, monkeypatch, script):
    monkeypatch.setattr(loader, "load", lambda *args, **kwargs: scripted_model(script))
    code, screen = seen(cli.main, ["run", "--show-reasoning", "Hi"])
    assert code == 0
    assert not CONTROL.search(screen)


def test_an_error_of_the_command_line(seen, tmp_path):
    folder = tmp_path / f"a{EVIL}"
    folder.mkdir()
    code, screen = seen(cli.main, ["run", "--model", str(folder), "Hi"])
    assert code == 1
    assert not CONTROL.search(screen)
    assert "has no config.json" in screen
    with pytest.raises(ossnb.CheckpointError) as raised:
        ossnb.load(folder)
    assert not CONTROL.search(str(raised.value))


def test_files_of_the_cache(seen, tmp_path, monkeypatch):
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path))
    (tmp_path / "derived").mkdir()
    (tmp_path / "derived" / f"a{EVIL}.safetensors").touch()
    code, screen = seen(cli.main, ["cache"])
    assert code == 0
    assert not CONTROL.search(screen)


@pytest.mark.parametrize("script", SCRIPTS)
def test_plain_text_of_outputs(published, script):
    view, stream = CellView(), scripted_model(script).stream("Hi")
    for event in stream:
        view.on(event)
    view.finish(stream.reply)
    plain = [data["text/plain"] for data, _ in published if "text/plain" in data]
    assert plain
    assert not any(map(CONTROL.search, plain))


def test_any_output(published):
    Output().show({"text/html": "<b>\x1b</b>", "text/plain": EVIL})
    assert published[0][0] == {"text/html": "<b>\x1b</b>", "text/plain": "␛[2J␛]0;owned␇�31m"}


def test_views(published):
    panel = Sliders(scripted_model(SCRIPTS[0]), prompt="Hi")
    panel.generate()
    assert EVIL in panel.reply.text
    assert not CONTROL.search(repr(panel))
    assert not CONTROL.search(panel.bundle()["text/plain"])


def test_a_view_keeps_one_output_however_often_it_is_shown(published, monkeypatch):
    monkeypatch.setattr("ossnb.views.panel.has_front_end", lambda: False)
    panel = Sliders(scripted_model(SCRIPTS[0]), prompt="Hi")
    for _ in range(3):
        IPythonDisplayFormatter()(panel)
    assert [rest["update"] for _, rest in published] == [False] * 3
    assert len({rest["transient"]["display_id"] for _, rest in published}) == 1
    monkeypatch.setattr("ossnb.views.panel.has_front_end", lambda: True)
    panel.refresh()
    assert [rest["update"] for _, rest in published[3:]] == [True]


def test_a_view_that_nobody_saw_is_not_drawn(published, monkeypatch):
    monkeypatch.setattr("ossnb.views.panel.has_front_end", lambda: True)
    Sliders(scripted_model(SCRIPTS[0]), prompt="Hi").refresh()
    assert published == []


def test_figures_and_progress(seen):
    reply = replace(scripted_model(SCRIPTS[1]).generate("Hi"), model=f"a{EVIL}")
    assert not CONTROL.search(stats_line(reply))
    _, screen = seen(lambda: TerminalProgress(f"{EVIL}: 1 GB to download", 10**9, of_bytes(10**9)).close())
    assert not CONTROL.search(screen)


def test_names_and_values_in_messages():
    assert shown("plain name, ü 漢") == "plain name, ü 漢"
    assert shown("a\n\u202e\u2028\ud800") == "a\\n\\u202e\\u2028\\ud800"
    assert shown("x" * 81) == "x" * 80 + "… (81 characters)"
    assert shown_value(10**5000) == "a very large int"
    assert len(shown_value(["x" * 9999])) < 120
    with pytest.raises(ValueError, match="got 'aaaa") as raised:
        Fields({"a": "a" * 9999}, "a file").integer("a")
    assert len(str(raised.value)) < 200
    assert Fields({EVIL: 1}, "a file").unread() == ["\\x1b[2J\\x1b]0;owned\\x07\\x9b31m"]
