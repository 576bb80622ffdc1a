"""Nobody imports upward: the map of docs/ARCHITECTURE.md, read off the import and #include lines."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "ossnb"

# From the ground up; a module may import what stands in a line above its own.
LAYERS = [
    ["errors", "files"],
    ["config", "machine", "messages", "progress", "sampling", "safetensors", "stops", "turns"],
    ["attention", "checkpoint", "harmony", "demo"],
    ["derived", "emulate", "hub", "parser", "reply", "testing"],
    ["engine", "prefix"],
    ["estimate", "trace"],
    ["generation"],
    ["aio"],
    ["model"],
    ["chat", "default"],
    ["doctor"],
    ["bench", "quality", "verify"],
    ["notebook", "cli"],
    ["views"],
    ["__main__"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
USES_CORE = {"engine", "estimate", "generation", "derived", "model", "doctor", "bench"}
# Doors to a room above, which import it when they are called: Model.chat(), Reply.inspect() and its like.
UPWARD_BY_INTENT = {("model", "chat"), ("reply", "views")}

CPP_LEVEL = {
    "base": 0,
    "format": 0,
    "kernels": 1,
    "data": 1,
    "choice": 2,
    "ops": 3,
    "model": 4,
    "bindings": 5,
}


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, at its top or in functions; not those for type checking."""
    module = path.relative_to(PACKAGE).with_suffix("").parts
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            base = [*module[: len(module) - node.level], *(node.module or "").split(".")]
            base = [part for part in base if part]
            names = [base[0]] if base else [alias.name for alias in node.names]
            found.update(name for name in names if not name.startswith("__"))  # __version__ and the like
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ossnb":
            parts = (node.module or "").split(".")[1:]
            found.update(parts[:1] or [alias.name for alias in node.names])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_python_imports_only_what_lies_below(path):
    name = path.relative_to(PACKAGE).with_suffix("").parts[0]
    assert name in LEVEL, f"{name} has no place in LAYERS: give it one, here and in docs/ARCHITECTURE.md"
    for imported in imports(path) - {name}:
        if imported == "_core":
            assert name in USES_CORE, f"{name} must not import _core"
        elif (name, imported) not in UPWARD_BY_INTENT:
            assert imported in LEVEL, f"{name} imports {imported}, which has no place in LAYERS"
            assert LEVEL[imported] < LEVEL[name], f"{name} imports {imported}, which is not below it"


def test_the_reader_of_imports_sees_them(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "notebook").mkdir()
    (tmp_path / "a.py").write_text(
        "from . import b, c\nfrom .d import x\nimport os\n"
        "if TYPE_CHECKING:\n    from .e import y\n"
        "def f():\n    from ossnb.g import z\n"
    )
    (tmp_path / "notebook" / "m.py").write_text(
        "from ..model import Model\nfrom .n import x\nfrom .. import chat\n"
    )
    assert imports(tmp_path / "a.py") == {"b", "c", "d", "g"}
    assert imports(tmp_path / "notebook" / "m.py") == {"model", "notebook", "chat"}


CPP_FILES = sorted(path for path in (ROOT / "cpp").rglob("*") if path.suffix in (".cpp", ".h"))


@pytest.mark.parametrize("path", CPP_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_cpp_includes_only_what_lies_below(path):
    folder = path.relative_to(ROOT / "cpp").parts[0]
    text = path.read_text()
    for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE):
        target = included.split("/")[0]
        assert target in CPP_LEVEL, f'"{included}": name files from cpp/, as in "base/error.h"'
        assert target == folder or CPP_LEVEL[target] < CPP_LEVEL[folder], f"{folder} includes {included}"
    if folder != "bindings":
        assert "pybind11" not in re.sub(r"//.*", "", text), "only bindings/ may know pybind11"


def test_there_is_something_to_check():
    assert len(FILES) > 10
    assert len(CPP_FILES) > 10
