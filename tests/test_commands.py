"""`%oss again`, `%oss fix`, `%oss effort`, and flags that are kept for later."""

from __future__ import annotations

import pytest

import ossnb
from ossnb.notebook.commands import LINE_HELP
from ossnb.notebook.options import SUBCOMMANDS, cell_help
from shells import fails, ipython, run, shell
from test_magic import complete

FIXTURES = ipython, shell

# ---- again -------------------------------------------------------------------------------------------------


def test_show_draws_the_last_answer_again(shell, capsys):
    assert "no answer yet to show" in fails(shell, "%oss show", capsys)
    run(shell, "%%oss\nHi", capsys)
    reply = shell.user_ns["_oss"]
    run(shell, "_oss = None", capsys)
    _, out, _ = run(shell, "%oss show", capsys)
    assert out.startswith("It is **42**.\n")
    assert f"seed {reply.seed}" in out
    assert "takes no words" in fails(shell, "%oss show it", capsys)


def test_again_draws_another_seed_and_keeps_the_rest(shell, capsys):
    line = "--seed 7 --effort low --instructions 'Be brief.' --max-tokens 30"
    run(shell, f"%%oss {line}\nHi", capsys)
    first = shell.user_ns["_oss"]
    run(shell, "%oss again", capsys)
    second = shell.user_ns["_oss"]
    assert second is not first
    assert second.seed != 7
    assert shell.asked[1] == ("Hi", {"effort": "low", "instructions": "Be brief.", "max_tokens": 30})
    run(shell, "%oss again --seed 9 --temperature 0.5 --effort high --out kept", capsys)
    assert shell.asked[2][1] == {
        "effort": "high",
        "instructions": "Be brief.",
        "max_tokens": 30,
        "seed": 9,
        "temperature": 0.5,
    }
    assert shell.user_ns["kept"] is shell.user_ns["_oss"]


def test_again_asks_what_was_asked_whatever_a_name_means_now(shell, capsys):
    shell.user_ns["name"] = "Ada"
    run(shell, "%%oss\nWho is {{name}}?", capsys)
    shell.user_ns["name"] = "Bob"
    run(shell, "%oss again", capsys)
    assert [prompt for prompt, _ in shell.asked] == ["Who is Ada?"] * 2


def test_again_after_an_interrupt(shell, capsys):
    core = ossnb.default_model().engine.core

    def interrupt(n_calls):
        core.before_forward = lambda n_calls: None
        raise KeyboardInterrupt

    core.before_forward = interrupt
    result, _, _ = run(shell, "%%oss --raw --max-tokens 3\nOnce", capsys)
    assert not result.success
    result, _, _ = run(shell, "%oss again", capsys)
    assert result.success
    assert shell.user_ns["_oss"].finish_reason == "length"
    assert shell.user_ns["_oss"].effort is None, "raw stays raw"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--chat b", "takes no --chat and no --raw"),
        ("--raw", "takes no --chat and no --raw"),
        ("--instructions x", "the chat 'a' keeps its instructions; `%oss reset a` ends it"),
        ("--temprature 1", "did you mean --temperature?"),
        ("--temperature -1", "temperature must be >= 0"),
        ("please", "unexpected 'please'"),
    ],
)
def test_again_refuses_what_it_cannot_do(shell, capsys, line, said):
    assert "no question yet" in fails(shell, "%oss again", capsys)
    run(shell, "%%oss --chat a\nHi", capsys)
    assert said in fails(shell, f"%oss again {line}", capsys)


@pytest.mark.parametrize(
    ("first", "line", "said"),
    [
        ("--chat a", "--n 2", "--n writes several answers, and --chat takes one"),
        ("--chat a", "--n 1", "--n writes several answers, and --chat takes one"),
        ("--chat a", "--map rows", "--map writes several answers, and --chat takes one"),
        ("--n 2", "--code", "--n writes several answers, and --code takes one"),
        ("--n 2", "--map rows", "--map asks once for each row, and --n several times; give one of them"),
        ("--map rows", "--n 2", "--map asks once for each row, and --n several times; give one of them"),
        ("--raw --max-tokens 2", "--n 2", "--n writes several answers, and --raw takes one"),
        ("--raw --max-tokens 2", "--effort low", "--raw continues plain text, which has no --effort"),
        ("--raw --max-tokens 2", "--tool f", "--raw continues plain text, which has no --tool"),
        ("--raw --max-tokens 2", "--tool f --approve", "--raw continues plain text, which has no --approve"),
        ("--raw --max-tokens 2", "--schema words", "--raw continues plain text, which has no --schema"),
        ("--raw --max-tokens 2", "--doc rows", "--raw continues plain text, which has no --doc"),
        ("--raw --max-tokens 2", "--drop-oldest", "--raw continues plain text, which has no --drop-oldest"),
    ],
)
def test_again_refuses_flags_that_do_not_go_with_the_first_ones(shell, capsys, first, line, said):
    shell.run_cell("rows, words = ['a', 'b'], ['yes', 'no']\ndef f(a: int): 'F.'")
    result, _, err = run(shell, f"%%oss {first}\nHi {{}}", capsys)
    assert result.success, err
    before = shell.user_ns["_oss"]
    assert said in fails(shell, f"%oss again {line}", capsys)
    assert shell.user_ns["_oss"] is before


# ---- effort ------------------------------------------------------------------------------------------------


