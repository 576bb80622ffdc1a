"""Threads that the system does not start: the engine computes with those it gets, and says so."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from figures import Figures

from starved import CASES, run_starved

PIDS = Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")  # version 1, version 2

# A cgroup may hold so many tasks; the process has some threads of Python's and asks for many more.
IN_CGROUP = """
import os, sys, warnings
import numpy as np
import ossnb

ids = np.arange(300, 340, dtype=np.int32)
model = ossnb.load("demo", threads=1)
expected = model.logits(ids)
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    model.threads = 4 * os.cpu_count()
assert model.threads < 4 * os.cpu_count(), model.threads
assert "threads" in str(seen[0].message) and "pids.max" in str(seen[0].message), seen
assert np.array_equal(model.logits(ids), expected)
"""


def run(n: int, seed: int) -> Figures:
    """Starve `n` processes of address space, each in another way, and one of tasks."""
    rng = random.Random(f"{seed} starving")
    figures = Figures(n)
    if not sys.platform.startswith("linux"):
        figures.values["not tried"] = "a limit on the address space holds on Linux"
        return figures
    for trial in range(n):
        case, share = [*CASES][trial % len(CASES)], rng.uniform(0.8, 1.2)
        try:
            done = run_starved(case, share)
        except subprocess.TimeoutExpired:
            figures.failures.append(f"{case}, {share:.3f} of the usual room: it hangs")
            continue
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:]
            figures.failures.append(
                f"{case}, {share:.3f} of the usual room: status {done.returncode}, {last}"
            )
    figures.values["a limit on tasks"] = _in_cgroup(figures)
    return figures


def _in_cgroup(figures: Figures) -> str:
    group = next((root / f"ossnb-{os.getpid()}" for root in PIDS if (root / "cgroup.procs").exists()), None)
    if group is None:
        return "not tried: no cgroup for tasks"
    try:
        group.mkdir()
    except OSError as error:
        return f"not tried: a cgroup may not be made here ({error.strerror})"
    try:
        (group / "pids.max").write_text("6")
        done = subprocess.run(
            [sys.executable, "-c", IN_CGROUP, str(group)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not tried: {error}"
    finally:
        group.rmdir()
    if done.returncode != 0:
        figures.failures.append(f"a limit on tasks: {done.stderr.strip().splitlines()[-1:]}")
    return "tried"
