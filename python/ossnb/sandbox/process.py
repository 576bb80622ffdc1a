"""The start of a command behind walls, and the question which walls this system can put up."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .walls import WALLS, Report, Walls

PROBE_S = 30.0


def launched(walls: Walls, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command behind walls (`launch`); its folder, with "run" and "given" in it, is there."""
    Path(walls.work, ".tmp").mkdir(parents=True, exist_ok=True)
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.launch", walls.to_json(), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=walls.folder,
        env={**walls.environment(), "PYTHONPATH": os.pathsep.join(paths)},
        start_new_session=True,
    )


def missing_walls(without: tuple[str, ...] = ()) -> Mapping[str, str]:
    """Return the walls that this system cannot put up, and why; `without` names what is left out.

    >>> missing_walls(("limits",))["memory"]
    'left out'
    """
    return dict(_missing_walls(without))


@functools.cache
def _missing_walls(without: tuple[str, ...]) -> Mapping[str, str]:
    folder = tempfile.mkdtemp(prefix="ossnb-")  # which the process removes
    process = launched(Walls(folder, without=without), [sys.executable, "-c", ""])
    try:
        found, _ = process.communicate(timeout=PROBE_S)
        return Report(**json.loads(found.splitlines()[0])).missing
    except (subprocess.TimeoutExpired, ValueError, IndexError, TypeError):
        process.kill()
        return dict.fromkeys(WALLS, "the process that puts up the walls does not start")
