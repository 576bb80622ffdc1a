"""`{{expr}}` in a cell: whose names it takes, and what is told about its value."""

import types

import numpy as np

from shells import fails, ipython, run, shell

FIXTURES = ipython, shell

ASKS = """
q, n = "the notebook's", 7
def ask(q):
    k = 2
    get_ipython().run_cell_magic("oss", "--seed {{k}}", "{{q}} {{[k * q for _ in range(k)]}} {{n}}")
class Asker:
    def __init__(self): self.q = "mine"
    def ask(self): get_ipython().run_cell_magic("oss", "", "{{self.q}}")
"""
NESTED = """
def outer(q):
    def inner():
        get_ipython().run_cell_magic("oss", "", "{{q}}")
    inner()
"""


def test_in_a_function_values_are_those_of_the_function(shell, capsys):
    shell.run_cell(ASKS)
    for source in ("ask('its')", "(lambda f: f('its'))(ask)", "list(map(ask, ['its']))"):
        shell.asked.clear()
        run(shell, source, capsys)
        assert shell.asked == [("its ['itsits', 'itsits'] 7", {"seed": 2})]
    shell.asked.clear()
    run(shell, "Asker().ask()", capsys)
    run(shell, "for q in 'ab':\n    get_ipython().run_cell_magic('oss', '', '{{q}}')", capsys)
    run(shell, "%%oss\n{{q}}", capsys)
    assert [prompt for prompt, _ in shell.asked] == ["mine", "a", "b", "b"]


def test_a_line_in_a_function_takes_the_functions_values(shell, capsys):
    shell.run_cell("%%oss\nHi")
    shell.run_cell("def again(level):\n    %oss again --effort {{level}}")
    shell.asked.clear()
    run(shell, "again('high')", capsys)
    assert shell.asked[0][1]["effort"] == "high"


def test_a_module_of_the_users_has_its_own_values(shell, capsys):
    module = types.ModuleType("mine")
    exec("q = 1\ndef ask(shell): shell.run_cell_magic('oss', '', '{{q}} {{r}}')", vars(module))
    shell.push({"mine": module, "q": 2, "r": 3})
    run(shell, "mine.ask(get_ipython())", capsys)
    assert shell.asked == [("1 3", {})]


def test_a_name_that_a_function_lacks_is_told_with_what_to_do(shell, capsys):
    shell.run_cell(NESTED)
    told = fails(shell, "outer(1)", capsys)
    assert "'q' is no name of inner(), which asks, nor of the notebook" in told
    assert "`q = q`" in told


def test_an_error_inside_a_called_function_is_told_as_it_is(shell, capsys):
    shell.run_cell(
        "def broken(): return missing\ndef ask(): get_ipython().run_cell_magic('oss', '', '{{broken()}}')"
    )
    assert "NameError: name 'missing' is not defined" in fails(shell, "ask()", capsys)


def test_a_message_about_an_expression_names_no_file_and_no_line(shell, capsys):
    for expression in ("", "a b", "1 +", "x ="):
        told = fails(shell, f"%%oss\nIs {{{{ {expression} }}}} right?", capsys)
        assert "not a Python expression" in told
        assert "line" not in told
        assert "<string>" not in told


class Table:
    """As pandas prints one."""

    shape = (5_000, 2)

    def __str__(self):
        return "0  1\n...\n4999  2"

    def to_string(self):
        return "all of it"


def test_a_value_that_comes_abridged_is_told(shell, capsys):
    shell.push(
        {"df": Table(), "x": np.arange(5000), "small": np.arange(3), "t": "well ...", "many": [0] * 5000}
    )
    _, out, _ = run(shell, "%%oss\n{{df}} and {{x + 1}}", capsys)
    assert "note: {{df}} is abridged, as print() shows it (5,000 x 2); {{df.to_string()}} inserts all" in out
    assert "note: {{x + 1}} is abridged, as print() shows it (5,000); {{(x + 1).tolist()}} inserts all" in out
    _, out, _ = run(shell, "%%oss\n{{df.to_string()}} {{x.tolist()}} {{small}} {{t}} {{many}}", capsys)
    assert "abridged" not in out
    assert "4999" in shell.asked[-1][0]
