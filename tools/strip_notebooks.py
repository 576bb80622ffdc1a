"""Take the outputs out of notebooks: `python tools/strip_notebooks.py [--check] [FILE ...]`.

Outputs differ from run to run and drown what changed in a diff. With --check nothing is written; the exit
code is 1 if a file has something to strip. Without files: every notebook in notebooks/.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def stripped(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with sources and cell ids, and without anything a run left behind."""
    cells = []
    for cell in notebook["cells"]:
        kept = {key: cell[key] for key in ("cell_type", "id", "source")} | {"metadata": {}}
        if cell["cell_type"] == "code":
            kept |= {"execution_count": None, "outputs": []}
        cells.append(dict(sorted(kept.items())))
    return {"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}


def as_text(notebook: dict[str, Any]) -> str:
    """Write a notebook as nbformat does, so that front ends that save it change nothing else."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    named = [Path(argument) for argument in arguments if argument != "--check"]
    unclean = 0
    for path in named or sorted((ROOT / "notebooks").glob("*.ipynb")):
        before = path.read_text(encoding="utf-8")
        after = as_text(stripped(json.loads(before)))
        if before != after:
            unclean += 1
            print(f"{path}: " + ("has outputs; run tools/strip_notebooks.py" if check else "stripped"))
            if not check:
                path.write_text(after, encoding="utf-8")
    return int(check and unclean > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