def test_effort_holds_for_later_cells_that_do_not_say(shell, capsys):
    _, out, _ = run(shell, "%oss effort", capsys)
    assert out == "effort medium for the cells that do not say\n"
    run(shell, "%oss effort high", capsys)
    for line in ("", "--effort low", "--chat a", "--raw --max-tokens 1"):
        run(shell, f"%%oss {line}\nHi", capsys)
    assert [settings.get("effort") for _, settings in shell.asked] == ["high", "low", "high"]
    _, out, _ = run(shell, "%oss effort", capsys)
    assert out.startswith("effort high")
    assert "is one of low, medium, high, got 'extreme'" in fails(shell, "%oss effort extreme", capsys)
    assert "takes one word at most, got 2" in fails(shell, "%oss effort low high", capsys)


# ---- fix ---------------------------------------------------------------------------------------------------


def asked_to_fix(shell, source, capsys, line="%oss fix"):
    """The question that is asked after a cell failed."""
    result, _, _ = run(shell, source, capsys)
    assert not result.success
    run(shell, "x = 'another cell'", capsys)
    result, _, err = run(shell, line, capsys)
    assert result.success, err
    return shell.asked[-1][0]


def test_fix_asks_about_the_cell_and_its_error(shell, capsys):
    prompt = asked_to_fix(shell, "def half(n):\n    return n / 0\n\nhalf(3)", capsys)
    assert "```python\ndef half(n):\n    return n / 0\n\nhalf(3)\n```" in prompt
    report = prompt.split("```text\n")[1]
    assert report.startswith("Traceback (most recent call last):\n")
    assert "line 4, in <module>\n    half(3)\n" in report
    assert "line 2, in half\n    return n / 0\n" in report
    assert report.endswith("ZeroDivisionError: division by zero\n```")
    assert "site-packages" not in prompt, "no frames of IPython's, no paths of this machine"
    assert 'File "Cell In[' in report


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("print('a'\nx = = 2", "SyntaxError"),
        ("for x in y:\nprint(x)", "IndentationError"),
        ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e", "direct cause"),
        ("%%bash\nexit 3", "CalledProcessError"),
        ("s = '''\n````\n'''\nundefined", "`````python"),
    ],
)
def test_fix_knows_every_kind_of_error(shell, capsys, source, told):
    prompt = asked_to_fix(shell, source, capsys)
    assert told in prompt
    assert source in prompt


def test_fix_takes_the_flags_of_a_question(shell, capsys, monkeypatch):
    put = []
    monkeypatch.setattr(shell, "set_next_input", lambda text, replace: put.append(text))
    shell.use("<|channel|>final<|message|>Because.\n```python\nx = 1\n```")
    asked_to_fix(shell, "1 / 0", capsys, "%oss fix --code --effort high --out why")
    assert put == ["x = 1"]
    assert shell.asked[-1][1] == {"effort": "high"}
    assert shell.user_ns["why"].text.startswith("Because.")


def test_fix_bounds_what_it_asks(shell, capsys):
    source = "# begin\n" + "x = 1\n" * 20_000 + "raise ValueError('y' * 100_000)  # end"
    prompt = asked_to_fix(shell, source, capsys)
    assert len(prompt) < ossnb.default_model().context + 400, "there is room for an answer"
    assert "# begin" in prompt
    assert "# end" in prompt
    assert "characters left out" in prompt
    assert "ValueError: yyy" in prompt


def test_fix_looks_past_what_is_nobodys_bug(shell, capsys):
    assert "no cell has failed" in fails(shell, "%oss fix", capsys)
    run(shell, "1 / 0", capsys)
    run(shell, "%nosuchmagic", capsys)
    run(shell, "raise KeyboardInterrupt", capsys)
    run(shell, "%%oss --nonsense\nHi", capsys)
    run(shell, "%oss fix", capsys)
    assert "ZeroDivisionError" in shell.asked[-1][0]
    assert "--raw text cannot" in fails(shell, "%oss fix --raw", capsys)


def test_fix_knows_the_error_from_before_the_import(shell, capsys):
    ossnb.unload_ipython_extension(shell)
    run(shell, "numbers = [1]\nnumbers[7]", capsys)
    run(shell, "import ossnb\nossnb.load_ipython_extension(get_ipython())", capsys)
    result, _, err = run(shell, "%oss fix", capsys)
    assert result.success, err
    assert "numbers = [1]\nnumbers[7]\n" in shell.asked[-1][0]
    assert "IndexError: list index out of range" in shell.asked[-1][0]


# ---- help and completion ---------------------------------------------------------------------------------


def test_every_command_is_in_the_help(shell, capsys):
    _, out, _ = run(shell, "%oss", capsys)
    assert out.startswith("%oss again")
    for name in SUBCOMMANDS:
        assert f"%oss {name}" in LINE_HELP
        assert name in cell_help()
    assert "--code" in cell_help()
    assert max(map(len, LINE_HELP.splitlines())) <= 110


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%oss re", ["reset", "restore"]),
        ("%oss effort ", ["low", "medium", "high"]),
        ("%oss again --te", ["--temperature"]),
        ("%oss fix --effort h", ["high"]),
        ("%oss history ", ["tutor"]),
        ("%%oss --co", ["--context", "--code"]),
    ],
)
def test_completion_knows_the_commands(shell, capsys, text, expected):
    run(shell, "%%oss --chat tutor --max-tokens 1\nHi", capsys)
    assert complete(shell, text) == expected
