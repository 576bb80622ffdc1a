"""`%%oss --tool`: functions of the notebook, each call a folded step of the cell."""

from __future__ import annotations

import io
import json

import pytest

import ossnb
from fakes import model_of_rounds
from kernels import running_kernel
from ossnb.generation.record import Event
from ossnb.harmony.messages import ToolCall
from ossnb.notebook.display import CellView, TerminalView
from ossnb.notebook.options import again_options, cell_help, parse_cell_line
from ossnb.tools.step import Step
from shells import NotebookPage, fails, ipython, run, shell
from test_display import ATTACKS, Clock, Page, Tags, make_reply, play
from test_rounds import ANSWER, CALL, THINK, call_of

FIXTURES = ipython, shell
WEATHER = "def weather(city: str):\n    'Tell the weather.'\n    return f'sun in {city}'"


@pytest.fixture
def page(monkeypatch):
    return Page(monkeypatch)


@pytest.fixture
def tools(shell, capsys):
    """A shell with a function, and a model that calls it, thinks, and answers."""
    ossnb.set_default_model(model_of_rounds(THINK + CALL, THINK + ANSWER))
    assert run(shell, WEATHER, capsys)[0].success
    return shell


def step_of(raw='{"city": "Paris"}', result="sun in Paris", name="weather", **more):
    return Step(ToolCall.parse(f"functions.{name}", raw), result, 0.04, **more)


def calls(view, step):
    view.on(Event("tool_call", step.call.raw, token=1, tool_call=step.call))
    view.on(Event("tool_result", step.result, tool_call=step.call, step=step))


# ---- the outputs of a cell ---------------------------------------------------------------------------------


def test_a_call_is_a_folded_step_between_the_thoughts(page):
    clock, step = Clock(), step_of()
    view = CellView(clock)
    play(view, ("reasoning", "I look."))
    clock.now = 1
    view.on(Event("tool_call", step.call.raw, token=1, tool_call=step.call))
    running = page.shown[-1][0]
    assert running["text/plain"].startswith('calls weather with {"city": "Paris"}\n▍ not finished')
    assert "<details" not in running.get("text/html", "")
    view.on(Event("tool_result", step.result, tool_call=step.call, step=step))
    above, n_messages = page.shown[:2], page.n_messages
    for n in range(5):
        clock.now += 1
        play(view, ("reasoning", f"\n\nSo {n}."))
    play(view, ("answer", "Sunny."))
    assert page.shown[:2] == above, "a reader who opened them finds them open"
    assert page.n_messages > n_messages
    reasoning = "I look." + "".join(f"\n\nSo {n}." for n in range(5))
    reply = make_reply(text="Sunny.", reasoning=reasoning, steps=[step])
    view.finish(reply)
    first, call, second, answer, figures = page.shown
    assert first[0]["text/plain"].endswith("]\nI look.")
    assert call[0]["text/plain"] == ('[weather {"city": "Paris"} · 0.0 s]\n{"city": "Paris"}\nsun in Paris')
    assert call[0]["text/html"].startswith("<details style=")
    assert second[0]["text/plain"].split("\n")[1] == "So 0."
    assert answer[0]["text/plain"] == "Sunny."
    assert answer[1]["ossnb"]["steps"] == [step.to_dict()]
    assert "1 call · 10 tokens" in figures[0]["text/plain"]


def test_a_preamble_stays_above_its_call(page):
    view, step = CellView(Clock()), step_of()
    play(view, ("answer", "Let me look."))
    calls(view, step)
    play(view, ("answer", "\n\nSunny."))
    view.finish(make_reply(text="Let me look.\n\nSunny.", reasoning="", steps=[step]))
    assert [data["text/plain"].split("\n")[0] for data, _ in page.shown[:2]] == [
        "Let me look.",
        '[weather {"city": "Paris"} · 0.0 s]',
    ]
    assert page.shown[2][0]["text/markdown"].strip() == "Sunny."
    assert len(page.shown) == 4


def test_two_calls_are_two_steps(page):
    view, first, second = CellView(Clock()), step_of(), step_of('{"city": "Rome"}', error="bad")
    for step in (first, second):
        view.on(Event("tool_call", step.call.raw, token=1, tool_call=step.call))
    for step in (first, second):
        view.on(Event("tool_result", step.result, tool_call=step.call, step=step))
    view.finish(make_reply(text="Sunny.", reasoning="", steps=[first, second]))
    assert [data["text/plain"].split("\n")[0] for data, _ in page.shown[:3]] == [
        '[weather {"city": "Paris"} · 0.0 s]',
        '[weather {"city": "Rome"} · 0.0 s · failed]',
        "Sunny.",
    ]


