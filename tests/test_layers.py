"""Nobody imports upward: the map of docs/ARCHITECTURE.md, read off the import and #include lines.

A room is a folder, or a file at the package's root; a line below is a floor. Types are imports too.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "python" / "ossnb"

FLOORS = [  # from the ground up; a room may import what stands on a floor below its own
    "errors version",
    "system",
    "harmony checkpoint",
    "engine testing",
    "generation",
    "page chat",
    "views",
    "model",
    "loader",
    "default",
    "notebook command",
    "__init__",
    "__main__",
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}
USES_CORE = {"checkpoint", "engine", "generation", "model", "loader", "command"}

CPP_FLOORS = ["base", "format", "kernels data", "choice", "ops", "model", "bindings"]
CPP_FLOOR = {room: floor for floor, rooms in enumerate(CPP_FLOORS) for room in rooms.split()}


def module_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


def imports(path: Path) -> set[tuple[str, ...]]:
    """Modules of the package that a file imports, at its top, in functions or for types, as their parts."""
    package = module_of(path)[:-1]
    found: set[tuple[str, ...]] = set()

    def add(parts: tuple[str, ...], names: list[str]) -> None:
        """`from parts import names`: a name may be a module, and else stands in one."""
        for name in names:
            whole = (*parts, name)
            is_module = (PACKAGE.joinpath(*whole)).is_dir() or PACKAGE.joinpath(*whole).with_suffix(
                ".py"
            ).exists()
            found.add(whole if is_module or name == "_core" else parts or ("__init__",))

    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            base = package[: len(package) - node.level + 1]
            add(
                (*base, *(node.module or "").split(".")) if node.module else base,
                [a.name for a in node.names],
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ossnb":
            add(tuple((node.module or "").split(".")[1:]), [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            found.update(tuple(parts[1:]) or ("__init__",) for parts in names if parts[0] == "ossnb")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            named = node.args[0]
            if isinstance(named, ast.Constant) and str(named.value).lstrip(".") and node.args[1:]:
                found.add(tuple(str(named.value).lstrip(".").split(".")))
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_python_imports_only_what_lies_below(path):
    room = module_of(path)[0]
    assert room in FLOOR, f"{room} has no place in FLOORS: give it one, here and in docs/ARCHITECTURE.md"
    for parts in imports(path):
        other = parts[0]
        if other == "_core":
            assert room in USES_CORE, f"{room} must not import _core"
        elif other != room:
            assert other in FLOOR, f"{room} imports {other}, which has no place in FLOORS"
            assert FLOOR[other] < FLOOR[room], f"{room} imports {'.'.join(parts)}, which is not below it"


@pytest.mark.parametrize(
    "room", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())
)
def test_within_a_room_no_circle(room):
    files = {module_of(path): imports(path) for path in FILES if module_of(path)[0] == room}
    inside = {
        name: {other for other in seen if other in files and other != name} for name, seen in files.items()
    }
    while inside:
        free = [name for name, needs in inside.items() if not needs & inside.keys()]
        assert free, f"a circle among {sorted('.'.join(name) for name in inside)}"
        for name in free:
            del inside[name]


def test_the_reader_of_imports_sees_them(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    for name in ("a", "b", "c", "d", "e", "g", "h", "room/__init__", "room/m", "room/n"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).with_suffix(".py").write_text("")
    (tmp_path / "a.py").write_text(
        "from . import b, c\nfrom .d import x\nimport os\nfrom . import __version__\n"
        "if TYPE_CHECKING:\n    from .e import y\n"
        "def f():\n    from ossnb.g import z\n    import_module('.h', __name__)\n"
    )
    (tmp_path / "room" / "m.py").write_text(
        "from ..a import f\nfrom .n import x\nfrom .. import c\nimport ossnb\n"
    )

    assert imports(tmp_path / "a.py") == {("b",), ("c",), ("d",), ("e",), ("g",), ("h",), ("__init__",)}
    assert imports(tmp_path / "room" / "m.py") == {("a",), ("c",), ("room", "n"), ("__init__",)}


CPP_FILES = sorted(path for path in (ROOT / "cpp").rglob("*") if path.suffix in (".cpp", ".h"))


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
