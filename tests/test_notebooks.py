"""The notebooks run on the embedded model, show what they showed, and are kept without outputs.

What they show is in data/notebooks.json. OSSNB_WRITE_OUTPUTS=1 writes it anew; look at the difference.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OUTPUTS = Path(__file__).parent / "data" / "notebooks.json"
OF_THIS_MACHINE = {"status"}  # cells that tell of the processor and its memory
STRIP = ROOT / "tools" / "strip_notebooks.py"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Execute a notebook as a newcomer would: nothing cached, nothing set, no network."""
    kept = {}

    def execute(path):
        if path not in kept:
            environment = dict(
                os.environ,
                OSSNB_CACHE=str(tmp_path_factory.mktemp("cache")),
                HF_HUB_CACHE=str(tmp_path_factory.mktemp("hub")),
                HF_HUB_OFFLINE="1",
                IPYTHONDIR=str(tmp_path_factory.mktemp("ipython")),
                PYTHONPATH=os.pathsep.join(entry for entry in sys.path if entry),
            )
            environment.pop("OSSNB_MODEL", None)
            notebook = nbformat.read(path, as_version=4)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(
                    "JUPYTER_PREFER_ENV_PATH", "1"
                )  # this environment's kernel, not one of the user's
                NotebookClient(
                    notebook,
                    timeout=300,
                    iopub_timeout=300,  # on a busy machine a cell's last pieces come seconds after it has run
                    kernel_name="python3",
                    store_widget_state=False,  # as JupyterLab saves
                ).execute(env=environment)
            kept[path] = notebook
        return kept[path]

    return execute


def answers(notebook):
    """(text, metadata) of every answer, by cell id."""
    return {
        cell.id: (output.data["text/plain"], output.metadata["ossnb"])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "ossnb" in output.get("metadata", {})
    }


# What a run or a machine makes different: (pattern, what stands for it)
VARIABLE = [
    (r"\d+(\.\d+)?(?= (tok/s|GB/s|MB/s|s|ms)\b)", "N"),  # times and speeds
    (r"(?<=_s=)[\d.e-]+", "N"),
    (r" · \d+ of \d+ drafted tokens? kept", ""),  # drafts are made where they pay, and that is timed
    (r"(n_decode_steps|decode_bytes|n_drafted_tokens|n_accepted_tokens)=\d+", r"\1=N"),
    (r"(?<=\bseed )\d{5,}", "N"),  # one that nobody gave
    (r"(?<=threads=)\d+", "N"),
    (r"(\d\.\d{4})\d+", r"\1"),  # NumPy's last digits
]


def shown(cell):
    """The text that a cell shows; pieces of a stream are joined, however they came."""
    text = ""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            text += output.text
        else:
            text = f"{text.rstrip()}\n{output.get('data', {}).get('text/plain', '')}\n"
    for pattern, instead in VARIABLE:
        text = re.sub(pattern, instead, text)
    return text.strip("\n")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_shows_what_it_showed(executed, path):
    cells = {
        cell.id: shown(cell).splitlines()
        for cell in executed(path).cells
        if cell.cell_type == "code" and cell.id not in OF_THIS_MACHINE
    }
    stored = json.loads(OUTPUTS.read_text()) if OUTPUTS.exists() else {}
    if "OSSNB_WRITE_OUTPUTS" in os.environ:
        stored[path.stem] = cells
        OUTPUTS.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    assert cells == stored[path.stem]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(executed, path):
    notebook = executed(path)
    nbformat.validate(notebook)
    assert not any(
        output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert "widgets" not in notebook.metadata, "saved widgets are dead without a kernel"


def test_first_answer_is_saved_to_be_read_without_a_kernel(executed):
    notebook = executed(ROOT / "notebooks" / "01_first_answer.ipynb")
    found = answers(notebook)
    assert set(found) == {"ask", "effort-low", "effort-high", "story"}
    assert all(text.strip() for text, _ in found.values())
    assert {metadata["model"] for _, metadata in found.values()} == {"demo"}
    assert {metadata["finish_reason"] for _, metadata in found.values()} == {"stop"}
    assert found["story"][1]["seed"] == 3
    assert [found[name][1]["sampling"]["temperature"] for name in ("effort-low", "effort-high")] == [0, 0]
    assert [found[name][1]["effort"] for name in ("effort-low", "effort-high", "story")] == [
        "low",
        "high",
        "medium",
    ]
    cells = {cell.id: cell for cell in notebook.cells}
    assert "<details" in cells["effort-high"].outputs[0].data["text/html"]
    assert "details" not in json.dumps(found["effort-high"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path):
    done = subprocess.run([sys.executable, STRIP, "--check", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_strip_removes_what_a_run_left(tmp_path):
    path = tmp_path / "run.ipynb"
    path.write_text(NOTEBOOKS[0].read_text())
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("stream", text="output")]
    cell.execution_count = 3
    cell.metadata["collapsed"] = True
    nbformat.write(notebook, path)
    check = [sys.executable, STRIP, "--check", path]
    assert subprocess.run(check, capture_output=True).returncode == 1
    assert subprocess.run([sys.executable, STRIP, path], capture_output=True).returncode == 0
    assert subprocess.run(check, capture_output=True).returncode == 0
    assert path.read_text() == NOTEBOOKS[0].read_text()


def test_panels_are_saved_to_be_read_without_a_kernel(executed):
    notebook = executed(ROOT / "notebooks" / "03_inside_the_model.ipynb")
    cells = {cell.id: cell for cell in notebook.cells}
    for name, marks in (
        ("inspect", "<span"),
        ("experts", "<svg"),
        ("difference", "<svg"),
        ("attention", "<span"),
    ):
        pictures = [output.data for output in cells[name].outputs if "text/html" in output.get("data", {})]
        assert len(pictures) == 1
        assert marks in pictures[0]["text/html"]
        assert "<script" not in pictures[0]["text/html"]
        assert len(pictures[0]["text/plain"]) > 20


@pytest.mark.parametrize("name", ["02_sliders", "03_inside_the_model"])
def test_exported_pages_have_every_picture_and_nothing_of_the_live_views(executed, name):
    notebook = executed(ROOT / "notebooks" / f"{name}.ipynb")
    page, _ = HTMLExporter().from_notebook_node(notebook)
    pictures = [
        output.data["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if '<div class="ossnb-' in output.get("data", {}).get("text/html", "")
    ]
    assert len(pictures) == {"02_sliders": 1, "03_inside_the_model": 6}[name]
    page = BeautifulSoup(page, "html.parser")
    for picture in (BeautifulSoup(picture, "html.parser").div for picture in pictures):
        (shown,) = page.select(f".{picture['class'][0]}")
        assert shown.get_text() == picture.get_text()
        titles = [[e["title"] for e in each.select("[title]")] for each in (shown, picture)]
        assert titles[0] == titles[1]
    outputs = " ".join(e.get_text() for e in page.select(".jp-OutputArea"))
    assert "object at" not in outputs
    assert "VBox(" not in outputs


def test_sliders_settings_reach_the_cells_below(executed):
    notebook = executed(ROOT / "notebooks" / "02_sliders.ipynb")
    cells = {cell.id: cell for cell in notebook.cells}
    (written,) = [metadata for _, metadata in answers(notebook).values()]
    assert (written["seed"], written["sampling"]["temperature"]) == (7, 0.3)
    assert any("<table" in output.get("data", {}).get("text/html", "") for output in cells["panel"].outputs)
