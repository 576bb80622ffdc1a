"""Execute a notebook in this Python and print what a reader would see: `python tools/run_notebook.py FILE`.

The executed copy goes to build/; the notebook itself stays as it is.
"""

import os
import sys
import textwrap
from pathlib import Path

os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one of the user's

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 600


def cell_text(cell: nbformat.NotebookNode) -> str:
    """What the cell shows, as plain text; printed pieces are joined, displays stand on lines of their own."""
    text = ""
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            text += output.text
            continue
        if output.output_type == "error":
            shown = f"{output.ename}: {output.evalue}"
        else:
            shown = output.data.get("text/plain", "")
        text = f"{text.rstrip()}\n{shown}\n" if text.strip() else f"{shown}\n"
    return text.strip("\n")


def main(path: Path) -> int:
    print(f"-- running {path} in a kernel: some seconds, more the first time", flush=True)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=40"],  # errors; it warns of every local socket
    )
    failure = None
    try:
        client.execute()
    except CellExecutionError as error:
        failure = error
    executed = ROOT / "build" / path.name
    executed.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, executed)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            print(textwrap.indent(cell.source, "> ", lambda line: True))
            print(cell_text(cell) + "\n")
    if failure is not None:
        print(f"error: a cell of {path} failed (above)", file=sys.stderr)
        return 1
    print(f"The executed notebook: {executed.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
