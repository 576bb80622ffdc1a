"""Hostile texts (data/injections.json) as documents, results of tools, names of files and answers.

Whatever they say: they make no special token, run nothing, switch no tool on, are no markup in any output,
and lead to no file outside of what was given.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

import ossnb
from fakes import model_of_rounds
from ossnb import Documents
from ossnb.documents.citations import Citation
from ossnb.documents.document import MOST_NAME
from ossnb.documents.links import cited_markdown
from ossnb.generation.question import Question
from ossnb.harmony.messages import ToolCall
from ossnb.harmony.tokenizer import FIRST_SPECIAL, Tokenizer
from ossnb.notebook.display import TerminalView
from ossnb.notebook.progress import NotebookProgress, show_notice
from ossnb.notebook.steps import running
from ossnb.page.terminal import safe_terminal
from shells import NotebookPage, ipython, shell
from test_display import ACTIVE_TEX, Tags, assert_inert, make_reply, play, rendered

FIXTURES = ipython, shell

SET = json.loads((Path(__file__).parent / "data" / "injections.json").read_text())
TEXTS = [one["text"] * one.get("times", 1) for one in SET]
each = pytest.mark.parametrize(
    "text", TEXTS, ids=[f"{one['kind']} {n}".replace(" ", "-") for n, one in enumerate(SET)]
)

TOKENIZER = Tokenizer()
SECRET = "the secret of the other folder"
ANSWER = "<|channel|>final<|message|>{}<|return|>"
RUN_PYTHON = "<|channel|>analysis to=python code<|message|>open('owned', 'w')<|call|>"
CALL_TOLD = "<|channel|>commentary to=functions.told <|constrain|>json<|message|>{}<|call|>"
# Controls but tab and newline; ways to turn text around, and what nobody sees. Joiners stay.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2}"
)
OPENED: list[str] = []
_watching: list[bool] = []


def _note_opened(event, arguments):
    if _watching and event in ("open", "os.open", "os.system", "subprocess.Popen", "exec", "socket.connect"):
        OPENED.append(f"{event} {arguments[0]}")


sys.addaudithook(_note_opened)  # one that does nothing but while `watched` runs


@pytest.fixture
def watched():
    """What Python opens, starts and connects to, between `start` and the end of the test."""
    OPENED.clear()
    yield lambda: _watching.append(True)
    _watching.clear()


@pytest.fixture(autouse=True)
def here(tmp_path, tmp_path_factory, monkeypatch):
    """A folder with documents, beside a file that was not given, and a secret in the environment."""
    monkeypatch.setenv("OSSNB_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("OSSNB_SECRET", SECRET)
    (tmp_path / "secret.txt").write_text(SECRET)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert not (folder / "owned").exists(), "something was run"


def specials(ids):
    return [token for token in ids if token >= FIRST_SPECIAL]


def numbered(display):
    """Whether each line below the head of a display is a line of the browser's own numbering."""
    head, _, body = display.partition("\n\n")
    first = int(re.search(r"\*\*viewing lines \[(\d+) - ", head)[1])
    return len(head.split("\n")) == 2 and all(
        line.startswith(f"L{n}: ") for n, line in enumerate(body.split("\n"), first)
    )


# ---- documents ---------------------------------------------------------------------------------------------


@each
def test_a_document_is_text_in_the_prompt(text):
    model = model_of_rounds(RUN_PYTHON, ANSWER.format("No."), context=1_000_000)
    question, plain = (
        Question.of("?", docs=Documents({"a.txt": one}, whole=500_000), seed=1) for one in (text, "harmless")
    )
    ids = model.prompt_tokens(question)
    assert specials(ids) == specials(model.prompt_tokens(plain))
    told = TOKENIZER.decode(ids)
    display = told[told.index("[0] a.txt (a.txt)") : told.rindex("<|end|><|start|>user")]
    assert not UNSEEN.search(display)
    assert not set("【】") & set(display), "a document writes no link and no citation"
    assert numbered(display), "a document writes no line of ours"
    assert SECRET not in told
    assert "namespace functions" not in told.replace(display, "")
    (step,) = model.ask(question).run().steps
    assert step.error == (
        "there is no tool 'python'; the tools are: browser.search, browser.open, browser.find"
    )


@each
def test_a_document_that_is_searched_is_text(text):
    docs = Documents({"a.txt": f"first words\n{text}", "b.txt": "other words"}, whole=0)
    browser = docs.browser(32768)
    found = browser.call("search", {"query": "words run python link"}).text
    assert numbered(found)
    marks = re.findall(r"【(\d+)†[^【】†]*†([^【】†]*)】", found.replace("\n", " "))
    assert [int(number) for number, _ in marks] == list(range(len(marks)))
    assert found.count("【") == found.count("】") >= len(marks) > 0
    for shown in (
        browser.call("open", {"id": "a.txt"}).text,
        browser.call("find", {"pattern": "words"}).text,
    ):
        assert numbered(shown)
        assert not UNSEEN.search(found + shown)


