"""Code of an answer goes into the next cell by a button, by `--code`, by `%oss code`; it never runs."""

import html
import json
import re

import pytest

from ossnb.notebook.next_cell import MAX_BUTTON_CHARS, as_cell, choose, next_cell_row
from ossnb.page.safe import CodeBlock, code_blocks
from shells import NotebookPage, fails, ipython, run, shell
from test_display import Tags

FIXTURES = ipython, shell

ANSWER = "Install:\n\n```bash\npip install x\n```\n\nThen:\n\n```python\nimport x\n\nx.run()\n```\n"
SCRIPT = f"<|channel|>final<|message|>{ANSWER}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no code, `x = 1` aside", []),
        ("```python\nx = 1\n```", [("python", "x = 1")]),
        ("```\nx\n\n  y\n```\n~~~~js\nz```\n~~~~", [("", "x\n\n  y"), ("js", "z```")]),
        ("1. Do:\n\n   ```{python}\n   if x:\n       y\n   ```\n", [("python", "if x:\n    y")]),
        ("- ```Python title=a.py\n  x\n  ```", [("python", "x")]),
        ("cut off:\n```py\nx = 1\ny =", [("py", "x = 1\ny =")]),
        ("````md\n```python\nx\n```\n````", [("md", "```python\nx\n```")]),
        ("```python\n```\n```\n\n```", []),
        ("```python\r\nif x:\r\n\ty\r\n```", [("python", "if x:\n\ty")]),
    ],
)
def test_blocks_are_the_fences_that_are_shown(text, expected):
    assert code_blocks(text) == [CodeBlock(*block) for block in expected]


def test_a_block_becomes_a_cell_of_its_language():
    assert as_cell(CodeBlock("python", "x = 1")) == "x = 1"
    assert as_cell(CodeBlock("sh", "ls")) == "%%sh\nls"
    assert as_cell(CodeBlock("bash", "%%bash\nls")) == "%%bash\nls"
    assert as_cell(CodeBlock("json", "{}")) == "{}"


def test_the_first_block_of_python_is_taken_unless_one_is_named():
    blocks = code_blocks(ANSWER)
    assert choose(blocks) == (2, blocks[1])
    assert choose(blocks, 1) == (1, blocks[0])
    assert choose(blocks[:1]) == (1, blocks[0])
    with pytest.raises(ValueError, match="2 blocks of code, 1 to 2, got number 3"):
        choose(blocks, 3)
    with pytest.raises(ValueError, match="no code in the last answer"):
        choose([])


def buttons(page):
    """What each button of a page does: (command, arguments)."""
    found = re.findall(r'data-commandlinker-command="([^"]*)" data-commandlinker-args="([^"]*)"', page)
    return [(command, json.loads(html.unescape(arguments))) for command, arguments in found]


def test_a_button_inserts_and_does_not_run():
    (first, second) = buttons(next_cell_row(code_blocks(ANSWER)))
    assert first[0] == second[0] == "apputils:run-all-enabled"
    assert second[1] == {
        "commands": ["notebook:insert-cell-below", "notebook:replace-selection"],
        "args": {"text": "import x\n\nx.run()"},
    }


@pytest.mark.parametrize(
    "code",
    [
        '"}]\' data-commandlinker-command="kernelmenu:run"',
        "</button></span><script>alert(1)</script><img src=x onerror=alert(1)>",
        "&quot;},{&quot;commands&quot;:[]}",
    ],
)
def test_code_cannot_leave_its_button(code):
    block = CodeBlock(f'py"><script>{code}', code)
    page = next_cell_row([block])
    assert [arguments["args"]["text"] for _, arguments in buttons(page)] == [code]
    tags = Tags(page)
    assert set(tags.tags) == {"div", "style", "span", "button", "code"}
    assert not tags.handlers
    assert page.count("data-commandlinker-command=") - code.count("data-commandlinker-command=") == 1


def test_long_code_has_no_button_but_the_command():
    page = next_cell_row([CodeBlock("python", "x" * (MAX_BUTTON_CHARS + 1))])
    assert buttons(page) == []
    assert "%oss code" in page
    assert len(page) < 500
    assert next_cell_row([]) == ""


def test_flag_and_command_put_the_code_into_the_next_cell(shell, capsys, monkeypatch):
    put = []
    monkeypatch.setattr(shell, "set_next_input", lambda text, replace: put.append((text, replace)))
    shell.use(SCRIPT)
    _, out, _ = run(shell, "%%oss --code\nHow?", capsys)
    assert put == [("import x\n\nx.run()", False)]
    assert "block 2 of 2; `%oss code N` takes another" in out
    run(shell, "%oss code 1", capsys)
    assert put[1:] == [("%%bash\npip install x", False)]
    assert "x" not in shell.user_ns, "nothing has run"
    assert "2 blocks of code, 1 to 2, got number 7" in fails(shell, "%oss code 7", capsys)
    assert "takes the number of a block" in fails(shell, "%oss code first", capsys)


def test_an_answer_without_code_puts_nothing(shell, capsys, monkeypatch):
    put = []
    monkeypatch.setattr(shell, "set_next_input", lambda text, replace: put.append(text))
    assert "no answer yet" in fails(shell, "%oss code", capsys)
    _, out, _ = run(shell, "%%oss --code\nHi", capsys)
    assert "no code to put into a cell" in out
    assert "no code in the last answer" in fails(shell, "%oss code", capsys)
    assert put == []


def test_an_interrupted_answer_puts_nothing(shell, capsys, monkeypatch):
    put = []
    monkeypatch.setattr(shell, "set_next_input", lambda text, replace: put.append(text))
    model = shell.use(SCRIPT)

    def interrupt(n_calls):
        if n_calls == 25:
            raise KeyboardInterrupt

    model.core.before_forward = interrupt
    result, out, _ = run(shell, "%%oss --code\nHow?", capsys)
    assert not result.success
    assert "```" in out
    assert put == [], "half a program is not offered"


def test_a_notebook_answer_offers_its_code(shell, monkeypatch):
    shell.use(SCRIPT)
    page = NotebookPage(shell, monkeypatch)
    assert page.run("a", "%%oss\nHow?").success
    figures, _ = page.outputs("a")[-1]
    assert [arguments["args"]["text"] for _, arguments in buttons(figures["text/html"])] == [
        "%%bash\npip install x",
        "import x\n\nx.run()",
    ]
    assert "\n" not in figures["text/plain"]
