"""What the README and the site show is true: their Python gives these answers on the embedded model, their
commands exist, every public name and every variable has its place.

OSSNB_WRITE_OUTPUTS=1 writes anew what the Python shows; look at the difference.
"""

import json
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import ossnb
import renewal
from ossnb.command import cli

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
WITH_PYTHON = [path for path in [README, *sorted(DOCS.rglob("*.md"))] if "\n```python\n" in path.read_text()]
WITH_COMMANDS = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "README.md",
    *DOCS.glob("how-to/*.md"),
]
WRITTEN_BY_CODE = {"messages.md", "cells.md", "command-line.md"}  # in docs/reference, by tools/build_docs.py
DOCUMENTS = [*WITH_COMMANDS[:3], *sorted(DOCS.rglob("*.md"))]


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced code blocks in one of the languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [code for language, code in found if language in languages]


def commands(text: str) -> list[list[str]]:
    """Every `make ...` and `ossnb ...` in code blocks and code spans, as words; comments are left out."""
    lines = "".join(blocks(text, "", "sh", "bash", "console", "shell")).splitlines()
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    found = []
    for line in [*lines, *spans]:
        command = line.strip().removeprefix("$ ")
        if re.match(r"(make|ossnb) [a-z-]|(make|ossnb)$", command):
            found.append(shlex.split(command, comments=True))
    return found


END_OF_STATEMENT = "-----"

# Runs in its own process: blocks may set a default model, and %%oss cells want an IPython shell.
RUNNER = textwrap.dedent(
    """
    import json, sys
    from IPython.core.interactiveshell import InteractiveShell
    import ossnb, ossnb.checkpoint.hub, ossnb.checkpoint.demo, ossnb.checkpoint.names

    real = ossnb.checkpoint.hub.resolve
    def demo_for_hub_ids(source, revision=None, **more):  # the README names models that no test downloads
        name = str(source)
        if name in ossnb.checkpoint.names.ALIASES or name in ossnb.checkpoint.names.ALIASES.values():
            return ossnb.checkpoint.hub.Resolved(ossnb.checkpoint.demo.expand(), name, None)
        return real(source, revision, **more)
    ossnb.checkpoint.hub.resolve = demo_for_hub_ids
    END_OF_STATEMENT = sys.argv[1]

    shell = InteractiveShell.instance(history_load_length=0)
    shell.run_cell("%load_ext ossnb").raise_error()
    for code in json.load(sys.stdin):
        print(code, file=sys.stderr, flush=True)
        shell.run_cell(code).raise_error()
        print(END_OF_STATEMENT, flush=True)
    """
)


def answers(code: str) -> list[str]:
    """What Python says it shows, in `# → ...` at the end of its lines."""
    return re.findall(r"# → (.+)$", code, re.MULTILINE)


def lacking(shown: str, expected: list[str]) -> list[str]:
    """Those of the expected texts that do not come, one after the other, in what was shown."""
    missing, at = [], 0
    for text in expected:
        found = shown.find(text, at)
        if found < 0:
            missing.append(text)
        else:
            at = found + len(text)
    return missing


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", WITH_PYTHON, ids=name_of)
def test_python_blocks_give_their_answers_on_the_embedded_model(document: Path, tmp_path: Path) -> None:
    text = document.read_text()
    codes = blocks(text, "python")
    if document == README:
        codes += [code for code in blocks(text, "") if code.startswith("%")]
    codes = [statement for code in codes for statement in renewal.statements(code)]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, END_OF_STATEMENT],
        input=json.dumps(codes),
        text=True,
        capture_output=True,
        cwd=tmp_path,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    shown = done.stdout.split(f"{END_OF_STATEMENT}\n")
    assert len(shown) == len(codes) + 1
    assert any(map(answers, codes)), f"{document.name} says of nothing what it shows"
    for code, output in zip(codes, shown[:-1], strict=True):
        missing = lacking(output, answers(code))
        if missing and renewal.is_asked_for():
            text = text.replace(code, renewal.with_answers(code, output))
            document.write_text(text)
            continue
        assert not missing, f"{code}\n-- showed\n{output}"


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=name_of)
def test_commands_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[0].split())
    found = commands(document.read_text())
    assert found or document.parent.name == "how-to", f"{document.name} names no command"
    for program, *words in found:
        if program == "make":
            asked = {word for word in words if "=" not in word}
            assert asked <= targets, f"{document.name} names `make {' '.join(words)}`"
        elif words != ["--version"]:
            try:
                cli.parser().parse_args(words if len(words) > 1 else [*words, "--help"])
            except SystemExit as exit:
                if exit.code == 0:  # --help
                    continue
                pytest.fail(f"{document.name} names `ossnb {' '.join(words)}`, which is wrong use")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    local = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    local += re.findall(r'(?:src|href)="(?!http)([^"#]+)"', text)
    local = [link for link in local if Path(link).name not in WRITTEN_BY_CODE]
    missing = [link for link in local if not (document.parent / link).exists()]
    assert not missing


def test_the_reference_has_every_public_name() -> None:
    text = (DOCS / "reference" / "python.md").read_text()
    listed = set(re.findall(r"^\.\. auto\w+:: (\w+)$", text, re.MULTILINE))
    assert listed | {"__version__"} == set(ossnb.__all__)


def test_the_reference_has_every_variable() -> None:
    kinds = ("python/**/*.py", "cpp/**/*.cpp", "tests/*.py", "Makefile")
    text = "\n".join(path.read_text() for kind in kinds for path in ROOT.glob(kind))
    asked = (
        r"""(?:environ\.get\(|environ\[|getenv\(|\$\$)"?(OSSNB_\w+)|"(OSSNB_\w+)" (?:not )?in os\.environ"""
    )
    used = {name for names in re.findall(asked, text) for name in names if name}
    listed = set(re.findall(r"OSSNB_\w+", (DOCS / "reference" / "environment.md").read_text()))
    assert {"OSSNB_MODEL", "OSSNB_ISA"} <= used
    assert used == listed