def test_a_call_that_was_stopped_is_shown_with_what_stopped_it(page):
    view, step = CellView(Clock()), step_of(result="error: the user stopped this call", error="stopped")
    play(view, ("answer", "Let me look."))
    view.on(Event("tool_call", step.call.raw, token=1, tool_call=step.call))
    view.finish(make_reply(text="Let me look.", reasoning="", steps=[step], finish_reason="interrupted"))
    assert [data["text/plain"].split("\n")[0] for data, _ in page.shown] == [
        "Let me look.",
        '[weather {"city": "Paris"} · 0.0 s · failed]',
        "stopped before the answer began",
        page.shown[3][0]["text/plain"],
    ]


def test_a_whole_answer_drawn_anew_has_its_steps(page):
    step = step_of()
    CellView(Clock()).finish(make_reply(text="Sunny.", reasoning="I look.", steps=[step]))
    assert [data["text/plain"].split("\n")[0] for data, _ in page.shown[:3]] == [
        "[reasoning]",
        '[weather {"city": "Paris"} · 0.0 s]',
        "Sunny.",
    ]


@pytest.mark.parametrize("attack", [*ATTACKS, "\x1b[2J</pre></details><script>alert(1)</script>"])
def test_what_a_step_shows_is_text(page, attack):
    step = step_of(json.dumps({"city": attack}), attack, attack, error=attack, note=attack)
    view = CellView(Clock())
    calls(view, step)
    view.finish(make_reply(steps=[step]))
    data = page.shown[0][0]
    assert set(Tags(data["text/html"]).tags) == {"details", "summary", "pre"}
    assert not Tags(data["text/html"]).handlers
    assert attack in Tags(data["text/html"]).text
    assert "\x1b" not in data["text/plain"]


def test_a_terminal_gets_a_line_for_each_call():
    out = io.StringIO()
    view, step = TerminalView(out), step_of(result="sun\x1b[2J\nin Paris" + "x" * 1000)
    calls(view, step)
    play(view, ("answer", "Sunny."))
    view.finish(make_reply(text="Sunny.", steps=[step]))
    lines = out.getvalue().splitlines()
    assert lines[0] == 'calls weather with {"city": "Paris"}'
    assert '[weather {"city": "Paris"} · 0.0 s] sun\\x1b[2J\\nin Parisxxx' in out.getvalue()
    assert "(1,016 characters)" in out.getvalue()
    assert "\x1b" not in out.getvalue()


# ---- the line of a cell ------------------------------------------------------------------------------------


def test_names_of_tools_are_read():
    options = parse_cell_line("--tool a,b --tool c.d --approve --seed 7")
    assert options.tools == ("a", "b", "c.d")
    assert options.settings == {"approve": "ask", "seed": 7}
    assert again_options(options, "--seed 8").tools == ("a", "b", "c.d")
    assert again_options(options, "--tool e").tools == ("e",)
    assert "--tool" in cell_help()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--tool 3", "--tool takes python, python:here and names of functions, with commas between, got '3'"),
        ("--tool python:her", "got 'python:her'; did you mean python:here?"),
        ("--tool opn", "there is no 'opn'. The names are: python, python:here, weather, untyped\n"),
        ("--tool python --give numbr", "there is no 'numbr'; did you mean number?"),
        ("--schema numbr", "there is no 'numbr'; did you mean number?"),
        ("--tool f()", r"got 'f()'"),
        ("--tool lambda", "got 'lambda'"),
        ("--tool missing", "there is no 'missing'"),
        ("--tool wether", "did you mean weather?"),
        ("--tool weather.x", "'weather.x' has no 'x'"),
        ("--tool number", "a tool must be a function"),
        ("--tool untyped", "parameter 'a' has no type; write one, as in a: str"),
        ("--tool weather,weather", "--tool names 'weather' twice"),
        ("--approve", "--approve asks before calls of functions, and --tool names none"),
        ("--raw --tool weather", "--raw continues plain text, which has no --tool"),
    ],
)
def test_wrong_tools_are_refused_in_one_line(tools, capsys, line, message):
    run(tools, "number = 3\ndef untyped(a): ...", capsys)
    assert message in fails(tools, f"%%oss {line}\nParis?", capsys)


def test_a_cell_calls_functions_of_the_notebook(tools, capsys):
    result, out, err = run(tools, "%%oss answer << --tool weather --seed 1\nParis?", capsys)
    assert result.success, err
    reply = tools.user_ns["answer"]
    assert [s.result for s in reply.steps] == ["sun in Paris"]
    assert "[weather {" in out
    assert "Sunny." in out
    assert run(tools, "%oss again", capsys)[0].success
    assert tools.user_ns["_oss"].steps


def test_a_method_of_a_variable_can_be_named(tools, capsys):
    ossnb.set_default_model(model_of_rounds(call_of('{"of": "tea"}', "price"), ANSWER))
    run(tools, "class Shop:\n    def price(self, of: str): return 2\nshop = Shop()", capsys)
    assert run(tools, "%%oss --tool shop.price --seed 1\nHow much?", capsys)[0].success
    assert tools.user_ns["_oss"].steps[0].result == "2"