@each
def test_the_browser_takes_it_for_no_path(text, here, watched):
    (here / "notes").mkdir()
    (here / "notes/sky.md").write_text("The sky over Zorn is green.")
    docs = Documents("notes", whole=0)
    browser = docs.browser(32768)
    browser.call("search", {"query": "sky"})
    watched()
    opened = browser.call("open", {"id": text})
    results = [opened, browser.call("search", {"query": text}), browser.call("open", {"id": 0})]
    results.append(browser.call("find", {"pattern": text}))
    results.append(browser.call("open", {"id": text, "cursor": text, "loc": text, "source": text}))
    results.append(browser.call(text, {"id": 0}))
    assert OPENED == []
    assert opened.error is not None
    for result in results:
        assert SECRET not in result.text
        assert "root:" not in result.text
        assert not UNSEEN.search(result.text)
        assert result.error is not None or numbered(result.text)


# ---- names -------------------------------------------------------------------------------------------------


def file_name(text):
    """A text as the name of a file, as far as the system takes it."""
    raw = text.replace("/", "∕").replace("\0", "").encode()[:200]
    return f"a{raw.decode(errors='ignore')}"


@each
def test_a_name_of_a_file_is_one_line(text, here):
    name = file_name(text)
    (here / "d").mkdir()
    (here / f"d/{name}.md").write_text("The sky over Zorn is green.")
    (here / f"d/{name}.png").write_bytes(b"\x89PNG\0")
    (here / "d/plain.md").write_text("Nothing.")
    docs = Documents("d", whole=0)
    for told in (*docs.names, docs.left_out, repr(docs)):
        assert told.isprintable()
        assert not set("【】†") & set(told)
    assert all(len(one) <= MOST_NAME + 1 for one in docs.names)
    browser = docs.browser(32768)
    for shown in (
        browser.call("search", {"query": "sky"}),
        browser.call("open", {"id": 0}),
        browser.call("find", {"pattern": "nowhere"}),
    ):
        assert numbered(shown.text), shown.text
    model = model_of_rounds(ANSWER.format("."), context=32768)
    ids = model.prompt_tokens(Question.of("?", docs=docs, seed=1))
    plain = model.prompt_tokens(Question.of("?", docs=Documents({"a": "x"}, whole=0), seed=1))
    assert specials(ids) == specials(plain)


@each
def test_a_path_that_is_no_document_is_told_on_one_line(text):
    with pytest.raises(ValueError, match="there is no file") as error:
        Documents(f"nowhere/{file_name(text)}")
    assert str(error.value).isprintable()
    with pytest.raises(ValueError, match="must be a text or a DataFrame") as error:
        Documents({text: 7})
    assert str(error.value).isprintable()


# ---- results of tools --------------------------------------------------------------------------------------


@each
def test_a_result_is_text_and_switches_nothing_on(text):
    def reply_to(result):
        called = []

        def told():
            """Tell."""
            called.append(1)
            return result

        rounds = CALL_TOLD, RUN_PYTHON, ANSWER.format("No.")
        reply = model_of_rounds(*rounds, context=1_000_000).generate("?", tools=[told], seed=1)
        assert called == [1]
        return reply

    reply = reply_to(text)
    first, second = reply.steps
    assert not UNSEEN.search(first.result)
    assert second.error == "there is no tool 'python'; the tools are: told"
    assert specials(reply.prompt_tokens) == specials(reply_to("harmless").prompt_tokens)
    assert reply.text == "No."


@pytest.mark.parametrize("name", [one["text"] for one in SET if one["kind"] == "tool names"])
def test_a_name_that_only_looks_like_a_tools_is_none(name):
    called = []

    def told():
        """Tell."""
        called.append(1)
        return "x"

    call = f"<|channel|>commentary to={name} <|constrain|>json<|message|>{{}}<|call|>"
    reply = model_of_rounds(call, ANSWER.format("No.")).generate("?", tools=[told], seed=1)
    assert called == []
    assert all(step.error and "the tools are: told" in step.error for step in reply.steps)


@each
def test_an_argument_is_the_text_that_it_is(text, here):
    plain = re.sub(r"<\|[^|]*\|>", "", text)[:300]  # a script's special tokens are tokens
    got = []

    def told(what: str):
        """Tell."""
        got.append(what)
        return what

    arguments = json.dumps({"what": plain}, ensure_ascii=False)
    call = f"<|channel|>commentary to=functions.told <|constrain|>json<|message|>{arguments}<|call|>"
    reply = model_of_rounds(call, ANSWER.format("No."), context=32768).generate("?", tools=[told], seed=1)
    assert got == [plain]
    assert len(reply.steps) == 1


