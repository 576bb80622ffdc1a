"""Nobody imports upward: the map of docs/ARCHITECTURE.md, read off the import and #include lines.

A room is a folder of the package, or a file at its root. A file imports rooms on lower floors and files of
its own folder, and within a folder there is no circle. Every import counts, also one in a function or one for
type checking: to know a type is to know its room.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "ossnb"

FLOORS = [  # from the ground up
    ["errors", "system", "version"],
    ["checkpoint", "harmony"],
    ["devices"],
    ["engine", "forms", "sandbox", "testing"],
    ["tools"],
    ["documents"],
    ["generation"],
    ["chat", "log", "many", "page", "saved"],
    ["views"],
    ["model"],
    ["loader"],
    ["default"],
    ["command", "notebook"],
    ["__init__"],  # the roof: the public names
    ["__main__"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
USES_CORE = {
    "checkpoint",
    "command",
    "devices",
    "engine",
    "generation",
    "harmony",
    "loader",
    "model",
}  # the C++ extension

CPP_FLOORS = ["base", "format words", "kernels data", "choice", "ops", "model", "bindings"]
CPP_FLOOR = {room: floor for floor, rooms in enumerate(CPP_FLOORS) for room in rooms.split()}


@cache
def imports_of(path: Path) -> set[tuple[str, ...]]:
    return Imports(path).found


class Imports(ast.NodeVisitor):
    """The files of the package that a file imports, as `module` paths such as ("views", "panel")."""

    def __init__(self, path: Path) -> None:
        self.package = path.relative_to(PACKAGE).parent.parts
        self.found: set[tuple[str, ...]] = set()
        self.visit(ast.parse(path.read_text()))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._add("." * node.level + (node.module or ""), alias.name)

    def visit_Call(self, node: ast.Call) -> None:
        """import_module(".notebook", __name__), importlib.import_module("ossnb.notebook"), __import__(...)"""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ("import_module", "__import__") and node.args:
            if isinstance(node.args[0], ast.Constant):
                self._add(str(node.args[0].value))
            else:
                assert self.package == (), "an import by a computed name, which nobody can follow"
        self.generic_visit(node)

    def _add(self, module: str, name: str = "") -> None:
        dots = len(module) - len(module.lstrip("."))
        parts = [part for part in module.split(".") if part]
        if dots:
            parts = [*self.package[: len(self.package) - dots + 1], *parts]
        elif parts[0] == "ossnb":
            parts = parts[1:]
        else:
            return
        if is_module(*parts, name):  # `from .views import panel`
            parts.append(name)
        self.found.add(tuple(parts) if is_file(*parts) else (*parts, "__init__"))


def is_file(*parts: str) -> bool:
    return bool(parts) and (PACKAGE.joinpath(*parts).with_suffix(".py").is_file() or parts == ("_core",))


def is_module(*parts: str) -> bool:
    return bool(parts[-1]) and (is_file(*parts) or PACKAGE.joinpath(*parts, "__init__.py").is_file())


def module_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


FILES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES} - {PACKAGE})


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(module_of(path)))
def test_python_imports_only_what_lies_below(path):
    room = module_of(path)[0]
    assert room in FLOOR, f"{room} has no place in FLOORS: give it one, here and in docs/ARCHITECTURE.md"
    for imported, *_ in imports_of(path):
        if imported == "_core":
            assert room in USES_CORE, f"{room} must not import _core"
        elif imported != room or path.parent == PACKAGE:
            assert imported in FLOOR, f"{room} imports {imported}, which has no place in FLOORS"
            assert FLOOR[imported] < FLOOR[room], f"{room} imports {imported}, which is not below it"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_within_a_folder_there_is_no_circle(folder):
    graph = {module_of(path): imports_of(path) for path in folder.glob("*.py")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join("/".join(module) for module in reversed(error.args[1])))


def test_every_place_is_taken():
    assert {module_of(path)[0] for path in FILES} == set(FLOOR)
    assert {module_of(path)[0] for path in FILES if ("_core",) in imports_of(path)} == USES_CORE


def test_the_reader_of_imports_sees_them(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    files = ["__init__", "b", "d", "e", "g", "model", "notebook/__init__", "notebook/m", "notebook/n"]
    (tmp_path / "notebook").mkdir()
    for name in files:
        (tmp_path / f"{name}.py").touch()
    (tmp_path / "a.py").write_text(
        "from . import b, _core\nfrom .d import x\nimport os\n"
        "if TYPE_CHECKING:\n    from .e import y\n"
        "def f():\n    from ossnb.g import z\n    import ossnb.notebook.m\n"
        "import_module('.model', __name__).f()\n"
    )
    (tmp_path / "notebook" / "m.py").write_text(
        "from ..model import Model\nfrom .n import x\nfrom .. import __version__\nfrom . import y\n"
        "import ossnb\nfrom ossnb import g\nimportlib.import_module('ossnb.d')\n"
    )
    found = {("b",), ("_core",), ("d",), ("e",), ("g",), ("notebook", "m"), ("model",)}
    assert Imports(tmp_path / "a.py").found == found
    found = {("model",), ("notebook", "n"), ("__init__",), ("notebook", "__init__"), ("g",), ("d",)}
    assert Imports(tmp_path / "notebook" / "m.py").found == found


# ---- tests use public doors --------------------------------------------------------------------------------

TESTS = sorted(set((ROOT / "tests").glob("*.py")) - {Path(__file__)})
NOT_OURS = {
    "_core": "the C++ extension: private to the package, and tested as what it is",
    "_display_": "marimo asks an object for what to show",
    "_esm": "anywidget's name for a view's module",
    "_exit": "os._exit",
}


def private_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of names with an underscore that are not the file's own; text may be code too."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls", "super()"):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ossnb"):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and "attr" in ast.unparse(node.func):  # getattr, monkeypatch.setattr
            names = [
                arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = re.findall(r"[\w\])]\.(_[a-z]\w*)", node.value)
        yield from ((node.lineno, name) for name in names if re.match("_[a-z]", name))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_tests_use_no_private_name(path):
    assert [(line, name) for line, name in private_names(path) if name not in NOT_OURS] == []


def test_the_reader_of_private_names_sees_them(tmp_path):
    (tmp_path / "a.py").write_text(
        "from ossnb.views.sliders import _labels\npanel._stream.x\nself._own\nsetattr(panel, '_timer', 1)\n"
        "patch('ossnb.views.Panel._id')\nkernel.run(f'{x}; panel._values[0]')\nx.__doc__\n"
    )
    found = [(1, "_labels"), (2, "_stream"), (4, "_timer"), (5, "_id"), (6, "_values")]
    assert sorted(private_names(tmp_path / "a.py")) == found


# ---- C++ ---------------------------------------------------------------------------------------------------

CPP_FILES = sorted(path for path in (ROOT / "cpp").rglob("*") if path.suffix in (".cpp", ".h", ".cu"))


@pytest.mark.parametrize("path", CPP_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_cpp_includes_only_what_lies_below(path):
    room = path.relative_to(ROOT / "cpp").parts[0]
    text = path.read_text()
    for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE):
        other = included.split("/")[0]
        assert other in CPP_FLOOR, f'"{included}": name files from cpp/, as in "base/error.h"'
        assert other == room or CPP_FLOOR[other] < CPP_FLOOR[room], f"{room} includes {included}"
    if room != "bindings":
        assert "pybind11" not in re.sub(r"//.*", "", text), "only bindings/ may know pybind11"


def test_there_is_something_to_check():
    assert len(FILES) > 10
    assert len(CPP_FILES) > 10