def test_a_cell_may_ask_before_each_call(tools, capsys, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: "not now")
    assert run(tools, "%%oss --tool weather --approve --seed 1\nParis?", capsys)[0].success
    assert tools.user_ns["_oss"].steps[0].error == "the user declined this call: not now"


def test_chats_rows_and_several_answers_call_too(tools, capsys):
    assert run(tools, "%%oss --chat t --tool weather --seed 1\nParis?", capsys)[0].success
    assert len(tools.user_ns["_chat"].messages) == 6
    assert run(tools, "%%oss --n 2 --tool weather --seed 1\nParis?", capsys)[0].success
    assert all(reply.steps for reply in tools.user_ns["_oss"])
    run(tools, "rows = ['Paris', 'Rome']", capsys)
    assert run(tools, "%%oss --map rows --tool weather --seed 1\n{}?", capsys)[0].success
    assert all(answer.reply.steps for answer in tools.user_ns["_oss"])


def test_a_saved_notebook_has_the_steps_and_goes_on(tools, monkeypatch, tmp_path, capsys):
    page = NotebookPage(tools, monkeypatch)
    assert page.run("a", "%%oss --chat t --tool weather --seed 1\nParis?").success
    *_, (_, metadata), _ = page.outputs("a")
    assert metadata["ossnb"]["steps"][0]["result"] == "sun in Paris"
    path = page.save(tmp_path / "n.ipynb")
    before = list(tools.user_ns["_chat"].messages)
    tools.run_cell("%oss reset t")
    assert tools.run_cell(f"%oss restore {path}").success
    assert page.run("b", "%%oss --chat t --tool weather --seed 1\nAgain?").success
    assert tools.user_ns["_chat"].messages[: len(before)] == before


def test_an_interrupted_call_is_kept(tools, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ossnb.tools.worker.Work.wait", interrupt)  # where Ctrl-C finds the main thread
    result, out, _ = run(tools, "%%oss --tool weather --seed 1\nParis?", capsys)
    assert isinstance(result.error_in_exec, ossnb.Interrupted)
    reply = tools.user_ns["_oss"]
    assert reply.finish_reason == "interrupted"
    assert reply.steps[0].error.startswith("the user stopped this call")
    assert "stopped" in out


# ---- a schema ----------------------------------------------------------------------------------------------


def test_a_cell_holds_the_answer_to_a_variable(shell, capsys):
    ossnb.set_default_model(model_of_rounds("<|channel|>final<|message|>maybe"))
    run(shell, "words = ['yes', 'maybe']\nclass of:\n    words = ['perhaps']\nnumber = 3", capsys)
    result, _, err = run(shell, "%%oss reply << --schema words --seed 1\nIs 7 odd?", capsys)
    assert result.success, err
    assert shell.user_ns["reply"].parsed == "maybe"
    assert run(shell, "%%oss --schema of.words --seed 1\nIs 7 odd?", capsys)[0].success
    assert shell.user_ns["_oss"].parsed == "perhaps"
    assert again_options(parse_cell_line("--schema words"), "--seed 1").schema == "words"
    for line, message in [
        ("--schema missing", "--schema names a variable of the notebook, and there is no 'missing'"),
        ("--schema number", "schema must be a type of pydantic"),
        ("--schema of.x", "'of.x' has no 'x'"),
        ("--raw --schema words", "--raw continues plain text, which has no --schema"),
    ]:
        assert message in fails(shell, f"%%oss {line}\nHi", capsys)


# ---- a real kernel -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with running_kernel(tmp_path_factory) as kernel:
        code = (
            "import time\nossnb.set_default_model(ossnb.load('demo'))\n"
            "def get_weather(city: str):\n    'Get the current weather of a city'\n"
            "    print('looking out of the window')\n    return 'sunny, 21 degrees'"
        )
        assert kernel.run(code).reply["status"] == "ok"
        yield kernel


CELL = "%%oss --tool get_weather --temperature 0\nWhat is the weather in Paris?"


@pytest.mark.slow
@pytest.mark.parametrize("names_cell", [True, False])
def test_a_kernel_shows_each_part(kernel, names_cell):
    ran = kernel.run(CELL, names_cell=names_cell)
    assert ran.reply["status"] == "ok"
    shown = [data["text/plain"] for data, _ in ran.shown()]
    assert [text.split("\n")[0].split(" ")[0] for text in shown[:4]] == [
        "[reasoning",
        "[get_weather",
        "[reasoning",
        "It",
    ]
    assert len(shown) == 5
    if not names_cell:
        assert "update_display_data" not in ran.kinds()
    assert "looking out of the window" in ran.text()
