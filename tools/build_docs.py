"""Build the site into build/docs/html: `python tools/build_docs.py`.

The pages keep their places in the repository, so that a link works here and there. Pages that the code knows
best are written from it: the command line, the cells' flags, the messages of errors. Every warning of Sphinx,
every link that leads nowhere and everything that a page would fetch from elsewhere fails the build.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one of the user's

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "docs"
SOURCE, HTML = BUILD / "source", BUILD / "html"
PAGES = [
    "docs/**/*.md",
    "docs/img/*",
    "docs/conf.py",
    "notebooks/*.ipynb",
    "benchmarks/README.md",
    "benchmarks/results/*",
    "python/ossnb/data/MODEL_CARD.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
]
START = """<!doctype html><meta charset="utf-8"><title>ossnb</title>
<meta http-equiv="refresh" content="0; url=docs/index.html"><a href="docs/index.html">ossnb</a>
"""
WIDTH = "100"  # of the help texts, in characters


def gather():
    """Copy the pages to where Sphinx reads them; forget those that are gone."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for pattern in PAGES:
        for path in sorted(ROOT.glob(pattern)):
            target = SOURCE / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)  # with its time, so that Sphinx reads again only what changed
    shutil.copy2(SOURCE / "docs" / "conf.py", SOURCE / "conf.py")


def write(page, text):
    (SOURCE / "docs" / "reference" / page).write_text(text)


def fenced(text):
    return f"```text\n{text.rstrip()}\n```\n"


def command_line():
    """Every command of `ossnb` with its help."""
    from ossnb.command.cli import parser

    os.environ["COLUMNS"] = WIDTH
    top = parser()
    commands = next(action.choices for action in top._actions if isinstance(action.choices, dict))
    parts = ["# The command line\n", fenced(top.format_help())]
    for name, command in commands.items():
        parts += [f"## ossnb {name}\n", fenced(command.format_help())]
    return "\n".join(parts)


def cells():
    """The flags of `%%oss` and the small commands of `%oss`."""
    from ossnb.notebook import commands, options

    os.environ["COLUMNS"] = WIDTH
    return "\n".join(
        [
            "# Cells\n",
            "`%load_ext ossnb` and `import ossnb` bring both magics into a notebook.\n",
            "## %%oss\n",
            fenced(options.cell_help()),
            "## %oss\n",
            fenced(commands.LINE_HELP),
        ]
    )


# What a caller sees; a class of one module is caught by that module.
KINDS = {
    *("Busy", "CheckpointError", "ContextFull", "DeviceError", "ImportError", "Interrupted", "LogError"),
    *("Unparsed", "UsageError"),
    *("IndexError", "KeyError", "MemoryError", "OSError", "RuntimeError", "TypeError", "ValueError"),
}


class Raised(ast.NodeVisitor):
    """The messages of the errors that a module raises, with the function that raises each."""

    def __init__(self):
        self.found, self._inside = [], []

    def visit_FunctionDef(self, node):
        self._inside.append(node.name)
        self.generic_visit(node)
        self._inside.pop()

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_Raise(self, node):
        call = node.exc
        if isinstance(call, ast.Call) and call.args and isinstance(call.func, ast.Name | ast.Attribute):
            kind = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            if kind in KINDS and (text := said(call.args[0])):
                self.found.append((kind, text))


def said(node):
    """A message as its source writes it, with … in the place of values; "" for what is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(said(part) or "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = said(node.left), said(node.right)
        return f"{left or '…'}{right or '…'}" if left or right else ""
    return ""


def messages():
    """Every message of an error that the Python sources raise, by the kind of the error."""
    by_kind = defaultdict(set)
    for path in sorted((ROOT / "python" / "ossnb").rglob("*.py")):
        visitor = Raised()
        visitor.visit(ast.parse(path.read_text()))
        for kind, text in visitor.found:
            by_kind[kind].add((" ".join(text.split()), path.stem))
    parts = [
        "# All messages\n",
        "Every message says what is wrong, what came, what was expected, and the cure. The sources of ossnb"
        " make this list. `…` stands for a value. [Errors and their cures](errors.md) explains the kinds.\n",
    ]
    for kind in sorted(by_kind):
        parts.append(f"## {kind}\n")
        parts += [f"* `{text.replace('`', chr(39))}` (`{module}`)" for text, module in sorted(by_kind[kind])]
        parts.append("")
    return "\n".join(parts)


def build():
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run([*command, "-d", BUILD / "doctrees", SOURCE, HTML], cwd=BUILD, check=False)
    if done.returncode != 0:
        raise SystemExit("error: Sphinx found mistakes (above)")
    (HTML / "index.html").write_text(START)


class Links(HTMLParser):
    """What a page fetches, where it leads, and the places in it."""

    def __init__(self):
        super().__init__()
        self.fetched, self.leads, self.places = [], [], set()

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if names.get("id"):
            self.places.add(names["id"])
        if tag == "a":
            self.leads.append(names.get("href") or "")
        elif tag == "link":
            self.fetched.append(names.get("href") or "")
        elif names.get("src"):
            self.fetched.append(names["src"])


def read_page(path):
    links = Links()
    links.feed(path.read_text())
    return links


def check():
    """Return what is wrong with the site as a reader without a network has it."""
    pages = {path: read_page(path) for path in sorted(HTML.rglob("*.html"))}
    wrong = []
    for path, page in pages.items():
        name = path.relative_to(HTML)
        wrong += [f"{name} fetches {url}" for url in page.fetched if re.match(r"(https?:)?//", url)]
        for url in [*page.fetched, *page.leads]:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                wrong.append(f"{name} leads to {url}, which is not there")
            elif name.parts[0] == "_modules":
                continue  # Sphinx guesses the way back from a source
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                wrong.append(f"{name} leads to {url}, and that page has no such place")
    for sheet in HTML.rglob("*.css"):
        found = re.findall(r"url\(['\"]?((?:https?:)?//[^)'\"]+)", sheet.read_text())
        wrong += [f"{sheet.relative_to(HTML)} fetches {url}" for url in found]
    return wrong


def main():
    gather()
    write("command-line.md", command_line())
    write("cells.md", cells())
    write("messages.md", messages())
    build()
    if wrong := check():
        raise SystemExit("error: the site is not whole\n" + "\n".join(wrong))
    n_pages = sum(1 for _ in HTML.rglob("*.html"))
    print(f"The site has {n_pages} pages: {(HTML / 'index.html').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
