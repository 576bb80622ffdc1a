"""The first line of a `%%oss` cell: what may stand above it, and marks that no keyboard typed."""

import pytest

from shells import fails, ipython, run, shell

FIXTURES = ipython, shell


@pytest.mark.parametrize(
    "above", ["#| label: q1\n", "# note\n\n", "# %%\n", "\n \n#\n", "  # it's\n", "#| a\n# b\r\n"]
)
def test_comments_may_stand_above(shell, capsys, above):
    result, _, _ = run(shell, f"{above}%%oss --seed 3\nHow's that?\n# and this", capsys)
    assert result.success
    assert shell.asked == [("How's that?\n# and this", {"seed": 3})]
    _, out, _ = run(shell, f"{above}%%oss --help", capsys)
    assert "--temperature" in out


@pytest.mark.parametrize(
    "above", ["x = 1\n", "# why\nimport os\n\n", "%precision 3\n", "def f():\n    pass\n"]
)
def test_code_above_is_named(shell, capsys, above):
    assert "%%oss must be the first line of its cell" in fails(shell, f"{above}%%oss\nHow's that?", capsys)


@pytest.mark.parametrize(
    "source", ["text = '''\n%%oss\nHi'''", "%%writefile {}\n%%oss\nHi", "f(1,\n%%oss\n)", "# only this", ""]
)
def test_other_cells_are_left_alone(shell, capsys, tmp_path, source):
    result, _, err = run(shell, source.format(tmp_path / "a.txt"), capsys)
    assert "must be the first line" not in err
    assert result.success or isinstance(result.error_before_exec, SyntaxError)
    assert not shell.asked


def test_another_magic_may_run_a_cell(shell, capsys):
    result, _, _ = run(shell, "%%time\n%%oss\nHow's that?", capsys)
    assert result.success
    assert [prompt for prompt, _ in shell.asked] == ["How's that?"]


def test_a_failed_question_below_a_comment_is_no_code_to_repair(shell, capsys):
    run(shell, "# note\n%%oss --tempreature 1\nHi", capsys)
    assert "no cell has failed" in fails(shell, "%oss fix", capsys)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\u2013temperature 0", "'\u2013' is a typographic mark (en dash): type '--'"),
        ("\u2014seed 7", "'\u2014' is a typographic mark (em dash): type '--'"),
        ("--temperature \u22120.5", "'\u2212' is a typographic mark (minus sign): type '-'"),
        ("--instructions “be brief”", "'“' is a typographic mark (left double quotation mark): type '\"'"),
        ("--instructions=\u2018brief\u2019", "is a typographic mark (left single quotation mark)"),
        ("--seed\u00a07", "(no-break space): type ' '"),
        ("--seed 7 # for now", "unexpected '#': the %%oss line takes no comment"),
    ],
)
def test_what_a_word_processor_made_of_a_mark_is_named(shell, capsys, line, said):
    assert said in fails(shell, f"%%oss {line}\nHi", capsys)


def test_in_quotes_and_in_words_these_marks_are_text(shell, capsys):
    said = "say “no” \u2013 it's 5\u00a0%"
    run(shell, f'%%oss --instructions "{said}" --stop don\u2019t\nHi', capsys)
    assert shell.asked[0][1] == {"instructions": said, "stop": ("don\u2019t",)}


def test_small_commands_name_such_marks_too(shell, capsys):
    assert "(en dash): type '--'" in fails(shell, "%oss load demo \u2013threads 1", capsys)
    assert "(left double quotation mark)" in fails(shell, "%oss history “a”", capsys)
