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

from .tree import remove
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
    try:
        return dict(_missing_walls(without))
    except subprocess.TimeoutExpired:  # of a busy machine; the next call asks again
        why = f"the process that puts up the walls does not start within {PROBE_S:g} s"
    except (ValueError, IndexError, TypeError):
        why = "the process that puts up the walls does not start"
    return dict.fromkeys(WALLS, why)


@functools.cache  # of answers; what is raised is not kept
def _missing_walls(without: tuple[str, ...]) -> Mapping[str, str]:
    folder = tempfile.mkdtemp(prefix="ossnb-")
    try:
        with launched(Walls(folder, without=without), [sys.executable, "-c", ""]) as process:
            try:
                found, _ = process.communicate(timeout=PROBE_S)
            except BaseException:
                process.kill()
                raise
        return Report(**json.loads(found.splitlines()[0])).missing
    finally:
        remove(folder)