# ---- what a person sees ------------------------------------------------------------------------------------


@each
def test_an_answer_that_repeats_it_is_no_markup(text):
    assert_inert(rendered(text))
    mark = "【0†L0】"
    line = " ".join(text.split())
    for citation in (
        Citation(mark, 2, file_name(text), f"/w/{file_name(text)}", line, text),
        Citation(mark, 2, problem=line),
    ):
        assert_inert(page_of(cited_markdown(f"a {mark} {text}", [citation])))
    out = io.StringIO()
    out.isatty = lambda: True
    view = TerminalView(out)
    play(view, ("answer", text))
    view.finish(make_reply(text=text, reasoning=""))
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]", out.getvalue())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", safe_terminal(text))


def page_of(markdown):
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    renderer.validateLink = lambda url: True
    return Tags(renderer.render(markdown))


@each
def test_a_cell_with_it_everywhere_shows_text(text, shell, monkeypatch, here):
    name = file_name(text)
    (here / f"{name}.md").write_text("The sky is green.\n" + text.replace("\0", ""), encoding="utf-8")
    shell.user_ns.update(words=text, folder=here, told=lambda: text)
    shell.run_cell("def told():\n    'Tell.'\n    return words\ndocs = __import__('ossnb').Documents(folder)")
    model = model_of_rounds(CALL_TOLD, ANSWER.format("Green【0†L0】."), context=1_000_000)
    ossnb.set_default_model(model)
    notebook = NotebookPage(shell, monkeypatch)
    result = notebook.run("a", "%%oss --doc docs --tool told --seed 1\nWhat is @words? {{words}}")
    assert result.success, result.error_in_exec
    for data, metadata in notebook.outputs("a"):
        assert "\x1b" not in data["text/plain"]
        page = Tags(data.get("text/html", ""))
        assert set(page.tags) <= {"details", "summary", "pre", "span", "div"}
        assert not page.handlers
        assert_no_formulas(page)
        assert not page.links
        if "text/markdown" in data:
            assert_inert(page_of(data["text/markdown"]))
        json.dumps(metadata)
    assert shell.user_ns["_oss"].steps[0].name == "told"
    assert os.listdir(here) == [f"{name}.md"]


FORMULAS = (r"$\href{https://example.org}{pay}$", "between $5 and $10", r"\(x\)", r"$$\url{x}$$")


def assert_no_formulas(page):
    for piece in page.pieces:
        assert not ACTIVE_TEX.search(piece)
        assert not re.search(r"\$[^$]*\$|\\[(\[]", piece), piece


@pytest.mark.parametrize("text", FORMULAS)
def test_a_call_and_the_figures_have_no_formulas(text, shell, monkeypatch):
    shell.run_cell(f"def told(what: str):\n    'Tell.'\n    return {text!r}")
    arguments = json.dumps({"what": text})
    call = f"<|channel|>commentary to=functions.told <|constrain|>json<|message|>{arguments}"
    for second in (ANSWER.format("No."), call):  # of a call that is cut off a note tells, with all of it
        ossnb.set_default_model(model_of_rounds(f"{call}<|call|>", second, context=32768))
        notebook = NotebookPage(shell, monkeypatch)
        result = notebook.run("a", "%%oss --tool told --seed 1 --max-tokens 60\nGo.")
        assert result.success, result.error_in_exec
        shown = [Tags(data["text/html"]) for data, _ in notebook.outputs("a") if "text/html" in data]
        assert text.replace("\\", "\\\\") in "".join(page.text for page in shown)
        for page in shown:
            assert_no_formulas(page)


@pytest.mark.parametrize("text", [*FORMULAS, "{\n\n$x$ and $y$", "{\r\r$x$ and $y$", "{\r\n\r\n$x$ and $y$"])
@pytest.mark.parametrize("name", ["functions.told", "python"])
def test_a_call_that_runs_has_no_formulas(text, name):
    shown = page_of(running(ToolCall.parse(name, text)))
    assert_inert(shown)
    assert_no_formulas(shown)
    assert "".join(shown.text.split()).count("".join(text.split())) == 1 + (name == "python")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_notice_and_a_bar_have_no_formulas(text, shell, monkeypatch):
    notebook = NotebookPage(shell, monkeypatch)
    shell.push({"show_notice": show_notice, "Bar": NotebookProgress, "text": text})
    assert notebook.run("a", "show_notice(text)\nBar(text, 8, str).close()").success
    for data, _ in notebook.outputs("a"):
        page = Tags(data["text/html"])
        assert text in page.text
        assert_no_formulas(page)


def test_the_set_has_all_kinds():
    kinds = {one["kind"] for one in SET}
    assert len(SET) >= 60
    assert len(kinds) >= 15
    assert all(one["text"] for one in SET)
