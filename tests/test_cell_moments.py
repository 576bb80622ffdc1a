"""Bad moments of a `%%oss` cell: endless answers, odd text, thinking that goes on, Stop at the wrong time."""

from __future__ import annotations

import time

import pytest
from markdown_it import MarkdownIt

import ossnb
from ossnb import loader
from ossnb.generation.record import Event
from ossnb.harmony.parser import Parser
from ossnb.harmony.tokenizer import Tokenizer
from ossnb.notebook.display import CellView
from ossnb.notebook.stopping import StoppedLoading
from ossnb.page.safe import safe_markdown
from shells import NotebookPage, ipython, run, shell
from test_display import Clock, Page, Tags, assert_inert, make_reply, play

FIXTURES = ipython, shell


@pytest.fixture
def page(monkeypatch):
    return Page(monkeypatch)


def page_of(markdown):
    return Tags(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


# ---- thinking ----------------------------------------------------------------------------------------------


def test_thinking_after_speaking_leaves_what_is_above_alone(page):
    clock = Clock()
    view = CellView(clock)
    play(view, ("reasoning", "first "), ("reasoning", "thought"), ("answer", "A preamble."))
    clock.now += 1
    play(view, ("reasoning", "second thought"))
    above, n_messages = page.shown[:2], page.n_messages
    for _ in range(5):
        clock.now += 1
        play(view, ("reasoning", "!"))
    play(view, ("answer", "The answer."))
    assert page.shown[:2] == above, "a reader who opened it finds it open"
    assert page.n_messages > n_messages
    reply = make_reply(text="A preamble.The answer.", reasoning="first thoughtsecond thought!!!!!")
    view.finish(reply)
    first, preamble, second, answer, _ = page.shown
    assert [data["text/plain"].split("\n")[1] for data, _ in (first, second)] == [
        "first thought",
        "second thought!!!!!",
    ]
    assert "reasoning · 2 tokens · 0.0 s" in first[0]["text/html"]
    assert "reasoning · 6 tokens · 5.0 s" in second[0]["text/html"]
    assert preamble == ({"text/markdown": "A preamble.", "text/plain": "A preamble."}, {})
    assert answer[0]["text/plain"] == "The answer."
    assert answer[1]["ossnb"]["seed"] == 7


# ---- long answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_chars", [64_000, 100_000])
def test_a_long_answer_never_keeps_the_model_waiting(page, monkeypatch, n_chars):
    """50 tokens a second, as the answer ends: what the page draws and the server passes on stays bearable."""
    paragraph = "The *quick* brown fox, `x<y`, $a<b$, [a](https://x.org) for $5.\n\n```python\nx < 1\n```\n\n"
    answer = (paragraph * (n_chars // len(paragraph) + 1))[:n_chars]
    clock, sent = Clock(), []
    publish = page.publish

    def note(data, metadata, transient, update):
        sent.append((clock.now, sum(len(text.encode()) for text in data.values())))
        publish(data, metadata, transient, update)

    monkeypatch.setattr("IPython.display.publish_display_data", note)
    view = CellView(clock)
    view.on(Event("answer", answer[:-2_000], token=1))
    began = time.process_time()
    for start in range(n_chars - 2_000, n_chars, 4):
        clock.now += 0.02
        view.on(Event("answer", answer[start : start + 4], token=1))
    used_s = time.process_time() - began
    view.finish(make_reply(text=answer, reasoning=""))
    assert used_s / clock.now < 0.2, "of the time between tokens"
    assert len(sent) > 5, "it is seen to grow"
    assert page.shown[0][0]["text/plain"] == answer
    for at, _ in sent:
        window = [n_bytes for other, n_bytes in sent[:-2] if at <= other < at + 1]
        assert len(window) <= 25
        assert sum(window) < 1_000_000, "Jupyter's server drops more than 1 MB a second"


# ---- odd text ----------------------------------------------------------------------------------------------


def test_half_a_character_at_the_end_is_one_mark(shell, monkeypatch, capsys):
    tokens = Tokenizer().encode("<|channel|>final<|message|>Ok 🦩", special=True)
    assert len(Tokenizer().encode("🦩")) > 1, "the emoji has several tokens"
    shell.use(tokens)
    notebook = NotebookPage(shell, monkeypatch)
    notebook.run("whole", "%%oss\nHi")
    assert notebook.outputs("whole")[0][0]["text/plain"] == "Ok 🦩"
    notebook.run("half", f"%%oss --max-tokens {len(tokens) - 1}\nHi")
    assert notebook.outputs("half")[0][0]["text/plain"] == "Ok �"
    assert shell.user_ns["_oss"].text == "Ok �"


def test_while_it_is_written_no_half_character_is_shown(page):
    emoji = "👩‍👩‍👧‍👦🇫🇷"
    view = CellView(Clock())
    parser = Parser()
    for token in Tokenizer().encode(f"<|channel|>final<|message|>{emoji}", special=True):
        for piece in parser.push(token):
            view.on(Event("answer", piece.text, token=token))
            assert "�" not in piece.text
    view.abandon()
    assert page.shown[0][0]["text/plain"] == emoji


@pytest.mark.parametrize("text", ["שלום, עולם!", "1. مرحبا\n2. نعم", "**اردو** و `code`"])
def test_right_to_left_text_runs_from_the_right(text):
    shown = safe_markdown(text)
    assert shown.startswith('<div dir="rtl">\n\n')
    assert_inert(page_of(shown))
    assert page_of(shown).tags[0] == "div"
    assert len(page_of(shown).tags) > 1, "Markdown inside is Markdown"


@pytest.mark.parametrize(
    ("text", "n_spans", "n_code"),
    [
        ("שלום\nעולם", 1, 0),
        ("1. אחת\n2. שתיים\n\n   עוד\n\n- שלוש", 4, 0),
        ("# כותרת\n\nפסקה\n\nכן\n---\n\n> ציטוט\n\n| א | ב |\n|--|--|\n| א | ב |", 1, 0),
        ("שלום\n\n    x = 1\n\n\t y = 2", 1, 1),
        ("- אחת\n\n        x = 1", 1, 1),
    ],
)
def test_right_to_left_paragraphs_stand_right_whatever_the_page_says(text, n_spans, n_code):
    shown = safe_markdown(text)
    page = page_of(shown)
    assert page.tags.count("span") == n_spans
    assert page.tags.count("code") == n_code
    assert "span" not in page.text, "no tag is shown"
    assert page.text.split() == page_of(f"<div>\n\n{text}\n\n</div>").text.split()
    assert shown.count("text-align:right") == n_spans


def test_code_in_right_to_left_text_runs_from_the_left():
    shown = safe_markdown("כך:\n\n```python\nx = 1  # שלום\n```\n\nEnglish.\n")
    before, after = shown.split("```python\nx = 1  # שלום\n```")
    assert before.count("<div") == before.count("</div>") == 1
    assert after.strip() == "English."


def test_thoughts_and_tables_and_formulas_keep_their_form(page):
    table = "| a | b |\n|---|---|\n| 1 | $x<y$ |\n| 🦩 | \\(z\\) |"
    view = CellView(Clock())
    view.finish(make_reply(text=table, reasoning="שלום"))
    (thinking, _), (answer, _), _ = page.shown
    assert 'dir="auto"' in thinking["text/html"]
    shown = page_of(answer["text/markdown"])
    assert {"table", "td"} <= set(shown.tags)
    assert "$x\\lt y$" in shown.text
    assert "$z$" in shown.text
    assert answer["text/plain"] == table


def test_an_unclosed_fence_ends_with_the_answer(page):
    view = CellView(Clock())
    view.finish(make_reply(text="So:\n```python\nfor <b>:", finish_reason="length"))
    markdown = page.shown[1][0]["text/markdown"]
    assert markdown.endswith("for <b>:\n```")
    assert page.shown[1][0]["text/plain"] == "So:\n```python\nfor <b>:", "what it wrote, unchanged"
    assert "cut off at max_tokens" in page.shown[2][0]["text/plain"]


# ---- stopping ----------------------------------------------------------------------------------------------


def test_stop_while_the_model_is_loaded_is_quiet_and_ends_the_run(shell, capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    model = ossnb.default_model()
    ossnb.set_default_model(None)
    monkeypatch.setattr(loader, "load", interrupted)
    result, out, err = run(shell, "%%oss --chat a\nHi", capsys)
    assert isinstance(result.error_in_exec, StoppedLoading), "queued cells must not run"
    assert "■ stopped: the model was being loaded; nothing was asked" in out + err
    assert "Traceback" not in out + err
    ossnb.set_default_model(model)
    result, _, _ = run(shell, "%%oss --chat a\nHi", capsys)
    assert result.success


def test_each_paragraph_runs_in_its_own_direction():
    hebrew, english, listed = "שלום `code`, עולם.", "Here it is:", "1. אחת\n\n    more\n\n2. שתיים"
    assert safe_markdown(f"{english}\n\n{hebrew}\n\n123\n\n{english}").split("<div")[0] == f"{english}\n"
    for text in (f"{english}\n\n{hebrew}\n\n{english}", f"{hebrew}\n\n{english}", f"{listed}\n\n{english}"):
        page = MarkdownIt("commonmark", {"html": True}).render(safe_markdown(text))
        inside, outside = page.split('<div dir="rtl">')[1].split("</div>")
        assert "Here" not in inside
        assert "<p>Here it is:</p>" in outside
    assert "more" in MarkdownIt("commonmark", {"html": True}).render(safe_markdown(listed)).split("</div>")[0]
